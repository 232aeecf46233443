import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import t from 'tap';
import { createLinuxHost } from '../../../agent/host/linux.ts';
import { createRecordingBuffer } from '../../../agent/record/recording-buffer.ts';
import { createRecorder } from '../../../agent/record/recorder.ts';
import { openRecorded } from '../../../agent/record/recording.ts';
import { nodeOf } from './node-of.ts';
import { SECRET_PLACES } from './secret-places.ts';
import { temporaryDirectory } from './temporary-directory.ts';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';
import type { NodeAccess } from '../../../agent/node-access.ts';

const SECRET = 'Xq7vT2mN9kLpR4sW';

/** An engine that answers every path of the API with the given values, and 404 to all else. */
async function engine(t: Test, answers: Readonly<Record<string, unknown>>): Promise<string> {
  const path = join(temporaryDirectory(t), 'engine.sock');
  const server = createServer((request, response) => {
    const answer = answers[request.url ?? ''];
    response.writeHead(answer === undefined ? 404 : 200, { connection: 'close' });
    response.end(JSON.stringify(answer ?? { message: `no ${String(request.url)} password=${SECRET}` }));
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.teardown(() => new Promise((resolve) => server.close(resolve)));
  return `unix://${path}`;
}

async function open(directory: string): Promise<NodeAccess> {
  const opened = await openRecorded(directory);
  if (!opened.ok) throw new Error(opened.problem);
  return opened.access;
}

function everyFile(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

void t.test('a recorded node answers as the live one did, and nothing else', async (t) => {
  const root = t.testdir({
    etc: { 'os-release': 'NAME=Test\n', shadow: 'root:*:1::::::\n', closed: 'x' },
    bin: { tool: Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0xff, 0x00]) },
  });
  const endpoint = await engine(t, {
    '/info': { Name: 'n', SecurityOptions: ['name=seccomp,profile=builtin'] },
    '/containers/json': [{ Id: 'c1' }],
    '/containers/c1/json': {
      Id: 'c1',
      State: { Running: true, Pid: 7 },
      Config: {},
      HostConfig: { Privileged: true, Memory: 2 ** 53 - 1 },
    },
    '/version': { Version: '1' },
    '/images/sha256%3Aaa/json': { Id: 'sha256:aa' },
    '/images/sha256%3Aaa/history': [{ CreatedBy: 'RUN x' }],
  });
  const server = createServer((_request, response) => response.end('OK'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;

  const ask = async ({ host, runtime, prober, inventory, now }: NodeAccess): Promise<unknown> => [
    await host.readFile('/etc/os-release'),
    await host.readFile('/bin/tool'),
    await host.readFile('/etc/none'),
    await host.readFile('/etc'),
    await host.readFile('/etc/os-release', { maxBytes: 3 }),
    await host.list('/etc'),
    await host.list('/etc', { maxEntries: 1 }),
    await host.stat('/etc/os-release'),
    await host.stat('/etc/shadow'),
    await host.readLink('/etc/os-release'),
    await runtime.engine(),
    await runtime.version(),
    await runtime.listContainers(),
    await runtime.inspectContainer('c1'),
    await runtime.inspectContainer('../c1'),
    await runtime.inspectImage('sha256:aa'),
    await runtime.inspectImage('sha256:bb'),
    await prober.probe('127.0.0.1', port),
    await prober.probe('192.0.2.1', port),
    await inventory(),
    now(),
    runtime.endpoint,
    runtime.name,
  ];
  const directory = join(temporaryDirectory(t), 'recording');
  const recorder = createRecorder(nodeOf(createLinuxHost({ root }), endpoint));
  const live = await ask(recorder.access);
  t.match(await recorder.access.host.readFile('/etc/shadow'), { ok: true }, 'those who judge the live node see all');
  const saved = await recorder.save(directory);
  t.match(saved, { ok: true, dropped: 0 });

  const recorded = await open(directory);
  const results = JSON.stringify(await ask(recorded));
  // What the engine says in an error is text of its own: a secret in it is gone.
  t.strictSame(JSON.parse(results), JSON.parse(JSON.stringify(live).replaceAll(SECRET, '[redacted]')));

  t.match(await recorded.host.readFile('/etc/shadow'), { ok: false, code: 'notRecorded' });
  t.match(await recorded.host.readFile('/etc/closed'), { ok: false, code: 'notRecorded' });
  t.match(await recorded.host.stat('/nobody/asked'), { ok: false, code: 'notRecorded' });
  t.match(await recorded.runtime.inspectContainer('c2'), { ok: false, code: 'notRecorded' });
  t.match(await recorded.prober.probe('127.0.0.1', 1), { ok: false, reason: /not probed/ });
  recorded.host.watch(['/etc/os-release'], () => t.fail('nothing changes'))();
  const reason = await new Promise((resolve) => {
    recorded.runtime.events(() => t.fail('no events'), resolve, new AbortController().signal);
  });
  t.match(reason, /no events/);
});

void t.test('the directory: for a person to read, for nobody else', async (t) => {
  const root = t.testdir({ etc: { 'os-release': 'NAME=Test\n', '%41\u001b[31m': 'loud\n' } });
  const directory = join(temporaryDirectory(t), 'recording');
  const recorder = createRecorder(nodeOf(createLinuxHost({ root })));
  await recorder.access.host.readFile('/etc/os-release');
  await recorder.access.host.readFile('/etc/%41\u001b[31m');
  await recorder.access.host.readFile('/etc//os-release');
  await recorder.access.host.stat('/etc/none');
  await recorder.save(directory);

  t.equal(readFileSync(join(directory, 'host/etc/os-release'), 'utf8'), 'NAME=Test\n');
  t.ok(existsSync(join(directory, 'host/etc/%2541%1B%5B31m')), 'no sign of a name means anything');
  const manifest = JSON.parse(readFileSync(join(directory, 'manifest.json'), 'utf8')) as unknown;
  t.match(manifest, {
    format: 2,
    recordedAt: '2026-',
    agentVersion: '1.2.3',
    results: 4,
    node: { operatingSystem: 'Test' },
  });
  const lines = readFileSync(join(directory, 'results.ndjson'), 'utf8').trim().split('\n');
  t.ok(lines.includes('{"op":"readFile","target":"/etc/os-release","file":"host/etc/os-release","bytes":10}'));
  for (const path of everyFile(directory)) t.equal(statSync(path).mode & 0o777, 0o600, path.slice(directory.length));
  for (const path of ['', 'host', 'host/etc']) t.equal(statSync(join(directory, path)).mode & 0o777, 0o700, path);
  const reread = await open(directory);
  t.match(await reread.host.readFile('/etc/%41\u001b[31m'), { ok: true, value: Buffer.from('loud\n') });
  t.match(await reread.host.readFile('/etc//os-release'), { ok: true, value: Buffer.from('NAME=Test\n') });
});

void t.test('where it is written', async (t) => {
  const base = temporaryDirectory(t);
  const recorder = createRecorder(nodeOf(createLinuxHost({ root: t.testdir({}) })));
  mkdirSync(join(base, 'full'));
  writeFileSync(join(base, 'full/mine'), 'precious');
  t.match(await recorder.save(join(base, 'full')), { ok: false, problem: /not empty/ });
  t.strictSame(readdirSync(join(base, 'full')), ['mine']);
  t.match(await recorder.save(join(base, 'full/mine')), { ok: false, problem: /not a directory/ });
  t.match(await recorder.save(join(base, 'none/below')), { ok: false, problem: /ENOENT/ });
  mkdirSync(join(base, 'empty'));
  chmodSync(join(base, 'empty'), 0o755);
  t.match(await recorder.save(join(base, 'empty')), { ok: true });
  t.equal(statSync(join(base, 'empty')).mode & 0o777, 0o700);

  mkdirSync(join(base, 'target'));
  symlinkSync(join(base, 'target'), join(base, 'link'));
  t.match(await recorder.save(join(base, 'link')), { ok: false, problem: /not a directory/ });
  t.strictSame(readdirSync(join(base, 'target')), [], 'nothing is written through a link');
  if (process.geteuid?.() === 0) {
    mkdirSync(join(base, 'foreign'));
    chownSync(join(base, 'foreign'), 1234, 1234);
    t.match(await recorder.save(join(base, 'foreign')), { ok: false, problem: /belongs to another user \(uid 1234\)/ });
    t.strictSame(readdirSync(join(base, 'foreign')), []);
  }
  t.match(await recorder.save(join(base, 'empty')), { ok: false, problem: /not empty/ }, 'also a recording of our own');
});

void t.test('no planted secret stands anywhere in the recording', async (t) => {
  const texts = SECRET_PLACES.map(({ plant }) => plant(SECRET));
  const root = t.testdir({
    etc: {
      shadow: `root:${SECRET}:1:\n`,
      passwd: `old:${SECRET}:0:0::/:/bin/sh\n`,
      'app.conf': texts.join('\n'),
      'bytes.bin': Buffer.concat([Buffer.of(0xff, 0x0a), Buffer.from(texts.join('\n'))]),
      docker: {
        'daemon.json': JSON.stringify({
          proxies: { 'http-proxy': `http://me:${SECRET}@proxy` },
          'log-opts': { 'splunk-token': SECRET },
        }),
        'key.pem': SECRET,
      },
      ssh: { ssh_host_ed25519_key: SECRET, sshd_config: `PasswordAuthentication no\nSetEnv TOKEN=${SECRET}\n` },
      default: { docker: `export HTTP_PROXY="http://me:${SECRET}@proxy/"\n` },
    },
    proc: {
      cmdline: `ro luks.key=${SECRET} ${SECRET} lockdown=integrity -- ${SECRET}\n`,
      '7': {
        environ: `A=${SECRET}\0DOCKER_CONFIG=/x\0${SECRET}\0`,
        cmdline: ['app', ...texts, '--token', `${SECRET} ${SECRET}`, ''].join('\0'),
        comm: 'app\n',
      },
    },
  });
  const endpoint = await engine(t, {
    '/info': { HttpProxy: `http://me:${SECRET}@proxy`, Labels: [`api_key=${SECRET}`] },
    '/containers/json': [{ Id: 'c', Command: `app --password ${SECRET}`, Labels: { 'x.token': SECRET } }],
    '/containers/c/json': {
      Id: 'c',
      Mounts: texts.map((Source) => ({ Source })),
      Args: ['--secret', SECRET, ...texts],
      Config: { Env: [`HARMLESS=${SECRET}`, `B=${SECRET}=${SECRET}`], Cmd: texts, Labels: { password: SECRET } },
      HostConfig: { CgroupParent: texts.join(' '), LogConfig: { Config: { 'splunk-token': SECRET } } },
      State: { Running: true, Pid: 7, Health: { Log: [{ Output: texts.join('\n') }] } },
    },
    '/images/i/json': { Id: 'i', Config: { Env: [`A=${SECRET}`], Healthcheck: { Test: ['CMD', ...texts] } } },
    '/images/i/history': texts.map((text) => ({ CreatedBy: text, Comment: text })),
    '/networks/bridge': { Options: { secret: SECRET } },
    '/version': { Version: '1' },
  });
  const recorder = createRecorder(nodeOf(createLinuxHost({ root }), endpoint));
  const { host, runtime } = recorder.access;
  const paths = everyFile(root).map((path) => path.slice(root.length));
  for (const path of paths) {
    t.ok((await host.readFile(path)).ok, path);
    await host.stat(path);
  }
  await Promise.all([runtime.engine(), runtime.version(), runtime.listContainers()]);
  for (const reply of await Promise.all([runtime.inspectContainer('c'), runtime.inspectImage('i')]))
    t.match(reply, { ok: true });
  const directory = join(temporaryDirectory(t), 'recording');
  t.match(await recorder.save(directory), { ok: true });

  const written = everyFile(directory);
  t.ok(written.length > 15);
  for (const path of written) {
    t.notOk(readFileSync(path, 'latin1').includes(SECRET), path.slice(directory.length));
    t.notOk(path.includes(SECRET));
  }
  const recorded = await open(directory);
  t.match(await recorded.host.readFile('/proc/cmdline'), { value: Buffer.from('lockdown=integrity\n') });
  t.match(await recorded.host.stat('/etc/shadow'), { ok: true });
  const config = await recorded.host.readFile('/etc/ssh/sshd_config');
  t.ok(config.ok && config.value.toString().startsWith('PasswordAuthentication no\n'), 'settings stay');
});

void t.test('a recording from a stranger', async (t) => {
  const make = async (t: Test): Promise<string> => {
    const directory = join(temporaryDirectory(t), 'recording');
    const root = t.testdir({ etc: { 'os-release': 'NAME=Test\n' } });
    const recorder = createRecorder(nodeOf(createLinuxHost({ root })));
    await recorder.access.host.readFile('/etc/os-release');
    await recorder.access.runtime.engine();
    await recorder.save(directory);
    return directory;
  };
  const withAnswer = async (t: Test, answer: object): Promise<string> => {
    const directory = await make(t);
    writeFileSync(join(directory, 'results.ndjson'), `${JSON.stringify(answer)}\n`);
    return directory;
  };

  await t.test('leads nowhere outside', async (t) => {
    for (const file of [
      '../../../../../../etc/passwd',
      '/etc/passwd',
      'host/../../../etc/passwd',
      'x\0y',
      '',
      'host',
    ]) {
      const answer = { op: 'readFile', target: '/x', file, bytes: 1 };
      await t.test(JSON.stringify(file), async (t) => {
        const access = await open(await withAnswer(t, answer));
        t.match(await access.host.readFile('/x'), { ok: false, code: 'failed', reason: /damaged/ });
      });
    }
    await t.test('through a link', async (t) => {
      const directory = await make(t);
      const access = await open(directory);
      rmSync(join(directory, 'host/etc/os-release'));
      symlinkSync('/etc/passwd', join(directory, 'host/etc/os-release'));
      t.match(await openRecorded(directory), {
        ok: false,
        problem: /host\/etc\/os-release: a symbolic link; a recording holds regular files and directories only/,
      });
      t.match(await access.host.readFile('/etc/os-release'), { ok: false, code: 'failed', reason: /damaged/ });
      renameSync(join(directory, 'host'), join(directory, 'gone'));
      symlinkSync(join(directory, 'gone'), join(directory, 'host'));
      t.match(await access.host.readFile('/etc/os-release'), { ok: false, code: 'failed', reason: /damaged/ });
    });
    await t.test('to the processes of its reader', async (t) => {
      const directory = await withAnswer(t, { op: 'readFile', target: '/x', file: 'proc/self/environ', bytes: 1 });
      for (const name of ['proc', 'host/proc', 'self']) {
        symlinkSync(name === 'self' ? '/proc/self/environ' : '/proc', join(directory, name));
        t.match(await openRecorded(directory), { ok: false, problem: new RegExp(`${name}: a symbolic link`) });
        rmSync(join(directory, name));
      }
      t.match(await openRecorded(directory), { ok: true });
    });
    await t.test('and holds nothing but files', async (t) => {
      const directory = await make(t);
      execFileSync('mkfifo', [join(directory, 'host/etc/pipe')]);
      t.match(await openRecorded(directory), { ok: false, problem: /host\/etc\/pipe: a fifo;/ });
    });
  });

  await t.test('is checked line by line', async (t) => {
    const bad: readonly (readonly [object | string, RegExp])[] = [
      ['{', /line 1: value: expected an object/],
      ['7', /line 1/],
      [{ op: 'rm', target: '/' }, /\.op/],
      [{ op: 'stat', target: '/', stat: { kind: 'file' } }, /\.stat/],
      [{ op: 'list', target: '/', names: [1] }, /\.names/],
      [{ op: 'stat', target: '/', code: 'gone' }, /\.code/],
      [{ op: 'stat', target: 'x'.repeat(10_000) }, /\.target/],
    ];
    for (const [answer, problem] of bad) {
      await t.test(String(problem), async (t) => {
        const directory = await withAnswer(t, {});
        const line = typeof answer === 'string' ? answer : JSON.stringify(answer);
        writeFileSync(join(directory, 'results.ndjson'), `${line}\n`);
        t.match(await openRecorded(directory), { ok: false, problem });
      });
    }
    await t.test('an answer without its field', async (t) => {
      const access = await open(await withAnswer(t, { op: 'stat', target: '/' }));
      t.match(await access.host.stat('/'), { ok: false, code: 'failed', reason: /damaged/ });
    });
  });

  await t.test('that is none, or of another time', async (t) => {
    t.match(await openRecorded('/none/such'), { ok: false, problem: /ENOENT/ });
    t.match(await openRecorded('/etc/passwd'), { ok: false, problem: /./ });
    t.match(await openRecorded(temporaryDirectory(t)), { ok: false, problem: /manifest\.json: not a recording/ });
    const directory = await make(t);
    const manifest = readFileSync(join(directory, 'manifest.json'), 'utf8');
    for (const [text, problem] of [
      [manifest.replace('"format": 2', '"format": 3'), /format 3 is not known/],
      ['{"format": 1, "recordedAtMs": 0}', /format 1 is not known.*reads format 2/],
      [manifest.replace('"cpus"', '"spus"'), /\.node\.cpus/],
      [manifest.slice(0, 50), /expected an object/],
      ['x'.repeat(2_000_000), /1048576/],
    ] as const) {
      writeFileSync(join(directory, 'manifest.json'), text);
      t.match(await openRecorded(directory), { ok: false, problem });
    }
    writeFileSync(join(directory, 'manifest.json'), manifest);
    rmSync(join(directory, 'results.ndjson'));
    t.match(await openRecorded(directory), { ok: false, problem: /results\.ndjson/ });
  });
});

void t.test('bounds', (t) => {
  const buffer = createRecordingBuffer({ maxResults: 2, maxContentBytes: 10 });
  buffer.add({ op: 'readFile', target: '/a' }, Buffer.alloc(6));
  buffer.add({ op: 'readFile', target: '/b' }, Buffer.alloc(6));
  t.equal(buffer.dropped(), 1, 'too many bytes');
  buffer.add({ op: 'readFile', target: '/a' }, Buffer.alloc(10));
  buffer.add({ op: 'stat', target: '/a' });
  buffer.add({ op: 'stat', target: '/b' });
  t.equal(buffer.dropped(), 2, 'too many answers');
  buffer.add({ op: 'readFile', target: '/a', code: 'tooLarge', reason: '' });
  t.equal([...buffer.all()][0]?.result.code, null, 'what was seen stays');
  t.equal([...buffer.all()].length, 2);
  t.end();
});
