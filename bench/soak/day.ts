import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { getHeapSpaceStatistics } from 'node:v8';
import { reclaimMemory } from '../../agent/budget/reclaim.ts';
import { runAgent } from '../../agent/main.ts';
import { runCollector } from '../../collector/main.ts';
import type { CollectorReady } from '../../collector/main.ts';
import { formatAddress } from '../../service/config/kind.ts';
import { loadSettings } from '../../service/config/load.ts';
import type { Settings } from '../../service/config/settings.ts';
import type { Logger } from '../../service/log.ts';
import { createFakeClock } from '../../test/service/fake-clock.ts';
import type { FakeClock } from '../../test/service/fake-clock.ts';
import { startEngine } from './engine.ts';
import type { SimulatedEngine } from './engine.ts';
import { createIdleWait } from './idle-wait.ts';
import type { Sample } from './trend.ts';

/** What is simulated. */
export interface DayOptions {
  readonly hours: number;
  /** Containers that run at any time. */
  readonly containers: number;
  /** Containers that end, and are replaced, every half minute. */
  readonly churn: number;
  readonly samplesPerHour: number;
  readonly log: Logger;
  readonly signal?: AbortSignal;
  readonly onSample?: (sample: Sample) => void;
}

/** What came of it. */
export interface DayOutcome {
  readonly samples: readonly Sample[];
  /** Containers that were started, all in all. */
  readonly started: number;
}

const STEP_MS = 30_000;
const OBJECT_SPACES: ReadonlySet<string> = new Set([
  'old_space',
  'new_space',
  'large_object_space',
  'new_large_object_space',
]);
/** Connections to the engine are kept for a second of real time (agent/runtime/docker/modem.ts). */
const CONNECTIONS_CLOSE_MS = 1200;
const DEADLINE_MS = 60_000;

/**
 * Hours in seconds: a whole agent and a whole collector in this process, a real stream between them, and an engine in
 * memory whose containers come and go. Only the clock is simulated, and it stops while files are read or written.
 * The first processes of the containers are real ones, so that the kernel is read for each.
 */
export async function simulateDay(options: DayOptions): Promise<DayOutcome> {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-soak-'));
  const process = spawn('sleep', ['86400'], { stdio: 'ignore' });
  const idle = createIdleWait();
  const clock = createFakeClock(Date.now(), idle);
  const stopping = new AbortController();
  const engine = await startEngine(join(directory, 'engine.sock'));
  const running: Promise<unknown>[] = [];
  try {
    const collector = Promise.withResolvers<CollectorReady>();
    const agent = Promise.withResolvers<unknown>();
    const common = { version: '0.0.0-soak', clock, log: options.log, signal: stopping.signal };
    const settings = await settingsOf(directory, {});
    running.push(
      runCollector({
        ...common,
        settings,
        onReady: collector.resolve,
        databaseWorker: new URL('../../image/vulndb/verify-worker.ts', import.meta.url),
        inventoryWorker: new URL('../../image/inventory/worker.ts', import.meta.url),
        standardOutput: globalThis.process.stdout,
      }),
    );
    const { listen } = await awaited(collector.promise, running, clock);
    const target = {
      collector: formatAddress(listen),
      'docker-host': `unix://${join(directory, 'engine.sock')}`,
      // The root of the simulated containers is that of this machine, and so are the images of other engines.
      'image-inventory': 'off',
      // Both parts are in this one process, which is more than an agent may take.
      'agent-memory-budget': '4GiB',
      'agent-cpu-budget': '100',
    };
    for (let number = 0; number < options.containers; number += 1) engine.start(process.pid ?? 1);
    running.push(
      runAgent({
        ...common,
        settings: await settingsOf(directory, target),
        queryWorker: new URL('../../agent/query/worker.ts', import.meta.url),
        inventoryWorker: new URL('../../image/inventory/worker.ts', import.meta.url),
        onReady: agent.resolve,
      }),
    );
    await awaited(agent.promise, running, clock);
    const spool = join(directory, 'agent', 'spool');
    return await live({ ...options, clock, engine, pid: process.pid ?? 1, spool });
  } finally {
    stopping.abort('over');
    let isOver = false;
    void Promise.allSettled(running).then(() => (isOver = true));
    // They end by deadlines of their own, on the simulated clock.
    for (let turn = 0; turn < 50 && !isOver; turn += 1) await clock.advance(200);
    process.kill('SIGKILL');
    await engine.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

interface Life extends DayOptions {
  readonly clock: FakeClock;
  readonly engine: SimulatedEngine;
  readonly pid: number;
  readonly spool: string;
}

async function live(life: Life): Promise<DayOutcome> {
  const { hours, churn, samplesPerHour, clock, engine, pid, signal } = life;
  const samples: Sample[] = [];
  const stepsPerSample = Math.max(1, Math.round(3_600_000 / STEP_MS / samplesPerHour));
  const steps = Math.round((hours * 3_600_000) / STEP_MS);
  let started = life.containers;
  for (let step = 1; step <= steps && signal?.aborted !== true; step += 1) {
    for (const id of engine.running().slice(0, churn)) engine.stop(id);
    for (let number = 0; number < churn; number += 1) engine.start(pid);
    started += churn;
    await clock.advance(STEP_MS);
    if (step % stepsPerSample !== 0) continue;
    const sample = await look((step * STEP_MS) / 3_600_000, life);
    samples.push(sample);
    life.onSample?.(sample);
  }
  return { samples, started };
}

async function look(hour: number, life: Life): Promise<Sample> {
  const { spool, clock } = life;
  // What is on its way arrives, and is acknowledged.
  for (let turn = 0; turn < 10; turn += 1) {
    await clock.advance(100);
    await sleep(10);
  }
  await clock.advance(0);
  await sleep(CONNECTIONS_CLOSE_MS);
  await reclaimMemory();
  // Compiled code is in spaces of its own, and there is more of it the longer a program runs.
  const objects = getHeapSpaceStatistics().filter(({ space_name: name }) => OBJECT_SPACES.has(name));
  return {
    hour,
    heapBytes: objects.reduce((sum, space) => sum + space.space_used_size, 0),
    rssBytes: process.memoryUsage.rss(),
    descriptors: descriptorsOutside(spool),
    spoolBytes: readdirSync(spool).reduce((sum, name) => sum + statSync(join(spool, name)).size, 0),
  };
}

/** Open descriptors; without the spool, which has a file open while something waits in it, and its size is measured. */
function descriptorsOutside(spool: string): number {
  return readdirSync('/proc/self/fd').filter((name) => !targetOf(`/proc/self/fd/${name}`).startsWith(spool)).length;
}

function targetOf(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    // The descriptor with which the list was read.
    return '';
  }
}

async function awaited<T>(wanted: Promise<T>, running: readonly Promise<unknown>[], clock: FakeClock): Promise<T> {
  const failed = Promise.race(running).then(() => {
    throw new Error('it ended before it was ready');
  });
  failed.catch(() => undefined);
  let isThere = false;
  void wanted.then(() => (isThere = true));
  const untilMs = performance.now() + DEADLINE_MS;
  while (!isThere && performance.now() < untilMs) {
    await Promise.race([failed, clock.advance(20)]);
    await Promise.race([failed, sleep(5)]);
  }
  return Promise.race([wanted, failed, sleep(0).then(() => Promise.reject(new Error('not ready in time')))]);
}

async function settingsOf(directory: string, flags: Readonly<Record<string, string>>): Promise<Settings> {
  mkdirSync(directory, { recursive: true });
  const loaded = await loadSettings({
    programs: 'collector' in flags ? ['agent'] : ['collector'],
    flags: {
      'data-dir': directory,
      ...('collector' in flags ? {} : { listen: '127.0.0.1:0', api: '127.0.0.1:0', 'sink-ndjson': 'off' }),
      ...flags,
    },
    environment: {},
    readFile: () => Promise.resolve(undefined),
    uid: process.getuid?.() ?? 0,
    home: directory,
  });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return loaded.settings;
}
