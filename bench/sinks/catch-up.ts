import { setTimeout as sleep } from 'node:timers/promises';
import { startDeliveryWorker } from '../../collector/sink/delivery-worker.ts';
import type { DeliveryWorker } from '../../collector/sink/delivery-worker.ts';
import { openSinks } from '../../collector/sinks.ts';
import type { Refusal } from '../../collector/store/stored-event.ts';
import { mark } from '../ingest/collector.ts';
import { openParts } from './sender.ts';
import type { SenderOptions } from './sender.ts';

/** How a receiver caught up. */
export interface CaughtUp {
  readonly wallMs: number;
  readonly cpuMs: number;
  /** Resident memory at the begin and after each twentieth of the events. */
  readonly rssMiB: readonly number[];
  /** From the commit of a live event until the other sink had delivered it. */
  readonly liveMs: readonly number[];
  readonly live: number;
}

/** Live events: this many at a time, so many times a second. */
const [LIVE, LIVE_EVERY_MS] = [10, 100];
const WARM_EVENTS = 20_000;
const SAMPLES = 20;
const NO_LOG = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** The sink `syslog` catches up with everything in the outbox, while `ndjson` has it all and delivers what comes. */
export async function catchUp({ path, flags, events }: SenderOptions): Promise<() => Promise<CaughtUp>> {
  const { store, eventBus, parts } = await openParts(path, flags);
  await store.advance('ndjson', events);
  const workers = new Map<string, DeliveryWorker>();
  for (const sink of await openSinks(parts))
    workers.set(sink.name, startDeliveryWorker({ store, sink, eventBus, clock: parts.clock, log: NO_LOG }));
  const status = (name: string) => workers.get(name)?.status() ?? { delivered: 0, position: 0 };
  return async () => {
    while (status('syslog').delivered < WARM_EVENTS) await sleep(10);
    const before = mark(0);
    const first = status('syslog').delivered;
    const rssMiB = [rss()];
    const liveMs: number[] = [];
    let live = 0;
    for (let turn = 0; status('syslog').delivered < events; turn += 1) {
      const startMs = performance.now();
      const newest = await store.recordRefusals(refusals(turn));
      eventBus.announce(newest);
      while (status('ndjson').position < newest) await sleep(1);
      liveMs.push(performance.now() - startMs);
      live += LIVE;
      if (status('syslog').delivered >= first + ((events - first) * rssMiB.length) / SAMPLES) rssMiB.push(rss());
      await sleep(Math.max(0, LIVE_EVERY_MS - (performance.now() - startMs)));
    }
    const after = mark(0);
    rssMiB.push(rss());
    await Promise.all([...workers.values()].map((worker) => worker.stop()));
    await store.close();
    const scale = events / (events - first);
    return {
      wallMs: (after.wallMs - before.wallMs) * scale,
      cpuMs: (after.cpuMs - before.cpuMs) * scale,
      rssMiB,
      liveMs,
      live,
    };
  };
}

/** Events that need no node. */
function refusals(turn: number): readonly Refusal[] {
  return Array.from({ length: LIVE }, (_, index) => ({
    operation: 'enroll',
    nodeId: '',
    address: '192.0.2.1',
    reason: `the join token is not known (${String(turn)}/${String(index)})`,
    atMs: Date.now(),
    suppressed: 0,
  }));
}

function rss(): number {
  return process.memoryUsage.rss() / 1024 ** 2;
}
