import { isContainerEntry } from '../../../posture/fact/unobserved.ts';
import type { Unobserved } from '../../../posture/fact/unobserved.ts';
import { clip } from '../clip.ts';
import { compareKeys } from '../../../posture/text-order.ts';
import { createLastRunning } from './last-running.ts';
import type { LastRunning } from './last-running.ts';

/** What can be cleared: a sandbox counts among the containers. */
type Kind = Exclude<Unobserved['kind'], 'sandbox'>;

/** The containers and images about which the engine failed to answer, until it answers or they are gone. */
export interface FailedLooks {
  /** A look failed; the time of the first one stays, and what an earlier one knew of the subject. */
  readonly record: (failed: Omit<Unobserved, 'sinceMs'>, nowMs: number) => void;
  /** The subject was inspected, or is gone. */
  readonly clear: (kind: Kind, id: string) => void;
  /** All others of this kind and engine are gone. */
  readonly keepOnly: (kind: Kind, engine: string, ids: ReadonlySet<string>) => void;
  readonly get: (kind: Kind, id: string) => Unobserved | undefined;
  /** In an order that does not depend on when they failed. */
  readonly list: () => readonly Unobserved[];
  /** Says whether a container that its engine does not know any more is gone. */
  readonly lastRunning: LastRunning;
}

/** No failed look yet. One for each node that is looked at. */
export function createFailedLooks(): FailedLooks {
  const failed = new Map<string, Unobserved>();
  const kindOf = (look: Pick<Unobserved, 'kind'>): string => (isContainerEntry(look) ? 'container' : look.kind);
  const keyOf = (kind: Unobserved['kind'], id: string): string => `${kindOf({ kind })}/${id}`;
  return {
    record: (look, nowMs) => {
      const key = keyOf(look.kind, look.id);
      const before = failed.get(key);
      failed.set(key, {
        ...look,
        name: look.name || (before?.name ?? ''),
        imageId: look.imageId || (before?.imageId ?? ''),
        pid: look.pid || (before?.pid ?? 0),
        sinceMs: before?.sinceMs ?? Math.trunc(nowMs),
        reason: clip(look.reason, 1024),
      });
    },
    clear: (kind, id) => void failed.delete(keyOf(kind, id)),
    keepOnly: (kind, engine, ids) => {
      for (const [key, look] of failed)
        if (kindOf(look) === kind && look.engine === engine && !ids.has(look.id)) failed.delete(key);
    },
    get: (kind, id) => failed.get(keyOf(kind, id)),
    list: () => [...failed].sort(compareKeys).map(([, look]) => look),
    lastRunning: createLastRunning(),
  };
}
