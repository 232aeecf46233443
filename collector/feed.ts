import type { NodeRow, OutboxEvent } from './store/store.ts';

/** Something that people who watch want to know at once. */
export type FeedItem =
  { readonly type: 'finding'; readonly event: OutboxEvent } | { readonly type: 'node'; readonly node: NodeRow };

/** Live changes, from where they are committed to those who watch. */
export interface Feed {
  readonly publish: (item: FeedItem) => void;
  /** Returns a function that ends the subscription. A subscriber must not throw and must not block. */
  readonly subscribe: (subscriber: (item: FeedItem) => void) => () => void;
}

/** A feed within this process. */
export function createFeed(): Feed {
  const subscribers = new Set<(item: FeedItem) => void>();
  return {
    publish: (item) => {
      for (const subscriber of subscribers) subscriber(item);
    },
    subscribe: (subscriber) => {
      subscribers.add(subscriber);
      return () => subscribers.delete(subscriber);
    },
  };
}
