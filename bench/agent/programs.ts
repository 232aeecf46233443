import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { NODE, ROOT } from '../../scripts/setup.mjs';

/** One part of the program, run as it is run for people: bundled, a process of its own. */
export interface Program {
  readonly pid: number;
  readonly ready: unknown;
  /** How often a line with this message was logged. */
  readonly logged: (message: string) => number;
  readonly stop: () => Promise<void>;
}

/** Starts `plimsoll ARGS`, an agent or a collector, and waits until it says that it is ready; `flags` count beside its own. */
export async function startProgram(args: readonly string[], flags: readonly string[] = []): Promise<Program> {
  const environment = args[0] === 'collector' ? process.env : { ...process.env, MALLOC_ARENA_MAX: '1' };
  const child = spawn(NODE, [...tunedFlags(args[0]), ...flags, join(ROOT, 'bin', 'plimsoll.js'), ...args], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    // A group of its own: Ctrl-C is for the benchmark, which then ends its programs in order.
    detached: true,
    env: environment,
  });
  const counts = new Map<string, number>();
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-8192);
    for (const [, message = ''] of text.matchAll(/"message":"([^"]*)"/g))
      counts.set(message, (counts.get(message) ?? 0) + 1);
  });
  const ready = await new Promise<unknown>((resolve, reject) => {
    child.on('message', (message) => {
      if (typeof message === 'object' && message !== null && 'ready' in message) resolve(message.ready);
    });
    child.on('exit', (code) => reject(new Error(`${args[0] ?? ''} ended (${String(code)}): ${said}`)));
  });
  return {
    pid: child.pid ?? 0,
    ready,
    logged: (message) => counts.get(message) ?? 0,
    stop: () => ended(child),
  };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise((resolve) => {
    child.removeAllListeners('exit').once('exit', resolve);
    child.kill('SIGTERM');
  });
}

/** The flags that this program is started with by `plimsoll up`, read from the script that has them. */
function tunedFlags(command: string | undefined): readonly string[] {
  const script = readFileSync(join(ROOT, 'bin', 'plimsoll.js'), 'utf8');
  const [frugal = [], collector = []] = [...script.matchAll(/flags: Object\.freeze\(\[([^\]]*)\]\)/g)].map(
    ([, list = '']) => [...list.matchAll(/'([^']+)'/g)].map(([, flag = '']) => flag),
  );
  return command === 'collector' ? collector : frugal;
}
