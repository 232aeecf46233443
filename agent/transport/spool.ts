import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { decodeDelta, encodeDelta } from '../../proto/fleet.ts';
import type { FindingDelta } from '../../proto/fleet.ts';
import type { Clock } from '../../service/clock.ts';
import { errorCode } from '../../service/files.ts';
import type { Logger } from '../../service/log.ts';
import { MAX_PAYLOAD_BYTES } from './spool-record.ts';
import { openSegments } from './spool-segments.ts';
import { openSpoolState } from './spool-state.ts';
import type { SpoolMemory } from './spool-state.ts';

/**
 * The durable queue of deltas that the collector has not committed. What it promises:
 *
 * - `append` hands the delta to the system before it returns: it survives SIGKILL. It is written through to the disk
 *   within a second, so a power cut can lose the last second; the digest finds that and a full transfer heals it.
 * - A torn or damaged record ends the queue there; what follows is dropped, counted, and a full transfer is needed.
 * - It never grows beyond `maxBytes`: then everything that waits is dropped and counted, and a full transfer is needed.
 *   The same for a delta that the disk does not take. Nothing here throws once the spool is open.
 * - The need of a full transfer is on disk until a snapshot that covers it is committed.
 */
export interface Spool {
  readonly status: () => SpoolStatus;
  /** Keeps a delta, if it can; answers the sequence that it has either way. */
  readonly append: (delta: FindingDelta) => number;
  /** The first delta after `sequence`; undefined: none waits. */
  readonly after: (sequence: number) => FindingDelta | undefined;
  /** All up to `sequence` is committed. */
  readonly ack: (sequence: number) => void;
  /** The delta or snapshot with this sequence is about to go out: on disk before it does. */
  readonly markSent: (sequence: number) => void;
  /** A full transfer is needed, for this reason. */
  readonly requireResync: (reason: string) => void;
  /**
   * Takes a sequence for a snapshot, which itself is not kept here. What waits stays until that is committed: should it
   * not be, these deltas still report what happened. `instead`: the snapshot replaces what waits, which is deleted.
   */
  readonly beginSnapshot: (instead?: boolean) => number;
  /** The collector knows sequences of this epoch that we do not: go on after them, with a full transfer. */
  readonly skipTo: (sequence: number) => void;
  readonly close: () => void;
}

/** The state of the spool. */
export interface SpoolStatus {
  readonly epoch: string;
  /** Sequence of the last delta or snapshot; 0: none. */
  readonly last: number;
  readonly acked: number;
  /** Highest sequence that may have gone out, by this process or one before. */
  readonly sent: number;
  /** Deltas that wait for an ack. */
  readonly pending: number;
  readonly bytes: number;
  /** Deltas that were lost, since the start of the program: not kept, damaged, or passed over. At least so many. */
  readonly dropped: number;
  /** Damaged places that were found, since the start of the program. */
  readonly damaged: number;
  /** Why a full transfer is needed; undefined: none is. */
  readonly resync: string | undefined;
  /** The highest sequence that was lost: only a snapshot after it heals. */
  readonly lostAt: number;
}

/** What a spool works with. */
export interface SpoolOptions {
  readonly directory: string;
  readonly maxBytes: number;
  readonly clock: Clock;
  readonly log: Logger;
}

/** How long a delta may be in the memory of the system only. */
const FLUSH_AFTER_MS = 1000;
/** A file of the spool holds at most a quarter of it, and never more than this. */
const MAX_SEGMENT_BYTES = 4 * 1024 * 1024;

/** Opens or creates the spool. Throws what the system says if the directory cannot be used at all. */
export function openSpool({ directory, maxBytes, clock, log }: SpoolOptions): Spool {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const file = openSpoolState(join(directory, 'state'));
  const segments = openSegments(directory, Math.min(MAX_SEGMENT_BYTES, maxBytes / 4));
  const guard = createGuard(log);
  let memory = file.initial === undefined ? newMemory() : continued(file.initial, segments.last());
  let dropped = 0;
  /** Sequence of the last snapshot that was begun in this life of the program. */
  let snapshot = 0;
  let cancelFlush: (() => void) | undefined;

  const remember = (change: Partial<SpoolMemory>): void => {
    memory = { ...memory, ...change };
    guard('the state of the spool could not be written', () => file.write(memory));
  };
  const lose = (reason: string, lostAt: number): void => {
    if (memory.resync === null) log.warn({ reason }, 'a full transfer is needed');
    remember({ resync: reason, lostAt });
  };
  const clear = (): void => void guard('the spool could not be emptied', segments.clear);
  const flushSoon = (): void => {
    cancelFlush ??= clock.after(FLUSH_AFTER_MS, () => {
      cancelFlush = undefined;
      segments.flush();
    });
  };

  // Without its state the sequences of the segments mean nothing.
  if (file.initial === undefined) {
    dropped += segments.waiting(0);
    clear();
  }
  remember({});
  // A file that was cut exactly between two records, or that is gone, looks whole: only the state knows better.
  const missing = memory.resync === null && Math.max(memory.acked, segments.last()) < memory.next - 1;
  const kept = Math.max(memory.acked, segments.last());
  if (segments.damaged() > 0 || missing) dropped += Math.max(1, memory.next - 1 - kept);
  if (segments.damaged() > 0) lose('a part of the spool was damaged', memory.next - 1);
  else if (missing) lose('deltas are missing', memory.next - 1);

  return {
    status: () => ({
      epoch: memory.epoch,
      last: memory.next - 1,
      acked: memory.acked,
      sent: memory.sent,
      pending: segments.waiting(memory.acked),
      bytes: segments.bytes(),
      dropped,
      damaged: segments.damaged(),
      resync: memory.resync ?? undefined,
      lostAt: memory.lostAt,
    }),
    append: (delta) => {
      const sequence = memory.next;
      memory = { ...memory, next: sequence + 1 };
      const payload = encodeDelta({ ...delta, sequence });
      const tooMuch = segments.bytes() + payload.length > maxBytes;
      const kept =
        !tooMuch &&
        payload.length <= MAX_PAYLOAD_BYTES &&
        guard('a delta could not be written to the spool', () => segments.append(sequence, payload));
      if (kept) flushSoon();
      else {
        dropped += 1 + (tooMuch ? segments.waiting(memory.acked) : 0);
        // First the need, then the deletion: a crash between the two must not leave a gap that nobody knows of.
        lose(tooMuch ? 'the spool was full' : 'a delta could not be kept', sequence);
        if (tooMuch) clear();
      }
      return sequence;
    },
    after: (sequence) => {
      const before = segments.damaged();
      const waiting = segments.waiting(sequence);
      const found: FindingDelta[] = [];
      const readable = guard('the spool could not be read', () => {
        const record = segments.after(sequence);
        if (record !== undefined) found.push(decodeDelta(record.payload));
      });
      if (readable && segments.damaged() === before) return found[0];
      dropped += Math.max(1, waiting - segments.waiting(sequence));
      lose('a part of the spool was damaged', memory.next - 1);
      if (!readable) clear();
      return undefined;
    },
    ack: (sequence) => {
      if (sequence <= memory.acked || sequence >= memory.next) return;
      const healed = snapshot > memory.lostAt && sequence >= snapshot;
      // Written before files go: the sequences that stood in them are not to be given twice.
      remember({ acked: sequence, ...(healed ? { resync: null } : {}) });
      guard('a file of the spool could not be deleted', () => segments.discard(sequence));
    },
    markSent: (sequence) => {
      if (sequence > memory.sent) remember({ sent: sequence });
    },
    requireResync: (reason) => lose(reason, memory.next - 1),
    beginSnapshot: (instead = false) => {
      snapshot = memory.next;
      remember({ next: snapshot + 1, resync: memory.resync ?? 'a snapshot is on its way' });
      if (instead) clear();
      return snapshot;
    },
    skipTo: (sequence) => {
      // The directory is an old copy: the collector knows the sequences that wait in it with other contents.
      dropped += segments.waiting(memory.acked);
      log.warn(
        { committed: sequence, sent: memory.sent, dropped },
        'the collector has committed more than this data directory has sent: it was restored from an old copy, lost its ' +
          'last writes in a power cut, or two agents use the certificate of one node: then stop the other agent',
      );
      lose('the collector knows more of this node than the spool', sequence);
      remember({ next: Math.max(memory.next, sequence + 1), acked: sequence, sent: sequence });
      clear();
    },
    close: () => {
      cancelFlush?.();
      guard('the spool could not be closed in good order', () => {
        segments.close();
        file.write(memory, true);
        file.close();
      });
    },
  };
}

function newMemory(): SpoolMemory {
  return { epoch: randomUUID(), next: 1, acked: 0, sent: 0, resync: 'a new spool', lostAt: 0 };
}

/** The state is written less often than deltas are: the segments may know more. */
function continued(memory: SpoolMemory, last: number): SpoolMemory {
  return { ...memory, next: Math.max(memory.next, last + 1) };
}

/** Does what the disk may refuse at any time; says so once, until it works again. */
function createGuard(log: Logger): (message: string, act: () => void) => boolean {
  const failing = new Set<string>();
  return (message, act) => {
    try {
      act();
      failing.delete(message);
      return true;
    } catch (error) {
      if (!failing.has(message)) log.warn({ reason: errorCode(error) }, message);
      failing.add(message);
      return false;
    }
  };
}
