import { findingId } from '../../../posture/finding.ts';
import type { Finding, SubjectKind } from '../../../posture/finding.ts';
import { packFinding } from '../../../collector/store/row.ts';
import type { Commit, CommitResult, NodeRow, Store, StoredFinding } from '../../../collector/store/store.ts';
import type { OutboxEvent } from '../../../collector/store/stored-event.ts';

/** 2026-06-01T00:00:00Z. */
export const T0 = 1_780_272_000_000;

/** A finding; what is not said is a failing, privileged container. */
export function finding(over: Partial<Finding> & { kind?: SubjectKind; on?: string } = {}): Finding {
  const { kind, on, ...rest } = over;
  const check = rest.check ?? 'container.privileged';
  const subject = rest.subject ?? { kind: kind ?? 'container', id: on ?? 'c1', name: `name-of-${on ?? 'c1'}` };
  return {
    check,
    title: 'The container is not privileged',
    verdict: 'fail',
    severity: 'critical',
    evidence: [{ source: '/proc/4121/status', seen: 'CapEff: 000001ffffffffff', expected: 'no CAP_SYS_ADMIN' }],
    ...rest,
    subject,
    id: findingId(check, subject),
  };
}

/** What a test says of a commit. */
type Said = Partial<Omit<Commit, 'put'>> & { readonly sequence: number; readonly put?: readonly Finding[] };

/** A commit of node `n1`, epoch `e1`; what is not said is empty. */
export function commit({ put = [], ...over }: Said): Commit {
  return {
    nodeId: 'n1',
    epoch: 'e1',
    snapshot: false,
    put: put.map(packFinding),
    gone: [],
    observedAtMs: T0,
    receivedAtMs: T0,
    ...over,
  };
}

/** A node's row. */
export function nodeRow(over: Partial<NodeRow> = {}): NodeRow {
  return {
    id: 'n1',
    name: 'web-1',
    agentVersion: '0.1.0',
    operatingSystem: 'Debian GNU/Linux 13',
    kernelRelease: '6.12.9',
    architecture: 'x86_64',
    cpus: 4,
    memoryBytes: 8 * 1024 ** 3,
    runtime: 'docker 26.1.5',
    securityModules: 'lockdown,capability,landlock',
    containers: [
      { id: 'c1', name: 'shop', image: 'shop:1', imageId: 'sha256:aa', startedAt: '2026-06-01T00:00:00.000000000Z' },
    ],
    firstSeenMs: T0,
    lastSeenMs: T0,
    connected: true,
    offlineSinceMs: 0,
    agentRssBytes: 80 * 1024 ** 2,
    agentCpuMs: 1200,
    dropped: 0,
    ...over,
  };
}

/** The result of a commit on its own. */
export async function commitOne(store: Store, next: Commit): Promise<CommitResult> {
  const [result] = await store.commit([next]);
  if (result === undefined) throw new Error('no result');
  return result;
}

/** The events of a commit that must be applied. */
export async function commitEvents(store: Store, next: Commit): Promise<readonly OutboxEvent[]> {
  const result = await commitOne(store, next);
  if (result.outcome !== 'applied') throw new Error(`not applied: ${result.outcome}`);
  return result.events;
}

/** All findings of the fleet, worst first. */
export async function all(store: Store): Promise<readonly StoredFinding[]> {
  return (await store.findings({ limit: 10_000 })).findings;
}
