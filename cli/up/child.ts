import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Programs } from '../programs.ts';

/** How a child process ended. */
export interface ChildEnd {
  readonly code: number | null;
  readonly signal: string | null;
  /** The last lines that were no log lines: what it said about why it could not start. */
  readonly said: readonly string[];
}

/** One running child. */
export interface Child {
  /** Resolves with what the child says when it is ready; undefined if it ended first. */
  readonly ready: Promise<unknown>;
  readonly ended: Promise<ChildEnd>;
  readonly kill: (signal: 'SIGTERM' | 'SIGKILL') => void;
}

/** Longest line that is looked at, and plain lines that are kept. */
const MAX_LINE = 8 * 1024;
const KEPT_LINES = 20;

/**
 * Starts this program again with `args`. Its lines on standard error go to `onLine`; standard output is dropped, since
 * nothing that is for people comes from a child.
 */
export function startChild(start: Programs['start'], args: readonly string[], onLine: (line: string) => void): Child {
  const process = start(args, ['ignore', 'ignore', 'pipe', 'ipc']);
  const said: string[] = [];
  if (process.stderr !== null)
    createInterface({ input: process.stderr, crlfDelay: Number.POSITIVE_INFINITY }).on('line', (text) => {
      const line = text.slice(0, MAX_LINE);
      if (!line.startsWith('{')) {
        said.push(line);
        if (said.length > KEPT_LINES) said.shift();
      }
      onLine(line);
    });
  const ended = endOf(process, said);
  return { ready: readyOf(process, ended), ended, kill: (signal) => void process.kill(signal) };
}

function endOf(process: ChildProcess, said: readonly string[]): Promise<ChildEnd> {
  return new Promise((resolve) => {
    // `close` comes once its output was read; `error` alone if it could not be started.
    process.once('close', (code, signal) => resolve({ code, signal, said }));
    process.once('error', (error) => resolve({ code: null, signal: null, said: [error.message] }));
  });
}

function readyOf(process: ChildProcess, ended: Promise<ChildEnd>): Promise<unknown> {
  const answer = new Promise<unknown>((resolve) => {
    process.on('message', (message) => {
      if (typeof message === 'object' && message !== null && 'ready' in message) resolve(message.ready);
    });
  });
  return Promise.race([answer, ended.then(() => undefined)]);
}

/** `exit status 1`, `SIGKILL` */
export function describeEnd({ code, signal }: ChildEnd): string {
  return signal ?? (code === null ? 'not started' : `exit status ${String(code)}`);
}
