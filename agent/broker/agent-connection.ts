import type { Socket } from 'node:net';
import type { NodeObserver } from '../node-observer.ts';
import { privateUsage } from '../budget/usage.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import { scopedClock } from '../../service/scoped-clock.ts';
import { createFactSender } from './fact-sender.ts';
import type { BrokerFacts } from './fact-transfer.ts';
import type { ImageRecord } from '../image/image-record.ts';
import { createBrokerImageSender } from './image-transfer.ts';
import { createLineChannel } from './line-channel.ts';
import type { LineChannel } from './line-channel.ts';
import { BROKER_PROTOCOL, MAX_REQUEST_BYTES, parseAgentMessage } from './message.ts';
import type { AgentMessage, BrokerAbout } from './message.ts';
import type { RemoteProber } from './remote-prober.ts';
import { createTokenBucket } from './token-bucket.ts';

/** What serves an agent. */
export interface AgentConnectionOptions {
  readonly observer: NodeObserver;
  readonly prober: RemoteProber;
  readonly facts: () => BrokerFacts | undefined;
  /** The images in use; the same list for as long as nothing changed. */
  readonly images: () => readonly ImageRecord[];
  readonly about: () => Omit<BrokerAbout, 'protocol'>;
  /** The agent has introduced itself. Returns why it is refused. Called at most once for each connection. */
  readonly onHello: (nodeId: string) => string | undefined;
  readonly setPace: (step: number) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The connection of an agent. */
export interface AgentConnection {
  /** The facts or the images changed: the difference is sent. */
  readonly notify: () => void;
  /** Resolves when the connection is over. Does not reject. */
  readonly done: Promise<void>;
  readonly close: () => void;
}

/** For the first message. A connection without one would take the place of an agent. */
const FIRST_MESSAGE_MS = 3000;
/** Also shows the agent that the broker is alive. */
const USAGE_INTERVAL_MS = 10_000;
/** Messages of the agent: it sends some a minute, and one for each port that was probed. */
const MESSAGES = Object.freeze({ burst: 512, perSecond: 50 });
/** Requests that read the node: each costs up to some milliseconds. */
const REQUESTS = Object.freeze({ burst: 16, perSecond: 2 });
/** Requests that wait. More than an agent that answers 18 queries at once has. */
const MAX_WAITING = 64;

/**
 * Serves one agent, which may be compromised: its messages are bounded in size and rate, no request names what is read,
 * and a message that is not understood ends the connection. A response is only sent once the one before was taken.
 */
export function serveAgent(socket: Socket, options: AgentConnectionOptions): AgentConnection {
  const { prober, log } = options;
  const clock = scopedClock(options.clock);
  const stop = new AbortController();
  const channel = createLineChannel(socket, MAX_REQUEST_BYTES, clock);
  const sender = createFactSender(channel, options.facts);
  const images = createBrokerImageSender(channel, options.images);
  let hasHello = false;
  const cancelDeadline = clock.after(FIRST_MESSAGE_MS, () => channel.close());
  const run = async (): Promise<void> => {
    const bucket = createTokenBucket(MESSAGES.burst, MESSAGES.perSecond, clock);
    const requests = createRequestQueue(channel, options, stop.signal);
    for await (const line of channel.lines()) {
      await bucket.take(stop.signal);
      const parsed = parseAgentMessage(line);
      if (!parsed.ok) throw new Error(parsed.problem);
      const message = parsed.value;
      cancelDeadline();
      if (!hasHello) {
        if (message.kind === 'about')
          return channel.send({ kind: 'about', protocol: BROKER_PROTOCOL, ...options.about() });
        if (message.kind !== 'hello') throw new Error('its first message is not hello');
        await welcome(channel, options, message);
        hasHello = true;
        sender.notify();
        images.notify();
      } else if (message.kind === 'hello' || message.kind === 'about') {
        throw new Error(message.kind === 'hello' ? 'a second hello' : 'about after hello');
      } else if (message.kind === 'pace') options.setPace(message.step);
      else if (message.kind === 'probed') prober.answered(message);
      else requests.add(message);
    }
  };
  const end = (): void => {
    clock.close();
    stop.abort();
    channel.close();
  };
  const sendUsage = (): void => {
    if (hasHello && !channel.isBusy()) void channel.send({ kind: 'usage', ...privateUsage() });
    clock.after(USAGE_INTERVAL_MS, sendUsage);
  };
  clock.after(USAGE_INTERVAL_MS, sendUsage);
  const done = run()
    .catch((error: unknown) => {
      log.warn({ reason: error instanceof Error ? error.message : String(error) }, 'connection to the agent closed');
    })
    .finally(end);
  return {
    notify: () => {
      if (!hasHello) return;
      sender.notify();
      images.notify();
    },
    done,
    close: channel.close,
  };
}

async function welcome(
  channel: LineChannel,
  { observer, prober, onHello, log }: AgentConnectionOptions,
  { protocol, nodeId, origin }: Extract<AgentMessage, { readonly kind: 'hello' }>,
): Promise<void> {
  const reason =
    protocol === BROKER_PROTOCOL
      ? onHello(nodeId)
      : `the broker speaks version ${String(BROKER_PROTOCOL)} of the protocol, the agent ${String(protocol)}`;
  if (reason !== undefined) {
    await channel.send({ kind: 'refused', reason });
    throw new Error(reason);
  }
  prober.attach({ origin, send: (message) => void channel.send(message) });
  const node = await observer.inventory();
  await channel.send({ kind: 'welcome', protocol: BROKER_PROTOCOL, node });
  log.info({ nodeId: node.id }, 'an agent is connected');
}

/** A message that asks for something to be read. */
type Request = Extract<AgentMessage, { readonly kind: 'nodeStatus' | 'labels' | 'sysctls' }>;

/** Answers requests one after the other. */
function createRequestQueue(
  channel: LineChannel,
  { observer, clock }: AgentConnectionOptions,
  signal: AbortSignal,
): { readonly add: (request: Request) => void } {
  const bucket = createTokenBucket(REQUESTS.burst, REQUESTS.perSecond, clock);
  const waiting: Request[] = [];
  let isRunning = false;
  const run = async (): Promise<void> => {
    isRunning = true;
    for (let request = waiting.shift(); request !== undefined && !signal.aborted; request = waiting.shift()) {
      await bucket.take(signal);
      await channel.send(await respond(observer, request));
    }
    isRunning = false;
  };
  return {
    add: (request) => {
      if (waiting.length >= MAX_WAITING) throw new Error('too many requests wait');
      waiting.push(request);
      if (!isRunning) void run();
    },
  };
}

async function respond(observer: NodeObserver, request: Request): Promise<object> {
  const { kind, id } = request;
  switch (kind) {
    case 'nodeStatus':
      return { kind, id, status: await observer.nodeStatus() };
    case 'labels':
      return { kind, id, labels: await observer.readLabels() };
    case 'sysctls':
      return { kind, id, sysctls: await observer.readSysctls(request.names) };
  }
}
