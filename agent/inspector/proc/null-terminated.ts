/** `/proc/PID/cmdline` and `/proc/PID/environ`: strings with a NUL after each, proc_pid_cmdline(5). */
export function parseNullTerminated(text: string): readonly string[] {
  if (text === '') return [];
  const strings = text.split('\0');
  if (strings.at(-1) === '') strings.pop();
  return strings;
}
