import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import fc from 'fast-check';
import t from 'tap';
import type { Test } from 'tap';
import { createCriRuntime } from '../../../../agent/runtime/cri/cri-runtime.ts';
import { answerIn, refusesCri } from '../../../../agent/runtime/cri/refuses-cri.ts';
import type { ContainerRuntime } from '../../../../agent/runtime/runtime.ts';
import { temporaryDirectory } from '../../record/temporary-directory.ts';
import { criMessage, startCriServer } from './cri-server.ts';
import type { CriAnswer, CriHandler } from './cri-server.ts';

const CONTAINER = 'c1'.repeat(32);
const SANDBOX = '5a'.repeat(32);
const METADATA = { name: 'web-0', uid: '7f3e', namespace: 'shop' };

/** A runtime in order, but for the answers to some methods. */
function runtimeWith(
  t: Test,
  overrides: Readonly<Record<string, CriAnswer | (() => CriAnswer)>>,
  options: { readonly timeoutMs?: number; readonly maxBytes?: number } = {},
): Promise<ContainerRuntime> {
  const handler: CriHandler = ({ method }) => {
    const override = overrides[method];
    if (override !== undefined) return typeof override === 'function' ? override() : override;
    return criMessage(method, GOOD[method] ?? {});
  };
  return startCriServer(t, handler).then((path) => createCriRuntime({ endpoint: `unix://${path}`, ...options }));
}

const info = (details: unknown): object => ({ info: JSON.stringify(details) });
const statusWith = (details: string): CriAnswer =>
  criMessage('ContainerStatus', {
    status: { id: CONTAINER, metadata: { name: 'web' }, state: 1 },
    info: { info: details },
  });
const GOOD: Readonly<Record<string, object>> = {
  Version: { runtimeName: 'containerd', runtimeVersion: '2.2.0', runtimeApiVersion: 'v1' },
  Status: {},
  ListContainers: { containers: [{ id: CONTAINER, podSandboxId: SANDBOX, metadata: { name: 'web' }, state: 1 }] },
  ListPodSandbox: { items: [] },
  PodSandboxStatus: { status: { id: SANDBOX, metadata: METADATA }, info: info({}) },
  ContainerStatus: {
    status: { id: CONTAINER, metadata: { name: 'web' }, state: 1 },
    info: info({ sandboxID: SANDBOX, pid: 4121, runtimeSpec: {} }),
  },
};

/** A varint, protobuf.dev/programming-guides/encoding. */
function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(Math.floor(value / 128))];
}

void t.test('a message of 64 MiB', async (t) => {
  const padding = Buffer.alloc(64 * 1024 * 1024, 'x');
  const huge = Buffer.concat([Buffer.from([0x12, ...varint(padding.length)]), padding]);
  const runtime = await runtimeWith(t, { ContainerStatus: { bytes: huge } });
  const before = process.memoryUsage().arrayBuffers;
  t.match(await runtime.inspectContainer(CONTAINER), { ok: false, code: 'tooLarge' });
  t.ok(process.memoryUsage().arrayBuffers - before < 256 * 1024 * 1024);
  t.match(await runtime.version(), { ok: true }, 'the next call is answered');
});

void t.test('an endless list', async (t) => {
  // Two bytes each: 8 million empty entries in 16 MB would fill the memory.
  const entries = Buffer.alloc(2 * 7_000_000);
  for (let at = 0; at < entries.length; at += 2) entries[at] = 0x0a;
  const runtime = await runtimeWith(t, { ListContainers: { bytes: entries } });
  t.match(await runtime.listContainers(), { ok: false, code: 'malformed', reason: /more than 60000 entries/ });
});

void t.test('20,001 containers', async (t) => {
  const containers = Array.from({ length: 20_001 }, (_, index) => ({
    id: index.toString(16).padStart(64, '0'),
    podSandboxId: SANDBOX,
    metadata: { name: 'web' },
    state: index % 2,
  }));
  const runtime = await runtimeWith(t, { ListContainers: criMessage('ListContainers', { containers }) });
  const listed = await runtime.listContainers();
  t.equal(listed.ok && listed.value.length, 20_001);
});

void t.test('a list that is too large because of containers that ended', async (t) => {
  let calls = 0;
  const many = Array.from({ length: 2000 }, (_, index) => ({ id: `e${String(index)}`.padEnd(64, '0'), state: 2 }));
  const runtime = await runtimeWith(
    t,
    {
      ListContainers: () => {
        calls += 1;
        return criMessage('ListContainers', calls === 1 ? { containers: many } : (GOOD['ListContainers'] ?? {}));
      },
    },
    { maxBytes: 64 * 1024 },
  );
  t.match(await runtime.listContainers(), { ok: true, value: [{ id: CONTAINER, state: 'running' }] });
});

void t.test('ids and texts that are none', async (t) => {
  const ids = ['', 'a\nb', '../../etc', 'x'.repeat(1_000_000), '__proto__', '\u001b[31m', 'a b', CONTAINER];
  const containers = ids.map((id) => ({ id, metadata: { name: `n${'\n'.repeat(3)}` }, state: 1 }));
  const runtime = await runtimeWith(t, { ListContainers: criMessage('ListContainers', { containers }) });
  const listed = await runtime.listContainers();
  t.strictSame(listed.ok && listed.value.map(({ id }) => id), [CONTAINER]);
  const secret = 'could not read: https://admin:hunter2@registry/x\r\nX: y';
  const failing = await runtimeWith(t, { ContainerStatus: { code: status.UNKNOWN, details: secret.repeat(100) } });
  const reply = await failing.inspectContainer(CONTAINER);
  t.match(reply, { ok: false, code: 'failed' });
  t.ok(!reply.ok && reply.reason.length <= 300 && !/hunter2|[\r\n]/.test(reply.reason));
});

void t.test('details that are no configuration', async (t) => {
  const nested = `${'['.repeat(10_000)}${']'.repeat(10_000)}`;
  const details = (spec: string): string => `{"sandboxID":"${SANDBOX}","pid":4121,"runtimeSpec":${spec}}`;
  const cases: readonly [string, string, object][] = [
    ['not JSON', '{', { code: 'malformed', reason: /not JSON/ }],
    ['nested 10,000 deep', details(nested), { code: 'malformed' }],
    ['a process of another type', details('{"process":7}'), { code: 'malformed' }],
    ['a pid of another type', `{"sandboxID":"${SANDBOX}","pid":"4121","runtimeSpec":{}}`, { code: 'malformed' }],
    ['too many mounts', details(`{"mounts":[${'{},'.repeat(30_000)}{}]}`), { code: 'malformed' }],
  ];
  for (const [name, text, expected] of cases)
    t.match(
      await (await runtimeWith(t, { ContainerStatus: statusWith(text) })).inspectContainer(CONTAINER),
      { ok: false, ...expected },
      name,
    );
  const deepProfile = details(`{"linux":{"seccomp":${nested}}}`);
  t.match(
    await (await runtimeWith(t, { ContainerStatus: statusWith(deepProfile) })).inspectContainer(CONTAINER),
    { value: { declared: { seccompProfile: 'custom', seccompSummary: null } } },
    'a profile that is none is not a default profile',
  );
  const proto = details('{"__proto__":{"root":{"readonly":true}},"annotations":{"__proto__":"x"}}');
  t.match(
    await (await runtimeWith(t, { ContainerStatus: statusWith(proto) })).inspectContainer(CONTAINER),
    { value: { declared: { readOnlyRoot: false } } },
    'a prototype is not a field',
  );
});

void t.test('a pod that gives itself the look of a sandbox or of the runtime', async (t) => {
  const spec = {
    mounts: [
      // The path of a sandbox, but of none of this container.
      {
        destination: '/x',
        type: 'bind',
        source: `/run/containerd/io.containerd.grpc.v1.cri/sandboxes/${'ee'.repeat(32)}/shm`,
      },
      { destination: '/y', type: 'bind', source: `/${SANDBOX}x/etc` },
    ],
    annotations: { 'io.kubernetes.cri.container-type': 'sandbox' },
  };
  const runtime = await runtimeWith(t, {
    ContainerStatus: statusWith(JSON.stringify({ sandboxID: SANDBOX, pid: 1, runtimeSpec: spec })),
  });
  t.match(await runtime.inspectContainer(CONTAINER), {
    value: { kind: 'container', declared: { engineFiles: [], mounts: [{ destination: '/x' }, { destination: '/y' }] } },
  });
});

void t.test('a runtime that never answers', async (t) => {
  const silent = await runtimeWith(t, { ContainerStatus: 'never' }, { timeoutMs: 200 });
  const [lost, found] = await Promise.all([silent.inspectContainer(CONTAINER), silent.version()]);
  t.match(lost, { ok: false, code: 'timeout' });
  t.match(found, { ok: true }, 'one silent call does not end the others');

  // A socket that accepts and says nothing, not even the settings of HTTP/2.
  const sockets = new Set<Socket>();
  const path = join(temporaryDirectory(t), 'mute.sock');
  const mute = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    socket.resume();
  });
  await new Promise<void>((resolve) => mute.listen(path, resolve));
  t.teardown(() => mute.close());
  const runtime = createCriRuntime({ endpoint: `unix://${path}`, timeoutMs: 200 });
  for (let turn = 0; turn < 3; turn += 1) t.match(await runtime.version(), { ok: false, code: 'timeout' });
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.equal(sockets.size, 0, 'no connection is left');
});

void t.test('a status that claims that there is no runtime', async (t) => {
  const runtime = await runtimeWith(t, {
    ListContainers: { code: status.UNAVAILABLE, details: 'connect ENOENT /run/containerd/containerd.sock' },
  });
  t.match(await runtime.listContainers(), { ok: false, code: 'failed' }, 'somebody listens there');
});

void t.test('only a server that says that it does not know the CRI is left out', async (t) => {
  const unknown = criMessage('Version', GOOD['Version'] ?? {});
  const failing = (code: status): CriHandler => {
    return () => ({ code, details: 'of this test' });
  };
  const served: readonly (readonly [string, boolean, CriHandler, readonly string[]])[] = [
    ['no service at all', true, () => unknown, []],
    ['another version', true, () => unknown, ['v2']],
    ['v1', false, () => unknown, ['v1']],
    ['v1alpha2 alone', false, () => unknown, ['v1alpha2']],
    ['it cannot answer now', false, failing(status.UNAVAILABLE), ['v1', 'v1alpha2']],
    ['it refuses', false, failing(status.PERMISSION_DENIED), ['v1', 'v1alpha2']],
    ['a status of one more digit', false, failing(112 as status), ['v1', 'v1alpha2']],
    ['it has the service, but not the call', true, failing(status.UNIMPLEMENTED), ['v1', 'v1alpha2']],
  ];
  for (const [name, isRefused, handler, versions] of served)
    t.equal(await refusesCri(await startCriServer(t, handler, [...versions])), isRefused, name);

  const settings = '000000040000000000';
  const field = '889acac8b21234da8f023132';
  const frame = (type: string, flags: string, payload: string): string =>
    `${(payload.length / 2).toString(16).padStart(6, '0')}${type}${flags}00000001${payload}`;
  const answers: Readonly<Record<string, readonly [boolean, string]>> = {
    'of HTTP/1': [false, Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\ngrpc-status: 12').toString('hex')],
    'without its settings': [false, frame('01', '05', field)],
    'that goes on': [false, settings + frame('01', '04', field)],
    'with padding': [false, settings + frame('01', '0d', `01${field}00`)],
    'that is reset': [false, settings + frame('03', '00', '00000002')],
    'of a message': [false, settings + frame('00', '01', field)],
    'with the status last': [true, settings + frame('01', '05', `88${field}`)],
    'that is cut': [false, (settings + frame('01', '05', field)).slice(0, -2)],
    'of nothing': [false, ''],
  };
  for (const [name, [isRefused, hex]] of Object.entries(answers)) {
    const path = join(temporaryDirectory(t), 'raw.sock');
    const server = createServer((socket: Socket) => socket.on('error', () => undefined).end(Buffer.from(hex, 'hex')));
    await new Promise<void>((resolve) => server.listen(path, resolve));
    t.equal(await refusesCri(path), isRefused, `a response ${name}`);
    server.close();
  }
  t.equal(await refusesCri(join(temporaryDirectory(t), 'absent.sock')), false);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void answerIn(Buffer.from(bytes))));
});
