import type { FleetFinding } from './finding.ts';

/** The words of a text that is searched for: what stands between white space, each once. */
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

function lower(text: string): string {
  return text.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
