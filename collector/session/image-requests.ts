import type { Clock } from '../../service/clock.ts';

/**
 * Which inventories were requested from which node. Bounds how many are on their way: an inventory takes memory while it
 * is incomplete, and a node that was asked may never answer.
 */
export interface ImageRequests {
  /** May this inventory be requested from this node now? If so, it counts as requested until `done` or its timeout. */
  readonly begin: (nodeId: string, digest: string) => boolean;
  readonly isRequested: (nodeId: string, digest: string) => boolean;
  readonly done: (nodeId: string, digest: string) => void;
  /** Ends all requests of a node. */
  readonly endAll: (nodeId: string) => void;
  /** Calls `retry` once when another request ends. Returns a function that prevents it. */
  readonly whenFree: (retry: () => void) => () => void;
}

/** Requests at a time, of one node and of all: each can need up to 4 MiB. */
const MAX_OF_NODE = 4;
const MAX_OF_ALL = 32;
const TIMEOUT_MS = 30_000;

/** No requests yet. */
export function createImageRequests(clock: Pick<Clock, 'monotonic'>): ImageRequests {
  const requests = new Map<string, { readonly nodeId: string; readonly untilMs: number }>();
  const waiting = new Set<() => void>();
  const expire = (): void => {
    const nowMs = clock.monotonic();
    for (const [digest, { untilMs }] of requests) if (untilMs <= nowMs) requests.delete(digest);
  };
  const free = (): void => {
    // Each of them asks again whether there is room.
    const retries = [...waiting];
    waiting.clear();
    for (const retry of retries) retry();
  };
  return {
    begin: (nodeId, digest) => {
      expire();
      if (requests.has(digest) || requests.size >= MAX_OF_ALL) return false;
      if ([...requests.values()].filter((request) => request.nodeId === nodeId).length >= MAX_OF_NODE) return false;
      requests.set(digest, { nodeId, untilMs: clock.monotonic() + TIMEOUT_MS });
      return true;
    },
    isRequested: (nodeId, digest) => requests.get(digest)?.nodeId === nodeId,
    done: (nodeId, digest) => {
      if (requests.get(digest)?.nodeId !== nodeId) return;
      requests.delete(digest);
      free();
    },
    endAll: (nodeId) => {
      const before = requests.size;
      for (const [digest, request] of requests) if (request.nodeId === nodeId) requests.delete(digest);
      if (requests.size < before) free();
    },
    whenFree: (retry) => {
      waiting.add(retry);
      return () => waiting.delete(retry);
    },
  };
}
