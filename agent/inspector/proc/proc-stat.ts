/** Clock ticks in a second as the kernel shows them to programs: 100 on every platform that runs containers, time(7). */
export const TICKS_PER_SECOND = 100;
/** Field 22 of `/proc/PID/stat` is the start time; the fields after the name are counted from 3. */
const START_TIME_INDEX = 22 - 3;

/**
 * Start of a process in ticks since boot, from `/proc/PID/stat`, proc_pid_stat(5). The name is in parentheses and may
 * itself hold brackets and spaces, so the fields are counted from the last bracket.
 */
export function parseStartTicks(text: string): number | undefined {
  const bracket = text.lastIndexOf(')');
  if (bracket === -1) return undefined;
  const field = text.slice(bracket + 2).split(' ', START_TIME_INDEX + 1)[START_TIME_INDEX];
  return field !== undefined && /^\d{1,15}$/.test(field) ? Number(field) : undefined;
}

/** State of a process, one letter, from `/proc/PID/stat`: `Z` and `X` are ended. Empty where the text has none. */
export function parseState(text: string): string {
  const bracket = text.lastIndexOf(')');
  return bracket === -1 ? '' : text.charAt(bracket + 2);
}

/** When the node was booted, in seconds since 1970: the line `btime` of `/proc/stat`, proc_stat(5). */
export function parseBootTime(text: string): number | undefined {
  const match = /^btime (\d{1,12})$/m.exec(text);
  return match === null ? undefined : Number(match[1]);
}

/** Milliseconds since 1970; 0 where one of the two is not known. */
export function startedAtMs(bootSeconds: number | undefined, ticks: number | undefined): number {
  if (bootSeconds === undefined || ticks === undefined) return 0;
  return bootSeconds * 1000 + Math.round((ticks * 1000) / TICKS_PER_SECOND);
}
