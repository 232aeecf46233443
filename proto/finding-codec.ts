import { hash } from 'node:crypto';
import { SUBJECT_KINDS } from '../posture/finding.ts';
import type { Finding, Subject } from '../posture/finding.ts';
import { findingId } from '../posture/finding.ts';
import type { Severity, Verdict } from '../posture/verdict.ts';
import type { plimsoll } from './generated/fleet.js';

/** A finding on the wire. */
export type WireFinding = plimsoll.v1.Finding.$Properties;

/** Bounds of what a node may say about one finding; see fleet.proto. */
const MAX_ID_BYTES = 4096;
/** In UTF-16 units. */
const MAX_TEXT = 16 * 1024;
const MAX_EVIDENCE = 32;

const VERDICT_NUMBER = { pass: 1, fail: 2, notApplicable: 3, unknown: 4, manual: 5 } as const satisfies Record<
  Verdict,
  number
>;
const SEVERITY_NUMBER = { critical: 1, high: 2, medium: 3, low: 4, info: 5 } as const satisfies Record<
  Severity,
  number
>;
const VERDICT_NAME = new Map(Object.entries(VERDICT_NUMBER).map(([name, code]) => [code, name as Verdict]));
const SEVERITY_NAME = new Map(Object.entries(SEVERITY_NUMBER).map(([name, code]) => [code, name as Severity]));

/** The verdict that a number on the wire means; undefined: none. */
function verdictOf(wire: number | undefined): Verdict | undefined {
  return VERDICT_NAME.get(wire as 1);
}

/** The severity that a number on the wire means; undefined: none. */
function severityOf(wire: number | undefined): Severity | undefined {
  return SEVERITY_NAME.get(wire as 1);
}

/** Can this be the id of a check? */
function isCheckId(text: string): boolean {
  return text.length <= 128 && /^[a-z][a-z0-9-]*\.[a-z0-9][a-z0-9.-]*$/.test(text);
}

/** A finding as the wire carries it. Text over the bounds is cut, and says so. */
export function toWire(finding: Finding): WireFinding {
  return {
    check: finding.check,
    title: cut(finding.title),
    verdict: VERDICT_NUMBER[finding.verdict],
    severity: SEVERITY_NUMBER[finding.severity],
    subject: { kind: finding.subject.kind, id: cutId(finding.subject.id), name: cut(finding.subject.name) },
    evidence: finding.evidence.slice(0, MAX_EVIDENCE).map(({ source, seen, expected }) => ({
      source: cut(source),
      seen: cut(seen),
      expected: cut(expected),
    })),
    // proto3 has no absent string: an empty reason means none.
    reason: cut(finding.reason ?? ''),
  };
}

/** The finding, or what is wrong with the message. Everything in it is checked: it came over a network. */
export function fromWire(wire: WireFinding): { ok: true; finding: Finding } | { ok: false; problem: string } {
  const verdict = verdictOf(wire.verdict ?? undefined);
  const severity = severityOf(wire.severity ?? undefined);
  const subject = subjectOf(wire.subject);
  const check = wire.check ?? '';
  if (!isCheckId(check)) return problem('no valid check id');
  if (verdict === undefined) return problem('no valid verdict');
  if (severity === undefined) return problem('no valid severity');
  if (subject === undefined) return problem('no valid subject');
  const evidence = wire.evidence ?? [];
  if (evidence.length > MAX_EVIDENCE) return problem('too much evidence');
  const finding = {
    id: findingId(check, subject),
    check,
    title: cut(wire.title ?? ''),
    verdict,
    severity,
    subject,
    evidence: evidence.map((entry) => ({
      source: cut(entry.source ?? ''),
      seen: cut(entry.seen ?? ''),
      expected: cut(entry.expected ?? ''),
    })),
  };
  const reason = wire.reason ?? '';
  return { ok: true, finding: reason === '' ? finding : { ...finding, reason: cut(reason) } };
}

function subjectOf(wire: plimsoll.v1.Subject.$Properties | null | undefined): Subject | undefined {
  const kind = SUBJECT_KINDS.find((known) => known === wire?.kind);
  const id = wire?.id ?? '';
  if (kind === undefined || id === '' || Buffer.byteLength(id) > MAX_ID_BYTES) return undefined;
  return { kind, id, name: cut(wire?.name ?? '') };
}

function cut(raw: string): string {
  // A lone surrogate would come out of UTF-8 as something else, and the digests of both sides would differ for ever.
  const text = raw.toWellFormed();
  // The cut may go through the middle of a pair.
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT - 1).toWellFormed()}…`;
}

/** An id over the bound keeps its start, and stays unique by its hash: refused, it would end every session of its node. */
function cutId(raw: string): string {
  const id = raw.toWellFormed();
  if (Buffer.byteLength(id) <= MAX_ID_BYTES) return id;
  // A UTF-16 unit takes at most 3 bytes.
  const start = id.slice(0, MAX_ID_BYTES / 4).toWellFormed();
  return `${start}…${hash('sha256', id, 'hex')}`;
}

function problem(text: string): { ok: false; problem: string } {
  return { ok: false, problem: text };
}
