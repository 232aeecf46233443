import type { Clock } from '../../service/clock.ts';

/** Events a second over the last minute. */
export interface DeliveryRate {
  readonly add: (events: number) => void;
  readonly perSecond: () => number;
}

const SLOTS = 12;
const SLOT_MS = 5_000;

/** Counts in slots of five seconds; the current one is left out until it is over, so that a burst does not jump. */
export function createDeliveryRate(clock: Pick<Clock, 'monotonic'>): DeliveryRate {
  const counts = Array.from({ length: SLOTS + 1 }, () => 0);
  const startSlot = Math.floor(clock.monotonic() / SLOT_MS);
  let current = startSlot;
  const advance = (): void => {
    const now = Math.floor(clock.monotonic() / SLOT_MS);
    for (let slot = Math.max(current + 1, now - SLOTS); slot <= now; slot += 1) counts[slot % counts.length] = 0;
    current = now;
  };
  return {
    add: (events) => {
      advance();
      const index = current % counts.length;
      counts[index] = (counts[index] ?? 0) + events;
    },
    perSecond: () => {
      advance();
      const over = counts.reduce((sum, count) => sum + count, 0) - (counts[current % counts.length] ?? 0);
      const slots = Math.min(SLOTS, current - startSlot);
      return slots === 0 ? 0 : over / (slots * (SLOT_MS / 1000));
    },
  };
}
