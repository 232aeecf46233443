const UNITS: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['s', 1],
  ['m', 60],
  ['h', 60 * 60],
  ['d', 24 * 60 * 60],
  ['w', 7 * 24 * 60 * 60],
]);

/**
 * Seconds in a time of sshd_config(5), section TIME FORMATS: numbers with an optional unit (s, m, h, d, w, either
 * case) that add up, `600`, `10m`, `1h30m`. Nothing where the text is no time.
 */
export function secondsOf(text: string): number | undefined {
  if (!/^(?:\d{1,10}[smhdw]?){1,16}$/i.test(text)) return undefined;
  let seconds = 0;
  for (const [, digits, unit] of text.matchAll(/(\d+)([smhdw]?)/gi))
    seconds += Number(digits) * (UNITS.get((unit ?? '').toLowerCase()) ?? 1);
  return seconds;
}
