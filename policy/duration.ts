import type { Schema } from '../posture/schema.ts';

const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
  ['w', 604_800_000],
]);

/** Ten years: a longer one is a slip of the keyboard. */
const MAX_MS = 3653 * 86_400_000;

/** A duration such as `30m`, `24h`, `7d` or `2w`, as milliseconds; from one second to ten years. */
export function duration(doc: string): Schema<number> {
  return {
    shape: { kind: 'string', doc },
    parse: (value, at = '') => {
      const ms = typeof value === 'string' ? parseDuration(value) : undefined;
      if (ms !== undefined && ms > 0 && ms <= MAX_MS) return { ok: true, value: ms };
      return { ok: false, problem: `${at}: expected a duration such as 30m, 24h or 7d, at most 10 years` };
    },
  };
}

/** `90m` in milliseconds; undefined where the text is no duration. Units are s, m, h, d and w. */
export function parseDuration(text: string): number | undefined {
  const [, digits, unit = ''] = /^(\d{1,9})([smhdw])$/.exec(text) ?? [];
  const unitMs = UNIT_MS.get(unit);
  return unitMs === undefined ? undefined : Number(digits) * unitMs;
}

/** `7 days`, `26 hours`, `3 minutes`: a duration for people, rounded down. */
export function describeDuration(ms: number): string {
  const [unit, size] =
    ms >= 2 * 86_400_000
      ? ['day', 86_400_000]
      : ms >= 2 * 3_600_000
        ? ['hour', 3_600_000]
        : ms >= 120_000
          ? ['minute', 60_000]
          : ['second', 1000];
  const count = Math.floor(ms / size);
  return `${String(count)} ${unit}${count === 1 ? '' : 's'}`;
}
