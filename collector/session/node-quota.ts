import { CHECKS } from '../../posture/check/registry.ts';
import type { Clock } from '../../service/clock.ts';

/** A node that exceeds its quota. */
export interface LimitedNode {
  readonly kind: 'limited';
  readonly nodeId: string;
  /** Which quota was exceeded. */
  readonly reason: string;
}

/**
 * The quota of one node. A node over its quota is slowed down or refused for a while; nothing is lost. Times are in
 * milliseconds, at most MAX_WAIT_MS.
 */
export interface NodeQuota {
  /** Counts a session. Why it must not begin now; undefined: it may. */
  readonly openSession: () => string | undefined;
  /** How long to wait before the next delta is read, or why its session must end. */
  readonly nextDelta: () => { readonly waitMs: number } | { readonly excess: string };
  /** Counts a message of this size in bytes that brings no findings and that nobody asked for; returns the wait after it. */
  readonly countMessage: (bytes: number) => number;
  /** Counts a part of a delta, of this size in bytes. */
  readonly countPart: (bytes: number) => void;
  /** True once: nobody has asked before. */
  readonly isNew: () => boolean;
  /** Counts events that a delta made. */
  readonly countEvents: (events: number) => void;
  /** Counts the checks of findings; false: more than a node can have. */
  readonly countChecks: (findings: readonly { readonly check: string }[]) => boolean;
  /** It has more than it may of something. */
  readonly noteExcess: (reason: string) => void;
  /** Counts the bytes of an inventory that is stored. */
  readonly countInventory: (bytes: number) => void;
  /** Whether so much was stored lately that the next inventory has to wait. */
  readonly hasInventoryExcess: () => boolean;
  /**
   * Counts the bytes of findings that a delta puts. False: there may be more than the node may have, see
   * `QuotaTerms.findingBytes`; the caller then counts what is stored, and calls `setFindingBytes`.
   */
  readonly countFindingBytes: (bytes: number) => boolean;
  /** Corrects the count to the bytes that are stored. */
  readonly setFindingBytes: (bytes: number) => void;
}

/** The quotas of all nodes. */
export interface NodeQuotas {
  readonly of: (nodeId: string) => NodeQuota;
  /** Nodes that were over their quota within the last ten minutes. */
  readonly limited: () => readonly LimitedNode[];
}

/** What a node may send: `burst` at once, and so much a second from then on. */
export interface QuotaTerms {
  readonly sessions: Rate;
  /** Events that its findings make, one for each delta, and one for each 4 KiB of deltas. */
  readonly changes: Rate;
  /** Other messages: one each, and one for each 4 KiB. */
  readonly messages: Rate;
  /** Checks that its findings may name, beside those of this version. */
  readonly maxChecks: number;
  /** Bytes of inventories that are stored, also of those that are replaced soon. */
  readonly inventories: Rate;
  /** Bytes of the texts of its findings. */
  readonly findingBytes: number;
}

interface Rate {
  readonly burst: number;
  readonly perSecond: number;
}

/**
 * Far above what a node does: a container that starts or stops makes some 40 events. A node that is restarted sends
 * everything again and makes no event by it; the first transfer of a node that nobody knew does not count.
 */
export const DEFAULT_QUOTA: QuotaTerms = Object.freeze({
  sessions: { burst: 60, perSecond: 0.5 },
  changes: { burst: 30_000, perSecond: 200 },
  messages: { burst: 4_000, perSecond: 1_000 },
  maxChecks: 1_000,
  inventories: { burst: 256 * 1024 * 1024, perSecond: 128 * 1024 },
  findingBytes: 128 * 1024 * 1024,
});

const UNIT_BYTES = 4096;
/** Findings that are taken after a start before what is stored is counted: most nodes never need it. */
const UNCOUNTED_BYTES = 4 * 1024 * 1024;
/** A session is slowed down by up to this; an agent gives up one in which nothing is confirmed for 60 s. */
const MAX_WAIT_MS = 20_000;
const REPORTED_MS = 10 * 60_000;

const KNOWN_CHECKS: ReadonlySet<string> = new Set(CHECKS.map(({ id }) => id));

/** Quotas of nodes that have sent nothing yet. */
export function createNodeQuotas(terms: QuotaTerms, clock: Pick<Clock, 'monotonic'>): NodeQuotas {
  const quotas = new Map<string, NodeQuota>();
  const limited = new Map<string, LimitedNode & { readonly atMs: number }>();
  return {
    of: (nodeId) => {
      const note = (reason: string): void =>
        void limited.set(nodeId, { kind: 'limited', nodeId, reason, atMs: clock.monotonic() });
      const known = quotas.get(nodeId) ?? createQuota(terms, clock, note);
      quotas.set(nodeId, known);
      return known;
    },
    limited: () =>
      [...limited.values()]
        .filter(({ atMs }) => clock.monotonic() - atMs <= REPORTED_MS)
        .map(({ kind, nodeId, reason }) => ({ kind, nodeId, reason })),
  };
}

function createQuota(terms: QuotaTerms, clock: Pick<Clock, 'monotonic'>, note: (reason: string) => void): NodeQuota {
  const sessions = createBucket(terms.sessions, clock);
  const changes = createBucket(terms.changes, clock);
  const messages = createBucket(terms.messages, clock);
  const inventories = createBucket(terms.inventories, clock);
  /** At least what the node has. */
  let findingBytes = terms.findingBytes - Math.min(UNCOUNTED_BYTES, terms.findingBytes);
  /** Those that this version does not know. */
  const checks = new Set<string>();
  let isNew = true;
  const refused = (reason: string): string => {
    note(reason);
    return reason;
  };
  const excessOfChanges = (): string | undefined => {
    const waitMs = changes.waitMs();
    if (waitMs <= MAX_WAIT_MS) return undefined;
    return refused(`this node exceeds its quota of changes: come again in ${String(Math.ceil(waitMs / 1000))} s`);
  };
  return {
    openSession: () => {
      if (sessions.waitMs() > 0) return refused('this node opens sessions too often');
      sessions.take(1);
      return excessOfChanges();
    },
    nextDelta: () => {
      const excess = excessOfChanges();
      if (excess !== undefined) return { excess };
      const waitMs = changes.waitMs();
      if (waitMs > 0) note('this node exceeds its quota of changes');
      return { waitMs: Math.min(waitMs, MAX_WAIT_MS) };
    },
    countMessage: (bytes) => {
      messages.take(1 + bytes / UNIT_BYTES);
      const waitMs = messages.waitMs();
      if (waitMs > 0) note('this node sends too many messages');
      return Math.min(waitMs, MAX_WAIT_MS);
    },
    countPart: (bytes) => changes.take(1 + bytes / UNIT_BYTES),
    isNew: () => {
      const was = isNew;
      isNew = false;
      return was;
    },
    countEvents: changes.take,
    countChecks: (findings) => {
      for (const { check } of findings) {
        if (KNOWN_CHECKS.has(check)) continue;
        checks.add(check);
        if (checks.size <= terms.maxChecks) continue;
        note(`its findings name more than ${String(terms.maxChecks)} checks`);
        return false;
      }
      return true;
    },
    noteExcess: note,
    countInventory: inventories.take,
    hasInventoryExcess: () => {
      if (inventories.waitMs() === 0) return false;
      note('it sends inventories of images too fast');
      return true;
    },
    countFindingBytes: (bytes) => {
      findingBytes += bytes;
      return findingBytes <= terms.findingBytes;
    },
    setFindingBytes: (bytes) => {
      findingBytes = bytes;
    },
  };
}

interface Bucket {
  readonly take: (units: number) => void;
  /** Time until the bucket is no longer overdrawn; 0: now. */
  readonly waitMs: () => number;
}

/** A token bucket: it may be overdrawn, and then fills up again first. */
function createBucket({ burst, perSecond }: Rate, clock: Pick<Clock, 'monotonic'>): Bucket {
  let level = burst;
  let atMs = clock.monotonic();
  const fill = (): void => {
    const nowMs = clock.monotonic();
    level = Math.min(burst, level + ((nowMs - atMs) / 1000) * perSecond);
    atMs = nowMs;
  };
  return {
    take: (units) => {
      fill();
      level -= units;
    },
    waitMs: () => {
      if (level < 0) fill();
      return level >= 0 ? 0 : (-level / perSecond) * 1000;
    },
  };
}
