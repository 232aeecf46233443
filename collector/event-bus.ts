import type { NodeRow, OutboxEvent } from './store/store.ts';

/** Something that people who watch want to know at once. */
export type BusItem =
  | { readonly type: 'finding'; readonly event: OutboxEvent }
  | { readonly type: 'node'; readonly node: NodeRow }
  /** There is no such node any more. */
  | { readonly type: 'nodeRemoved'; readonly nodeId: string };

/** What is told of nodes. */
export type NodeItem = Exclude<BusItem, { readonly type: 'finding' }>;

/** Live changes, from where they are committed to those who watch. A subscriber must not throw and must not block. */
export interface EventBus {
  readonly publish: (item: BusItem) => void;
  /** As publishing every event up to this position, for those who want no more than that: when nobody watches. */
  readonly announce: (position: number) => void;
  /** Does anyone want the items themselves? Then events must be published, not only announced. */
  readonly isWatched: () => boolean;
  /** Returns a function that ends the subscription, here and below. */
  readonly subscribe: (subscriber: (item: BusItem) => void) => () => void;
  readonly subscribeToNodes: (subscriber: (item: NodeItem) => void) => () => void;
  /** Told of the newest position, now and then more than once. */
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
