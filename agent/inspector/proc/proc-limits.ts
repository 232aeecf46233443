/** Hard limits of a process that a container can use up; -1: unlimited. */
interface ResourceLimits {
  readonly openFiles: number;
  readonly processes: number;
}

/**
 * `/proc/PID/limits`, proc_pid_limits(5): a header, then name, soft limit, hard limit and unit in columns. undefined
 * where it is no such file.
 */
export function parseLimits(text: string): ResourceLimits | undefined {
  const openFiles = hardLimit(text, 'Max open files');
  const processes = hardLimit(text, 'Max processes');
  return openFiles === undefined || processes === undefined ? undefined : { openFiles, processes };
}

function hardLimit(text: string, name: string): number | undefined {
  const line = text.split('\n', 64).find((candidate) => candidate.startsWith(`${name} `));
  const word = line?.slice(name.length).trim().split(/\s+/)[1];
  if (word === 'unlimited') return -1;
  return word !== undefined && /^\d{1,15}$/.test(word) ? Number(word) : undefined;
}
