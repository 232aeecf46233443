import { randomBytes } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { connect, isIP } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { within } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import { errorCode } from '../../service/files.ts';
import { TlsError } from '../../service/tls/tls-error.ts';
import type { OutboxEvent } from '../store/stored-event.ts';
import { defectOf } from './defect.ts';
import { adviceOf } from './sink-advice.ts';
import { loadClientTls } from './client-tls.ts';
import type { ClientTlsPaths } from './client-tls.ts';
import type { Sink, SinkOutcome } from './sink.ts';

/** Where a sink delivers to. `tls`: only where the connection begins with a TLS handshake. */
export type SinkAddress =
  | { readonly kind: 'local' }
  | { readonly kind: 'udp'; readonly host: string; readonly port: number }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly tls?: ClientTlsPaths };

/** One step of a test. */
export interface SinkTestStep {
  readonly step: 'resolve' | 'connect' | 'tls' | 'authenticate' | 'send';
  readonly ok: boolean;
  /** What was seen, for people. It contains text of the receiver. */
  readonly detail: string;
  /** What to do about a failure. */
  readonly advice: string;
}

/** What a test found. It ends with the first step that fails. */
export interface SinkTest {
  /** `metadata.uid` of the sample. */
  readonly eventUid: string;
  readonly steps: readonly SinkTestStep[];
}

/** What is tested. */
export interface SinkTestOptions {
  readonly name: string;
  readonly address: SinkAddress;
  /** Opens a sink of its own for the test; the delivery of other events is not touched. */
  readonly open: () => Promise<Sink>;
  readonly clock: Clock;
}

const STEP_MS = 5_000;
const SEND_MS = 40_000;
const MAX_DETAIL = 500;

/** Connects to a receiver step by step, then sends one event that is marked as a test. Never rejects. */
export async function testSink({ name, address, open, clock }: SinkTestOptions): Promise<SinkTest> {
  const event = sampleEvent(clock.now());
  const steps: SinkTestStep[] = [];
  const run = async (
    step: SinkTestStep['step'],
    work: () => Promise<string>,
    deadlineMs = STEP_MS,
  ): Promise<boolean> => {
    const late = (): string => {
      throw new RangeError(`no answer within ${String(deadlineMs / 1000)} s`);
    };
    try {
      const detail = await within(clock, deadlineMs, work(), late);
      steps.push({ step, ok: true, detail: detail.slice(0, MAX_DETAIL), advice: '' });
      return true;
    } catch (error) {
      const reason = reasonOf(error);
      const failed = step === 'send' ? stepOf(reason) : step;
      steps.push({
        step: failed,
        ok: false,
        detail: reason.slice(0, MAX_DETAIL),
        advice: adviceOf(name, failed, reason),
      });
      return false;
    }
  };
  const isReachable =
    address.kind === 'local' ||
    ((await run('resolve', () => resolveName(address.host))) &&
      (address.kind === 'udp' || (await run('connect', () => tryConnection(address)))) &&
      (address.kind === 'udp' || address.tls === undefined || (await run('tls', () => tryHandshake(address)))));
  if (isReachable) await run('send', () => sendSample(open, event), SEND_MS);
  return { eventUid: event.uid, steps };
}

/** A finding that is resolved, so that it stays open nowhere; each text of it says that it is a test. */
function sampleEvent(atMs: number): OutboxEvent {
  const node = 'plimsoll-sink-test';
  const title = 'Test event of plimsoll sink test: nothing was found, nothing is to be done';
  const subject = { kind: 'node', id: node, name: node } as const;
  return {
    position: 0,
    uid: `test-${randomBytes(8).toString('hex')}`,
    action: 'resolved',
    atMs,
    finding: {
      id: `plimsoll.sink-test/node/${node}`,
      check: 'plimsoll.sink-test',
      title,
      verdict: 'pass',
      severity: 'info',
      subject,
      evidence: [],
      uid: node,
      nodeId: node,
      nodeName: node,
      firstSeenMs: atMs,
      changedMs: atMs,
    },
  };
}

async function resolveName(host: string): Promise<string> {
  if (isIP(host) > 0) return `${host} is an address`;
  const found = await lookup(host, { all: true });
  return `${host} is ${found.map(({ address }) => address).join(', ')}`;
}

function tryConnection({ host, port }: { readonly host: string; readonly port: number }): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, timeout: STEP_MS });
    socket.once('connect', () => {
      resolve(`connected to ${String(socket.remoteAddress)} port ${String(port)}`);
      socket.destroy();
    });
    socket.once('timeout', () => socket.destroy(new RangeError(`no answer within ${String(STEP_MS / 1000)} s`)));
    socket.once('error', reject);
  });
}

async function tryHandshake({ host, port, tls }: Extract<SinkAddress, { readonly kind: 'tcp' }>): Promise<string> {
  const files = await loadClientTls(tls ?? { ca: 'system', cert: 'none', key: 'none' }, 'the settings of the sink');
  return new Promise((resolve, reject) => {
    const servername = isIP(host) > 0 ? {} : { servername: host };
    const socket = connectTls({ host, port, ...servername, ...files, minVersion: 'TLSv1.2', timeout: STEP_MS });
    socket.once('secureConnect', () => {
      resolve(describePeer(socket));
      socket.destroy();
    });
    socket.once('timeout', () => socket.destroy(new RangeError(`no answer within ${String(STEP_MS / 1000)} s`)));
    socket.once('error', reject);
  });
}

function describePeer(socket: TLSSocket): string {
  const { subject, issuer, valid_to: until } = socket.getPeerCertificate();
  const name = (of: typeof subject | undefined): string => String(of?.CN ?? of?.O ?? 'without a name');
  return `${String(socket.getProtocol())}, certificate of ${name(subject)}, issued by ${name(issuer)}, valid until ${until}`;
}

async function sendSample(open: SinkTestOptions['open'], event: OutboxEvent): Promise<string> {
  const sink = await open();
  try {
    await expectOk(sink.send([event]));
    await expectOk(sink.send([]));
    return `the receiver accepted the test event ${event.uid}`;
  } finally {
    await sink.close();
  }
}

async function expectOk(sent: Promise<SinkOutcome>): Promise<void> {
  const outcome = await sent;
  if (outcome.outcome !== 'ok') throw new RangeError(outcome.reason);
}

/** The step that a failed delivery is about: NATS begins with TLS only after the server has introduced itself. */
function stepOf(reason: string): SinkTestStep['step'] {
  if (/\((?:CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|ERR_TLS_)\w+\)/.test(reason)) return 'tls';
  return isAboutCredentials(reason) ? 'authenticate' : 'send';
}

/** Answers of receivers that do not accept a token, a password or a certificate. */
function isAboutCredentials(reason: string): boolean {
  const isAbout = /\bHTTP 40[13]\b|authoriz|authenticat|token|credentials|our certificate|aws_\w+ i[ns] /i;
  return isAbout.test(reason) && !/ackId|internal error/.test(reason);
}

function reasonOf(error: unknown): string {
  if (error instanceof RangeError || error instanceof TlsError) return error.message;
  return defectOf(error) ?? errorCode(error);
}
