import { SEVERITIES, VERDICTS } from '../../posture/verdict.ts';
import { counted } from '../../api/format.ts';
import type { Change } from './change.ts';

/** A change of a finding. */
export type FindingChange = Extract<Change, { readonly type: 'finding' }>;

/**
 * Changes of one subject that belong together, such as what a container brings when it starts. Display only: each
 * finding keeps its identity, since a name can be taken over by another container.
 */
export interface ChangeGroup {
  readonly type: 'group';
  readonly key: string;
  /** Of the newest change. */
  readonly atMs: number;
  /** Newest first, at least two. */
  readonly changes: readonly FindingChange[];
  /** The worst finding of the group that is not resolved; the worst of all where all are. */
  readonly worst: FindingChange;
  /** One sentence without the name of the subject: `started: 12 findings opened`. */
  readonly sentence: string;
}

/** The agent judges a container when it starts, and again 3 s and 30 s later. */
const PAUSE_MS = 35_000;
/** A subject that changes without end must not become one group. */
const LONGEST_MS = 120_000;

/** Puts changes of one subject together that follow each other within seconds; newest first, as they came. */
export function groupChanges(changes: readonly Change[]): readonly (Change | ChangeGroup)[] {
  const groups: { readonly newestMs: number; oldestMs: number; readonly changes: [Change, ...Change[]] }[] = [];
  const latest = new Map<string, (typeof groups)[number]>();
  for (const change of changes) {
    const subject =
      change.type === 'node' ? change.key : `${change.nodeId}\n${change.subjectKind}\n${change.subjectName}`;
    const group = latest.get(subject);
    const isNear =
      group !== undefined &&
      group.oldestMs - change.atMs <= PAUSE_MS &&
      group.newestMs - change.atMs <= LONGEST_MS &&
      change.type === 'finding';
    if (isNear) {
      group.changes.push(change);
      group.oldestMs = Math.min(group.oldestMs, change.atMs);
      continue;
    }
    const started = { newestMs: change.atMs, oldestMs: change.atMs, changes: [change] as [Change, ...Change[]] };
    groups.push(started);
    latest.set(subject, started);
  }
  return groups.map(({ changes: [first, ...others] }) => {
    const rest = others.filter((change) => change.type === 'finding');
    return first.type === 'node' || rest.length === 0 ? first : toGroup([first, ...rest]);
  });
}

function toGroup(changes: readonly [FindingChange, ...FindingChange[]]): ChangeGroup {
  const [first] = changes;
  const current = changes.filter(({ action }) => action !== 'resolved');
  const [worst = first] = (current.length > 0 ? current : changes).toSorted(
    (one, other) =>
      VERDICTS.indexOf(one.verdict) - VERDICTS.indexOf(other.verdict) ||
      SEVERITIES.indexOf(one.severity) - SEVERITIES.indexOf(other.severity),
  );
  return {
    type: 'group',
    key: `group ${first.key}`,
    atMs: first.atMs,
    changes,
    worst,
    sentence: sentenceOf(changes),
  };
}

/**
 * What happened, counted once a finding; of one that came and went again within the group, nothing is left. A finding
 * that another container of the same name had before, with the same verdict and severity, is unchanged.
 */
function sentenceOf(changes: readonly FindingChange[]): string {
  const findings = [...Map.groupBy(changes, ({ uid }) => uid).values()].map(outcomeOf);
  const of = (outcome: Outcome): readonly FindingChange[] =>
    findings.filter((finding) => finding.outcome === outcome).map(({ newest }) => newest);
  const [opened, changed, resolved] = [of('opened'), of('changed'), of('resolved')];
  const before = new Map(resolved.map((change) => [change.check, change]));
  const same = opened.filter((change) => isSame(before.get(change.check), change)).length;
  const counts = [
    [opened.length - same, 'opened'],
    [changed.length, 'changed'],
    [resolved.length - same, 'resolved'],
  ] as const;
  const parts = counts
    .filter(([total]) => total > 0)
    .map(([total, action]) => `${counted(total, 'finding')} ${action}`);
  if (same > 0 && parts.length === 0) return 'restarted: unchanged';
  if (same > 0) return `restarted: ${counted(same, 'finding')} unchanged, ${parts.join(', ')}`;
  if (parts.length === 0) return 'came and went';
  const isStart = changes[0]?.subjectKind === 'container' && changed.length === 0 && resolved.length === 0;
  return `${isStart ? 'started: ' : ''}${parts.join(', ')}`;
}

type Outcome = 'opened' | 'changed' | 'resolved' | 'none';

/** What the changes of one finding, newest first, amount to. */
function outcomeOf(changes: readonly FindingChange[]): { readonly newest: FindingChange; readonly outcome: Outcome } {
  const [newest, oldest] = [changes[0], changes.at(-1)];
  if (newest === undefined || oldest === undefined) throw new RangeError('no change');
  const isGone = newest.action === 'resolved';
  if (oldest.action === 'opened') return { newest, outcome: isGone ? 'none' : 'opened' };
  return { newest, outcome: isGone ? 'resolved' : 'changed' };
}

/** Another finding (its subject has another id) that says the same. */
function isSame(before: FindingChange | undefined, after: FindingChange): boolean {
  return before !== undefined && before.verdict === after.verdict && before.severity === after.severity;
}
