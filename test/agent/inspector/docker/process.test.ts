import t from 'tap';
import type { Test } from 'tap';
import { readDockerProcesses } from '../../../../agent/inspector/docker/process.ts';
import { createRecall } from '../../../../agent/inspector/recall.ts';
import { recordedText } from '../../../fixture/inspector/read.ts';
import { statusWith, treeHost } from '../../../fixture/inspector/tree.ts';
import type { Tree } from '../../../fixture/inspector/tree.ts';

const ENDPOINT = 'unix:///run/docker.sock';
/** Of the listening `/var/run/docker.sock` in the recorded table. */
const INODE = 5435;

interface Made {
  readonly comm?: string;
  readonly cmdline?: string;
  readonly cgroup?: string;
  readonly status?: Readonly<Record<string, string>>;
  readonly sockets?: readonly number[];
}

function process(pid: number, made: Made): Tree {
  const { comm = 'dockerd', cmdline = 'dockerd\0', cgroup = '0::/system.slice/docker.service\n' } = made;
  const at = `/proc/${String(pid)}`;
  return {
    [`${at}/comm`]: `${comm}\n`,
    [`${at}/status`]: statusWith({ Name: comm, NSpid: String(pid), PPid: '1', ...made.status }),
    [`${at}/cgroup`]: cgroup,
    [`${at}/cmdline`]: cmdline,
    [`${at}/environ`]: 'PATH=/bin\0DOCKER_TLS_VERIFY=1\0SECRET=x\0',
    [`${at}/stat`]: `${String(pid)} (${comm}) S 1 2 3 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 11 0 9127 1 2`,
    [`${at}/net/unix`]: recordedText('net/unix'),
    ...(made.sockets === undefined
      ? {}
      : Object.fromEntries(
          made.sockets.map((inode, fd) => [`${at}/fd/${String(fd)}`, `-> socket:[${String(inode)}]`]),
        )),
  };
}

const NODE: Tree = {
  '/proc/1/comm': 'systemd\n',
  '/proc/1/cgroup': '0::/init.scope\n',
  '/proc/stat': 'cpu 1\nbtime 1795602913\n',
  '/run/docker.sock': '',
  '/var/run': '-> /run',
};

const read = (t: Test, tree: Tree): ReturnType<typeof readDockerProcesses> =>
  readDockerProcesses({ host: treeHost(t, { ...NODE, ...tree }), recall: createRecall() }, ENDPOINT);

t.test('the dockerd that holds the socket, whatever the path is called', async (t) => {
  const { daemon, proxies } = await read(t, {
    ...process(700, { sockets: [1, 2] }),
    ...process(812, { cmdline: 'dockerd\0-H\0unix:///var/run/docker.sock\0', sockets: [7, INODE] }),
    ...process(900, { comm: 'docker-proxy', status: { PPid: '812' } }),
    ...process(901, { comm: 'docker-proxy', status: { PPid: '700' } }),
  });
  t.match(daemon, {
    state: 'seen',
    value: {
      pid: 812,
      uid: 0,
      // 1795602913 s of btime and 91.27 s after boot.
      startedAtMs: 1795603004270,
      flags: { host: ['unix:///var/run/docker.sock'] },
      environment: { DOCKER_TLS_VERIFY: '1' },
    },
  });
  t.same(daemon.state === 'seen' && daemon.value.environment, { DOCKER_TLS_VERIFY: '1' }, 'no other variable');
  t.match(proxies, { state: 'seen', value: 1 });
});

t.test('descriptors that cannot be read: the only one is it', async (t) => {
  t.match((await read(t, process(812, {}))).daemon, { state: 'seen', value: { pid: 812 } });
  const two = await read(t, { ...process(812, {}), ...process(813, {}) });
  t.match(two.daemon, { state: 'unreadable', reason: /812, 813/ });
});

t.test('one that does not hold the socket is not it', async (t) => {
  t.match((await read(t, process(812, { sockets: [1] }))).daemon, { state: 'unreadable' });
});

t.test('a dockerd in a container is none of the node', async (t) => {
  const inside = await read(t, process(812, { status: { NSpid: '812\t7' }, sockets: [INODE] }));
  t.match(inside.daemon, { state: 'absent' });
  const shared = await read(t, process(812, { cgroup: `0::/docker/${'ab'.repeat(32)}\n`, sockets: [INODE] }));
  t.match(shared.daemon, { state: 'absent' }, 'nor with --pid=host');
  const nested = treeHost(t, {
    ...NODE,
    ...process(812, { cgroup: `0::/docker/${'ab'.repeat(32)}/system.slice\n`, sockets: [INODE] }),
    '/proc/1/cgroup': `0::/docker/${'ab'.repeat(32)}/init.scope\n`,
  });
  t.match(
    (await readDockerProcesses({ host: nested, recall: createRecall() }, ENDPOINT)).daemon,
    { state: 'seen' },
    'but a node may be a container',
  );
});

t.test('cri-dockerd and a name that only begins alike are not it', async (t) => {
  t.match((await read(t, process(812, { comm: 'cri-dockerd' }))).daemon, { state: 'absent' });
});

t.test('processes of others are hidden', async (t) => {
  const host = treeHost(t, process(812, {}));
  t.match((await readDockerProcesses({ host, recall: createRecall() }, ENDPOINT)).daemon, {
    state: 'unreadable',
    reason: /hidepid/,
  });
});
