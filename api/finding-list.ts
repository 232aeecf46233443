import { SEVERITIES, VERDICTS } from '../posture/verdict.ts';
import type { Finding } from '../posture/finding.ts';
import type { FleetFinding } from './finding.ts';
import { compareText } from '../posture/text-order.ts';

/** The words of a search text, separated by white space, each once. */
export function searchWords(text: string): readonly string[] {
  return [...new Set(text.split(/\s+/).filter((word) => word !== ''))];
}

/**
 * Whether the API lists this finding for the parameter `text`, by the rule of the store: each word is in the check, title,
 * name of the subject, reason or evidence. Case matters for other than ASCII letters only.
 */
export function hasText({ check, title, subject, reason, evidence }: FleetFinding, text: string): boolean {
  const lines = evidence.flatMap((line) => [line.source, line.seen, line.expected]);
  const parts = [check, title, subject.name, reason ?? '', ...lines].map(lower);
  return searchWords(lower(text)).every((word) => parts.some((part) => part.includes(word)));
}

type Rated = Pick<Finding, 'check' | 'verdict' | 'severity' | 'subject'> & { readonly waiver?: object | null };

/** The order of the API, worst first: waived ones last, verdict, severity, check, subject, node. */
export function compareFindings(one: FleetFinding, other: FleetFinding): number {
  return (
    compareRating(one, other) ||
    compareText(`${one.subject.kind}/${one.subject.id}`, `${other.subject.kind}/${other.subject.id}`) ||
    compareText(one.nodeId, other.nodeId)
  );
}

/** Worst first, subjects by name: for lists that are not continued by the API. */
export function compareByName(one: Rated, other: Rated): number {
  return (
    compareRating(one, other) ||
    compareText(one.subject.name, other.subject.name) ||
    compareText(one.subject.id, other.subject.id)
  );
}

function compareRating(one: Rated, other: Rated): number {
  return (
    Number(isWaived(one)) - Number(isWaived(other)) ||
    VERDICTS.indexOf(one.verdict) - VERDICTS.indexOf(other.verdict) ||
    SEVERITIES.indexOf(one.severity) - SEVERITIES.indexOf(other.severity) ||
    compareText(one.check, other.check)
  );
}

/** Does a waiver accept the finding? */
export function isWaived({ waiver }: { readonly waiver?: object | null }): boolean {
  return waiver !== null && waiver !== undefined;
}

function lower(text: string): string {
  return text.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
