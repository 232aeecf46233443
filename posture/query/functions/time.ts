import type { Budget } from '../budget.ts';
import { QueryError } from '../query-error.ts';
import { Duration, Timestamp } from '../values.ts';
import { define } from './definition.ts';
import type { FunctionDefinition, Implementation } from './definition.ts';

const NANOS_PER_SECOND = 1_000_000_000n;
/** Years 0001 to 9999: CEL, "Timestamp". */
const MIN_TIMESTAMP = -62_135_596_800n * NANOS_PER_SECOND;
const MAX_TIMESTAMP = 253_402_300_800n * NANOS_PER_SECOND - 1n;
/** The nanoseconds of an int, as cel-go bounds it: 292 years. */
const MAX_DURATION = 2n ** 63n - 1n;
/** What the calendar of a named time zone costs: it is built by the time zone data of Node.js. */
const ZONE_UNITS = 2_000;

/** A duration from nanoseconds; throws where it is out of range. */
export function checkDuration(nanos: bigint): Duration {
  if (nanos > MAX_DURATION || nanos < -MAX_DURATION) throw new QueryError('a duration is out of range');
  return new Duration(nanos);
}

/** A time from nanoseconds since 1970; throws where it is out of range. */
export function checkTimestamp(nanos: bigint): Timestamp {
  if (nanos > MAX_TIMESTAMP || nanos < MIN_TIMESTAMP) throw new QueryError('a timestamp is out of range');
  return new Timestamp(nanos);
}

const UNIT_NANOS: Readonly<Record<string, bigint>> = {
  d: 86_400n * NANOS_PER_SECOND,
  h: 3_600n * NANOS_PER_SECOND,
  m: 60n * NANOS_PER_SECOND,
  s: NANOS_PER_SECOND,
  ms: 1_000_000n,
  us: 1_000n,
  µs: 1_000n,
  ns: 1n,
};

/** `1h30m`, `-1.5s`, `90d`: Go's `time.ParseDuration`, and days of 24 hours. */
export function parseDuration(text: string): Duration {
  const bad = new QueryError(`a duration is written as 90d, 36h or 1m30s, not as \`${text.slice(0, 40)}\``);
  const [, sign = '', body = ''] =
    /^([+-]?)((?:(?:\d+(?:\.\d*)?|\.\d+)(?:d|h|m|s|ms|us|µs|ns))+|0)$/.exec(text.slice(0, 64)) ?? [];
  if (body === '' || text.length > 64) throw bad;
  let nanos = 0n;
  for (const [, whole = '', fraction = '', unit = ''] of body.matchAll(/(\d*)(?:\.(\d*))?([a-zµ]+)/g)) {
    const factor = UNIT_NANOS[unit];
    if (factor === undefined) throw bad;
    nanos += (BigInt(whole + fraction) * factor) / 10n ** BigInt(fraction.length);
  }
  return checkDuration(sign === '-' ? -nanos : nanos);
}

/** RFC 3339, to the nanosecond. */
export function parseTimestamp(text: string): Timestamp {
  const match =
    /^(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)$/.exec(text.slice(0, 64)) ?? [];
  const [, date = '', time = '', fraction = '', zone = ''] = match;
  const milliseconds = Date.parse(`${date}T${time}${zone.toUpperCase()}`);
  const isSame = new Date(`${date}T${time}Z`).toJSON()?.startsWith(`${date}T${time}`) ?? false;
  if (Number.isNaN(milliseconds) || !isSame)
    throw new QueryError(`a timestamp is written as 2026-01-31T12:00:00Z, not as \`${text.slice(0, 40)}\``);
  return checkTimestamp(BigInt(milliseconds) * 1_000_000n + BigInt(fraction.padEnd(9, '0')));
}

/** RFC 3339 in UTC, with as many digits of a second as it takes. */
export function timestampText({ nanos }: Timestamp): string {
  const seconds = floorSeconds(nanos);
  const fraction = fractionText(nanos - seconds * NANOS_PER_SECOND);
  return new Date(Number(seconds) * 1000).toISOString().replace('.000Z', `${fraction}Z`);
}

/** `90s`, `-1.5s`. */
export function durationText({ nanos }: Duration): string {
  const size = nanos < 0n ? -nanos : nanos;
  return `${nanos < 0n ? '-' : ''}${String(size / NANOS_PER_SECOND)}${fractionText(size % NANOS_PER_SECOND)}s`;
}

/** Whole seconds since 1970, rounded down. */
export function floorSeconds(nanos: bigint): bigint {
  const seconds = nanos / NANOS_PER_SECOND;
  return nanos < 0n && seconds * NANOS_PER_SECOND !== nanos ? seconds - 1n : seconds;
}

function fractionText(nanos: bigint): string {
  return nanos === 0n ? '' : `.${String(nanos).padStart(9, '0').replace(/0+$/, '')}`;
}

/** A clock that shows UTC fields: the time moved by the offset of the zone. */
function clockOf(time: Timestamp, zone: string | Budget, budget: Budget | undefined): Date {
  const seconds = floorSeconds(time.nanos);
  const milliseconds = Number(seconds) * 1000 + Number((time.nanos - seconds * NANOS_PER_SECOND) / 1_000_000n);
  const utc = new Date(milliseconds);
  if (typeof zone !== 'string' || zone === 'UTC') return utc;
  const [, sign, hours, minutes] = /^([+-]?)(\d\d):(\d\d)$/.exec(zone) ?? [];
  if (hours !== undefined && minutes !== undefined)
    return new Date(milliseconds + (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000);
  budget?.spend(ZONE_UNITS);
  return zoneClock(utc, zone);
}

function zoneClock(utc: Date, timeZone: string): Date {
  const fields = { year: 'numeric', month: 'numeric', day: 'numeric' } as const;
  const clock = { hour: 'numeric', minute: 'numeric', second: 'numeric', hourCycle: 'h23' } as const;
  let parts: readonly Intl.DateTimeFormatPart[];
  try {
    parts = new Intl.DateTimeFormat('en-US', { timeZone, ...fields, ...clock }).formatToParts(utc);
  } catch {
    throw new QueryError(`unknown time zone \`${timeZone.slice(0, 40)}\``);
  }
  const part = (type: string): number => Number(parts.find((each) => each.type === type)?.value);
  const local = new Date(0);
  local.setUTCFullYear(part('year'), part('month') - 1, part('day'));
  local.setUTCHours(part('hour'), part('minute'), part('second'), utc.getUTCMilliseconds());
  return local;
}

function dayOfYear(clock: Date): number {
  const day = 86_400_000;
  const start = new Date(0);
  start.setUTCFullYear(clock.getUTCFullYear(), 0, 1);
  return Math.floor((clock.getTime() - start.getTime()) / day);
}

function selector(name: string, doc: string, read: (clock: Date) => number, of?: Implementation): FunctionDefinition {
  const run = (time: Timestamp, zone: string | Budget, budget?: Budget): bigint =>
    BigInt(read(clockOf(time, zone, budget)));
  return define(
    name,
    {
      [`timestamp.${name}(): int`]: run,
      [`timestamp.${name}(string): int`]: run,
      ...(of === undefined ? {} : { [`duration.${name}(): int`]: of }),
    },
    doc,
    [`timestamp("2026-07-04T10:30:15Z").${name}()`, EXAMPLES[name] ?? ''],
  );
}

const EXAMPLES: Readonly<Record<string, string>> = {
  getFullYear: '2026',
  getMonth: '6',
  getDate: '4',
  getDayOfMonth: '3',
  getDayOfWeek: '6',
  getDayOfYear: '184',
  getHours: '10',
  getMinutes: '30',
  getSeconds: '15',
  getMilliseconds: '0',
};

const whole =
  (unit: bigint) =>
  ({ nanos }: Duration): bigint =>
    nanos / unit;

/** Parts of a time, in UTC or in the time zone that is named (`Europe/Berlin`, `+02:00`), and of a duration. */
export const TIME_FUNCTIONS: readonly FunctionDefinition[] = [
  selector('getFullYear', 'The year.', (clock) => clock.getUTCFullYear()),
  selector('getMonth', 'The month, from 0.', (clock) => clock.getUTCMonth()),
  selector('getDate', 'The day of the month, from 1.', (clock) => clock.getUTCDate()),
  selector('getDayOfMonth', 'The day of the month, from 0.', (clock) => clock.getUTCDate() - 1),
  selector('getDayOfWeek', 'The day of the week; 0 is Sunday.', (clock) => clock.getUTCDay()),
  selector('getDayOfYear', 'The day of the year, from 0.', dayOfYear),
  selector(
    'getHours',
    'The hour; of a duration, all its hours.',
    (clock) => clock.getUTCHours(),
    whole(3_600n * NANOS_PER_SECOND),
  ),
  selector(
    'getMinutes',
    'The minute; of a duration, all its minutes.',
    (clock) => clock.getUTCMinutes(),
    whole(60n * NANOS_PER_SECOND),
  ),
  selector(
    'getSeconds',
    'The second; of a duration, all its seconds.',
    (clock) => clock.getUTCSeconds(),
    whole(NANOS_PER_SECOND),
  ),
  selector(
    'getMilliseconds',
    'The milliseconds within the second.',
    (clock) => clock.getUTCMilliseconds(),
    ({ nanos }: Duration) => (nanos / 1_000_000n) % 1000n,
  ),
];
