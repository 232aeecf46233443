import { request } from 'node:http';
import type { ClientRequest } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Figure } from '../figures.ts';
import { percentile } from '../figures.ts';
import type { Engine } from './engine.ts';
import { cpuMs } from './process-cost.ts';

/** What the delay is measured with. */
export interface LatencyOptions {
  /** The agent. */
  readonly pid: number;
  readonly engine: Engine;
  /** The operator API: what it says of a finding is committed. */
  readonly api: { readonly host: string; readonly port: number };
  readonly token: string;
  readonly starts: number;
  readonly startsPerSecond: number;
}

const DEADLINE_MS = 10_000;

/**
 * From the moment at which the engine says that a container started (the time in its own event) to the first finding of
 * it that the collector has committed. Floor: until the event of the engine itself is here.
 */
export async function measureLatency(options: LatencyOptions): Promise<readonly Figure[]> {
  const { engine, starts, startsPerSecond } = options;
  const startedAtMs = new Map<string, number>();
  const eventAtMs = new Map<string, number>();
  const rowAtMs = new Map<string, number>();
  const streams = [
    follow(
      { socketPath: engine.socket, path: `/events?filters=${encodeURIComponent('{"event":["start"]}')}` },
      (line) => {
        const { Actor, timeNano } = JSON.parse(line) as { Actor: { ID: string }; timeNano: number };
        startedAtMs.set(Actor.ID, timeNano / 1e6);
        eventAtMs.set(Actor.ID, Date.now());
      },
    ),
    follow({ ...options.api, path: '/v1/events', headers: { authorization: `Bearer ${options.token}` } }, (line) => {
      const [, id] = /^data: .*"kind":"container","id":"([0-9a-f]{64})"/.exec(line) ?? [];
      // A container that was made and not started has findings too.
      if (id !== undefined && startedAtMs.has(id) && !rowAtMs.has(id)) rowAtMs.set(id, Date.now());
    }),
  ];
  const ids: string[] = [];
  for (let number = 0; number < starts; number += 1)
    ids.push(await engine.create(`start-${String(process.pid)}-${String(number)}`));
  const jobs: Promise<unknown>[] = [];
  const cpuBefore = cpuMs(options.pid);
  for (const id of ids) {
    jobs.push(engine.call('POST', `/containers/${id}/start`));
    await sleep(1000 / startsPerSecond);
  }
  await Promise.all(jobs);
  for (let waited = 0; waited < DEADLINE_MS && ids.some((id) => !rowAtMs.has(id)); waited += 50) await sleep(50);
  const spentMs = cpuMs(options.pid) - cpuBefore;
  for (const stream of streams) stream.destroy();
  await engine.remove(ids);
  const delays = (arrived: ReadonlyMap<string, number>): number[] =>
    ids.map((id) => (arrived.get(id) ?? Infinity) - (startedAtMs.get(id) ?? Number.NaN));
  const [rows, events] = [delays(rowAtMs), delays(eventAtMs)];
  const at = (share: number): Figure => ({
    name: `container start to its row, p${String(share * 100)} of ${String(starts)}`,
    unit: 'ms',
    value: percentile(rows, share),
    ...(share === 0.99 ? { goal: 250 } : {}),
    floor: { what: `until the engine's event is here`, value: percentile(events, share) },
  });
  return [at(0.5), at(0.99), { name: 'a container start', unit: 'ms CPU', value: spentMs / starts }];
}

/** Calls `onLine` for each line of an endless answer. */
function follow(
  where: { readonly socketPath?: string; readonly host?: string; readonly port?: number; readonly path: string } & {
    readonly headers?: Readonly<Record<string, string>>;
  },
  onLine: (line: string) => void,
): ClientRequest {
  let partial = '';
  const asked = request(where, (response) => {
    response.setEncoding('utf8').on('data', (text: string) => {
      const lines = (partial + text).split('\n');
      partial = lines.pop() ?? '';
      for (const line of lines) if (line.trim() !== '') onLine(line);
    });
    response.on('error', () => undefined);
  });
  asked.on('error', () => undefined);
  asked.end();
  return asked;
}
