import type { ContainerLabels } from '../posture/fact/container.ts';
import type { NodeFact } from '../posture/fact/node.ts';
import type { Facts } from '../posture/fact/facts.ts';
import type { KernelFact } from '../posture/fact/kernel.ts';
import type { NodeStatusFact } from '../posture/fact/node-status.ts';
import type { ThrottleProfile } from './budget/throttle-profile.ts';
import type { Usage } from './budget/usage.ts';
import type { ImageListener } from './image/image-record.ts';
import type { FactListener } from './watch/fact-model.ts';

/**
 * The `NodeObserver` port: the facts of a node as they change. The agent reads the node itself, or lets a broker with more
 * privileges read it.
 */
export interface NodeObserver {
  /** What reads the node, for the log: an endpoint of a container engine, or the socket of the broker. */
  readonly source: string;
  readonly inventory: () => Promise<NodeFact>;
  /** Starts to read. Call once. */
  readonly watch: (options: ObservationOptions) => Observation;
  /** Reads the current load, memory and file systems of the node. Does not reject. */
  readonly nodeStatus: () => Promise<NodeStatusFact>;
  /** Reads sysctls that the facts do not hold. Does not reject. */
  readonly readSysctls: (names: readonly string[]) => Promise<KernelFact['sysctls']>;
  /** Reads the labels of the containers, by id. Does not reject. */
  readonly readLabels: () => Promise<Readonly<Record<string, ContainerLabels>>>;
  /** What other processes than this one use to read the node; memory that they share with it is not counted. */
  readonly usage: () => Usage;
}

/** How to watch. */
export interface ObservationOptions {
  /** Called with each change, in order, the first complete set of facts first. */
  readonly onChange: FactListener;
  /** How fast to work; asked whenever there is something to do. */
  readonly pace: () => ThrottleProfile;
  /** Called with all images in use whenever something about them changes. Absent: no inventories are taken. */
  readonly onImages?: ImageListener;
}

/** A node that is being watched. */
export interface Observation {
  /** The current facts; undefined before the first complete set. */
  readonly facts: () => Facts | undefined;
  /** The pace of the agent changed: its fact is read again, and what reads the node works at that pace. */
  readonly refresh: (fact: 'agent') => void;
  /** Resolves once the signal of the observer has aborted and nothing runs any more. Rejects if the node is lost. */
  readonly done: Promise<void>;
}
