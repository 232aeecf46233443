import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { environmentOf, PROGRAM } from '../cli/process.ts';

/** A plugin in a process of its own. */
export interface Plugin {
  readonly process: ChildProcess;
  /** What it has logged. */
  readonly logged: () => string;
}

/** Starts `plimsoll authz` and waits until it listens. Ends with the test process. */
export function startPlugin(socket: string, ...flags: readonly string[]): Promise<Plugin> {
  return startPluginWith({}, socket, ...flags);
}

/** The same with more in its environment. */
export async function startPluginWith(
  environment: Readonly<Record<string, string>>,
  socket: string,
  ...flags: readonly string[]
): Promise<Plugin> {
  const child = spawn(process.execPath, [PROGRAM, 'authz', '--plugin-socket', socket, ...flags], {
    env: environmentOf(environment),
    // With a channel it ends when this process is gone, also where a test is killed.
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let logged = '';
  const ready = Promise.withResolvers<void>();
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    logged += text;
    if (logged.includes('answering the authorization requests')) ready.resolve();
  });
  child.once('exit', () => ready.reject(new Error(`plimsoll authz ended: ${logged}`)));
  await ready.promise;
  return { process: child, logged: () => logged };
}

/** Ends a plugin and waits for its end. */
export async function stopPlugin({ process: child }: Plugin, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await ended;
}

/** A directory that only root can write to, as policies need one. */
export function privateDirectory(): { readonly path: string; readonly remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'plimsoll-authz-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Writes a policy with this spec (YAML in one line) and returns its path. */
export function writePolicy(directory: string, spec: string, name = 'test'): string {
  mkdirSync(directory, { recursive: true });
  const path = join(directory, `${name}.yaml`);
  const head = `apiVersion: plimsoll.dev/v1\nkind: ContainerPolicy\nmetadata: { name: ${name} }\n`;
  writeFileSync(path, `${head}spec: ${spec}\n`, { mode: 0o644 });
  return path;
}

/** One request as a client sends it. */
export interface Call {
  readonly method?: string;
  /** The target of the request line, as it is. */
  readonly target: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** Text, or a value to send as JSON. */
  readonly body?: unknown;
}

/** The response to a call. */
export interface Response {
  readonly status: number;
  readonly text: string;
}

/** A client of an HTTP server on a unix socket. */
export function clientOf(socketPath: string): (call: Call) => Promise<Response> {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  return ({ method = 'POST', target, headers, body }) =>
    new Promise((resolve, reject) => {
      const bytes = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
      const defaults = bytes === undefined ? {} : { 'Content-Type': 'application/json' };
      const isChunked = headers?.['Transfer-Encoding'] !== undefined;
      const length = isChunked ? {} : { 'Content-Length': String(Buffer.byteLength(bytes ?? '')) };
      const all = { ...defaults, ...length, ...headers } as Record<string, string | string[]>;
      const call = request({ socketPath, agent, method, path: target, headers: all }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => (text += part));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
        response.on('error', reject);
      });
      call.on('error', reject);
      call.end(bytes);
    });
}
