import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { delimiter, join } from 'node:path';
import { until } from './rsyslog.ts';

/** A real nats-server with JetStream, in a directory of the test. */
export interface NatsServer {
  readonly port: number;
  /** Sends a request in plain text and resolves with the answer as JSON. Only for servers without TLS on `adminPort`. */
  readonly request: (subject: string, body?: unknown) => Promise<Readonly<Record<string, unknown>>>;
  /** Everything that the stream has stored, in order. */
  readonly stored: (stream: string) => Promise<readonly StoredMessage[]>;
  /** Ends it with SIGKILL. */
  readonly stop: () => Promise<void>;
  /** Starts it again, on the same port. */
  readonly start: () => Promise<void>;
}

/** A message of a stream. */
export interface StoredMessage {
  readonly subject: string;
  readonly headers: string;
  readonly data: string;
}

/** The program, or undefined. */
export function findNatsServer(): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/local/sbin'];
  return folders.map((folder) => join(folder, 'nats-server')).find(existsSync);
}

/**
 * Starts one; the caller stops it. `config` is added to its configuration. `login` is what requests of the test send to
 * be let in, as JSON of CONNECT.
 */
export async function startNatsServer(
  program: string,
  directory: string,
  { config = '', login = {} }: { readonly config?: string; readonly login?: object } = {},
): Promise<NatsServer> {
  let running: ChildProcess | undefined;
  let port = 0;
  const start = async (): Promise<void> => {
    const ports = join(directory, 'ports');
    rmSync(ports, { recursive: true, force: true });
    writeFileSync(
      join(directory, 'nats.conf'),
      [
        `listen: "127.0.0.1:${port === 0 ? '-1' : String(port)}"`,
        `ports_file_dir: ${JSON.stringify(directory)}`,
        `jetstream { store_dir: ${JSON.stringify(join(directory, 'store'))}, sync_interval: always }`,
        config,
      ].join('\n'),
    );
    const child = spawn(program, ['-c', join(directory, 'nats.conf')], { stdio: 'ignore' });
    running = child;
    await until(async () => {
      if (child.exitCode !== null) throw new Error(`nats-server ended with ${String(child.exitCode)}`);
      if (port === 0) port = portIn(directory, child.pid ?? 0);
      return port !== 0 && (await listens(port));
    });
  };
  await start();
  const request: NatsServer['request'] = (subject, body) => ask(port, login, subject, body ?? '');
  return {
    port,
    request,
    stored: async (stream) => {
      const { state } = (await request(`$JS.API.STREAM.INFO.${stream}`)) as { state: { last_seq: number } };
      return Promise.all(
        Array.from({ length: state.last_seq }, async (_, index) => {
          const answer = await request(`$JS.API.STREAM.MSG.GET.${stream}`, { seq: index + 1 });
          const {
            subject,
            hdrs = '',
            data = '',
          } = answer['message'] as { subject: string; hdrs?: string; data?: string };
          return {
            subject,
            headers: Buffer.from(hdrs, 'base64').toString(),
            data: Buffer.from(data, 'base64').toString(),
          };
        }),
      );
    },
    stop: async () => {
      const child = running;
      running = undefined;
      if (child === undefined || child.exitCode !== null) return;
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    },
    start,
  };
}

/** It writes `nats-server_PID.ports` with the addresses that it listens on. */
function portIn(directory: string, pid: number): number {
  const file = readdirSync(directory).find((name) => name.endsWith(`_${String(pid)}.ports`));
  const text = file === undefined ? '' : readFileSync(join(directory, file), 'utf8');
  return Number(/"nats":\s*\[\s*"[a-z]+:\/\/[^"]*:(\d+)"/.exec(text)?.[1] ?? 0);
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

/** One request over a connection of its own, in the protocol of NATS: CONNECT, SUB, PUB, and the MSG of the answer. */
function ask(port: number, login: object, subject: string, body: unknown): Promise<Readonly<Record<string, unknown>>> {
  return new Promise((resolve, reject) => {
    const payload = body === '' ? '' : JSON.stringify(body);
    const inbox = `_INBOX.${randomUUID()}`;
    const socket = connect(port, '127.0.0.1');
    let received = '';
    socket.setEncoding('latin1');
    socket.on('error', reject);
    socket.on('data', (chunk: string) => {
      received += chunk;
      if (received.includes('-ERR')) reject(new Error(received));
      const message = /MSG \S+ 1 (\d+)\r\n/.exec(received);
      if (message === null) return;
      const from = message.index + message[0].length;
      const length = Number(message[1]);
      if (received.length < from + length) return;
      socket.destroy();
      resolve(JSON.parse(received.slice(from, from + length)) as Record<string, unknown>);
    });
    const connection = { verbose: false, pedantic: false, protocol: 1, lang: 'test', version: '1', ...login };
    socket.write(
      `CONNECT ${JSON.stringify(connection)}\r\nSUB ${inbox} 1\r\nPUB ${subject} ${inbox} ${String(Buffer.byteLength(payload))}\r\n${payload}\r\n`,
    );
  });
}
