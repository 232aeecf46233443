import * as s from '../../posture/schema.ts';
import { CLOCK_SKEW_MS } from '../../service/tls/issue.ts';
import { openListFile } from './list-file.ts';

/** A node whose certificates were revoked. */
export interface Revocation {
  readonly nodeId: string;
  /** Every certificate that was issued to the node until then is revoked; milliseconds since 1970. */
  readonly atMs: number;
  /** The node may be attested again. */
  readonly readmitted: boolean;
}

/** The revoked nodes of a fleet. */
export interface Revocations {
  readonly all: () => readonly Revocation[];
  /** Revokes every certificate that was issued to this node until `atMs`. Durable when the promise resolves. */
  readonly revoke: (nodeId: string, atMs: number) => Promise<void>;
  /** Lets a revoked Kubernetes node be attested again; its old certificates stay revoked. Resolves to false for others. */
  readonly readmit: (nodeId: string) => Promise<boolean>;
  /** Was this node revoked and not readmitted? */
  readonly isBarred: (nodeId: string) => boolean;
  /** Is a certificate of this node revoked? `validFromMs`: the start of its validity. */
  readonly isRevoked: (nodeId: string, validFromMs: number) => boolean;
}

/** One entry a node; more nodes than a fleet has. */
const MAX_ENTRIES = 100_000;

const revocationSchema = s.object({
  nodeId: s.string('', 200),
  atMs: s.integer(),
  readmitted: s.withDefault(s.boolean(), false),
});

/** Opens the revocations that are kept at `path`. Throws StartError. */
export async function openRevocations(path: string): Promise<Revocations> {
  const file = await openListFile<Revocation>(path, s.list(revocationSchema, '', MAX_ENTRIES));
  let byNode = index(file.all());
  return {
    all: file.all,
    revoke: async (nodeId, atMs) => {
      const revoked = { nodeId, atMs, readmitted: false };
      await file.update((list) => [...list.filter((entry) => entry.nodeId !== nodeId), revoked]);
      byNode = index(file.all());
    },
    readmit: async (nodeId) => {
      if (!byNode.has(nodeId)) return false;
      await file.update((list) =>
        list.map((entry) => (entry.nodeId === nodeId ? { ...entry, readmitted: true } : entry)),
      );
      byNode = index(file.all());
      return true;
    },
    isBarred: (nodeId) => byNode.get(nodeId)?.readmitted === false,
    isRevoked: (nodeId, validFromMs) => {
      const atMs = byNode.get(nodeId)?.atMs;
      // Certificates start earlier than they are issued, in whole seconds.
      return atMs !== undefined && validFromMs + CLOCK_SKEW_MS <= atMs;
    },
  };
}

function index(list: readonly Revocation[]): ReadonlyMap<string, Revocation> {
  return new Map(list.map((entry) => [entry.nodeId, entry]));
}
