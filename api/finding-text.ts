import type { FleetFinding } from './finding.ts';

/**
 * Does the API list this finding for the parameter `text`? As the store decides: it stands in check, title, name of the
 * subject, reason or evidence, and only the case of ASCII letters does not matter.
 */
export function hasText({ check, title, subject, reason, evidence }: FleetFinding, text: string): boolean {
  const wanted = lower(text);
  const seen = evidence.flatMap((line) => [line.source, line.seen, line.expected]);
  return [check, title, subject.name, reason ?? '', ...seen].some((part) => lower(part).includes(wanted));
}

function lower(text: string): string {
  return text.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
