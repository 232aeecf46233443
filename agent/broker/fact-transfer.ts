import type { ContainerFact } from '../../posture/fact/container.ts';
import { FACT_SCHEMAS } from '../../posture/fact/facts.ts';
import type { FactName, Facts } from '../../posture/fact/facts.ts';
import type { BrokerMessage } from './message.ts';

/** A message that carries facts. */
export type FactMessage = Extract<BrokerMessage, { readonly kind: 'facts' }>;

/** Facts as the broker has them. The fact `agent` is about the agent, which adds it. */
export type BrokerFacts = Omit<Facts, 'agent'>;

/** Containers in one message: some 10 KiB each. */
const CONTAINERS_A_MESSAGE = 64;
const NAMES = (Object.keys(FACT_SCHEMAS) as FactName[]).filter((name): name is keyof BrokerFacts => name !== 'agent');

/**
 * The messages that turn `sent` into `facts`, the last one marked. What is the same object is the same: the model of the
 * broker keeps unchanged facts and containers. Without `sent`, everything.
 */
export function* factMessages(sent: BrokerFacts | undefined, facts: BrokerFacts): Generator<FactMessage> {
  const changed: Record<string, unknown> = {};
  for (const name of NAMES) {
    if (name !== 'containers' && facts[name] !== sent?.[name]) changed[name] = facts[name];
  }
  changed['containers'] = facts.containers.state === 'seen' ? { ...facts.containers, value: [] } : facts.containers;
  const known = containersById(sent);
  const put: ContainerFact[] = [];
  for (const container of containersById(facts).values()) {
    if (known.get(container.id) !== container) put.push(container);
    known.delete(container.id);
  }
  const gone = [...known.keys()];
  const lastStart = Math.max(0, Math.ceil(put.length / CONTAINERS_A_MESSAGE) - 1) * CONTAINERS_A_MESSAGE;
  for (let start = 0; start < lastStart; start += CONTAINERS_A_MESSAGE) {
    const part = put.slice(start, start + CONTAINERS_A_MESSAGE);
    yield { kind: 'facts', facts: {}, put: part, gone: [], last: false };
  }
  yield { kind: 'facts', facts: changed, put: put.slice(lastStart), gone, last: true };
}

/** Puts the messages of one connection together. */
export interface FactAssembly {
  /** Returns the facts where the message completes them, undefined where more follow. Throws what is malformed. */
  readonly add: (message: FactMessage) => BrokerFacts | undefined;
}

/** Containers that one node can have; as the schema of the fact has it. */
const MAX_CONTAINERS = 50_000;

/** An assembly for a new connection: the first facts must be all of them. */
export function createFactAssembly(): FactAssembly {
  const facts = new Map<FactName, unknown>();
  const containers = new Map<string, ContainerFact>();
  return {
    add: ({ facts: changed, put, gone, last }) => {
      for (const container of put) containers.set(container.id, container);
      for (const id of gone) containers.delete(id);
      if (containers.size > MAX_CONTAINERS) throw new Error(`more than ${String(MAX_CONTAINERS)} containers`);
      for (const [name, value] of Object.entries(changed)) facts.set(...parseFact(name, value));
      if (!last) return undefined;
      const missing = NAMES.find((name) => !facts.has(name));
      if (missing !== undefined) throw new Error(`the fact ${missing} is missing`);
      const all = Object.fromEntries(facts) as unknown as BrokerFacts;
      const list = all.containers;
      return { ...all, containers: list.state === 'seen' ? { ...list, value: [...containers.values()] } : list };
    },
  };
}

function parseFact(name: string, value: unknown): readonly [FactName, unknown] {
  const known = NAMES.find((candidate) => candidate === name);
  if (known === undefined) throw new Error('a fact of an unknown name');
  const parsed = FACT_SCHEMAS[known].parse(value, name);
  if (!parsed.ok) throw new Error(parsed.problem);
  return [known, parsed.value];
}

function containersById(facts: BrokerFacts | undefined): Map<string, ContainerFact> {
  const list = facts?.containers.state === 'seen' ? facts.containers.value : [];
  return new Map(list.map((container) => [container.id, container]));
}
