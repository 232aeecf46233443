import type { Check, ContainerCheck, FileCheck, ImageCheck, ListenerCheck } from './check/check.ts';
import type { ContainerFact } from './fact/container.ts';
import type { FactName, Facts } from './fact/facts.ts';
import type { Delta, FindingSet } from './delta.ts';
import { findingId, sameContent } from './finding.ts';
import type { Finding, Subject } from './finding.ts';
import type { Observed } from './observed.ts';
import { notApplicable, unknownBecause } from './verdict.ts';
import type { Judgement } from './verdict.ts';

/**
 * What changed since the last round. Of `containers`, only those whose id is listed changed; a fact named in `facts`
 * changed as a whole.
 */
export interface Change {
  readonly facts: ReadonlySet<FactName>;
  readonly containers: ReadonlySet<string>;
}

/** Judges everything: one finding a check and subject; a check without a subject answers about the node. */
export function judgeAll(checks: readonly Check[], facts: Facts): FindingSet {
  const findings = new Map<string, Finding>();
  for (const check of checks) for (const finding of judgeCheck(check, facts)) findings.set(finding.id, finding);
  return findings;
}

/**
 * Judges again what `change` touches, and answers what is different from `before` then. What says the same as before is
 * not in it, so the object that `before` has can stay.
 */
export function judgeChange(checks: readonly Check[], facts: Facts, before: FindingSet, change: Change): Delta {
  const whole = new Set(checks.filter((check) => touches(check, change.facts)));
  const judged = new Map<string, Finding>();
  const gone = new Set(idsOf(before, whole));
  const changed = containersOf(facts, change.containers);
  for (const check of checks) {
    if (whole.has(check)) for (const finding of judgeCheck(check, facts)) judged.set(finding.id, finding);
    else if (check.judges === 'container' && changed.size > 0)
      judgeChangedContainers(check, facts, changed, { judged, gone });
  }
  return deltaOf(before, judged, gone);
}

/** The ids of all findings of some checks. */
function idsOf(findings: FindingSet, checks: ReadonlySet<Check>): readonly string[] {
  if (checks.size === 0) return [];
  const names = new Set([...checks].map((check) => check.id));
  const ids: string[] = [];
  // oxlint-disable-next-line unicorn/no-array-for-each -- thousands of findings, and no pair is made for each
  findings.forEach((finding, id) => {
    if (names.has(finding.check)) ids.push(id);
  });
  return ids;
}

/** The containers with these ids; undefined: it is not there any more. */
function containersOf(facts: Facts, ids: ReadonlySet<string>): ReadonlyMap<string, ContainerFact | undefined> {
  const found = new Map<string, ContainerFact | undefined>([...ids].map((id) => [id, undefined]));
  if (facts.containers.state === 'seen')
    for (const container of facts.containers.value) if (ids.has(container.id)) found.set(container.id, container);
  return found;
}

/** What came of judging again: findings, and ids of those that may be gone (unless they were judged). */
interface Judged {
  readonly judged: Map<string, Finding>;
  readonly gone: Set<string>;
}

function judgeChangedContainers(
  check: ContainerCheck,
  facts: Facts,
  changed: ReadonlyMap<string, ContainerFact | undefined>,
  { judged, gone }: Judged,
): void {
  for (const [id, container] of changed) {
    const key = findingId(check.id, { kind: 'container', id, name: '' });
    if (container === undefined) gone.add(key);
    else judged.set(key, judgeContainer(check, facts, container));
  }
  const placeholder = missingSubject(check, facts, facts.containers, 'no container is running');
  const nodeKey = findingId(check.id, nodeSubject(facts));
  if (placeholder === undefined) gone.add(nodeKey);
  else judged.set(nodeKey, placeholder);
}

function deltaOf(before: FindingSet, judged: ReadonlyMap<string, Finding>, gone: ReadonlySet<string>): Delta {
  const added: Finding[] = [];
  const changed: Finding[] = [];
  for (const [id, finding] of judged) {
    const old = before.get(id);
    if (old === undefined) added.push(finding);
    else if (!sameContent(old, finding)) changed.push(finding);
  }
  return { added, changed, gone: [...gone].filter((id) => before.has(id) && !judged.has(id)) };
}

function touches(check: Check, facts: ReadonlySet<FactName>): boolean {
  if (check.needs.some((name) => facts.has(name))) return true;
  // Identity and name of the node stand in findings about the node.
  if (facts.has('node')) return true;
  switch (check.judges) {
    case 'container':
      return facts.has('containers');
    case 'image':
      return facts.has('images');
    case 'file':
      return facts.has('files');
    case 'listener':
      return facts.has('listeners');
    case 'node':
    case 'docker':
    case 'sshd':
      return false;
  }
}

function judgeCheck(check: Check, facts: Facts): readonly Finding[] {
  switch (check.judges) {
    case 'node':
      return [toFinding(check, nodeSubject(facts), () => check.judge(facts))];
    case 'docker':
      return [toFinding(check, { kind: 'daemon', id: 'docker', name: 'dockerd' }, () => check.judge(facts))];
    case 'sshd':
      return [toFinding(check, { kind: 'daemon', id: 'sshd', name: 'sshd' }, () => check.judge(facts))];
    case 'container':
      return judgeContainers(check, facts);
    case 'image':
      return judgeImages(check, facts);
    case 'file':
      return judgeFiles(check, facts);
    case 'listener':
      return judgeListeners(check, facts);
  }
}

function judgeContainers(check: ContainerCheck, facts: Facts): readonly Finding[] {
  const placeholder = missingSubject(check, facts, facts.containers, 'no container is running');
  if (placeholder !== undefined || facts.containers.state !== 'seen') return placeholder ? [placeholder] : [];
  return facts.containers.value.map((container) => judgeContainer(check, facts, container));
}

function judgeContainer(check: ContainerCheck, facts: Facts, container: ContainerFact): Finding {
  const subject: Subject = { kind: 'container', id: container.id, name: container.name };
  return toFinding(check, subject, () => check.judge(container, facts));
}

function judgeImages(check: ImageCheck, facts: Facts): readonly Finding[] {
  const placeholder = missingSubject(check, facts, facts.images, 'no image is in use');
  if (placeholder !== undefined || facts.images.state !== 'seen') return placeholder ? [placeholder] : [];
  return facts.images.value.map((image) =>
    toFinding(check, { kind: 'image', id: image.id, name: image.name }, () => check.judge(image)),
  );
}

function judgeFiles(check: FileCheck, facts: Facts): readonly Finding[] {
  const files = facts.files.filter((file) => file.role === check.role);
  if (files.length === 0)
    return [toFinding(check, nodeSubject(facts), () => notApplicable('no such file is configured on this node'))];
  return files.map((file) =>
    toFinding(check, { kind: 'file', id: file.path, name: file.path }, () => check.judge(file)),
  );
}

function judgeListeners(check: ListenerCheck, facts: Facts): readonly Finding[] {
  const { listeners } = facts;
  const placeholder = missingSubject(check, facts, listeners, 'no TCP port is open for this service');
  if (placeholder !== undefined || listeners.state !== 'seen') return placeholder ? [placeholder] : [];
  const own = listeners.value.filter((listener) => listener.service === check.service);
  if (own.length === 0)
    return [toFinding(check, nodeSubject(facts), () => notApplicable('no TCP port is open for this service'))];
  return own.map((listener) =>
    toFinding(check, { kind: 'listener', id: listener.id, name: `tcp:${String(listener.port)}` }, () =>
      check.judge(listener, facts),
    ),
  );
}

/** The answer about the node where there is no subject to judge; nothing where there is one. */
function missingSubject(
  check: Check,
  facts: Facts,
  subjects: Observed<readonly unknown[]>,
  none: string,
): Finding | undefined {
  const node = nodeSubject(facts);
  switch (subjects.state) {
    case 'unreadable':
      return toFinding(check, node, () => unknownBecause(`${subjects.source}: ${subjects.reason}`));
    case 'absent':
      return toFinding(check, node, () => notApplicable(`nothing to judge: ${subjects.source} is absent`));
    case 'seen':
      return subjects.value.length === 0 ? toFinding(check, node, () => notApplicable(none)) : undefined;
  }
}

function nodeSubject(facts: Facts): Subject {
  return { kind: 'node', id: facts.node.id, name: facts.node.name };
}

function toFinding(check: Check, subject: Subject, judge: () => Judgement): Finding {
  const judgement = judgeSafely(judge);
  const finding = {
    id: findingId(check.id, subject),
    check: check.id,
    title: check.title,
    verdict: judgement.verdict,
    severity: judgement.severity ?? check.severity,
    subject,
    evidence: judgement.evidence,
  };
  return judgement.reason === undefined ? finding : { ...finding, reason: judgement.reason };
}

/** A defect in one check must not silence the others: it shows as `unknown`, with what went wrong. */
function judgeSafely(judge: () => Judgement): Judgement {
  try {
    return judge();
  } catch (error) {
    const message = error instanceof Error ? `${error.name}: ${error.message}` : 'unknown error';
    return unknownBecause(`this check has a defect, please report it (${message})`);
  }
}
