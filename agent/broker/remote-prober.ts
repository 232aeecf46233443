import { within } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import type { ProbeOrigin, ProbeOutcome, Prober } from '../probe/prober.ts';
import type { AgentMessage, BrokerMessage } from './message.ts';

/** The prober of a broker, which has no network: the agent connects in its place. */
export interface RemoteProber extends Prober {
  /** The agent that is connected now; undefined: none. */
  readonly attach: (agent: ProbingAgent | undefined) => void;
  /** The agent's answer to a `probe`. One that nobody waits for is ignored. */
  readonly answered: (message: Extract<AgentMessage, { readonly kind: 'probed' }>) => void;
}

/** An agent that probes. */
export interface ProbingAgent {
  readonly origin: ProbeOrigin;
  readonly send: (message: Extract<BrokerMessage, { readonly kind: 'probe' }>) => void;
}

/** Longer than the agent takes for its eight connections of 2 s each. */
const DEADLINE_MS = 18_000;
/** One for each listener that a fact can have. */
const MAX_WAITING = 256;

/** A prober without an agent yet. */
export function createRemoteProber(clock: Clock): RemoteProber {
  const waiting = new Map<number, (outcome: ProbeOutcome) => void>();
  let agent: ProbingAgent | undefined;
  let lastId = 0;
  const failed = (reason: string): ProbeOutcome => ({ ok: false, reason });
  return {
    origin: () => Promise.resolve(agent?.origin ?? { namespace: null, nodeAddress: '' }),
    probe: async (address, port, service = 'docker') => {
      if (agent === undefined) return failed('not probed: no agent is connected to the broker');
      if (waiting.size >= MAX_WAITING) return failed('not probed: too many ports wait for the agent');
      const id = (lastId += 1);
      const { promise, resolve } = Promise.withResolvers<ProbeOutcome>();
      waiting.set(id, resolve);
      agent.send({ kind: 'probe', id, address, port, service });
      const outcome = await within(clock, DEADLINE_MS, promise, () => failed('the agent did not answer in time'));
      waiting.delete(id);
      return outcome;
    },
    attach: (next) => {
      agent = next;
      for (const settle of waiting.values()) settle(failed('the connection to the agent was lost'));
    },
    answered: ({ id, probe, reason }) => {
      waiting.get(id)?.(probe === null ? failed(reason) : { ok: true, value: probe });
    },
  };
}
