import type { Facts } from '../../posture/fact/facts.ts';
import type { Finding } from '../../posture/finding.ts';
import { severityRank } from '../../posture/verdict.ts';
import type { Severity } from '../../posture/verdict.ts';

/** An engine that was asked for and did not answer. */
interface UnansweredEngine {
  readonly endpoint: string;
  readonly reason: string;
}

/** Those of the `configured` endpoints (each text separates some by commas) that did not answer. */
export function unansweredEngines(
  { docker, engines }: Facts,
  configured: readonly string[],
): readonly UnansweredEngine[] {
  const named = new Set(configured.join(',').split(','));
  return [docker, ...engines].flatMap(({ endpoint, api }) => {
    if (!named.has(endpoint) || api.state === 'seen') return [];
    return [{ endpoint, reason: api.state === 'absent' ? 'nothing is there' : api.reason }];
  });
}

/** Why not all containers could be listed; undefined: they could. */
export function unlistedReason({ containers }: Facts, [unanswered]: readonly UnansweredEngine[]): string | undefined {
  if (unanswered !== undefined) return `${unanswered.endpoint}: ${unanswered.reason}`;
  return containers.state === 'unreadable' ? containers.reason : undefined;
}

/**
 * Could something that was not looked at fail as badly as `threshold`? That is so for a container that could not be
 * inspected and a check of that severity, and where containers or engines run that no engine was asked about.
 */
export function isGateOpen(threshold: Severity, { unobserved }: Facts, meant: readonly Finding[]): boolean {
  const entries = unobserved.state === 'seen' ? unobserved.value : [];
  const ids = new Set(entries.filter(({ kind }) => kind === 'container').map(({ id }) => id));
  return meant.some(({ check, verdict, severity, subject }) => {
    if (check === 'runtime.unobserved') return verdict === 'fail' || verdict === 'unknown';
    // About the node, a check of containers is unknown where the containers could not be listed.
    const isContainer = subject.kind === 'container' ? ids.has(subject.id) : check.startsWith('container.');
    return verdict === 'unknown' && isContainer && severityRank(severity) <= severityRank(threshold);
  });
}
