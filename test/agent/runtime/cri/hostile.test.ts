import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import t from 'tap';
import type { Test } from 'tap';
import { createCriRuntime } from '../../../../agent/runtime/cri/cri-runtime.ts';
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
