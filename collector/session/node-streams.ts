import { status } from '@grpc/grpc-js';
import type { Ending } from './wire.ts';

/** One stream of a node. */
export interface NodeStreamEntry {
  /** Takes what ends the stream. */
  readonly onStart: (end: (ending: Ending) => void) => void;
  /** It has said Hello: it is not ended for others any more. */
  readonly onOpen: () => undefined;
  readonly remove: () => void;
}

/** Streams of each node: at most two that are not over. */
export interface NodeStreams {
  /** A new one. If there are two already, the oldest that has not said Hello ends: whoever says it at once gets in. */
  readonly add: (nodeId: string) => NodeStreamEntry;
  /** Nodes that have a stream. */
  readonly nodes: () => number;
  readonly has: (nodeId: string) => boolean;
  /** Ends every stream of the node. */
  readonly endAll: (nodeId: string, ending: Ending) => void;
}

/** One session, and one that is to replace it. */
const MAX_STREAMS = 2;

const TOO_MANY: Ending = Object.freeze({
  code: status.RESOURCE_EXHAUSTED,
  details: `this node has more than ${String(MAX_STREAMS)} streams open`,
});

interface Stream {
  end: (ending: Ending) => void;
  isOpen: boolean;
}

/** No streams yet. */
export function createNodeStreams(): NodeStreams {
  const nodes = new Map<string, Set<Stream>>();
  return {
    nodes: () => nodes.size,
    has: (nodeId) => nodes.has(nodeId),
    endAll: (nodeId, ending) => {
      for (const { end } of nodes.get(nodeId) ?? []) end(ending);
    },
    add: (nodeId) => {
      const own = nodes.get(nodeId) ?? new Set<Stream>();
      nodes.set(nodeId, own);
      const oldest = [...own].find(({ isOpen }) => !isOpen);
      if (own.size >= MAX_STREAMS && oldest !== undefined) {
        own.delete(oldest);
        oldest.end(TOO_MANY);
      }
      const stream: Stream = { end: () => undefined, isOpen: false };
      own.add(stream);
      return {
        onStart: (end) => {
          stream.end = end;
        },
        onOpen: () => {
          stream.isOpen = true;
          return undefined;
        },
        remove: () => {
          own.delete(stream);
          if (own.size === 0 && nodes.get(nodeId) === own) nodes.delete(nodeId);
        },
      };
    },
  };
}
