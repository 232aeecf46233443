import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { containerInspector } from '../../../../agent/inspector/container/inspect.ts';
import { createDockerRuntime } from '../../../../agent/runtime/docker/docker-runtime.ts';
import type { ContainerFact, ContainersFact } from '../../../../posture/fact/container.ts';
import { testDocker } from '../../../component/docker.ts';
import type { TestDocker } from '../../../component/docker.ts';
import { liveNode } from '../live-node.ts';

/*
 * A container about which an unbroken event stream reported nothing is not asked about in each round. What is not asked
 * must still be what the engine would say.
 */

const found = testDocker();
const skip = 'reason' in found ? found.reason : process.getuid?.() === 0 ? false : 'needs root to read /proc of others';

interface Proxy {
  readonly endpoint: string;
  /** How often the engine was asked about this container. */
  readonly asked: (id: string) => number;
  /** From now on nothing that the engine says on an event stream arrives; `cut`: and the streams end. */
  readonly silence: (how: 'cut' | 'swallow') => void;
  readonly close: () => Promise<void>;
}

/** Between the agent and a real engine: counts requests, and may keep events back. */
async function startProxy(engine: string): Promise<Proxy> {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-unchanged-'));
  const requests: string[] = [];
  const open = new Set<Socket>();
  const streams = new Set<Socket>();
  let isSilent = false;
  const server = createServer((client) => {
    const upstream = connect(engine.replace('unix://', ''));
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      open.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        open.delete(socket);
        other.destroy();
      });
    }
    client.on('data', (bytes: Buffer) => {
      const [line = ''] = bytes.toString('latin1').split('\r\n', 1);
      if (line.startsWith('GET /events')) {
        if (isSilent) return client.destroy();
        streams.add(client);
      }
      requests.push(line);
      return upstream.write(bytes);
    });
    upstream.on('data', (bytes: Buffer) => {
      if (!isSilent || !streams.has(client)) client.write(bytes);
    });
  });
  const path = join(directory, 'engine.sock');
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    endpoint: `unix://${path}`,
    asked: (id) => requests.filter((line) => line.startsWith(`GET /containers/${id}/json`)).length,
    silence: (how) => {
      isSilent = true;
      if (how === 'cut') for (const stream of streams) stream.destroy();
    },
    close: async () => {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

interface Node {
  readonly docker: TestDocker;
  readonly proxy: Proxy;
  readonly id: string;
  readonly name: string;
  /** A round, and the container as it was seen then. */
  readonly round: () => Promise<ContainerFact | undefined>;
  readonly reports: readonly string[];
  readonly ends: readonly string[];
}

async function startNode(t: Test): Promise<Node> {
  if ('reason' in found) throw new Error(found.reason);
  const { docker } = found;
  const name = `unchanged-${randomUUID().slice(0, 8)}`;
  const id = await docker.start(name, '--restart', 'no');
  const proxy = await startProxy(docker.endpoint);
  const runtime = createDockerRuntime({ endpoint: proxy.endpoint });
  const access = { ...liveNode(proxy.endpoint), runtime };
  const stopping = new AbortController();
  const [reports, ends]: [string[], string[]] = [[], []];
  t.teardown(async () => {
    stopping.abort();
    await docker.remove(name);
    await proxy.close();
  });
  let containers: ContainersFact | undefined;
  const round = async (): Promise<ContainerFact | undefined> => {
    containers = await containerInspector.inspect(access, containers === undefined ? {} : { containers }, access);
    return containers.state === 'seen' ? containers.value.find((one) => one.id === id) : undefined;
  };
  await round();
  await round();
  t.equal(proxy.asked(id), 2, 'without an event stream each round asks');
  runtime.events(
    (event) => reports.push('id' in event ? `${event.kind} ${event.id}` : event.kind),
    (reason) => ends.push(reason),
    stopping.signal,
  );
  for (let turn = 0; turn < 200; turn += 1) {
    const list = await runtime.listContainers();
    if (list.ok && list.value.every(({ revision }) => revision !== '')) break;
    await sleep(10);
  }
  await round();
  t.equal(proxy.asked(id), 3, 'the stream says nothing of what was before it');
  await round();
  await round();
  t.equal(proxy.asked(id), 3, 'unchanged since: not asked again');
  return { docker, proxy, id, name: `plimsoll-test-${name}`, round, reports, ends };
}

async function until(what: string, isTrue: () => boolean): Promise<void> {
  for (let turn = 0; !isTrue(); turn += 1) {
    if (turn > 3000) throw new Error(`not within half a minute: ${what}`);
    await sleep(10);
  }
}

void t.test('a change that is reported is in the next round', { skip }, async (t) => {
  const { docker, proxy, id, name, round, reports } = await startNode(t);
  const network = `${name}-net`;
  t.teardown(() => docker.docker('network', 'rm', network).catch(() => undefined));
  const steps: readonly (readonly [
    string,
    readonly (readonly string[])[],
    (container: ContainerFact | undefined) => unknown,
    unknown,
  ])[] = [
    ['update', [['update', '--restart', 'always', id]], (one) => one?.declared.restartPolicy, 'always'],
    ['rename', [['rename', id, `${name}-2`]], (one) => one?.name, `${name}-2`],
    [
      'network connect',
      [
        ['network', 'create', network],
        ['network', 'connect', network, id],
      ],
      (one) => one?.declared.networks.includes(network),
      true,
    ],
    [
      'network disconnect',
      [['network', 'disconnect', network, id]],
      (one) => one?.declared.networks.includes(network),
      false,
    ],
    ['pause', [['pause', id]], (one) => one?.state, 'paused'],
    ['unpause', [['unpause', id]], (one) => one?.state, 'running'],
    [
      'update of a limit',
      [['update', '--restart', 'no', '--memory', '64m', '--memory-swap', '64m', id]],
      (one) => one?.declared.memoryBytes,
      67_108_864,
    ],
    ['kill', [['kill', id]], (one) => one?.state, 'exited'],
    ['start', [['start', id]], (one) => one?.state, 'running'],
    ['rename again', [['rename', id, name]], (one) => one?.name, name],
  ];
  for (const [what, commands, read, expected] of steps) {
    const before = reports.length;
    for (const command of commands) await docker.docker(...command);
    await until(`an event: ${what}`, () => reports.slice(before).some((report) => report.endsWith(id)));
    // `start` and `kill` are followed by further events, of a network.
    await sleep(100);
    t.strictSame(read(await round()), expected, what);
    const asked = proxy.asked(id);
    t.strictSame(read(await round()), expected, `${what}: the round after it`);
    t.equal(proxy.asked(id), asked, `${what}: not asked again`);
  }
  const asked = proxy.asked(id);
  await docker.docker('exec', id, '/bin/sh', '-c', ':');
  await until('an event: exec', () => reports.some((report) => report === `execChanged ${id}`));
  await round();
  t.equal(proxy.asked(id), asked, 'a process that was started and ended changes no answer');
});

void t.test('where the event stream was cut each round asks', { skip }, async (t) => {
  const { docker, proxy, id, round, ends } = await startNode(t);
  proxy.silence('cut');
  await until('the end of the stream', () => ends.length === 1);
  await docker.docker('update', '--restart', 'always', id);
  t.equal((await round())?.declared.restartPolicy, 'always');
  t.equal(proxy.asked(id), 4);
  await docker.docker('update', '--restart', 'no', id);
  t.equal((await round())?.declared.restartPolicy, 'no');
});

void t.test('where events are swallowed, the list and the kernel still show what changes', { skip }, async (t) => {
  const { docker, proxy, id, name, round, ends } = await startNode(t);
  const network = `${name}-net`;
  t.teardown(() => docker.docker('network', 'rm', network).catch(() => undefined));
  proxy.silence('swallow');
  await docker.docker('rename', id, `${name}-2`);
  t.equal((await round())?.name, `${name}-2`, 'rename');
  await docker.docker('rename', id, name);
  await docker.docker('network', 'create', network);
  await docker.docker('network', 'connect', network, id);
  t.ok((await round())?.declared.networks.includes(network), 'network');
  await docker.docker('update', '--pids-limit', '77', id);
  const limit = (await round())?.pidsMax;
  t.equal(limit?.state === 'seen' ? limit.value : undefined, 77, 'the limit that the kernel enforces');
  const before = (await round())?.pid;
  await docker.docker('restart', '-t', '0', id);
  const after = await round();
  t.ok(after?.state === 'running' && after.pid !== before && after.pid > 0, 'restart');
  t.strictSame(ends, []);
});
