import { spawn } from 'node:child_process';
import { chownSync, mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { createLinuxHost } from '../../../agent/host/linux.ts';
import { createDockerRuntime } from '../../../agent/runtime/docker/docker-runtime.ts';
import { createEventPacer } from '../../../agent/runtime/event-pacer.ts';
import type { ContainerRuntime, RuntimeEvent } from '../../../agent/runtime/runtime.ts';
import { userEndpoints } from '../../../agent/runtime/user-endpoints.ts';
import { createUserRuntime } from '../../../agent/runtime/user-runtime.ts';
import { startEngine } from './docker/engine-socket.ts';
import { userDirectory } from './docker/own-podman.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root to act as another user';
const UID = 40_000 + (process.pid % 10_000);
const ID = 'e1'.repeat(32);
const host = createLinuxHost();

const http = (body: string, headers = ''): string =>
  `HTTP/1.1 200 OK\r\n${headers}Content-Length: ${String(Buffer.byteLength(body))}\r\n\r\n${body}`;

type Answer = (path: string, socket: Socket) => string | undefined;

/** A server of the user where a rootless Docker listens. */
async function serve(t: Test, answer: Answer, socketName = 'docker.sock'): Promise<string> {
  const made = await startEngine(t, (socket) => {
    socket.on('data', (bytes: Buffer) => {
      const reply = answer(bytes.toString().split(' ')[1] ?? '', socket);
      if (reply !== undefined) socket.write(reply);
    });
  });
  const path = join(userDirectory(UID), socketName);
  renameSync(made, path);
  chownSync(path, UID, UID);
  t.teardown(() => rmSync(userDirectory(UID), { recursive: true, force: true }));
  return `unix://${path}`;
}

function open(endpoint: string, monotonic = (): number => performance.now()): ContainerRuntime {
  return createUserRuntime(createDockerRuntime({ endpoint, timeoutMs: 300 }), { host, monotonic });
}

const inspected = (id: string, pid: number): string =>
  http(
    JSON.stringify({
      Id: id,
      Name: '/mine',
      Image: `sha256:${'ab'.repeat(32)}`,
      State: { Running: pid > 0, Status: pid > 0 ? 'running' : 'exited', Pid: pid },
      Config: { Image: 'x', User: '1000' },
      HostConfig: {},
    }),
  );

void t.test('a container counts while the kernel shows its process in a namespace of the user', { skip }, async (t) => {
  const own = spawn('unshare', ['--user', '--map-root-user', 'sleep', '60'], { uid: UID, gid: UID, stdio: 'ignore' });
  const ended = new Promise((resolve) => own.once('exit', resolve));
  t.teardown(() => own.kill('SIGKILL'));
  const pid = own.pid ?? 0;
  await sleep(100);
  let answer: string | undefined = inspected(ID, pid);
  const runtime = open(await serve(t, () => answer));
  const first = await runtime.inspectContainer(ID);
  t.match(first, { ok: true, value: { id: ID, pid, imageId: '', image: 'x' } });
  const sources = first.ok ? Object.values(first.value.sources) : [];
  t.ok(sources.length > 0 && sources.every((source) => source.includes(`uid ${String(UID)}`) && source.length <= 128));
  const again = await runtime.inspectContainer(ID);
  t.equal(again.ok && again.value, first.ok && first.value, 'what is unchanged is the same object');
  t.match(await runtime.inspectImage(`sha256:${'ab'.repeat(32)}`), { code: 'notFound' });

  for (const [what, other] of Object.entries({
    'pid 1': 1,
    'this process': process.pid,
    stopped: 0,
    none: 4_194_303,
  })) {
    answer = inspected(ID, other);
    t.match(await runtime.inspectContainer(ID), { ok: false, code: 'notFound' }, what);
  }
  answer = undefined;
  t.match(await runtime.inspectContainer('f0'.repeat(32)), { code: 'notFound' }, 'silence about one never confirmed');
  answer = inspected(ID, pid);
  await runtime.inspectContainer(ID);
  answer = 'HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n';
  t.match(await runtime.inspectContainer(ID), { code: 'failed' }, 'a fault about one that runs stays a fault');
  own.kill('SIGKILL');
  await ended;
  t.match(await runtime.inspectContainer(ID), { code: 'notFound' }, 'its process has ended');
});

void t.test('lists: running containers, without images, at most 500', { skip }, async (t) => {
  const list = (count: number): string =>
    http(
      JSON.stringify(
        Array.from({ length: count }, (_, at) => ({
          Id: String(at).padStart(64, '0'),
          Names: ['/x'],
          State: at === 0 ? 'exited' : 'running',
          ImageID: 'sha256:1',
        })),
      ),
    );
  let answer = list(3);
  const runtime = open(await serve(t, () => answer));
  const listed = await runtime.listContainers();
  t.match(listed, { ok: true, value: [{ state: 'running', imageId: '', revision: '' }, { state: 'running' }] });
  t.equal(listed.ok && listed.value.length, 2);
  answer = list(501);
  t.match(await runtime.listContainers(), { ok: true });
  answer = list(502);
  t.match(await runtime.listContainers(), { code: 'tooLarge' });
});

void t.test('slow answers use up the budget of the minute', { skip }, async (t) => {
  let nowMs = 0;
  let requests = 0;
  const endpoint = await serve(t, () => {
    requests += 1;
    // Each answer takes two seconds.
    nowMs += 2000;
    return http('{"Version":"27.0","ApiVersion":"1.47"}');
  });
  const runtime = open(endpoint, () => nowMs);
  for (let call = 0; call < 3; call += 1) t.match(await runtime.version(), { ok: true });
  t.match(await runtime.version(), { code: 'timeout', reason: /not asked again in that minute/ });
  t.match(await runtime.listContainers(), { code: 'timeout' });
  t.equal(requests, 3);
  nowMs += 60_000;
  t.match(await runtime.version(), { ok: true }, 'the next minute');
});

void t.test('answers without an end', { skip }, async (t) => {
  const endpoint = await serve(t, (_path, socket) => {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
    const more = (): void => {
      while (!socket.destroyed && socket.write(`8000\r\n${'['.repeat(0x8000)}\r\n`));
    };
    socket.on('drain', more);
    more();
    return undefined;
  });
  const startedMs = performance.now();
  const reply = await open(endpoint).listContainers();
  t.notOk(reply.ok);
  t.ok(performance.now() - startedMs < 20_000);
});

void t.test('a link to a socket of root, or a socket of somebody else', { skip }, async (t) => {
  const asked: string[] = [];
  const secret = await startEngine(t, (socket) => socket.on('data', (bytes: Buffer) => asked.push(bytes.toString())));
  const directory = userDirectory(UID);
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  mkdirSync(join(directory, 'podman'));
  symlinkSync(secret, join(directory, 'docker.sock'));
  renameSync(secret, join(directory, 'podman/podman.sock'));
  t.notOk(
    (await userEndpoints(host)).some((endpoint) => endpoint.includes(directory)),
    'not found',
  );
  for (const name of ['docker.sock', 'podman/podman.sock']) {
    const runtime = open(`unix://${directory}/${name}`);
    t.match(await runtime.version(), { ok: false }, name);
    t.match(await runtime.listContainers(), { ok: false }, name);
    const reason = await new Promise((resolve) =>
      runtime.events(() => t.fail(), resolve, new AbortController().signal),
    );
    t.match(reason, /no socket|not a socket/);
  }
  t.strictSame(asked, [], 'nothing is sent there');
});

void t.test('sockets of users are found in their runtime directories', { skip }, async (t) => {
  const endpoint = await serve(t, () => undefined);
  t.ok((await userEndpoints(host)).includes(endpoint));
});

void t.test('a flood of events is passed on four a second, each container once', async (t) => {
  const passed: RuntimeEvent[] = [];
  const stopping = new AbortController();
  const push = createEventPacer((event) => passed.push(event), stopping.signal);
  for (let round = 0; round < 1000; round += 1)
    for (const id of ['a', 'b']) push({ kind: round === 500 ? 'containerStarted' : 'containerChanged', id });
  for (let at = 0; at < 10_000; at += 1) push({ kind: 'execChanged', id: `c${String(at)}` });
  t.strictSame(passed, [{ kind: 'containerChanged', id: 'a' }], 'the first at once');
  await sleep(600);
  t.ok(passed.length >= 2 && passed.length <= 4, String(passed.length));
  t.match(passed[1], { kind: 'containerStarted', id: 'b' }, 'a start is kept before other changes');
  stopping.abort();
  const count = passed.length;
  await sleep(300);
  t.equal(passed.length, count);
});
