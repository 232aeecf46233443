import type { Clock } from '../../service/clock.ts';
import type { Usage } from '../budget/usage.ts';
import type { DeltaPublisher } from './delta-publisher.ts';
import type { Sender } from './sender.ts';
import type { Spool } from './spool.ts';
import type { SessionStream } from './stream.ts';

/** What the heartbeat of a session works with; `clock` ends with the session. */
export interface HeartbeatOptions {
  readonly stream: SessionStream;
  readonly spool: Spool;
  readonly publisher: DeltaPublisher;
  readonly sender: Sender;
  readonly clock: Clock;
  readonly intervalMs: number;
  readonly usage: () => Usage;
}

/** So long the collector may leave unanswered what was sent. */
const PROGRESS_DEADLINE_MS = 60_000;

/**
 * Sends a heartbeat every `intervalMs`, and one whenever the answer is called. Gives up a session in which what was
 * sent stays unanswered, or that takes nothing any more.
 */
export function startHeartbeat(options: HeartbeatOptions): () => void {
  const { stream, spool, publisher, sender, clock, intervalMs, usage } = options;
  /** On the monotonic clock; undefined: none is being sent. */
  let sendingMs: number | undefined;
  const beat = async (): Promise<void> => {
    // One at a time: behind a collector that does not read they would only pile up.
    if (sendingMs !== undefined) return;
    sendingMs = clock.monotonic();
    const { last, pending, dropped } = spool.status();
    const heartbeat = { sequence: last, ...publisher.digest(), pending, dropped, ...roundedUsage(usage()) };
    await stream.send({ heartbeat });
    sendingMs = undefined;
  };
  const tick = (): void => {
    // Also where nothing changes on the node: a socket that takes nothing and breaks without a word shows nowhere else.
    if (sendingMs !== undefined && clock.monotonic() - sendingMs > PROGRESS_DEADLINE_MS)
      return stream.cancel(`the collector accepted nothing for ${String(PROGRESS_DEADLINE_MS)} ms`);
    const { outstanding, progressMs } = sender.status();
    if (outstanding && clock.monotonic() - progressMs > PROGRESS_DEADLINE_MS)
      return stream.cancel(`the collector confirmed nothing for ${String(PROGRESS_DEADLINE_MS)} ms`);
    void beat();
    clock.after(intervalMs, tick);
  };
  clock.after(intervalMs, tick);
  return () => void beat();
}

function roundedUsage({ rssBytes, cpuMs }: Usage): Usage {
  return { rssBytes: Math.round(rssBytes), cpuMs: Math.round(cpuMs) };
}
