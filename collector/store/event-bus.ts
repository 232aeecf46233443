import type { NodeRow } from './store.ts';
import type { OutboxEvent } from './stored-event.ts';

/** A live change. */
export type BusItem =
  | { readonly type: 'finding'; readonly event: OutboxEvent }
  | { readonly type: 'node'; readonly node: NodeRow }
  | { readonly type: 'nodeRemoved'; readonly nodeId: string };

/** A change of a node. */
export type NodeItem = Exclude<BusItem, { readonly type: 'finding' }>;

/** Publishes committed changes to subscribers in this process. A subscriber must not throw or block. */
export interface EventBus {
  readonly publish: (item: BusItem) => void;
  /** Publishes only the newest position, where nobody subscribes to the events themselves. */
  readonly announce: (position: number) => void;
  /** Whether anyone subscribes to items: then events must be published, not only announced. */
  readonly isWatched: () => boolean;
  /** Each of these returns a function that ends the subscription. */
  readonly subscribe: (subscriber: (item: BusItem) => void) => () => void;
  readonly subscribeToNodes: (subscriber: (item: NodeItem) => void) => () => void;
  /** Called with the newest position, possibly more than once. */
  readonly subscribeToPositions: (subscriber: (position: number) => void) => () => void;
}

/** An event bus within this process. */
export function createEventBus(): EventBus {
  const items = new Set<(item: BusItem) => void>();
  const nodes = new Set<(item: NodeItem) => void>();
  const positions = new Set<(position: number) => void>();
  const announce = (position: number): void => {
    for (const subscriber of positions) subscriber(position);
  };
  return {
    publish: (item) => {
      for (const subscriber of items) subscriber(item);
      if (item.type === 'finding') announce(item.event.position);
      else for (const subscriber of nodes) subscriber(item);
    },
    announce,
    isWatched: () => items.size > 0,
    subscribe: (subscriber) => join(items, subscriber),
    subscribeToNodes: (subscriber) => join(nodes, subscriber),
    subscribeToPositions: (subscriber) => join(positions, subscriber),
  };
}

function join<T>(subscribers: Set<T>, subscriber: T): () => void {
  subscribers.add(subscriber);
  return () => subscribers.delete(subscriber);
}
