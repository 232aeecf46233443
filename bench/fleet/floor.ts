import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { openListener } from '../../collector/session/listener.ts';
import { DEFAULT_SESSION_SETTINGS } from '../../collector/session/settings.ts';
import type { SessionCall } from '../../collector/session/wire.ts';
import { decodeAgentMessage, encodeCollectorMessage } from '../../proto/fleet.ts';
import { systemClock } from '../../service/clock.ts';
import { issueCertificate } from '../../service/tls/issue.ts';
import type { Issuer } from '../../service/tls/issue.ts';

/** What the process of a floor is made with. */
export interface FloorOptions {
  readonly directory: string;
  readonly authority: Issuer;
  /** Rows of the table before the first change: as many as the fleet has findings. */
  readonly rows: number;
}

/** What the process of a floor is asked to do: nothing, or to send a live query to all agents so many times. */
export interface FloorRequest {
  readonly queries?: number;
}

/** The floor as it is now. */
export interface FloorState {
  readonly pid: number;
  readonly address: string;
  /** From the first message of each query that was asked for to the last answer. */
  readonly queryMs: readonly number[];
}

/** The live query that is asked, of the collector too. */
export const QUERY = 'kernel.release';
const QUERY_TIMEOUT_MS = 120_000;

/** Turns of the event loop that a transaction waits for more changes; as the writer of the collector. */
const TURNS = 2;

/**
 * The least that a server on grpc-js and SQLite does for a delta with one change: TLS, HTTP/2 and gRPC in both
 * directions, the message decoded, one row of a table written as durably as the store does, changes that arrive together
 * in one transaction, an Ack. No checks, history, events, indexes or digest. Of a live query it encodes one message,
 * writes it to every stream, and decodes the answers.
 */
export async function floor({
  directory,
  authority,
  rows,
}: FloorOptions): Promise<(request: FloorRequest) => Promise<FloorState>> {
  const write = openTable(join(directory, 'floor.sqlite'), rows);
  const server = await issueCertificate({ kind: 'server', names: ['localhost'] }, authority, Date.now());
  let waiting: Change[] = [];
  let agents = 0;
  const calls = new Set<SessionCall>();
  let onAnswer = (): void => undefined;
  const commit = async (): Promise<void> => {
    for (let turn = 0; turn < TURNS; turn += 1) await new Promise(setImmediate);
    const changes = waiting;
    waiting = [];
    write(changes);
    for (const { call, sequence } of changes) call.write({ ack: { sequence } });
  };
  const listener = await openListener({
    listen: { host: '127.0.0.1', port: 0 },
    tls: { ca: authority.certificatePem, cert: server.certificatePem, key: server.keyPem },
    settings: DEFAULT_SESSION_SETTINGS,
    clock: systemClock(),
    log: { debug: () => undefined, info: () => undefined, warn: () => undefined, error: console.error },
    sessionPeer: () => undefined,
    onSession: (call) => {
      agents += 1;
      const agent = agents;
      calls.add(call);
      call.once('close', () => calls.delete(call));
      call.on('data', (bytes: Buffer) => {
        const { hello, delta, queryResult } = decodeAgentMessage(bytes);
        if (hello) call.write({ welcome: {} });
        if (queryResult) onAnswer();
        if (!delta) return;
        const sequence = delta.sequence ?? 0;
        const text = delta.snapshot === true ? '' : JSON.stringify(delta.put);
        waiting.push({ call, sequence, key: (agent * 7919 + sequence * 104_729) % rows, text });
        if (waiting.length === 1) void commit();
      });
      call.on('end', () => call.end());
      call.on('error', () => undefined);
    },
  });
  const query = async (): Promise<number> => {
    const startedMs = performance.now();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let missing = calls.size;
    onAnswer = () => {
      missing -= 1;
      if (missing === 0) resolve();
    };
    const bounds = { deadlineMs: 5000, maxRows: 1000, maxBytes: 1024 * 1024 };
    const message = encodeCollectorMessage({ query: { id: randomUUID(), expression: QUERY, ...bounds } });
    for (const call of calls) call.write(message);
    const tooLong = setTimeout(() => reject(new Error(`${String(missing)} agents did not answer`)), QUERY_TIMEOUT_MS);
    await promise;
    clearTimeout(tooLong);
    return performance.now() - startedMs;
  };
  return async ({ queries = 0 }) => {
    const queryMs: number[] = [];
    for (let index = 0; index < queries; index += 1) queryMs.push(await query());
    return { pid: process.pid, address: listener.address, queryMs };
  };
}

interface Change {
  readonly call: SessionCall;
  readonly sequence: number;
  readonly key: number;
  /** Empty: all findings, which are in the table. */
  readonly text: string;
}

/** A table of so many rows of the usual size; the result writes changes in one transaction. */
function openTable(path: string, rows: number): (changes: readonly Change[]) => void {
  const db = new DatabaseSync(path);
  db.exec(`PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 4000;
    PRAGMA cache_size = -65536; PRAGMA synchronous = FULL;
    CREATE TABLE finding (key INTEGER PRIMARY KEY, detail TEXT NOT NULL)`);
  const insert = db.prepare('INSERT INTO finding VALUES (?, ?)');
  db.exec('BEGIN');
  for (let key = 0; key < rows; key += 1) insert.run(key, 'x'.repeat(300));
  db.exec('COMMIT');
  const update = db.prepare('UPDATE finding SET detail = ? WHERE key = ?');
  return (changes) => {
    db.exec('BEGIN IMMEDIATE');
    for (const { key, text } of changes) if (text !== '') update.get(text, key);
    db.exec('COMMIT');
  };
}
