import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** What one run of a whole process cost, with all children that it waited for. */
export interface Cost {
  readonly wallSeconds: number;
  /** User and system time. */
  readonly cpuSeconds: number;
  /** Highest resident memory of the process itself (VmHWM), in MiB. */
  readonly peakMiB: number;
  readonly exitCode: number;
}

/**
 * Runs a command to its end. CPU comes from the shell's `times` (the kernel's own accounting of waited-for children),
 * peak memory from VmHWM, polled until the process is gone.
 */
export async function measure(command: readonly string[], environment: NodeJS.ProcessEnv): Promise<Cost> {
  const script = 'TIMEFORMAT="%R %U %S"; time "$@" >/dev/null 2>&1; code=$?; exit $code';
  const started = performance.now();
  const shell = spawn('bash', ['-c', script, 'bench', ...command], {
    env: { ...process.env, LC_ALL: 'C', ...environment },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let timing = '';
  shell.stderr.setEncoding('utf8').on('data', (text: string) => (timing += text));
  let peakKiB = 0;
  const poll = setInterval(() => (peakKiB = Math.max(peakKiB, peakOfChild(shell.pid))), 5);
  const exitCode = await new Promise<number>((resolve) => shell.on('close', (code) => resolve(code ?? 1)));
  clearInterval(poll);
  const [, user = '0', system = '0'] = timing.trim().split('\n').at(-1)?.split(' ') ?? [];
  return {
    wallSeconds: (performance.now() - started) / 1000,
    cpuSeconds: Number(user) + Number(system),
    peakMiB: peakKiB / 1024,
    exitCode,
  };
}

/** The run with the median CPU time. */
export function median(costs: readonly Cost[]): Cost {
  const sorted = costs.toSorted((one, other) => one.cpuSeconds - other.cpuSeconds);
  const middle = sorted[Math.floor(sorted.length / 2)];
  if (middle === undefined) throw new Error('no run to take the median of');
  return middle;
}

function peakOfChild(pid: number | undefined): number {
  if (pid === undefined) return 0;
  try {
    const child =
      readFileSync(`/proc/${String(pid)}/task/${String(pid)}/children`, 'utf8')
        .trim()
        .split(' ')[0] ?? '';
    const status = readFileSync(`/proc/${child}/status`, 'utf8');
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0);
  } catch {
    return 0; // it has just ended
  }
}
