/** Largest `int` of C, to which sshd holds numbers and times. */
export const MAX_INT = 2_147_483_647;

/** A whole number between `min` and `max`, as strtonum(3) reads it: spaces before it and a sign are allowed. */
export function parseWhole(text: string, min: number, max: number): number | undefined {
  if (!/^[ \t\n\v\f\r]*[+-]?\d+$/.test(text)) return undefined;
  // Adding 0 turns -0 into 0.
  const value = Number(text.trim()) + 0;
  return value >= min && value <= max ? value : undefined;
}

const UNIT_SECONDS: Readonly<Record<string, number>> = Object.freeze({
  '': 1,
  s: 1,
  m: 60,
  h: 3600,
  d: 86_400,
  w: 604_800,
});

/** Seconds of a time, sshd_config(5), section TIME FORMATS: `90`, `1h30m`; undefined also where it exceeds an int. */
export function parseTime(text: string): number | undefined {
  if (!/^(?:\d+[smhdw])*(?:\d+[smhdw]?)$/i.test(text)) return undefined;
  let total = 0;
  for (const [, digits = '', unit = ''] of text.matchAll(/(\d+)([smhdw]?)/gi)) {
    total += Number(digits) * (UNIT_SECONDS[unit.toLowerCase()] ?? 1);
    if (total > MAX_INT) return undefined;
  }
  return total;
}

const SCALES = 'BKMGTPE';

/** A number of bytes, scan_scaled(3): `1G`, `16.5K`; undefined if the text is not a number. */
export function parseScaled(text: string): bigint | undefined {
  const match = /^[ \t\n\v\f\r]*([+-]?)(\d*)(\.\d*)?(?:([bkmgtpe])(?![a-z0-9]).*)?$/is.exec(text);
  if (match === null) return undefined;
  const [, sign, digits = '', fraction = '', unit] = match;
  if (digits.length + fraction.length > 18) return undefined;
  const whole = BigInt(digits === '' ? 0 : digits);
  const scale = unit === undefined ? 0n : 1024n ** BigInt(SCALES.indexOf(unit.toUpperCase()));
  const decimals = fraction.slice(1);
  const part = unit === undefined || decimals === '' ? 0n : (BigInt(decimals) * scale) / 10n ** BigInt(decimals.length);
  const value = (unit === undefined ? whole : whole * scale) + part;
  return sign === '-' ? -value : value;
}

/** `%d` of sscanf(3) at the start of `text`: the number as an int and what follows; undefined where none is. */
export function scanInteger(text: string): { readonly value: number; readonly rest: string } | undefined {
  const match = /^[ \t\n\v\f\r]*([+-]?\d+)/.exec(text);
  if (match === null) return undefined;
  const long = BigInt(match[1]?.replace('+', '') ?? '0');
  const limit = 2n ** 63n;
  const clamped = long >= limit ? limit - 1n : long < -limit ? -limit : long;
  return { value: Number(BigInt.asIntN(32, clamped)), rest: text.slice(match[0].length) };
}
