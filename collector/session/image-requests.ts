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
  /** The node has sent something else under this digest: others are asked first. */
  readonly failed: (nodeId: string, digest: string) => void;
  /** Ends all requests of a node. */
  readonly endAll: (nodeId: string) => void;
  /** Calls `retry` once when another request ends. Returns a function that prevents it. */
  readonly whenFree: (retry: () => void) => () => void;
}

/** Requests at a time, of one node and of all: each can need up to 4 MiB. */
const MAX_OF_NODE = 4;
const MAX_OF_ALL = 32;
const TIMEOUT_MS = 30_000;
/**
 * A node that did not send what it had announced, more often than that, is not asked for it again for a while, four times as
 * long each time: it would keep the same inventory of another node out of the store.
 */
const FREE_FAILURES = 3;
const PAUSE_MS = 5000;
const MAX_PAUSE_MS = 10 * 60_000;
/** How long a failure is remembered. */
const FAILURE_MS = 60 * 60_000;

interface Failure {
  readonly count: number;
  readonly untilMs: number;
  readonly forgetMs: number;
}

/** No requests yet. */
export function createImageRequests(clock: Pick<Clock, 'monotonic'>): ImageRequests {
  const requests = new Map<string, { readonly nodeId: string; readonly untilMs: number }>();
  const waiting = new Set<() => void>();
  /** By node and digest. A node adds few, since it has few requests at a time. */
  const failures = new Map<string, Failure>();
  const fail = (nodeId: string, digest: string): void => {
    requests.delete(digest);
    const nowMs = clock.monotonic();
    const key = `${nodeId} ${digest}`;
    const count = (failures.get(key)?.count ?? 0) + 1;
    const further = count - FREE_FAILURES - 1;
    const pauseMs = further < 0 ? 0 : Math.min(MAX_PAUSE_MS, PAUSE_MS * 4 ** further);
    failures.set(key, { count, untilMs: nowMs + pauseMs, forgetMs: nowMs + FAILURE_MS });
  };
  const isPaused = (nodeId: string, digest: string): boolean =>
    (failures.get(`${nodeId} ${digest}`)?.untilMs ?? 0) > clock.monotonic();
  const expire = (): void => {
    const nowMs = clock.monotonic();
    for (const [digest, { nodeId, untilMs }] of requests) if (untilMs <= nowMs) fail(nodeId, digest);
    for (const [key, { forgetMs }] of failures) if (forgetMs <= nowMs) failures.delete(key);
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
      if (requests.has(digest) || requests.size >= MAX_OF_ALL || isPaused(nodeId, digest)) return false;
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
    failed: (nodeId, digest) => {
      if (requests.get(digest)?.nodeId !== nodeId) return;
      fail(nodeId, digest);
      free();
    },
    endAll: (nodeId) => {
      const before = requests.size;
      for (const [digest, request] of requests) if (request.nodeId === nodeId) fail(nodeId, digest);
      if (requests.size < before) free();
    },
    whenFree: (retry) => {
      waiting.add(retry);
      return () => waiting.delete(retry);
    },
  };
}
