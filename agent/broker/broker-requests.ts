import type { ContainerLabels } from '../../posture/fact/container.ts';
import { isSysctlName } from '../../posture/fact/kernel.ts';
import type { KernelFact } from '../../posture/fact/kernel.ts';
import type { NodeStatusFact } from '../../posture/fact/node-status.ts';
import { unreadable } from '../../posture/observed.ts';
import { within } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import { MAX_SYSCTLS } from './message.ts';
import type { AgentMessage, BrokerMessage } from './message.ts';

type Response = Extract<BrokerMessage, { readonly kind: 'nodeStatus' | 'labels' | 'sysctls' }>;

/** Requests that the broker answers. A request that fails is a value: what it asked for is unreadable. */
export interface BrokerRequests {
  readonly attach: (send: (message: AgentMessage) => void) => void;
  /** Fails what waits. */
  readonly detach: (reason: string) => void;
  readonly answered: (response: Response) => void;
  readonly nodeStatus: () => Promise<NodeStatusFact>;
  /** Empty where the broker does not answer. */
  readonly labels: () => Promise<Readonly<Record<string, ContainerLabels>>>;
  readonly sysctls: (names: readonly string[]) => Promise<KernelFact['sysctls']>;
}

/** A node status takes up to 3 s, and requests wait for each other. */
const DEADLINE_MS = 8000;
const MAX_NAME = 256;

/** Requests without a connection yet. */
export function createBrokerRequests(clock: Clock): BrokerRequests {
  const waiting = new Map<number, (outcome: Response | string) => void>();
  let send: ((message: AgentMessage) => void) | undefined;
  let lastId = 0;
  const request = async (make: (id: number) => AgentMessage): Promise<Response | string> => {
    if (send === undefined) return 'no connection to the broker';
    const id = (lastId += 1);
    const { promise, resolve } = Promise.withResolvers<Response | string>();
    waiting.set(id, resolve);
    send(make(id));
    const late = (): string => `no answer of the broker within ${String(DEADLINE_MS)} ms`;
    const outcome = await within(clock, DEADLINE_MS, promise, late);
    waiting.delete(id);
    return outcome;
  };
  return {
    attach: (next) => (send = next),
    detach: (reason) => {
      send = undefined;
      for (const settle of waiting.values()) settle(reason);
    },
    answered: (response) => waiting.get(response.id)?.(response),
    nodeStatus: async () => {
      const response = await request((id) => ({ kind: 'nodeStatus', id }));
      if (typeof response !== 'string' && response.kind === 'nodeStatus') return response.status;
      return unreadStatus(typeof response === 'string' ? response : 'not understood', clock.now());
    },
    labels: async () => {
      const response = await request((id) => ({ kind: 'labels', id }));
      return typeof response !== 'string' && response.kind === 'labels' ? response.labels : {};
    },
    sysctls: async (names) => {
      const valid = names.filter((name) => isSysctlName(name) && name.length <= MAX_NAME).slice(0, MAX_SYSCTLS);
      const response = valid.length === 0 ? '' : await request((id) => ({ kind: 'sysctls', id, names: valid }));
      const read = typeof response !== 'string' && response.kind === 'sysctls' ? response.sysctls : {};
      const reason = typeof response === 'string' && response !== '' ? response : 'it is not the name of a sysctl';
      return Object.fromEntries(
        names.map((name) => [name, read[name] ?? unreadable(`sysctl ${name.slice(0, MAX_NAME)}`, reason)]),
      );
    },
  };
}

function unreadStatus(reason: string, nowMs: number): NodeStatusFact {
  const unread = unreadable('broker', reason);
  return {
    readAtMs: Math.trunc(nowMs),
    bootedAtMs: unread,
    uptimeSeconds: unread,
    load: unread,
    memory: unread,
    swap: unread,
    pressure: { cpu: unread, memory: unread, io: unread },
    openFiles: unread,
    processes: unread,
    rootFileSystem: unread,
    engines: [],
    clockSetAtMs: unread,
    agent: unread,
  };
}
