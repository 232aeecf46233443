import { hash } from 'node:crypto';
import type { FindingWaiver } from '../../policy/waiver.ts';
import { hashOfContent } from '../../posture/digest.ts';
import { findingId, SUBJECT_KINDS } from '../../posture/finding.ts';
import type { Finding, Subject } from '../../posture/finding.ts';
import type { Evidence } from '../../posture/verdict.ts';
import { StoreError } from './error.ts';
import { fromStatusCode, statusCodeOf } from './status-code.ts';
import type { PackedFinding, StoredFinding } from './store.ts';
import type { FindingAction, ResolvedBecause } from './stored-event.ts';

/** A finding as the store takes it. */
export function packFinding(finding: Finding): PackedFinding {
  const detail = detailOf(finding);
  return {
    check: finding.check,
    subject: subjectText(finding.subject),
    name: finding.subject.name,
    statusCode: statusCodeOf(finding),
    hash: hashOf(finding, detail),
    detail,
  };
}

/** The columns in which a finding and an event keep what a finding says. */
export interface ContentRow {
  readonly check: string;
  /** `kind/id`. */
  readonly subject: string;
  readonly statusCode: number;
  readonly firstSeenMs: number;
  readonly changedMs: number;
  readonly name: string;
  readonly detail: string;
  /** JSON of the waiver that accepts the finding; null or absent: none does. */
  readonly waiver?: string | null;
}

/** The node that a row belongs to. */
export interface NodeName {
  readonly id: string;
  readonly name: string;
}

/** Unique in the fleet, and the same as long as node, check and subject are. 32 hex digits. */
export function findingUid(nodeId: string, id: string): string {
  return hash('sha256', `${nodeId}\n${id}`, 'hex').slice(0, 32);
}

/** The first 52 bits of a uid: what `event.finding` holds, small enough for an index and exact in a double. */
export function uidNumber(uid: string): number {
  return Number.parseInt(uid.slice(0, 13), 16);
}

/** `uidNumber(findingUid(nodeId, id))`, without the text between: each event needs one. */
export function findingNumber(nodeId: string, id: string): number {
  // One character a byte.
  const bytes = hash('sha256', `${nodeId}\n${id}`, 'binary');
  let number = 0;
  for (let index = 0; index < 6; index += 1) number = number * 256 + bytes.charCodeAt(index);
  return number * 16 + (bytes.charCodeAt(6) >> 4);
}

/**
 * Unique over stores and times, the same whenever the event is sent. It contains the time because a store that was
 * restored from a backup assigns positions again.
 */
export function eventUid(storeId: string, position: number, atMs: number): string {
  return `${storeId}-${base36(position)}-${base36(atMs)}`;
}

/** The position in a uid of {@link eventUid}; undefined: it is none. */
export function positionOfUid(uid: string): number | undefined {
  const [, position = ''] = /-([0-9a-z]{1,11})-[0-9a-z]{1,11}$/.exec(uid) ?? [];
  const parsed = Number.parseInt(position, 36);
  return Number.isSafeInteger(parsed) ? parsed : undefined;
}

/** As `toString(36)` of a safe integer that is not negative, which V8 works out in floating point, ten times as slowly. */
function base36(whole: number): string {
  let text = '';
  let rest = whole;
  do {
    const next = Math.floor(rest / 36);
    text = DIGITS.charAt(rest - next * 36) + text;
    rest = next;
  } while (rest > 0);
  return text;
}

const DIGITS = '0123456789abcdefghijklmnopqrstuvwxyz';

/** `kind/id`, as the tables hold it. */
export function subjectText(subject: Subject): string {
  return `${subject.kind}/${subject.id}`;
}

/** Check and subject text of a finding's id (`check/kind/id`); undefined if it is not valid. */
export function splitFindingId(id: string): { readonly check: string; readonly subject: string } | undefined {
  const slash = id.indexOf('/');
  if (slash < 1) return undefined;
  const subject = id.slice(slash + 1);
  const known = SUBJECT_KINDS.some((kind) => subject.startsWith(`${kind}/`) && subject.length > kind.length + 1);
  return known ? { check: id.slice(0, slash), subject } : undefined;
}

/**
 * The rest of what a finding says, as a JSON array of strings: title, then source, seen and expected of each piece of
 * evidence, then the reason if there is one (by the length of the list).
 */
export function detailOf(finding: Finding): string {
  const parts = [finding.title];
  for (const { source, seen, expected } of finding.evidence) parts.push(source, seen, expected);
  if (finding.reason !== undefined) parts.push(finding.reason);
  return JSON.stringify(parts);
}

/**
 * `findingHash(finding)`, made from its detail: both are JSON of the same strings, and writing them twice is a good part
 * of what a change costs.
 */
export function hashOf(
  { id, title, verdict, severity, subject }: Pick<Finding, 'id' | 'title' | 'verdict' | 'severity' | 'subject'>,
  detail: string,
): number {
  const titleText = JSON.stringify(title);
  const rest = detail.slice(1 + titleText.length);
  const head = `[${JSON.stringify(id)},${titleText},"${verdict}","${severity}",${JSON.stringify(subject.name)}`;
  return hashOfContent(head + rest);
}

/** Is this what {@link detailOf} makes? */
export function isDetail(detail: string): boolean {
  try {
    return detailParts(detail).length > 0;
  } catch {
    return false;
  }
}

/** All strings in a detail: title, evidence, reason. Throws StoreError `damaged` on anything else. */
export function detailParts(detail: string): readonly string[] {
  let parts: unknown;
  try {
    parts = JSON.parse(detail);
  } catch (error) {
    throw new StoreError('damaged', 'a row of the store does not hold what was written to it', error);
  }
  if (Array.isArray(parts) && parts.length > 0 && parts.every((part) => typeof part === 'string')) return parts;
  throw new StoreError('damaged', 'a row of the store does not hold what was written to it');
}

/**
 * The finding that a row holds. Throws StoreError `damaged` on an invalid row. Sinks and event streams get each
 * event through this: what follows a spread in a literal costs V8 half a microsecond.
 */
export function toStoredFinding(row: ContentRow, node: NodeName): StoredFinding {
  const subject = toSubject(row);
  const id = findingId(row.check, subject);
  const parts = detailParts(row.detail);
  const evidence: Evidence[] = [];
  for (let index = 1; index + 2 < parts.length; index += 3)
    evidence.push({ source: parts[index] ?? '', seen: parts[index + 1] ?? '', expected: parts[index + 2] ?? '' });
  // One title and triples: two more than a multiple of three means that a reason follows.
  const reason = parts.length % 3 === 2 ? parts.at(-1) : undefined;
  const { verdict, severity } = fromStatusCode(row.statusCode);
  const finding = {
    id,
    check: row.check,
    title: parts[0] ?? '',
    verdict,
    severity,
    subject,
    evidence,
    uid: findingUid(node.id, id),
    nodeId: node.id,
    nodeName: node.name,
    firstSeenMs: row.firstSeenMs,
    changedMs: row.changedMs,
  };
  const { waiver } = row;
  if (waiver !== null && waiver !== undefined)
    return { ...finding, waiver: toWaiver(waiver), ...(reason === undefined ? {} : { reason }) };
  return reason === undefined ? finding : { ...finding, reason };
}

/** The waiver in a row. Throws StoreError `damaged` on an invalid text. */
export function toWaiver(text: string): FindingWaiver {
  try {
    const { name, owner, reason, expires } = JSON.parse(text) as FindingWaiver;
    if ([name, owner, reason, expires].every((part) => typeof part === 'string'))
      return { name, owner, reason, expires };
  } catch {
    // As any other text.
  }
  throw new StoreError('damaged', 'a row of the store does not hold what was written to it');
}

/** The subject of a row. Throws StoreError `damaged` on an unknown kind. */
export function toSubject({ subject, name }: Pick<ContentRow, 'subject' | 'name'>): Subject {
  const kind = SUBJECT_KINDS.find((known) => subject.startsWith(`${known}/`));
  if (kind === undefined) throw new StoreError('damaged', 'a row of the store has an unknown kind of subject');
  return { kind, id: subject.slice(kind.length + 1), name };
}

const ACTION_NUMBER = { opened: 1, changed: 2, resolved: 3 } as const satisfies Record<FindingAction, number>;

/** `resolved` with a cause. */
const RESOLVED_NUMBER = { nodeRemoved: 4, checkRemoved: 5 } as const satisfies Record<ResolvedBecause, number>;

/** An action, and why, as the tables hold it. */
export function actionNumber(action: FindingAction, cause?: ResolvedBecause): number {
  return cause === undefined ? ACTION_NUMBER[action] : RESOLVED_NUMBER[cause];
}

type Action = { readonly action: FindingAction; readonly cause?: ResolvedBecause };

const ACTION_OF: ReadonlyMap<number, Action> = new Map<number, Action>([
  ...Object.entries(ACTION_NUMBER).map(([action, stored]) => [stored, { action: action as FindingAction }] as const),
  ...Object.entries(RESOLVED_NUMBER).map(
    ([cause, stored]) => [stored, { action: 'resolved', cause: cause as ResolvedBecause }] as const,
  ),
]);

/** The action of a stored number, and why. Throws StoreError `damaged` on an unknown number. */
export function toAction(stored: number): Action {
  const known = ACTION_OF.get(stored);
  if (known === undefined) throw new StoreError('damaged', 'a row of the store has an unknown action');
  return known;
}
