import type { Schema } from '../../posture/schema.ts';

/** Days of the week, as Date.getUTCDay counts them. */
export const DAYS = Object.freeze(['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const);

/** A window that begins on some days at a time and ends at another. Minutes since midnight, UTC. */
export interface MaintenanceWindow {
  readonly days: readonly (typeof DAYS)[number][];
  readonly from: number;
  readonly to: number;
}

const DAY_MINUTES = 24 * 60;

/** `HH:MM` as minutes since midnight. */
export function timeOfDay(doc: string): Schema<number> {
  return {
    shape: { kind: 'string', doc },
    parse: (value, at = '') => {
      const [, hours, minutes] = typeof value === 'string' ? (/^([01]\d|2[0-3]):([0-5]\d)$/.exec(value) ?? []) : [];
      return hours === undefined
        ? { ok: false, problem: `${at}: expected a time of day such as '22:00', in quotes` }
        : { ok: true, value: Number(hours) * 60 + Number(minutes) };
    },
  };
}

/** Is the window open at `now`, in milliseconds since the epoch? One whose times are equal lasts a whole day. */
export function isWindowOpen({ days, from, to }: MaintenanceWindow, now: number): boolean {
  const minute = Math.floor(now / 60_000) % DAY_MINUTES;
  const length = to > from ? to - from : to + DAY_MINUTES - from;
  const sinceStart = minute - from;
  const begins = (daysAgo: number): boolean =>
    days.includes(DAYS[new Date(now - daysAgo * DAY_MINUTES * 60_000).getUTCDay()] ?? 'sun');
  if (sinceStart >= 0 && sinceStart < length) return begins(0);
  return sinceStart + DAY_MINUTES < length && begins(1);
}

/** Days that are looked at: a window that begins on one day of the week opens again within eight. */
const LOOKED_AT_DAYS = 9;

/** Whether the window is open, and when that changes next, in milliseconds since the epoch; null: it never does. */
export function nextChange(
  window: MaintenanceWindow,
  now: number,
): { readonly isOpen: boolean; readonly changesMs: number | null } {
  const isOpen = isWindowOpen(window, now);
  const dayMs = DAY_MINUTES * 60_000;
  const today = Math.floor(now / dayMs) * dayMs;
  // It opens and closes at these times of day only.
  const moments = Array.from({ length: LOOKED_AT_DAYS }, (_, day) => today + day * dayMs).flatMap((day) =>
    [window.from, window.to].toSorted((a, b) => a - b).map((minute) => day + minute * 60_000),
  );
  const next = moments.find((moment) => moment > now && isWindowOpen(window, moment) !== isOpen);
  return { isOpen, changesMs: next ?? null };
}
