import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { createNodeLookup } from '../../collector/node-lookup.ts';
import { startDeliveryWorker } from '../../collector/sink/delivery-worker.ts';
import { openRedactions } from '../../collector/sink/redactions.ts';
import { createRender, openSinks } from '../../collector/sinks.ts';
import type { SinkParts } from '../../collector/sinks.ts';
import { createEventBus } from '../../collector/store/event-bus.ts';
import { openSqliteStore } from '../../collector/store/sqlite.ts';
import type { Store } from '../../collector/store/store.ts';
import { CHECKS } from '../../posture/check/registry.ts';
import { systemClock } from '../../service/clock.ts';
import { loadSettings } from '../../service/config/load.ts';
import type { Logger } from '../../service/log.ts';
import { mark } from '../ingest/collector.ts';
import type { Mark } from '../ingest/collector.ts';

/** What a sender is made with. */
export interface SenderOptions {
  readonly path: string;
  /** Flags of a collector that turn sinks on. */
  readonly flags: Readonly<Record<string, string>>;
  /** Names of the sinks that must deliver everything; others may be dead. */
  readonly wanted: readonly string[];
  readonly events: number;
}

const SILENT: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: (fields, message) => process.stderr.write(`${message} ${JSON.stringify(fields)}\n`),
};
const BATCH = 500;
const POLL_MS = 10;
/** Not measured: the compiler is busy, and sinks connect. */
const WARM_EVENTS = 20_000;

/** What delivery needs, as a collector has it. */
export async function openParts(
  path: string,
  flags: Readonly<Record<string, string>>,
): Promise<{ readonly store: Store; readonly eventBus: ReturnType<typeof createEventBus>; readonly parts: SinkParts }> {
  const loaded = await loadSettings({
    programs: ['collector'],
    flags,
    environment: {},
    readFile: () => Promise.resolve(undefined),
    uid: 0,
    home: '/root',
  });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const store = await openSqliteStore({ path });
  const eventBus = createEventBus();
  const nodes = createNodeLookup(store, eventBus);
  const { settings } = loaded;
  const standardOutput = process.stdout;
  const redactions = await openRedactions(settings);
  const own = { settings, nodes, redactions, log: SILENT, standardOutput };
  const parts = { ...own, version: '0.1.0', clock: systemClock(), checks: CHECKS };
  return { store, eventBus, parts };
}

/** Delivers everything in the outbox by the sinks of the flags, and says what that cost. */
export async function sender({ path, flags, wanted, events }: SenderOptions): Promise<() => Promise<Mark>> {
  const { store, eventBus, parts } = await openParts(path, flags);
  const sinks = await openSinks(parts);
  return async () => {
    const workers = sinks.map((sink) =>
      startDeliveryWorker({ store, sink, eventBus, clock: parts.clock, log: SILENT }),
    );
    const delivered = (): number =>
      Math.min(
        ...workers
          .map((worker) => worker.status())
          .filter(({ name }) => wanted.includes(name))
          .map((one) => one.delivered),
      );
    const reached = async (goal: number): Promise<Mark> => {
      while (delivered() < goal) await sleep(POLL_MS);
      return mark(delivered());
    };
    const before = await reached(WARM_EVENTS);
    const after = await reached(events);
    await Promise.all(workers.map((worker) => worker.stop()));
    await store.close();
    return difference(before, after);
  };
}

function difference(before: Mark, after: Mark): Mark {
  const { cpuMs, wallMs, events } = before;
  return { cpuMs: after.cpuMs - cpuMs, wallMs: after.wallMs - wallMs, events: after.events - events };
}

/** Events that the floor writes again and again: their objects are made before it is measured. */
const FLOOR_EVENTS = 10_000;

/** The floor: JSON.stringify of events that are there already, and their bytes on the disk, 500 at a time. */
export async function floor({ path, flags, events }: SenderOptions): Promise<() => Promise<Mark>> {
  const { store, parts } = await openParts(path, { 'sink-ndjson': 'off' });
  const render = createRender(parts);
  const batches: (readonly object[])[] = [];
  for (let position = 0; position < FLOOR_EVENTS; position += BATCH)
    batches.push(await render(await store.outbox(position, BATCH)));
  await store.close();
  return () => {
    const file = openSync(flags['floor'] ?? '', 'w');
    let written = 0;
    const write = (goal: number): Mark => {
      for (; written < goal; written += BATCH) {
        const batch = batches[(written / BATCH) % batches.length] ?? [];
        writeSync(file, batch.map((event) => `${JSON.stringify(event)}\n`).join(''));
        fdatasyncSync(file);
      }
      return mark(written);
    };
    const before = write(WARM_EVENTS);
    const after = write(events);
    closeSync(file);
    return Promise.resolve(difference(before, after));
  };
}
