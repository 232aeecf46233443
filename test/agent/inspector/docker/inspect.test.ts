import t from 'tap';
import type { Test } from 'tap';
import { createParseCache } from '../../../../agent/inspector/parse-cache.ts';
import { createFailedLooks } from '../../../../agent/inspector/unobserved/failed-looks.ts';
import { dockerInspector } from '../../../../agent/inspector/docker/inspect.ts';
import { dockerSchema } from '../../../../posture/fact/docker.ts';
import type { DockerFact } from '../../../../posture/fact/docker.ts';
import { noAgent, nodeFact } from '../../../fixture/facts.ts';
import { serveDocker } from '../../../fixture/inspector/docker-api.ts';
import type { Answers } from '../../../fixture/inspector/docker-api.ts';
import { DOCKER_SOCKET_INODE, NODE_TREE, processTree } from '../../../fixture/inspector/daemon.ts';
import { recordedJson } from '../../../fixture/inspector/read.ts';
import { treeHost } from '../../../fixture/inspector/tree.ts';
import type { Tree } from '../../../fixture/inspector/tree.ts';
import { NO_PROBER, ONE_ENGINE } from '../../../fixture/one-engine.ts';

const ANSWERS: Answers = {
  '/info': recordedJson('docker/info.json'),
  '/version': recordedJson('docker/version.json'),
};

/** A dockerd that holds the socket at the usual place. */
const dockerd = (cmdline: string): Tree => ({
  '/run/docker.sock': '',
  ...processTree(812, { cmdline, sockets: [DOCKER_SOCKET_INODE] }),
});

/** `silent`: nobody listens at the endpoint. */
async function dockerOf(t: Test, tree: Tree, answers: Answers, silent = false): Promise<DockerFact> {
  const host = treeHost(t, { ...NODE_TREE, ...tree });
  const runtime = await serveDocker(t, answers);
  const refused = { ok: false, code: 'absent', reason: 'nobody listens (ECONNREFUSED)', source: 'GET /info' } as const;
  const fact = await dockerInspector.inspect(
    {
      host,
      runtime: {
        ...runtime,
        endpoint: 'unix:///run/docker.sock',
        ...(silent ? { engine: () => Promise.resolve(refused) } : {}),
      },
      prober: NO_PROBER,
      inventory: () => Promise.resolve(nodeFact()),
      agent: noAgent,
      engines: ONE_ENGINE,
      cache: createParseCache(),
      failedLooks: createFailedLooks(),
      now: () => 0,
    },
    {},
  );
  t.ok(dockerSchema.parse(fact).ok);
  return fact;
}

t.test('absent, unreachable and present are three things', async (t) => {
  const nothing = await dockerOf(t, {}, {}, true);
  t.match(nothing, { present: { state: 'absent' }, api: { state: 'absent' }, process: { state: 'absent' } });
  const stale = await dockerOf(t, { '/run/docker.sock': '' }, {}, true);
  t.match(stale.present, { state: 'unreadable', reason: /nobody listens/ });
  const mute = await dockerOf(t, dockerd('dockerd\0'), {}, true);
  t.match(mute.present, { state: 'unreadable', reason: /dockerd runs \(pid 812\)/ });
  t.match(await dockerOf(t, {}, { ...ANSWERS, '/info': 500 }), { present: { state: 'unreadable' } });
  const answers = await dockerOf(t, dockerd('dockerd\0--icc=false\0'), ANSWERS);
  t.match(answers, {
    present: { state: 'seen', value: true },
    api: { value: { version: '26.1.5+dfsg1', apiVersion: '1.45' } },
    process: { value: { pid: 812, flags: { icc: ['false'] } } },
    bridgeInterContainer: { state: 'absent' },
    userlandProxies: { value: 0 },
  });
});

t.test('a daemon that answers and whose process is hidden', async (t) => {
  const fact = await dockerOf(t, {}, ANSWERS);
  t.match(fact, {
    process: { state: 'unreadable', reason: /not visible here/ },
    userlandProxies: { state: 'unreadable' },
  });
});

t.test('an answer that is none', async (t) => {
  const fact = await dockerOf(t, {}, { ...ANSWERS, '/info': ['no'], '/version': 'no', '/networks/bridge': [7] });
  t.match(fact, { present: { state: 'seen' }, api: { state: 'unreadable', reason: /not understood/ } });
});

t.test('daemon.json: where it is, and what is wrong with it', async (t) => {
  const file = async (tree: Tree, cmdline = 'dockerd\0'): Promise<DockerFact['file']> =>
    (await dockerOf(t, { ...dockerd(cmdline), ...tree }, ANSWERS)).file;
  t.match(await file({}), { state: 'absent', source: '/etc/docker/daemon.json' });
  t.match(await file({ '/etc/docker/daemon.json': '{"icc": false}' }), {
    state: 'seen',
    value: { keys: { icc: false } },
  });
  t.match(await file({ '/srv/d.json': '{}' }, 'dockerd\0--config-file\0/srv/d.json\0'), {
    value: { path: '/srv/d.json' },
  });
  t.match(await file({}, 'dockerd\0--config-file\0d.json\0'), { state: 'unreadable', reason: /relative/ });

  const wrong = (content: string | Uint8Array): Promise<DockerFact['file']> =>
    file({ '/etc/docker/daemon.json': content });
  t.match(await wrong('{"icc": fals}'), { state: 'unreadable', reason: /not JSON: unexpected character/ });
  t.match(await wrong(Uint8Array.of(0x7b, 0xff, 0x7d)), { state: 'unreadable', reason: /UTF-8/ });
  t.match(await wrong(`{"x": "${'y'.repeat(300 * 1024)}"}`), { state: 'unreadable', reason: /more than/ });
  t.match(await file({ '/etc/docker/daemon.json/x': '' }), { state: 'unreadable' });
});

t.test('the profile file of the daemon', async (t) => {
  const path = '/etc/docker/s.json';
  const info = recordedJson('docker/info.json') as Readonly<Record<string, unknown>>;
  const profileOf = async (tree: Tree, profile = path): Promise<DockerFact> => {
    const answers = { ...ANSWERS, '/info': { ...info, SecurityOptions: [`name=seccomp,profile=${profile}`] } };
    return dockerOf(t, { ...dockerd('dockerd\0'), ...tree }, answers);
  };
  const open = await profileOf({ [path]: '{"defaultAction": "SCMP_ACT_ALLOW"}' });
  t.match(open.seccompFile, { source: path, value: { summary: { defaultAction: 'SCMP_ACT_ALLOW', withheld: 0 } } });
  t.ok(dockerInspector.watches({ docker: open } as never).includes(path), 'it is watched');
  const strict = await profileOf({ [path]: '{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": []}' });
  t.match(strict.seccompFile, { value: { summary: { allowed: [] } } });

  t.match((await profileOf({}, 'builtin')).seccompFile, { state: 'absent', source: 'GET /info SecurityOptions' });
  t.match((await profileOf({})).seccompFile, { state: 'absent', source: path });
  t.match((await profileOf({}, 's.json')).seccompFile, { state: 'unreadable', reason: /relative/ });
  for (const text of ['', '{}', '[]', 'null', '{"defaultAction": 7}', '{"syscalls": []}'])
    t.match((await profileOf({ [path]: text })).seccompFile, { state: 'unreadable', reason: /not a seccomp/ }, text);
  const large = `{"defaultAction": "SCMP_ACT_ALLOW", "x": "${'y'.repeat(1024 * 1024)}"}`;
  t.match((await profileOf({ [path]: large })).seccompFile, { state: 'unreadable', reason: /more than/ });
  const elsewhere = await profileOf({ '/tmp/s.json': '{"defaultAction": "SCMP_ACT_ERRNO"}', [path]: '-> /proc/1/x' });
  t.match(elsewhere.seccompFile, { state: 'unreadable', reason: /\/proc/ });
});

t.test('what is watched', async (t) => {
  const fact = await dockerOf(t, {}, {}, true);
  t.same(dockerInspector.watches({ docker: fact } as never), ['/etc/docker/daemon.json', '/run/docker.sock']);
});

t.test('the package of dockerd is looked for where a plugin is active or fixes are missing', async (t) => {
  const info = { ...(ANSWERS['/info'] as object), Plugins: { Authorization: ['plimsoll'] } };
  const dpkg: Tree = {
    '/var/lib/dpkg/status': 'Package: docker.io\nStatus: install ok installed\nVersion: 26.1.5+dfsg1-9+deb13u1\n',
    '/var/lib/dpkg/info/docker.io.list': '/.\n/usr/sbin/dockerd\n',
  };
  const answers = { ...ANSWERS, '/info': info };
  const program = (await dockerOf(t, dockerd('dockerd\0'), ANSWERS)).process;
  t.match(program, { value: { executable: '/usr/sbin/dockerd' } });
  t.match((await dockerOf(t, { ...dockerd('dockerd\0'), ...dpkg }, answers)).package, {
    value: { name: 'docker.io', version: '26.1.5+dfsg1-9+deb13u1' },
  });
  const current = { ...ANSWERS, '/info': { ...(ANSWERS['/info'] as object), ServerVersion: '29.5.1' } };
  t.match((await dockerOf(t, { ...dockerd('dockerd\0'), ...dpkg }, current)).package, { state: 'absent' });
  t.match((await dockerOf(t, dockerd('dockerd\0'), answers)).package, { state: 'absent' });
  const rpm: Tree = { '/var/lib/rpm/rpmdb.sqlite': '' };
  t.match((await dockerOf(t, { ...dockerd('dockerd\0'), ...rpm }, answers)).package, { state: 'unreadable' });
  t.match((await dockerOf(t, {}, answers)).package, { state: 'unreadable' }, 'the process is hidden');
});
