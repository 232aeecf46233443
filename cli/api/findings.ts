import { findingPage } from '../../api/finding.ts';
import type { FleetFinding } from '../../api/finding.ts';
import { CHECKS } from '../../posture/check/registry.ts';
import { withQuery } from '../../api/client.ts';
import type { ApiClient, Result } from '../../api/client.ts';

/** Findings in one request. */
const PAGE = 1_000;

/** Which findings. Lists are alternatives, an empty one matches all. */
export interface FindingQuery {
  readonly nodes: readonly string[];
  /** Ids of checks, or areas. */
  readonly checks: readonly string[];
  readonly verdicts: readonly string[];
  readonly severities: readonly string[];
  readonly kinds: readonly string[];
  readonly subject: string | undefined;
  readonly text: string | undefined;
}

/** Findings, and whether there are more than were asked for. */
export interface FoundFindings {
  readonly findings: readonly FleetFinding[];
  readonly more: boolean;
}

/** Reads up to `limit` findings that match, page by page. */
export async function readFindings(
  client: ApiClient,
  query: FindingQuery,
  limit: number,
): Promise<Result<FoundFindings>> {
  const findings: FleetFinding[] = [];
  let cursor: string | null = null;
  do {
    const page: Result<{ readonly findings: readonly FleetFinding[]; readonly cursor: string | null }> =
      await client.get(
        withQuery('/v1/findings', {
          node: query.nodes,
          check: query.checks.flatMap(withArea),
          verdict: query.verdicts,
          severity: query.severities,
          kind: query.kinds,
          subject: query.subject,
          text: query.text,
          limit: Math.min(PAGE, limit - findings.length),
          cursor: cursor ?? undefined,
        }),
        findingPage,
      );
    if (!page.ok) return page;
    findings.push(...page.value.findings);
    cursor = page.value.cursor;
  } while (cursor !== null && findings.length < limit);
  return { ok: true, value: { findings, more: cursor !== null } };
}

/** The API knows checks only: an area is all of its checks. */
function withArea(word: string): readonly string[] {
  return word.includes('.') ? [word] : CHECKS.map(({ id }) => id).filter((id) => id.startsWith(`${word}.`));
}
