import { networkInterfaces } from 'node:os';
import { userOfEngine } from '../../posture/fact/docker.ts';
import { absent, mapObserved, seen, unreadable } from '../../posture/observed.ts';
import type { Observed } from '../../posture/observed.ts';
import type { EngineStatus, FileSystem, NodeStatusFact } from '../../posture/fact/node-status.ts';
import { processUsage } from '../budget/usage.ts';
import { within } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import type { Host } from '../host/host.ts';
import { clip } from '../inspector/clip.ts';
import { socketDistrust } from '../inspector/docker/inspect.ts';
import { parseBootTime } from '../inspector/proc/proc-stat.ts';
import { readNodeNamespaces } from '../inspector/proc/node-namespaces.ts';
import { observeText, unseen } from '../inspector/read-text.ts';
import { runtimeUnseen } from '../inspector/runtime-reply.ts';
import { memoryUsage, openFiles } from '../inventory/system-information.ts';
import type { NodeAccess } from '../node-access.ts';
import { ownAddresses } from '../probe/own-address.ts';
import { parseEndpoint } from '../runtime/docker/engine-address.ts';
import { observeReply } from '../runtime/runtime.ts';
import type { ContainerRuntime, EngineInfo } from '../runtime/runtime.ts';
import { parseLoad, parsePressure, parseUptime } from './parse.ts';

/** For each answer of an engine, a file system or a library. Two of them follow one another at most. */
const DEADLINE_MS = 1500;
/** As where containers are read. */
const MAX_PROCESSES = 200_000;
/** `/proc/stat` has a line for each processor and a number for each interrupt. */
const MAX_STAT_BYTES = 4 * 1024 * 1024;
/** systemd-timesyncd.service(8): touched each time a server sets the clock, removed at boot. */
const CLOCK_SET = '/run/systemd/timesync/synchronized';

/** The node, and the clock of the deadlines. */
type StatusAccess = NodeAccess & { readonly clock: Clock };

/**
 * Returns a function that reads the current load, memory, processes, file systems and engines of the node. A read takes
 * about 3 s at most, whatever hangs, and never rejects. Overlapping calls share one read.
 */
export function createNodeStatusReader(access: StatusAccess): () => Promise<NodeStatusFact> {
  let running: Promise<NodeStatusFact> | undefined;
  return () => {
    running ??= readNodeStatus(access).finally(() => (running = undefined));
    return running;
  };
}

async function readNodeStatus(access: StatusAccess): Promise<NodeStatusFact> {
  const { host, clock } = access;
  const pressure = (name: string) => observeText(host, `/proc/pressure/${name}`, parsePressure);
  const [bootSeconds, uptimeSeconds, load, usage, files, processes, rootFileSystem, engines, clockSetAtMs, ...stalls] =
    await Promise.all([
      observeText(host, '/proc/stat', parseBootTime, MAX_STAT_BYTES),
      observeText(host, '/proc/uptime', parseUptime),
      observeText(host, '/proc/loadavg', parseLoad),
      withinDeadline(clock, '/proc/meminfo', memoryUsage()),
      withinDeadline(clock, '/proc/sys/fs/file-nr', openFiles()),
      countProcesses(host),
      observeFileSystem(access, '/'),
      readEngines(access),
      observeClockSet(host),
      pressure('cpu'),
      pressure('memory'),
      pressure('io'),
    ]);
  const [cpu, memory, io] = stalls;
  return {
    readAtMs: Math.trunc(access.now()),
    bootedAtMs: mapObserved(bootSeconds, (seconds) => seconds * 1000),
    uptimeSeconds,
    load,
    memory: 'state' in usage ? usage : usage.memory,
    swap: 'state' in usage ? usage : usage.swap,
    pressure: { cpu, memory, io },
    openFiles: files,
    processes,
    rootFileSystem,
    engines,
    clockSetAtMs,
    agent: mapObserved(access.agent(), ({ cpuMillicores }) => ({ rssBytes: processUsage().rssBytes, cpuMillicores })),
  };
}

/** What `work` resolves to; unreadable where it takes too long or fails. */
function withinDeadline<T>(clock: Clock, source: string, work: Promise<T>): Promise<T | Observed<never>> {
  const settled = work.catch((error: unknown): Observed<never> => unreadable(source, clip(String(error), 200)));
  const late = (): Observed<never> => unreadable(source, `no answer within ${String(DEADLINE_MS)} ms`);
  return within<T | Observed<never>>(clock, DEADLINE_MS, settled, late);
}

/** Processes of the machine; of a pid namespace alone their number says nothing about it. */
async function countProcesses(host: Host): Promise<Observed<number>> {
  const listed = await host.list('/proc', { maxEntries: MAX_PROCESSES });
  if (!listed.ok) return unseen(listed, '/proc');
  if (!listed.value.includes('1')) return unreadable('/proc', 'processes of other users are hidden (hidepid)');
  const { seesAll } = await readNodeNamespaces(host);
  if (!seesAll) return unreadable('/proc', 'only the processes of one pid namespace are visible');
  return seen(listed.value.filter((name) => /^\d+$/.test(name)).length, '/proc');
}

async function observeFileSystem({ host, clock }: StatusAccess, path: string): Promise<Observed<FileSystem>> {
  const read = await withinDeadline(clock, path, host.fileSystem(path));
  if ('state' in read) return read;
  return read.ok ? seen(read.value, path) : unseen(read, path);
}

async function observeClockSet(host: Host): Promise<Observed<number>> {
  const stat = await host.stat(CLOCK_SET);
  return stat.ok ? seen(stat.value.modifiedAtMs, CLOCK_SET) : unseen(stat, CLOCK_SET);
}

async function readEngines(access: StatusAccess): Promise<readonly EngineStatus[]> {
  const runtimes = [access.runtime, ...(await access.engines.others(access.host))];
  return Promise.all(runtimes.map((runtime) => readEngine(access, runtime)));
}

async function readEngine(access: StatusAccess, runtime: ContainerRuntime): Promise<EngineStatus> {
  const { endpoint } = runtime;
  const info = await withinDeadline(access.clock, endpoint, observeEngine(access, runtime));
  // A user could name a file system that hangs.
  const isOfUser = userOfEngine(endpoint) !== 0;
  const dataRoot = isOfUser ? absent(endpoint) : mapObserved(info, ({ api }) => api.dataRoot);
  return {
    endpoint,
    runtime: runtime.name,
    version: mapObserved(info, ({ api }) => api.version),
    containers: info.state === 'seen' ? info.value.containers : info,
    dataRoot,
    dataFileSystem: dataRoot.state === 'seen' ? await dataFileSystem(access, endpoint, dataRoot) : dataRoot,
  };
}

async function observeEngine(access: StatusAccess, runtime: ContainerRuntime): Promise<Observed<EngineInfo>> {
  const { endpoint } = runtime;
  const isOfUser = userOfEngine(endpoint) !== 0;
  const distrust = isOfUser ? undefined : await socketDistrust(access.host, endpoint);
  if (distrust !== undefined) return distrust;
  const engine = await runtime.engine();
  if (runtime.isHeld?.() === true) return unreadable(endpoint, 'it does not answer at the moment; its containers run');
  return engine.ok || engine.code === 'malformed' ? observeReply(engine) : runtimeUnseen(access, endpoint, engine);
}

/** An engine on another machine has its data there. */
async function dataFileSystem(
  access: StatusAccess,
  endpoint: string,
  { value: path, source }: { readonly value: string; readonly source: string },
): Promise<Observed<FileSystem>> {
  const address = parseEndpoint(endpoint);
  const isHere =
    address?.kind === 'unix' ||
    (address?.kind === 'tcp' &&
      (address.host === 'localhost' || ownAddresses(address.host, networkInterfaces()).length > 0));
  if (!isHere) return unreadable(path, `whether the engine at ${endpoint} runs on this machine is not known`);
  return path.startsWith('/') ? observeFileSystem(access, path) : unreadable(source, 'the engine reports no data root');
}
