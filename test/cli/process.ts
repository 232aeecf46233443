import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';

/** The program as a shell starts it. */
export const PROGRAM = fileURLToPath(new URL('../../bin/plimsoll.js', import.meta.url));

/** A directory for the PATH that has the program, so that hints call it by its name. */
const PATH_DIRECTORY = mkdtempSync(join(tmpdir(), 'plimsoll-path-'));
symlinkSync(PROGRAM, join(PATH_DIRECTORY, 'plimsoll'));
process.on('exit', () => rmSync(PATH_DIRECTORY, { recursive: true, force: true }));

/** What came of a run. */
export interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** An environment of the test's own: no configuration of this machine, no colour, 80 columns. */
export function environmentOf(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  return {
    PATH: `${PATH_DIRECTORY}:${process.env['PATH'] ?? ''}`,
    HOME: '/nonexistent',
    TZ: 'UTC',
    COLUMNS: '80',
    PLIMSOLL_SOURCE: '1',
    PLIMSOLL_CONFIG: fileURLToPath(new URL('empty.yaml', import.meta.url)),
    ...extra,
  };
}

/** Runs `plimsoll` with `args` to its end. */
export function plimsoll(args: readonly string[], extra: Readonly<Record<string, string>> = {}): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [PROGRAM, ...args], { env: environmentOf(extra), stdio: 'pipe' });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.stdin.end();
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** A directory that is gone when the test is over. */
export function temporaryDirectory(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-cli-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** An address where nobody listens: a port that was free a moment ago. */
export async function closedAddress(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `127.0.0.1:${String(port)}`;
}
