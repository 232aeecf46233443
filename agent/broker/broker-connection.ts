import { connect } from 'node:net';
import type { Socket } from 'node:net';
import type { NodeFact } from '../../posture/fact/node.ts';
import { within } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import { scopedClock } from '../../service/scoped-clock.ts';
import type { Usage } from '../budget/usage.ts';
import type { Prober } from '../probe/prober.ts';
import { createFactAssembly } from './fact-transfer.ts';
import type { BrokerFacts } from './fact-transfer.ts';
import type { ImageRecord } from '../image/image-record.ts';
import { createImageAssembly } from './image-transfer.ts';
import { createLineChannel } from './line-channel.ts';
import type { LineChannel } from './line-channel.ts';
import { BROKER_PROTOCOL, MAX_RESPONSE_BYTES, parseBrokerMessage } from './message.ts';
import type { AgentMessage, BrokerMessage } from './message.ts';

/** What a connection to the broker reports, and what it needs to introduce the agent. */
export interface BrokerConnectionOptions {
  readonly path: string;
  readonly nodeId: string;
  readonly prober: Prober;
  readonly clock: Clock;
  readonly onWelcome: (node: NodeFact, send: (message: AgentMessage) => void) => void;
  readonly onFacts: (facts: BrokerFacts) => void;
  readonly onImages: (images: readonly ImageRecord[]) => void;
  readonly onUsage: (usage: Usage) => void;
  readonly onResponse: (
    message: Extract<BrokerMessage, { readonly kind: 'nodeStatus' | 'labels' | 'sysctls' }>,
  ) => void;
  /** Called for each message. */
  readonly onMessage: () => void;
  /** Ends the connection. */
  readonly signal: AbortSignal;
}

/** The broker sends its usage every 10 s. */
const SILENCE_MS = 45_000;
const CONNECT_MS = 5000;
/** Ports that are probed at the same time. */
const MAX_PROBES = 16;

/** Connects to the broker and serves the connection until it ends; then rejects with the reason. */
export async function followBroker(options: BrokerConnectionOptions): Promise<never> {
  const clock = scopedClock(options.clock);
  const socket = connect(options.path);
  const abort = (): void => void socket.destroy();
  options.signal.addEventListener('abort', abort, { once: true });
  try {
    await connected(socket, clock);
    const channel = createLineChannel(socket, MAX_RESPONSE_BYTES, clock);
    const origin = await options.prober.origin();
    void channel.send({ kind: 'hello', protocol: BROKER_PROTOCOL, nodeId: options.nodeId, origin });
    let cancelSilence = clock.after(SILENCE_MS, abort);
    const handle = createHandler(channel, options);
    for await (const line of channel.lines()) {
      cancelSilence();
      cancelSilence = clock.after(SILENCE_MS, abort);
      const parsed = parseBrokerMessage(line);
      if (!parsed.ok) throw new Error(`a message of the broker is not understood: ${parsed.problem}`);
      options.onMessage();
      handle(parsed.value);
    }
    throw new Error('the broker closed the connection');
  } finally {
    options.signal.removeEventListener('abort', abort);
    clock.close();
    socket.destroy();
  }
}

async function connected(socket: Socket, clock: Clock): Promise<void> {
  const opened = new Promise<string>((resolve, reject) => {
    socket.once('connect', () => resolve('')).once('error', reject);
  });
  const problem = await within(clock, CONNECT_MS, opened, () => `no connection within ${String(CONNECT_MS)} ms`);
  if (problem !== '') throw new Error(problem);
}

function createHandler(channel: LineChannel, options: BrokerConnectionOptions): (message: BrokerMessage) => void {
  const assembly = createFactAssembly();
  const images = createImageAssembly();
  const probe = createProbeHandler(channel, options.prober);
  const send = (message: AgentMessage): void => void channel.send(message);
  return (message) => {
    switch (message.kind) {
      case 'refused':
        throw new Error(message.reason);
      case 'welcome':
        return options.onWelcome(message.node, send);
      case 'facts': {
        const facts = assembly.add(message);
        if (facts !== undefined) options.onFacts(facts);
        return;
      }
      case 'image':
      case 'imageList': {
        const current = images.add(message);
        if (current !== undefined) options.onImages(current);
        return;
      }
      case 'usage':
        return options.onUsage(message);
      case 'nodeStatus':
      case 'labels':
      case 'sysctls':
        return options.onResponse(message);
      case 'probe':
        return void probe(message);
      case 'about':
        throw new Error('a response that was not asked for');
    }
  };
}

/** Probes ports for the broker: only addresses that the prober takes for the node's own. */
function createProbeHandler(
  channel: LineChannel,
  prober: Prober,
): (request: Extract<BrokerMessage, { readonly kind: 'probe' }>) => Promise<void> {
  let running = 0;
  return async ({ id, address, port, service }) => {
    if (running >= MAX_PROBES) {
      return channel.send({ kind: 'probed', id, probe: null, reason: 'not probed: too many ports at the same time' });
    }
    running += 1;
    const outcome = await prober.probe(address, port, service);
    running -= 1;
    const probe = outcome.ok ? outcome.value : null;
    return channel.send({ kind: 'probed', id, probe, reason: outcome.ok ? '' : outcome.reason.slice(0, 1024) });
  };
}
