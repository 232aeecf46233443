import type { Clock } from '../../service/clock.ts';
import { deltaParts } from './delta-parts.ts';
import type { DeltaContent } from './delta-parts.ts';
import type { DeltaPublisher } from './delta-publisher.ts';
import type { Spool } from './spool.ts';
import type { SessionStream } from './stream.ts';
import type { Notifier } from '../../service/notifier.ts';

/**
 * Sends deltas of one session in order. The rule that holds always: after sequence n comes n + 1, or a snapshot. A
 * sequence that is missing belonged to a snapshot that was not committed, or to a delta that was lost. Either way a
 * snapshot is needed; before it the waiting deltas are sent, with an empty delta for each missing sequence.
 */
export interface Sender {
  /** Runs until the stream is over; then `notifier.notify` must be called once more. */
  readonly run: () => Promise<void>;
  /** The collector has committed up to here. */
  readonly onAck: (sequence: number) => void;
  /** The collector wants all findings, now. */
  readonly onResync: (reason: string) => void;
  readonly status: () => SenderStatus;
}

/** How far a session has come. */
export interface SenderStatus {
  /** Highest sequence that went out, or is going out. */
  readonly sent: number;
  /** Everything that this node knows is committed. */
  readonly caughtUp: boolean;
  /** Something is on its way, or should be. */
  readonly outstanding: boolean;
  /** On the monotonic clock: when a part went out or an ack came last. */
  readonly progressMs: number;
}

/** What a sender works with. */
export interface SenderOptions {
  readonly stream: SessionStream;
  readonly spool: Spool;
  readonly publisher: DeltaPublisher;
  readonly clock: Clock;
  readonly notifier: Notifier;
  /** What the collector had committed when the session began. */
  readonly committed: number;
}

/** A node that loses every delta (a full disk) must not send everything all the time. */
const MIN_SNAPSHOT_INTERVAL_MS = 5000;
/** With more sequences missing than this, a snapshot alone has to do. */
const MAX_BRIDGED = 100;

/** A sender that starts after `committed`. */
export function createSender({ stream, spool, publisher, clock, notifier, committed }: SenderOptions): Sender {
  let sent = committed;
  let sending = false;
  let asked = false;
  let progressMs = clock.monotonic();
  /** The snapshot of this session that is not committed yet. */
  let snapshot: { readonly sequence: number } | undefined;
  let cancelWait = (): void => undefined;
  let lastSnapshotMs = -MIN_SNAPSHOT_INTERVAL_MS;

  const isUncovered = (): boolean => {
    const { resync, lostAt } = spool.status();
    return resync !== undefined && (snapshot === undefined || snapshot.sequence <= lostAt);
  };
  const next = (): DeltaContent | undefined => {
    if (!asked) {
      const delta = spool.after(sent);
      const missing = (delta?.sequence ?? sent + 1) - sent - 1;
      if (delta !== undefined && missing === 0) return contentOf(delta, sent + 1);
      if (delta !== undefined && missing <= MAX_BRIDGED && isUncovered()) return emptyDelta(sent + 1, clock.now());
      if (delta === undefined && !isUncovered()) return undefined;
    }
    const waitMs = lastSnapshotMs + MIN_SNAPSHOT_INTERVAL_MS - clock.monotonic();
    if (waitMs > 0) {
      cancelWait();
      cancelWait = clock.after(waitMs, notifier.notify);
      return undefined;
    }
    const instead = asked;
    asked = false;
    lastSnapshotMs = clock.monotonic();
    const content = publisher.takeSnapshot(clock.now(), instead);
    snapshot = { sequence: content.sequence };
    return content;
  };
  const sendAll = async (content: DeltaContent): Promise<boolean> => {
    // Before the first part: the ack may be here before we hear that the last one went out.
    sent = content.sequence;
    spool.markSent(sent);
    for (const part of deltaParts(content)) {
      if (!(await stream.send({ delta: part }))) return false;
      progressMs = clock.monotonic();
    }
    return true;
  };

  return {
    run: async () => {
      while (!stream.isOver()) {
        const content = next();
        sending = content !== undefined;
        if (content === undefined) await notifier.wait();
        else if (!(await sendAll(content))) break;
      }
      cancelWait();
    },
    onAck: (sequence) => {
      if (sequence > sent) return;
      spool.ack(sequence);
      progressMs = clock.monotonic();
      if (snapshot !== undefined && sequence >= snapshot.sequence) snapshot = undefined;
      notifier.notify();
    },
    onResync: (reason) => {
      // Every delta that the collector cannot place asks again, and the answer is on its way already.
      if (snapshot !== undefined || asked) return;
      spool.requireResync(reason);
      asked = true;
      notifier.notify();
    },
    status: () => {
      const { last, acked, resync } = spool.status();
      return {
        sent,
        caughtUp: acked === last && resync === undefined,
        outstanding: sending || sent > acked,
        progressMs,
      };
    },
  };
}

function emptyDelta(sequence: number, observedAtMs: number): DeltaContent {
  return { sequence, snapshot: false, put: [], gone: [], observedAtMs };
}

function contentOf(delta: NonNullable<ReturnType<Spool['after']>>, sequence: number): DeltaContent {
  const { put, gone, observedAtMs } = delta;
  return { sequence, snapshot: false, put: put ?? [], gone: gone ?? [], observedAtMs: observedAtMs ?? 0 };
}
