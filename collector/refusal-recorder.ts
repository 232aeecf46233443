import type { Clock } from '../service/clock.ts';
import type { Logger } from '../service/log.ts';
import type { EventBus } from './store/event-bus.ts';
import type { Store } from './store/store.ts';
import type { RefusedOperation } from './store/stored-event.ts';

/** A refused request of a node. The texts may come from the sender of the request. */
export interface RefusalNote {
  readonly operation: RefusedOperation;
  readonly nodeId: string;
  readonly address: string;
  readonly reason: string;
}

/** Records refused requests of nodes in the outbox, so that sinks ship them. */
export interface RefusalRecorder {
  /** Does not wait and does not throw. */
  readonly note: (refusal: RefusalNote) => void;
  /** Resolves once what was noted is stored, or has failed. */
  readonly settled: () => Promise<void>;
}

/** What a recorder needs. */
export interface RefusalRecorderOptions {
  readonly store: Pick<Store, 'recordRefusals'>;
  readonly eventBus: Pick<EventBus, 'announce'>;
  readonly clock: Pick<Clock, 'now' | 'monotonic'>;
  readonly log: Logger;
}

/** Events in one window, of one address and of all: an attacker must not fill the outbox. */
const WINDOW_MS = 60_000;
const MAX_OF_ADDRESS = 5;
const MAX_OF_ALL = 60;
const MAX_TEXT = 300;

/**
 * A recorder without refusals. Beyond {@link MAX_OF_ADDRESS} events a minute for one address and {@link MAX_OF_ALL} for
 * all, refusals are only counted; the next event of a later minute says how many had none.
 */
export function createRefusalRecorder({ store, eventBus, clock, log }: RefusalRecorderOptions): RefusalRecorder {
  let windowMs = -Infinity;
  let written = new Map<string, number>();
  let total = 0;
  let suppressed = 0;
  let writing: Promise<void> = Promise.resolve();
  const isAllowed = (address: string): boolean => {
    const nowMs = clock.monotonic();
    if (nowMs - windowMs >= WINDOW_MS) [windowMs, written, total] = [nowMs, new Map(), 0];
    const own = written.get(address) ?? 0;
    if (total >= MAX_OF_ALL || own >= MAX_OF_ADDRESS) return false;
    total += 1;
    written.set(address, own + 1);
    return true;
  };
  const write = async (refusal: Parameters<Store['recordRefusals']>[0][number]): Promise<void> => {
    try {
      eventBus.announce(await store.recordRefusals([refusal]));
    } catch (error) {
      suppressed += 1 + refusal.suppressed;
      log.warn({ error }, 'a refusal could not be stored; it is counted in the next event');
    }
  };
  return {
    note: ({ operation, nodeId, address, reason }) => {
      if (!isAllowed(address)) {
        suppressed += 1;
        return;
      }
      const refusal = {
        operation,
        nodeId: bounded(nodeId),
        address: bounded(address),
        reason: bounded(reason),
        atMs: clock.now(),
        suppressed,
      };
      suppressed = 0;
      writing = writing.then(() => write(refusal));
    },
    settled: () => writing,
  };
}

function bounded(text: string): string {
  return text.slice(0, MAX_TEXT).replaceAll(/[^ -~]/g, '?');
}
