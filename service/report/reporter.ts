import { Agent, request } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { fullJitter } from '../backoff.ts';
import { sleep } from '../clock.ts';
import type { Clock } from '../clock.ts';
import type { Address } from '../config/kind.ts';
import { errorCode } from '../files.ts';
import type { Logger } from '../log.ts';
import type { ReportBatch, ReportQueue } from './report-queue.ts';

/** The operator API that records are sent to. */
export interface ReportServer {
  readonly address: Address;
  /** Authorities in PEM that may have signed its certificate; undefined: those that Node trusts. */
  readonly ca: string | undefined;
  /** The operator token; called for each request, so that a new one needs no restart. */
  readonly token: () => Promise<ReportToken>;
}

/** A token, or why it could not be read. */
export type ReportToken =
  { readonly ok: true; readonly token: string } | { readonly ok: false; readonly reason: string };

/** Makes the body of a request of records; without records it says that none wait. */
export type RenderReport = (state: ReportState) => Readonly<Record<string, unknown>>;

/** What a report says besides who sends it. */
export interface ReportState {
  /** Records, parsed. */
  readonly records: readonly unknown[];
  /** Records that wait behind these. */
  readonly pending: number;
  /** Records that were dropped since the start. */
  readonly dropped: number;
  /** The field `nowMs` of the last answer of the collector; 0: none. */
  readonly answeredMs: number;
  /** The program ends. */
  readonly ended: boolean;
}

/** What a reporter works with. */
export interface ReporterOptions {
  readonly server: ReportServer;
  readonly path: string;
  readonly queue: ReportQueue;
  readonly render: RenderReport;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** An empty report is sent after this time without one. */
  readonly idleMs: number;
}

/** Sends records to the collector. */
export interface Reporter {
  /** Takes a record. Does not wait. */
  readonly add: (record: unknown) => void;
  /** Resolves when the signal has aborted and what waited was sent or is on the disk. */
  readonly over: Promise<void>;
}

/** Records of one moment go together. */
const COLLECT_MS = 100;
const DEADLINE_MS = 10_000;
const LAST_DEADLINE_MS = 2_000;
const BACKOFF = Object.freeze({ baseMs: 1_000, capMs: 30_000 });
const MAX_ANSWER_BYTES = 64 * 1024;

type Outcome =
  | { readonly kind: 'accepted'; readonly nowMs: number }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string; readonly afterMs: number };

/**
 * Sends the records of a queue until `signal` aborts, then once more for at most two seconds. A record is removed from
 * the queue when the collector has stored it, so it can arrive twice. Records that the collector will never accept are
 * removed and logged. Never rejects.
 */
export function startReporter(options: ReporterOptions): Reporter {
  const { queue, clock, log, signal, idleMs } = options;
  const agent = new Agent({ keepAlive: true, maxSockets: 1, timeout: 2 * idleMs });
  let wake = new AbortController();
  let answeredMs = 0;
  let failures = 0;
  let reported = '';
  /** Sends one batch. Returns how long to wait before the next; 0: there may be more. */
  const step = async (deadlineMs: number): Promise<number> => {
    await queue.flush();
    const batch = await queue.oldest();
    const outcome = await deliver({ ...options, agent, batch, answeredMs, deadlineMs });
    if (outcome.kind === 'failed') {
      if (outcome.reason !== reported)
        log.warn({ reason: outcome.reason, pending: queue.pending() }, 'the collector does not get denials; they wait');
      reported = outcome.reason;
      failures += 1;
      return Math.max(outcome.afterMs, fullJitter(failures, BACKOFF, Math.random), COLLECT_MS);
    }
    if (outcome.kind === 'refused')
      log.error(
        { reason: outcome.reason, records: batch?.lines.length ?? 0 },
        'the collector refused records for good',
      );
    else answeredMs = outcome.nowMs;
    if (reported !== '' && outcome.kind === 'accepted') log.info({}, 'the collector gets denials again');
    [failures, reported] = [0, outcome.kind === 'accepted' ? '' : reported];
    if (batch === undefined) return idleMs;
    await queue.remove(batch);
    return 0;
  };
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      wake = new AbortController();
      let waitMs: number;
      try {
        waitMs = await step(DEADLINE_MS);
      } catch (error) {
        log.error({ error }, 'records for the collector cannot be read; it is tried again');
        waitMs = BACKOFF.capMs;
      }
      if (waitMs === 0) continue;
      // Only an idle reporter is woken by a record: after a failure it waits whatever comes.
      await sleep(clock, waitMs, failures === 0 ? AbortSignal.any([signal, wake.signal]) : signal);
      if (wake.signal.aborted && failures === 0) await sleep(clock, COLLECT_MS, signal);
    }
    // The last records, as far as the collector takes them at once; the rest stays on the disk.
    for (let left = 10; left > 0 && (await step(LAST_DEADLINE_MS)) === 0;) left -= 1;
    await queue.flush();
  };
  const over = run()
    .catch((error: unknown) => log.error({ error }, 'the last records for the collector stay on the disk'))
    .finally(() => agent.destroy());
  return {
    add: (record) => {
      queue.add(JSON.stringify(record));
      wake.abort();
    },
    over,
  };
}

interface Delivery extends ReporterOptions {
  readonly agent: Agent;
  readonly batch: ReportBatch | undefined;
  readonly answeredMs: number;
  readonly deadlineMs: number;
}

async function deliver(delivery: Delivery): Promise<Outcome> {
  const { server, queue, render, batch, answeredMs, deadlineMs } = delivery;
  const token = await server.token();
  if (!token.ok) return { kind: 'failed', reason: token.reason, afterMs: 0 };
  const records = (batch?.lines ?? []).flatMap(parseLine);
  const pending = queue.pending() - (batch?.lines.length ?? 0);
  const body = JSON.stringify(
    render({ records, pending, dropped: queue.dropped(), answeredMs, ended: delivery.signal.aborted }),
  );
  const deadline = AbortSignal.timeout(deadlineMs);
  try {
    const response = await post(delivery, { token: token.token, body, signal: deadline });
    return await readOutcome(response);
  } catch (error) {
    return { kind: 'failed', reason: deadline.aborted ? 'no answer in time' : errorCode(error), afterMs: 0 };
  }
}

/** A line that a crash left torn is no record. */
function parseLine(line: string): readonly unknown[] {
  try {
    return [JSON.parse(line)];
  } catch {
    return [];
  }
}

interface Post {
  readonly token: string;
  readonly body: string;
  readonly signal: AbortSignal;
}

function post({ server, path, agent }: Delivery, { token, body, signal }: Post): Promise<IncomingMessage> {
  const { address, ca } = server;
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: address.host,
        port: address.port,
        path,
        method: 'POST',
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
        },
        signal,
        agent,
        minVersion: 'TLSv1.2',
        ...(ca === undefined ? {} : { ca }),
      },
      resolve,
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

async function readOutcome(response: IncomingMessage): Promise<Outcome> {
  const { statusCode = 0, headers } = response;
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > MAX_ANSWER_BYTES) break;
    parts.push(part);
  }
  if (statusCode === 200) return { kind: 'accepted', nowMs: nowOf(Buffer.concat(parts).toString('utf8')) };
  const reason = `HTTP ${String(statusCode)}`;
  // A report that the collector does not understand now it will not understand later either.
  if (statusCode === 400 || statusCode === 413) return { kind: 'refused', reason };
  const seconds = Number(headers['retry-after'] ?? 0);
  return { kind: 'failed', reason, afterMs: Number.isFinite(seconds) ? Math.min(Math.max(0, seconds), 60) * 1000 : 0 };
}

function nowOf(text: string): number {
  try {
    const { nowMs } = JSON.parse(text) as { readonly nowMs?: unknown };
    return Number.isSafeInteger(nowMs) ? (nowMs as number) : 0;
  } catch {
    return 0;
  }
}
