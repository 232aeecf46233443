import type { AgentFact } from '../../posture/fact/agent.ts';
import type { Facts } from '../../posture/fact/facts.ts';
import type { NodeFact } from '../../posture/fact/node.ts';
import type { NodeStatusFact } from '../../posture/fact/node-status.ts';
import { mapObserved } from '../../posture/observed.ts';
import { fullJitter } from '../../service/backoff.ts';
import { sleep } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import { throttleStepOf } from '../budget/throttle-profile.ts';
import type { Usage } from '../budget/usage.ts';
import type { NodeObserver, ObservationOptions } from '../node-observer.ts';
import type { Prober } from '../probe/prober.ts';
import { changeBetween, shareUnchanged } from '../watch/structural-sharing.ts';
import type { ImageRecord } from '../image/image-record.ts';
import { createBrokerRequests } from './broker-requests.ts';
import { followBroker } from './broker-connection.ts';
import type { BrokerConnectionOptions } from './broker-connection.ts';
import type { AgentMessage } from './message.ts';

/** What an observer behind a broker works with. */
export interface BrokerObserverOptions {
  /** Path of the socket. */
  readonly path: string;
  /** Id of this node if it has no machine id. */
  readonly nodeId: string;
  readonly prober: Prober;
  /** What the agent uses, with the broker. */
  readonly agent: () => AgentFact;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

const BACKOFF = Object.freeze({ baseMs: 250, capMs: 5000 });
/**
 * An agent without a broker does not know its node any more. It ends after this time, so that the collector shows the node
 * as silent, and does not take old facts for new.
 */
const LOST_MS = 60_000;

/** An observer that lets the broker read the node. Connects at once, and again whenever the connection is lost. */
export function createBrokerObserver(options: BrokerObserverOptions): NodeObserver {
  const { path, agent, clock } = options;
  const welcomed = Promise.withResolvers<NodeFact>();
  const requests = createBrokerRequests(clock);
  const usage = createUsageTotal();
  let send: ((message: AgentMessage) => void) | undefined;
  let facts: Facts | undefined;
  let isReported = false;
  let images: readonly ImageRecord[] = [];
  let watching: ObservationOptions | undefined;

  const publish = (next: Facts): void => {
    const before = facts;
    facts = before === undefined ? next : shareUnchanged(before, next);
    if (watching === undefined) return;
    watching.onChange(facts, before === undefined || !isReported ? undefined : changeBetween(before, facts));
    isReported = true;
  };
  const sendPace = (): void => {
    if (watching !== undefined) send?.({ kind: 'pace', step: throttleStepOf(watching.pace()) });
  };
  const done = keepConnected(options, {
    onWelcome: (node, sendNow) => {
      send = sendNow;
      requests.attach(sendNow);
      welcomed.resolve(node);
      sendPace();
    },
    onFacts: (read) => publish({ ...read, agent: agent() }),
    onImages: (current) => {
      images = current;
      watching?.onImages?.(current);
    },
    onUsage: usage.add,
    onResponse: requests.answered,
    onLost: (reason) => {
      send = undefined;
      requests.detach(reason);
    },
  });
  // Whoever waits for the inventory or the end handles it.
  done.catch(welcomed.reject);
  welcomed.promise.catch(() => {});
  return {
    source: `unix://${path}`,
    inventory: () => welcomed.promise,
    watch: (observation) => {
      watching = observation;
      if (facts !== undefined) publish(facts);
      if (images.length > 0) observation.onImages?.(images);
      sendPace();
      return {
        facts: () => facts,
        refresh: () => {
          sendPace();
          if (facts !== undefined) publish({ ...facts, agent: agent() });
        },
        done,
      };
    },
    nodeStatus: async (): Promise<NodeStatusFact> => ({
      ...(await requests.nodeStatus()),
      agent: mapObserved(agent(), ({ rssBytes, cpuMillicores }) => ({ rssBytes, cpuMillicores })),
    }),
    readLabels: requests.labels,
    readSysctls: requests.sysctls,
    usage: usage.total,
  };
}

/** What happens on the connections to the broker. */
interface Connections extends Pick<
  BrokerConnectionOptions,
  'onWelcome' | 'onFacts' | 'onImages' | 'onUsage' | 'onResponse'
> {
  readonly onLost: (reason: string) => void;
}

/** Connects again and again. Resolves when the signal aborts, rejects when the broker was silent for too long. */
async function keepConnected(options: BrokerObserverOptions, { onLost, ...handlers }: Connections): Promise<void> {
  const { path, nodeId, prober, clock, log, signal } = options;
  let contactMs = clock.monotonic();
  let attempt = 0;
  let logged = '';
  /** A connection was lost, and no whole facts have come since: a broker whose facts are refused must not seem alive. */
  let isLost = false;
  const onWelcome: Connections['onWelcome'] = (node, send) => {
    log.debug({ socket: path }, 'connected to the broker');
    handlers.onWelcome(node, send);
  };
  const onFacts: Connections['onFacts'] = (facts) => {
    if (isLost) log.info({ socket: path }, 'the broker sends facts again');
    [isLost, attempt, logged, contactMs] = [false, 0, '', clock.monotonic()];
    handlers.onFacts(facts);
  };
  const onMessage = (): void => {
    if (!isLost) contactMs = clock.monotonic();
  };
  while (!signal.aborted) {
    const connection = { ...handlers, onWelcome, onFacts, onMessage, path, nodeId, prober, clock, signal };
    const reason = await followBroker(connection).catch(reasonOf);
    isLost = true;
    onLost(reason);
    if (signal.aborted) return;
    if (clock.monotonic() - contactMs >= LOST_MS) throw brokerLost(path, reason);
    if (reason !== logged) log.warn({ socket: path, reason }, 'no connection to the broker');
    logged = reason;
    await sleep(clock, fullJitter(attempt, BACKOFF, Math.random), signal);
    attempt += 1;
  }
}

function brokerLost(path: string, reason: string): Error {
  return Object.assign(new Error(`no broker answered on ${path} for ${String(LOST_MS / 1000)} s: ${reason}`), {
    code: 'BROKER_LOST',
    hint: 'is plimsoll broker running, and may this user and group connect to its socket?',
  });
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Adds up what brokers use that follow one another: a new process starts at zero. */
function createUsageTotal(): { readonly add: (usage: Usage) => void; readonly total: () => Usage } {
  let endedMs = 0;
  let current: Usage = { rssBytes: 0, cpuMs: 0 };
  return {
    add: ({ rssBytes, cpuMs }) => {
      if (cpuMs < current.cpuMs) endedMs += current.cpuMs;
      current = { rssBytes, cpuMs };
    },
    total: () => ({ rssBytes: current.rssBytes, cpuMs: endedMs + current.cpuMs }),
  };
}
