import { credentials, makeGenericClientConstructor } from '@grpc/grpc-js';
import type { Client, ClientDuplexStream } from '@grpc/grpc-js';
import { addToDigest, EMPTY_DIGEST, findingHash, removeFromDigest } from '../../posture/digest.ts';
import type { Finding } from '../../posture/finding.ts';
import { toWire } from '../../proto/finding-codec.ts';
import { encodeAgentMessage, FLEET_SERVICE } from '../../proto/fleet.ts';
import type { CollectorMessage, Query, Welcome } from '../../proto/fleet.ts';
import { fullJitter } from '../../service/backoff.ts';
import type { Issued } from '../../service/tls/issue.ts';

type Call = ClientDuplexStream<Buffer, CollectorMessage>;

/** What a simulated agent has done and what it waits for. */
export interface AgentCounts {
  readonly isConnected: boolean;
  /** Deltas that are not acknowledged yet. */
  readonly pending: number;
  /** Changes since the start. */
  readonly changes: number;
  /** How often the collector asked for all findings after the first transfer. */
  readonly resyncs: number;
  readonly reconnects: number;
  readonly findings: number;
}

/** Speaks for one node, by the rules of fleet.proto, with a TLS connection of its own. */
export interface SimulatedAgent {
  readonly connect: () => void;
  /** Changes one finding: the delta is sent at once, or as soon as there is a session. */
  readonly change: () => void;
  readonly heartbeat: () => void;
  readonly counts: () => AgentCounts;
  readonly close: () => void;
}

/** What all simulated agents of a process share. */
export interface SharedParts {
  readonly address: string;
  readonly ca: string;
  /** Each finding as it is at first, and after a change; a further change turns it back. */
  readonly findings: readonly (readonly [before: Finding, after: Finding])[];
  /** The answer to every live query: JSON. */
  readonly answer: string;
  /** Called with the time from a change to its Ack, in milliseconds. */
  readonly onAcknowledged: (milliseconds: number) => void;
}

/** As a real agent waits before it connects again (agent/transport/session-client.ts). */
const RECONNECT = Object.freeze({ baseMs: 250, capMs: 30_000 });
/** As a real agent gives an attempt up (agent/transport/session.ts). */
const WELCOME_DEADLINE_MS = 30_000;

const Session = makeGenericClientConstructor(
  { Session: { ...FLEET_SERVICE.Session, requestSerialize: (bytes: Buffer) => bytes } },
  'Fleet',
);

/** An agent that is not connected yet. */
export function createSimulatedAgent(
  nodeId: string,
  { keyPem, certificatePem }: Issued,
  shared: SharedParts,
): SimulatedAgent {
  const hashes = shared.findings.map((pair) => pair.map(findingHash) as [number, number]);
  const tls = credentials.createSsl(Buffer.from(shared.ca), Buffer.from(keyPem), Buffer.from(certificatePem));
  const isTurned = new Uint8Array(shared.findings.length);
  const waiting = new Map<number, { readonly message: Buffer; readonly atMs: number }>();
  const epoch = `bench-${nodeId}`;
  let [sequence, acked, sent] = [0, 0, 0];
  let digest = hashes.reduce((sum, [before]) => addToDigest(sum, before), EMPTY_DIGEST);
  let [changes, resyncs, reconnects, attempt] = [0, 0, 0, 0];
  let client: Client | undefined;
  let call: Call | undefined;
  let isWelcome = false;
  let isClosed = false;

  const write = (message: Buffer): void => void call?.write(message);
  const sendDelta = (number: number, message: Buffer): void => {
    sent = Math.max(sent, number);
    write(message);
  };
  const snapshot = (): void => {
    sequence += 1;
    const put = shared.findings.map((pair, index) => toWire(pair[isTurned[index] ?? 0] ?? pair[0]));
    const delta = { sequence, part: 0, last: true, snapshot: true, put, gone: [], observedAtMs: Date.now() };
    const message = encodeAgentMessage({ delta });
    waiting.clear();
    waiting.set(sequence, { message, atMs: performance.now() });
    sendDelta(sequence, message);
  };
  const onAck = (committed: number): void => {
    const nowMs = performance.now();
    for (let number = acked + 1; number <= committed; number += 1) {
      const delta = waiting.get(number);
      if (delta !== undefined) shared.onAcknowledged(nowMs - delta.atMs);
      waiting.delete(number);
    }
    acked = Math.max(acked, committed);
  };
  const onWelcome = ({ committedSequence, resync }: Welcome): void => {
    isWelcome = true;
    attempt = 0;
    write(
      encodeAgentMessage({
        inventory: { operatingSystem: 'Debian GNU/Linux 13', kernelRelease: '6.12.0', architecture: 'x64', cpus: 8 },
      }),
    );
    const isFirst = sequence === 0;
    onAck(committedSequence ?? 0);
    if (resync === true || isFirst) {
      if (!isFirst) resyncs += 1;
      return snapshot();
    }
    for (const [number, { message }] of waiting) sendDelta(number, message);
  };
  const onQuery = ({ id }: Query): void => {
    const answer = { queryId: id ?? '', chunk: Buffer.from(shared.answer), last: true, rows: 1 };
    write(encodeAgentMessage({ queryResult: answer }));
  };
  const connect = (): void => {
    if (isClosed) return;
    client = new Session(shared.address, tls, {
      'grpc.ssl_target_name_override': 'localhost',
      // As a real agent (agent/transport/dial.ts).
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_retries': 0,
      'grpc.service_config_disable_resolution': 1,
    });
    const open = client['Session' as keyof Client] as unknown as () => Call;
    const own = open.call(client);
    call = own;
    own.on('data', ({ welcome, ack, resync, query }: CollectorMessage) => {
      if (welcome) onWelcome(welcome);
      if (ack) onAck(ack.sequence ?? 0);
      if (query) onQuery(query);
      if (!resync) return;
      resyncs += 1;
      snapshot();
    });
    own.on('error', () => undefined);
    const deadline = setTimeout(() => {
      if (call === own && !isWelcome) own.cancel();
    }, WELCOME_DEADLINE_MS);
    own.once('status', () => {
      clearTimeout(deadline);
      over(own);
    });
    write(
      encodeAgentMessage({
        hello: {
          epoch,
          agentVersion: 'bench',
          nodeName: nodeId,
          instance: epoch,
          ackedSequence: acked,
          sentSequence: sent,
          capabilities: ['query'],
        },
      }),
    );
  };
  const over = (own: Call): void => {
    if (call !== own || isClosed) return;
    client?.close();
    [call, isWelcome] = [undefined, false];
    reconnects += 1;
    attempt += 1;
    setTimeout(connect, fullJitter(attempt, RECONNECT, Math.random));
  };

  return {
    connect,
    change: () => {
      const index = changes % shared.findings.length;
      const [was, is] = [isTurned[index] ?? 0, 1 - (isTurned[index] ?? 0)];
      const [pair, hash] = [shared.findings[index], hashes[index]];
      if (pair === undefined || hash === undefined) return;
      isTurned[index] = is;
      digest = addToDigest(removeFromDigest(digest, hash[was] ?? 0), hash[is] ?? 0);
      changes += 1;
      sequence += 1;
      const delta = {
        sequence,
        part: 0,
        last: true,
        put: [toWire(pair[is] ?? pair[0])],
        gone: [],
        observedAtMs: Date.now(),
      };
      const message = encodeAgentMessage({ delta });
      waiting.set(sequence, { message, atMs: performance.now() });
      if (isWelcome) sendDelta(sequence, message);
    },
    heartbeat: () => {
      if (!isWelcome) return;
      const [rssBytes, cpuMs] = [90 * 1024 * 1024, Math.round(performance.now() / 100)];
      const findings = shared.findings.length;
      write(
        encodeAgentMessage({
          heartbeat: { sequence, digest, findings, pending: waiting.size, dropped: 0, rssBytes, cpuMs },
        }),
      );
    },
    counts: () => ({
      isConnected: isWelcome,
      pending: waiting.size,
      changes,
      resyncs,
      reconnects,
      findings: shared.findings.length,
    }),
    close: () => {
      isClosed = true;
      call?.cancel();
      client?.close();
    },
  };
}
