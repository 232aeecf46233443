import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import type { ServerDuplexStream, UntypedServiceImplementation } from '@grpc/grpc-js';
import { digestOf } from '../../../posture/digest.ts';
import type { Finding } from '../../../posture/finding.ts';
import { encodeAgentMessage, FLEET_SERVICE } from '../../../proto/fleet.ts';
import type { AgentMessage, CollectorMessage, FindingDelta, Heartbeat, QueryResult } from '../../../proto/fleet.ts';
import { fromWire } from '../../../proto/finding-codec.ts';
import { ensureAuthority, ensureNodeCertificate, ensureServerCertificate } from '../../../service/tls/authority.ts';
import { loadTlsFiles } from '../../../service/tls/load-tls-files.ts';
import type { TlsFiles } from '../../../service/tls/load-tls-files.ts';

export type Call = ServerDuplexStream<AgentMessage, CollectorMessage>;

/** What a collector keeps of one node, applied as fleet.proto says and nothing else. */
export interface Memory {
  epoch: string;
  committed: number;
  findings: Map<string, Finding>;
  /** Sequences in the order in which they were committed, `s` before those of snapshots. */
  readonly log: string[];
}

export function emptyMemory(): Memory {
  return { epoch: '', committed: 0, findings: new Map(), log: [] };
}

/** Switches for what a collector may do or leave undone. */
export interface Behaviour {
  welcome?: boolean;
  acks?: boolean;
  /** Takes deltas without committing any. */
  ignores?: boolean;
  /** Breaks the connection instead of the n-th ack, after the commit. */
  breakAtAck?: number;
  heartbeatIntervalMs?: number;
  /** A delta that breaks the contract. */
  refuseSequence?: number;
}

export interface TinyCollector {
  readonly port: number;
  readonly memory: Memory;
  readonly behaviour: Behaviour;
  readonly messages: AgentMessage[];
  readonly heartbeats: Heartbeat[];
  readonly results: QueryResult[];
  readonly largest: () => number;
  /** The newest call. */
  readonly call: () => Call | undefined;
  readonly sessions: () => number;
  /** What went against the contract. */
  readonly violations: string[];
  readonly kill: () => void;
}

/** Certificates for a collector and the node `node-1`, in a directory of their own. */
export async function makeTls(test: { readonly teardown: (run: () => void) => void }): Promise<{
  readonly collector: TlsFiles;
  readonly agent: TlsFiles;
}> {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-link-tls-'));
  test.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const authority = await ensureAuthority(directory, Date.now());
  await ensureServerCertificate(authority, ['127.0.0.1', 'localhost'], Date.now());
  await ensureNodeCertificate(authority, 'node-1', Date.now());
  const load = (name: string) =>
    loadTlsFiles({
      ca: join(directory, 'ca.pem'),
      cert: join(directory, `${name}.pem`),
      key: join(directory, `${name}-key.pem`),
    });
  return { collector: await load('collector'), agent: await load('agent') };
}

/** A collector of one node on loopback, with real gRPC and mutual TLS, that does what the contract says. */
export async function startTinyCollector(
  tls: TlsFiles,
  memory: Memory,
  { port = 0, behaviour = {} }: { readonly port?: number; readonly behaviour?: Behaviour } = {},
): Promise<TinyCollector> {
  const server = new Server({ 'grpc.max_receive_message_length': 1024 * 1024 });
  const state = {
    behaviour,
    memory,
    messages: [] as AgentMessage[],
    heartbeats: [] as Heartbeat[],
    results: [] as QueryResult[],
    violations: [] as string[],
    newest: undefined as Call | undefined,
    sessions: 0,
    largest: 0,
    acks: 0,
  };
  const implementation = { Session: (call: Call) => serve(call, state) } as unknown as UntypedServiceImplementation;
  server.addService(FLEET_SERVICE, implementation);
  const pair = { private_key: Buffer.from(tls.key), cert_chain: Buffer.from(tls.cert) };
  const credentials = ServerCredentials.createSsl(Buffer.from(tls.ca), [pair], true);
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`0.0.0.0:${String(port)}`, credentials, (error, on) => {
      if (error === null) resolve(on);
      else reject(error);
    });
  });
  return {
    port: bound,
    memory,
    behaviour: state.behaviour,
    messages: state.messages,
    heartbeats: state.heartbeats,
    results: state.results,
    violations: state.violations,
    largest: () => state.largest,
    call: () => state.newest,
    sessions: () => state.sessions,
    kill: () => server.forceShutdown(),
  };
}

/** Ends a call as a collector that goes down does. */
export function breakOff(call: Call | undefined): void {
  call?.emit('error', { code: status.UNAVAILABLE, details: 'broken on purpose' });
}

interface State {
  readonly behaviour: Behaviour;
  readonly memory: Memory;
  readonly messages: AgentMessage[];
  readonly heartbeats: Heartbeat[];
  readonly results: QueryResult[];
  readonly violations: string[];
  newest: Call | undefined;
  sessions: number;
  largest: number;
  acks: number;
}

function serve(call: Call, state: State): void {
  const { memory, behaviour } = state;
  state.newest = call;
  state.sessions += 1;
  let epoch = '';
  let parts: FindingDelta[] = [];
  call.on('error', () => undefined);
  call.on('end', () => call.end());
  call.on('data', (message: AgentMessage) => {
    state.messages.push(message);
    state.largest = Math.max(state.largest, encodeAgentMessage(message).length);
    if (message.hello) {
      epoch = message.hello.epoch ?? '';
      const known = memory.epoch === epoch;
      if (behaviour.welcome === false) return;
      const { heartbeatIntervalMs = 600_000 } = behaviour;
      const committedSequence = known ? memory.committed : 0;
      call.write({ welcome: { serverTimeMs: Date.now(), committedSequence, resync: !known, heartbeatIntervalMs } });
    }
    if (message.heartbeat) {
      state.heartbeats.push(message.heartbeat);
      const { sequence, digest } = message.heartbeat;
      if (sequence === memory.committed && digest !== digestOf(memory.findings.values()))
        call.write({ resync: { reason: 'the digest differs' } });
    }
    if (message.queryResult) state.results.push(message.queryResult);
    if (!message.delta || behaviour.ignores === true) return;
    if (message.delta.sequence === behaviour.refuseSequence) {
      call.emit('error', { code: status.INVALID_ARGUMENT, details: 'refused on purpose' });
      return;
    }
    parts.push(message.delta);
    if ((message.delta.put?.length ?? 0) > 500 || (message.delta.gone?.length ?? 0) > 500)
      state.violations.push('a part has more than 500 findings');
    if (message.delta.part !== parts.length - 1) state.violations.push('parts are not in order');
    if (message.delta.last !== true) return;
    const whole = parts;
    parts = [];
    commit(state, epoch, whole);
    if (behaviour.acks === false) return;
    state.acks += 1;
    if (behaviour.breakAtAck === state.acks) breakOff(call);
    else call.write({ ack: { sequence: memory.committed } });
  });
}

function commit({ memory, violations }: State, epoch: string, parts: readonly FindingDelta[]): void {
  const [first] = parts;
  const sequence = first?.sequence ?? 0;
  const snapshot = first?.snapshot === true;
  if (parts.some((part) => part.sequence !== sequence)) violations.push('parts of two deltas are mixed');
  if (memory.epoch === epoch && sequence <= memory.committed) {
    memory.log.push(`duplicate ${String(sequence)}`);
    return;
  }
  if (!snapshot && (memory.epoch !== epoch || sequence !== memory.committed + 1))
    violations.push(`gap: ${String(sequence)} after ${String(memory.committed)}`);
  if (snapshot) memory.findings = new Map();
  for (const id of parts.flatMap(({ gone }) => gone ?? [])) memory.findings.delete(id);
  for (const wire of parts.flatMap(({ put }) => put ?? [])) {
    const read = fromWire(wire);
    if (read.ok) memory.findings.set(read.finding.id, read.finding);
    else violations.push(`refused: ${read.problem}`);
  }
  memory.epoch = epoch;
  memory.committed = sequence;
  memory.log.push(`${snapshot ? 's' : ''}${String(sequence)}`);
}
