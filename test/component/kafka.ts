import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { TlsOptions } from 'node:tls';
import { delimiter, join } from 'node:path';
import { saslServer } from './kafka-sasl.ts';
import type { SaslAccount } from './kafka-sasl.ts';
import { until } from './rsyslog.ts';

/** A message as a consumer sees it. */
export interface KafkaMessage {
  readonly partition: number;
  readonly offset: number;
  readonly key: string;
  /** Names and values in turn. */
  readonly headers: readonly string[];
  readonly payload: string;
}

/** The mock broker of librdkafka, an implementation of the protocol that is not ours, behind a proxy of the test. */
export interface KafkaBroker {
  readonly port: number;
  /** What kcat consumes, by partition and offset. */
  readonly consume: () => Promise<readonly KafkaMessage[]>;
  /** What becomes of requests to produce from now on. */
  readonly behave: (next: KafkaBehaviour) => void;
  /** Requests to produce that the proxy has seen. */
  readonly produced: () => number;
  readonly stop: () => Promise<void>;
  readonly start: () => Promise<void>;
}

/** `errors`: the broker answers for these partitions, from 0, with these codes of the protocol; 0 is no error. */
export type KafkaBehaviour =
  | 'forwards'
  | 'is-slow'
  | 'is-silent'
  | 'cuts'
  | 'cuts-after'
  | 'speaks-garbage'
  | 'acknowledges-nothing'
  | { readonly errors: readonly number[] };

/** The program, or undefined. */
export function findKcat(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return folders.map((folder) => join(folder, 'kcat')).find(existsSync);
}

const PRODUCE = 0;

/** Starts a broker with one topic; `stop` of the result leaves its messages where they are, `end` is the end of both. */
export async function startKafkaBroker(
  program: string,
  topic: string,
  { tls, account }: { readonly tls?: TlsOptions; readonly account?: SaslAccount } = {},
): Promise<KafkaBroker & { readonly end: () => Promise<void> }> {
  // A producer that has nothing to say keeps its mock cluster, and with it the topic that it has asked for.
  const args = ['-P', '-b', '127.0.0.1:1', '-X', 'test.mock.num.brokers=1', '-d', 'mock', '-t', topic];
  const child = spawn(program, args, { stdio: ['pipe', 'ignore', 'pipe'] });
  let log = '';
  child.stderr.setEncoding('latin1').on('data', (text: string) => void (log = (log + text).slice(-100_000)));
  let mock = 0;
  await until(() => {
    mock = mock || Number(/bootstrap\.servers=127\.0\.0\.1:(\d+)/.exec(log)?.[1] ?? 0);
    return mock !== 0 && /Received MetadataRequest/.test(log);
  });
  let behaviour: KafkaBehaviour = 'forwards';
  let produced = 0;
  let port = 0;
  let server: Server | undefined;
  const sockets = new Set<Socket>();

  const accept = (client: Socket): void => {
    const broker = connect(mock, '127.0.0.1');
    for (const socket of [client, broker]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        broker.destroy();
      });
    }
    const authenticate = account === undefined ? () => undefined : saslServer(account);
    const readRequests = frames((request) => {
      const answer = authenticate(request);
      if (answer !== undefined) return void client.write(answer);
      if (request.readInt16BE(4) !== PRODUCE) return void broker.write(request);
      produced += 1;
      if (behaviour === 'forwards' || behaviour === 'cuts-after') broker.write(request);
      else if (behaviour === 'is-slow') setTimeout(() => void broker.write(request), 300);
      else if (behaviour === 'cuts') client.destroy();
      else if (behaviour === 'speaks-garbage') client.write(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'));
      else if (behaviour === 'acknowledges-nothing') client.write(produceResponse(request, topic, []));
      else if (behaviour !== 'is-silent') client.write(produceResponse(request, topic, behaviour.errors));
    });
    client.on('data', readRequests);
    const readResponses = frames((response) => {
      if (behaviour === 'cuts-after' && produced > 0) client.destroy();
      else client.write(withPort(response, mock, port));
    });
    broker.on('data', readResponses);
  };
  const start = async (): Promise<void> => {
    const opened = tls === undefined ? createServer(accept) : createTlsServer(tls, accept);
    opened.on('tlsClientError', () => undefined);
    server = opened;
    await new Promise<void>((resolve) => opened.listen(port, '127.0.0.1', resolve));
    port = (opened.address() as AddressInfo).port;
  };
  const stop = async (): Promise<void> => {
    const open = server;
    server = undefined;
    for (const socket of sockets) socket.destroy();
    if (open !== undefined) await new Promise((resolve) => open.close(resolve));
  };
  await start();
  return {
    port,
    behave: (next) => {
      behaviour = next;
      produced = 0;
    },
    produced: () => produced,
    consume: () => consume(program, mock, topic),
    start,
    stop,
    end: async () => {
      child.kill('SIGKILL');
      await stop();
    },
  };
}

/** Cuts a stream into frames: a length of four bytes, and what follows. The length is part of the frame. */
function frames(take: (frame: Buffer) => void): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32BE(0)) {
      const end = 4 + rest.readUInt32BE(0);
      take(rest.subarray(0, end));
      rest = rest.subarray(end);
    }
  };
}

/** Answers name the broker: a host, and a port of four bytes after it. Clients must stay with the proxy. */
function withPort(response: Buffer, from: number, to: number): Buffer {
  const host = Buffer.concat([Buffer.from('127.0.0.1'), Buffer.alloc(4)]);
  host.writeInt32BE(from, host.length - 4);
  const at = response.indexOf(host);
  if (at === -1) return response;
  const copy = Buffer.from(response);
  copy.writeInt32BE(to, at + host.length - 4);
  return copy;
}

/**
 * ProduceResponse, version 9 and later, as the protocol guide has it: the topics with their partitions, and the throttle
 * time. Without a partition it names no topic.
 */
function produceResponse(request: Buffer, topic: string, errors: readonly number[]): Buffer {
  const name = Buffer.from(topic);
  const partitions = Buffer.concat([
    Buffer.from([errors.length + 1]),
    ...errors.flatMap((error, index) => {
      const partition = Buffer.alloc(4 + 2 + 8 + 8 + 8);
      partition.writeInt32BE(index);
      partition.writeInt16BE(error, 4);
      // No errors of records (an empty array), no message (null), no tags.
      return [partition, Buffer.from([1, 0, 0])];
    }),
  ]);
  const topics =
    errors.length === 0
      ? Buffer.from([1])
      : Buffer.concat([Buffer.from([2, name.length + 1]), name, partitions, Buffer.from([0])]);
  // Correlation id and the tags of the header; throttle time and the tags of the body.
  const body = Buffer.concat([request.subarray(8, 12), Buffer.from([0]), topics, Buffer.alloc(4), Buffer.from([0])]);
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length);
  return Buffer.concat([length, body]);
}

async function consume(program: string, port: number, topic: string): Promise<readonly KafkaMessage[]> {
  const args = ['-C', '-b', `127.0.0.1:${String(port)}`, '-t', topic, '-o', 'beginning', '-e', '-J', '-q', '-u'];
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => void (text += part));
  await new Promise((resolve) => child.on('close', resolve));
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as KafkaMessage)
    .sort((a, b) => a.partition - b.partition || a.offset - b.offset);
}
