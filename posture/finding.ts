import type { Evidence, Severity, Verdict } from './verdict.ts';

/** The kinds of thing that can be judged. */
export type SubjectKind = 'node' | 'daemon' | 'container' | 'image' | 'file' | 'listener';

/** All subject kinds. */
export const SUBJECT_KINDS = [
  'node',
  'daemon',
  'container',
  'image',
  'file',
  'listener',
] as const satisfies readonly SubjectKind[];

/**
 * What is judged. `id` is stable for the subject's whole life and unique within its kind on the node: a container's
 * full id, an image's digest, a file's path, `tcp:0.0.0.0:2376`. `name` is for people.
 */
export interface Subject {
  readonly kind: SubjectKind;
  readonly id: string;
  readonly name: string;
}

/** An entry of a published benchmark. */
export interface ControlReference {
  readonly benchmark: string;
  readonly control: string;
}

/** One check's answer about one subject on one node. `id` is `findingId(check, subject)` and never changes. */
export interface Finding {
  readonly id: string;
  readonly check: string;
  readonly title: string;
  readonly verdict: Verdict;
  readonly severity: Severity;
  readonly subject: Subject;
  readonly evidence: readonly Evidence[];
  readonly reason?: string;
}

/** The identity of a finding on its node: `container.privileged/container/5f0c…`. */
export function findingId(check: string, subject: Subject): string {
  return `${check}/${subject.kind}/${subject.id}`;
}

/** Do two findings of one identity say the same? */
export function sameContent(one: Finding, other: Finding): boolean {
  return (
    one.verdict === other.verdict &&
    one.severity === other.severity &&
    one.reason === other.reason &&
    one.title === other.title &&
    one.subject.name === other.subject.name &&
    one.id === other.id &&
    sameEvidence(one.evidence, other.evidence)
  );
}

/** A loop without iterators: a changed fact compares thousands of findings. */
function sameEvidence(one: readonly Evidence[], other: readonly Evidence[]): boolean {
  if (one.length !== other.length) return false;
  for (let index = 0; index < one.length; index += 1) {
    const [entry, counterpart] = [one[index] as Evidence, other[index] as Evidence];
    if (entry.seen !== counterpart.seen || entry.source !== counterpart.source) return false;
    if (entry.expected !== counterpart.expected) return false;
  }
  return true;
}

/** All that a finding says, as one canonical string, for the digest. */
export function findingContent(finding: Finding): string {
  const parts = [finding.id, finding.title, finding.verdict, finding.severity, finding.subject.name];
  for (const { source, seen, expected } of finding.evidence) parts.push(source, seen, expected);
  // A reason, where there is one, comes last: the list of evidence has a length divisible by three.
  if (finding.reason !== undefined) parts.push(finding.reason);
  return JSON.stringify(parts);
}
