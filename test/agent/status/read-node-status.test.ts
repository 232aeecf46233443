import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import t from 'tap';
import { createLinuxHost } from '../../../agent/host/linux.ts';
import type { NodeAccess } from '../../../agent/node-access.ts';
import { createDockerRuntime } from '../../../agent/runtime/docker/docker-runtime.ts';
import { createNodeStatusReader } from '../../../agent/status/read-node-status.ts';
import { nodeStatusSchema } from '../../../posture/fact/node-status.ts';
import type { NodeStatusFact } from '../../../posture/fact/node-status.ts';
import type { Observed } from '../../../posture/observed.ts';
import { absent, seen } from '../../../posture/observed.ts';
import { systemClock } from '../../../service/clock.ts';
import { testDocker } from '../../component/docker.ts';
import { dockerApi } from '../../fixture/facts.ts';
import { treeHost } from '../../fixture/inspector/tree.ts';
import { liveNode } from '../inspector/live-node.ts';
import { startEngine } from '../runtime/docker/engine-socket.ts';

const NO_ENGINE = 'unix:///run/plimsoll-test/none.sock';

const read = (access: Partial<NodeAccess> = {}, endpoint = NO_ENGINE): Promise<NodeStatusFact> =>
  createNodeStatusReader({ ...liveNode(endpoint), clock: systemClock(), ...access })();

function value<T>(observed: Observed<T>): T {
  if (observed.state !== 'seen') throw new Error(`${observed.source} is ${observed.state}`);
  return observed.value;
}

/** Numbers in the last line that a program prints. */
const numbersOf = (program: string, ...args: readonly string[]): readonly number[] =>
  (execFileSync(program, args).toString().trim().split('\n').at(-1) ?? '').match(/\d+/g)?.map(Number) ?? [];

const near = (one: number, other: number | undefined, part: number): boolean =>
  other !== undefined && Math.abs(one - other) <= other * part;

void t.test('this machine, against what other programs say', async (t) => {
  const status = await read();
  t.ok(nodeStatusSchema.parse(status).ok);
  const [bootedS = 0] = numbersOf('date', '-d', execFileSync('uptime', ['-s']).toString(), '+%s');
  t.ok(Math.abs(value(status.bootedAtMs) / 1000 - bootedS) <= 2);
  t.ok(Math.abs(value(status.uptimeSeconds) - (Date.now() / 1000 - bootedS)) <= 3);
  t.ok(Math.abs(status.readAtMs - Date.now()) < 5000);
  const [totalBytes, availableBytes, totalFiles] = numbersOf('df', '--output=size,avail,itotal', '-B1', '/');
  t.match(status.rootFileSystem, { value: { totalBytes, totalFiles } });
  t.ok(near(value(status.rootFileSystem).availableBytes, availableBytes, 0.05));
  const memory = /^Mem:\s+(\d+)(?:\s+\d+){4}\s+(\d+)$/m.exec(execFileSync('free', ['-b']).toString());
  t.equal(value(status.memory).totalBytes, Number(memory?.[1]));
  t.ok(near(value(status.memory).availableBytes, Number(memory?.[2]), 0.1));
  const swap = /^Swap:\s+(\d+)/m.exec(execFileSync('free', ['-b']).toString());
  t.equal(value(status.swap).totalBytes, Number(swap?.[1]));
  const fileMax = Number(execFileSync('sysctl', ['-n', 'fs.file-max']));
  t.equal(value(status.openFiles).limit, Math.min(fileMax, Number.MAX_SAFE_INTEGER));
  const now = readFileSync('/proc/loadavg', 'utf8').split(' ').map(Number);
  t.ok(Math.abs(value(status.load).fifteenMinutes - (now[2] ?? NaN)) < 0.5);
  const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).length;
  if (status.processes.state === 'seen') t.ok(near(status.processes.value, processes, 0.2));
  t.match(status.engines, [
    { endpoint: NO_ENGINE, containers: { state: 'absent' }, dataFileSystem: { state: 'absent' } },
  ]);
  t.match(status.agent, { state: 'absent' }, 'no agent runs here');
});

const found = testDocker();

void t.test('containers by state and the data root', { skip: 'reason' in found && found.reason }, async (t) => {
  if ('reason' in found) return;
  const { endpoint, docker } = found.docker;
  const [engine] = (await read({}, endpoint)).engines;
  const [running, paused, stopped, dataRoot = ''] = (
    await docker('info', '-f', '{{.ContainersRunning}} {{.ContainersPaused}} {{.ContainersStopped}} {{.DockerRootDir}}')
  ).split(' ');
  // Other tests use the same daemon.
  const counts = value(engine?.containers ?? seen({ running: -1, paused: -1, stopped: -1 }, ''));
  for (const [name, expected] of [
    ['running', running],
    ['paused', paused],
    ['stopped', stopped],
  ] as const)
    t.ok(Math.abs(counts[name] - Number(expected)) <= 20, `${name}: ${String(counts[name])}, ${String(expected)}`);
  t.match(engine?.dataRoot, { value: dataRoot });
  const [totalBytes] = numbersOf('df', '--output=size', '-B1', dataRoot);
  t.match(engine?.dataFileSystem, { value: { totalBytes } });
});

void t.test('whatever hangs costs its own part only, and a bounded time', async (t) => {
  const path = await startEngine(t, () => {});
  const host = { ...createLinuxHost(), fileSystem: () => new Promise<never>(() => {}) };
  const startedMs = performance.now();
  const status = await read({ host }, `unix://${path}`);
  t.ok(performance.now() - startedMs < 15_000);
  t.match(status.rootFileSystem, { state: 'unreadable', source: '/', reason: 'no answer within 1500 ms' });
  t.match(status.engines, [{ containers: { state: 'unreadable' }, dataRoot: { state: 'unreadable' } }]);
  t.match(status.memory, { state: 'seen' });
});

/** An engine that answers every request with this body. */
const answering =
  (body: string) => (socket: NodeJS.WritableStream & { on: (name: 'data', act: () => void) => unknown }) =>
    socket.on('data', () =>
      socket.write(
        `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${String(Buffer.byteLength(body))}\r\n\r\n${body}`,
      ),
    );

const INFO = { ContainersRunning: 1, ContainersPaused: 0, ContainersStopped: 2, DockerRootDir: '/var/lib/docker' };

void t.test('an engine behind a socket that others can replace is not believed', async (t) => {
  const path = await startEngine(t, answering(JSON.stringify(INFO)));
  chmodSync(dirname(path), 0o777);
  const [engine] = (await read({}, `unix://${path}`)).engines;
  t.match(engine, { containers: { state: 'unreadable', reason: /this socket is not the node's: .* is writable/ } });
  t.match(engine?.dataFileSystem, { state: 'unreadable' });
});

void t.test('answers that are not understood, and data roots that lead elsewhere', async (t) => {
  const host = { ...createLinuxHost() };
  // Sockets of the test are in a directory that others can write.
  const trusting = {
    ...host,
    stat: async (path: string) => {
      const stat = await host.stat(path);
      return stat.ok ? ({ ok: true, value: { ...stat.value, uid: 0, mode: 0o755 } } as const) : stat;
    },
  };
  const engineOf = async (info: unknown) => {
    const path = await startEngine(t, answering(JSON.stringify(info)));
    return (await read({ host: trusting }, `unix://${path}`)).engines[0];
  };
  t.match(await engineOf({ ...INFO, DockerRootDir: '/' }), {
    containers: { value: { running: 1, stopped: 2 } },
    dataFileSystem: { state: 'seen' },
  });
  t.match(await engineOf({ ...INFO, ContainersRunning: 'many' }), { containers: { state: 'unreadable' } });
  t.match(await engineOf({ ...INFO, DockerRootDir: 'relative' }), {
    dataFileSystem: { state: 'unreadable', reason: /no data root/ },
  });
  t.match(await engineOf({ ...INFO, DockerRootDir: '/proc/1/root/etc' }), { dataFileSystem: { state: 'unreadable' } });
  const remote = {
    ...createDockerRuntime({ endpoint: 'tcp://192.0.2.7:2375' }),
    engine: () => {
      const containers = seen({ running: 1, paused: 0, stopped: 2 }, 'test');
      const engine = {
        api: value(dockerApi()),
        containers,
        bridgeInterContainer: seen(true, 'test'),
        images: seen([], 'test'),
        swarm: absent('test'),
      };
      return Promise.resolve({ ok: true, value: engine, source: 'test' } as const);
    },
  };
  const [engine] = (await read({ runtime: remote })).engines;
  t.match(engine, {
    containers: { state: 'seen' },
    dataFileSystem: { state: 'unreadable', reason: /runs on this machine is not known/ },
  });
});

void t.test('a kernel without pressure, and files that say something else', async (t) => {
  const host = treeHost(t, { '/proc/loadavg': 'high\n', '/proc/pressure/io': 'none\n' });
  const status = await read({ host });
  t.match(status.pressure, { cpu: { state: 'absent' }, io: { state: 'unreadable', source: '/proc/pressure/io' } });
  t.match(status.load, { state: 'unreadable', reason: /not understood/ });
  t.match(status.uptimeSeconds, { state: 'absent' });
  t.match(status.processes, { state: 'unreadable' });
});

void t.test('reads that overlap are one read', async (t) => {
  const reader = createNodeStatusReader({ ...liveNode(NO_ENGINE), clock: systemClock() });
  const [one, other] = await Promise.all([reader(), reader()]);
  t.equal(one, other);
  t.not(await reader(), one, 'the next one is fresh');
});

void t.test('no process is started', (t) => {
  const urlOf = (file: string): string => JSON.stringify(new URL(`../../../agent/${file}`, import.meta.url).href);
  // Under node's permission model starting a process throws.
  const program = `
    import { memoryUsage, openFiles } from ${urlOf('inventory/system-information.ts')};
    const [{ memory, swap }, files] = await Promise.all([memoryUsage(), openFiles()]);
    console.log(memory.state, swap.state, files.state);
  `;
  const node = ['-i', process.execPath, '--permission', '--allow-fs-read=*', '--input-type=module', '-e', program];
  const { stdout, stderr } = spawnSync('env', node, { encoding: 'utf8', timeout: 60_000 });
  t.equal(stdout, 'seen seen seen\n', stderr);
  t.end();
});
