import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { FromChild } from './child-protocol.ts';

/** What a process logged, or wrote to standard error otherwise. */
export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly text: string;
  readonly atMs: number;
}

/** One process, from its start to its end; times by the clock of the test. */
export interface Run {
  readonly startedMs: number;
  readonly lines: LogLine[];
  ready: Extract<FromChild, { readonly kind: 'ready' }> | undefined;
  endedMs: number | undefined;
}

/** A program that is killed and started again. */
export interface Program {
  readonly name: 'agent' | 'collector';
  /** Starts it; resolves once it is ready. */
  readonly start: () => Promise<void>;
  /** SIGKILL, and after a time a new start; resolves when the new process has been started. */
  readonly kill: (downMs: number) => Promise<void>;
  /** SIGTERM; resolves with its exit code, or the signal that ended it. */
  readonly stop: () => Promise<number | string>;
  /** Moves its wall clock, that of later processes included. */
  readonly setClock: (offsetMs: number) => void;
  readonly runs: () => readonly Run[];
  /** What must not happen: a process that exited unexpectedly. */
  readonly problems: () => readonly string[];
  /** The most resident memory that was seen, in KiB. */
  readonly maxRssKib: () => number;
}

/** How a program is started. */
export interface ProgramOptions {
  /** Bundle of child.ts. */
  readonly script: string;
  readonly name: 'agent' | 'collector';
  readonly flags: Readonly<Record<string, string>>;
  readonly seed: number;
  /** A process that cannot start is no problem now (its disk is full): it is started again. */
  readonly mayFailToStart: () => boolean;
  readonly onReady: (ready: NonNullable<Run['ready']>) => void;
}

const SAMPLE_MS = 250;
const RESTART_MS = 300;
const START_DEADLINE_MS = 30_000;
const STOP_DEADLINE_MS = 20_000;

/** A program that was not started yet. */
export function createProgram(options: ProgramOptions): Program {
  const { name, script, flags, seed, onReady } = options;
  const runs: Run[] = [];
  const problems: string[] = [];
  let child: ChildProcess | undefined;
  let expected = false;
  let offsetMs = 0;
  let maxRssKib = 0;
  const sampler = setInterval(() => {
    if (child?.pid !== undefined) maxRssKib = Math.max(maxRssKib, rssKibOf(child.pid));
  }, SAMPLE_MS);
  sampler.unref();

  const spawn = (): void => {
    expected = false;
    const run: Run = { startedMs: Date.now(), lines: [], ready: undefined, endedMs: undefined };
    runs.push(run);
    const mayFail = options.mayFailToStart();
    const args = [name, JSON.stringify(flags), String(seed + runs.length)];
    const started = fork(script, args, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], execArgv: [] });
    child = started;
    if (offsetMs !== 0) started.send({ offsetMs });
    let failure: string | undefined;
    started.on('message', (message: FromChild) => {
      if (message.kind === 'failed') failure = message.reason;
      else {
        run.ready = message;
        onReady(message);
      }
    });
    if (started.stderr !== null) createInterface(started.stderr).on('line', (text) => run.lines.push(readLine(text)));
    started.once('exit', (code, signal) => {
      run.endedMs = Date.now();
      if (expected || started !== child) return;
      // There may be room again since it failed.
      if (run.ready === undefined && failure !== undefined && (mayFail || options.mayFailToStart()))
        return void setTimeout(() => (started === child && !expected ? spawn() : undefined), RESTART_MS);
      problems.push(`${name} exited unexpectedly (${String(code ?? signal)}): ${failure ?? ''}`);
    });
  };
  const end = async (signal: 'SIGKILL' | 'SIGTERM'): Promise<number | string> => {
    expected = true;
    const ending = child;
    if (ending === undefined || isOver(ending)) return ending?.exitCode ?? ending?.signalCode ?? 'not started';
    const gone = new Promise((resolve) => ending.once('exit', resolve));
    ending.kill(signal);
    const patience = setTimeout(() => {
      problems.push(`${name} did not end within ${String(STOP_DEADLINE_MS)} ms of ${signal}`);
      ending.kill('SIGKILL');
    }, STOP_DEADLINE_MS);
    await gone;
    clearTimeout(patience);
    return ending.exitCode ?? ending.signalCode ?? '';
  };

  return {
    name,
    start: async () => {
      spawn();
      const run = runs.at(-1);
      for (let waited = 0; run?.ready === undefined; waited += 10) {
        if (waited > START_DEADLINE_MS || run?.endedMs !== undefined)
          throw new Error(
            `${name} does not start: ${[...problems, ...(run?.lines ?? []).map(({ text }) => text)].join('\n')}`,
          );
        await pause(10);
      }
    },
    kill: async (downMs) => {
      await end('SIGKILL');
      await pause(downMs);
      spawn();
    },
    stop: async () => {
      const code = await end('SIGTERM');
      clearInterval(sampler);
      return code;
    },
    setClock: (to) => {
      offsetMs = to;
      if (child !== undefined && !isOver(child)) child.send({ offsetMs }, () => undefined);
    },
    runs: () => runs,
    problems: () => problems,
    maxRssKib: () => maxRssKib,
  };
}

/** Resolves after so long. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

function isOver({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

function readLine(text: string): LogLine {
  try {
    const { level, message } = JSON.parse(text) as { level?: unknown; message?: unknown };
    return { level: String(level), message: String(message), text, atMs: Date.now() };
  } catch {
    // A stack, most likely: nothing else writes there.
    return { level: 'none', message: text, text, atMs: Date.now() };
  }
}

function rssKibOf(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${String(pid)}/status`, 'latin1'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
