const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ['ns', 1e-6],
  ['us', 1e-3],
  ['µs', 1e-3],
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
]);

/**
 * Milliseconds in a duration as Go writes it (`time.ParseDuration`): `4h0m0s`, `1.5h`, `0`. Undefined if it is not a
 * duration.
 */
export function goDurationMs(text: string): number | undefined {
  if (text.length > 64) return undefined;
  const [, sign = '', rest = ''] = /^([+-]?)(.*)$/.exec(text) ?? [];
  if (rest === '0') return 0;
  if (!/^(?:\d{1,15}(?:\.\d{0,15})?(?:ns|us|µs|ms|s|m|h))+$/.test(rest)) return undefined;
  let ms = 0;
  for (const [, number, unit] of rest.matchAll(/([\d.]+)([a-zµ]+)/g))
    ms += Number(number) * (UNIT_MS.get(unit ?? '') ?? 0);
  return sign === '-' ? -ms : ms;
}
