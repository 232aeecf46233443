import { withQuery } from '../../api/client.ts';
import type { ApiClient, Result } from '../../api/client.ts';
import { findingPage, historyPage } from '../../api/finding.ts';
import type { FindingPage, FleetFinding, HistoryEntry } from '../../api/finding.ts';
import { CHECKS } from '../../posture/check/registry.ts';
import { didYouMean } from '../../service/nearest.ts';
import type * as s from '../../posture/schema.ts';

/** Findings or entries in one request. */
const PAGE = 1_000;
/** Most containers that are read to resolve a name. */
const MAX_CONTAINERS = 50_000;
/** Every container has exactly one finding of this check, whatever its verdict. */
const CHECK_OF_EVERY_CONTAINER = 'container.privileged';

/** Which findings. Lists are alternatives, an empty one matches all. */
export interface FindingQuery {
  /** Ids. */
  readonly nodes: readonly string[];
  /** Ids of checks, or areas. */
  readonly checks: readonly string[];
  readonly benchmark: string | undefined;
  /** Controls of the benchmark. */
  readonly controls: readonly string[];
  readonly verdicts: readonly string[];
  /** `open` or `waived`; undefined: both. */
  readonly state: string | undefined;
  /** Names of the waivers that accept them. */
  readonly waivers: readonly string[];
  readonly severities: readonly string[];
  readonly kinds: readonly string[];
  /** Name or id; the id of a container may be shortened. */
  readonly subject: string | undefined;
  readonly text: string | undefined;
}

/** A query that matches every finding. */
export const ANY_FINDING: FindingQuery = Object.freeze({
  nodes: [],
  checks: [],
  benchmark: undefined,
  controls: [],
  verdicts: [],
  state: undefined,
  waivers: [],
  severities: [],
  kinds: [],
  subject: undefined,
  text: undefined,
});

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
  const found = await readExact(client, query, limit);
  const { subject } = query;
  if (!found.ok || found.value.findings.length > 0 || subject === undefined || !isShortId(subject)) return found;
  const containers = await readContainers(client, query.nodes);
  if (!containers.ok) return containers;
  const full = new Set(containers.value.map(({ id }) => id).filter((id) => id.startsWith(subject)));
  const [id] = full;
  return full.size === 1 ? readExact(client, { ...query, subject: id }, limit) : found;
}

/** Why nothing was found about `query.subject`; undefined: it exists, but nothing about it matches. */
export async function describeMissingSubject(client: ApiClient, query: FindingQuery): Promise<string | undefined> {
  const { nodes, kinds, subject = '' } = query;
  const any = await readFindings(client, { ...ANY_FINDING, nodes, kinds, subject }, 1);
  if (!any.ok || any.value.findings.length > 0) return undefined;
  const containers = await readContainers(client, nodes);
  const known = containers.ok ? containers.value : [];
  const matching = known.filter(({ id }) => isShortId(subject) && id.startsWith(subject));
  if (matching.length > 1)
    return `${String(matching.length)} ids of containers start with ${subject}; give more characters`;
  const meant = didYouMean(
    subject,
    known.map(({ name }) => name),
  );
  return `no ${kinds[0] === 'container' ? 'container' : 'subject'} has the name or id ${JSON.stringify(subject)}${meant}`;
}

async function readExact(client: ApiClient, query: FindingQuery, limit: number): Promise<Result<FoundFindings>> {
  const page = (cursor: string | undefined, count: number): Promise<Result<FindingPage>> =>
    client.get(
      withQuery('/v1/findings', {
        node: query.nodes,
        check: query.checks.flatMap(withArea),
        benchmark: query.benchmark,
        control: query.controls,
        verdict: query.verdicts,
        state: query.state,
        waiver: query.waivers,
        severity: query.severities,
        kind: query.kinds,
        subject: query.subject,
        text: query.text,
        limit: count,
        cursor,
      }),
      findingPage,
    );
  const read = await readPages(page, ({ findings }) => findings, limit);
  return read.ok ? { ok: true, value: { findings: read.value.items, more: read.value.more } } : read;
}

/** Which part of the history. */
export interface HistoryQuery {
  /** Ids. */
  readonly nodes: readonly string[];
  readonly finding?: string;
  readonly sinceMs: number | undefined;
  /** Entries that count; the API does not choose by them. */
  readonly isWanted: (entry: HistoryEntry) => boolean;
}

/** Reads up to `limit` entries of the history, newest first. */
export async function readHistory(
  client: ApiClient,
  { nodes, finding, sinceMs, isWanted }: HistoryQuery,
  limit: number,
): Promise<Result<readonly HistoryEntry[]>> {
  const read = await readPages<s.Infer<typeof historyPage>, HistoryEntry>(
    (cursor, count) =>
      client.get(withQuery('/v1/history', { node: nodes, finding, since: sinceMs, limit: count, cursor }), historyPage),
    ({ entries }) => entries.filter(isWanted),
    limit,
  );
  return read.ok ? { ok: true, value: read.value.items } : read;
}

/** The first `limit` items of pages. The second page and later ones are whole: `itemsOf` may leave out most of each. */
async function readPages<P extends { readonly cursor: string | null }, T>(
  readPage: (cursor: string | undefined, count: number) => Promise<Result<P>>,
  itemsOf: (page: P) => readonly T[],
  limit: number,
): Promise<Result<{ readonly items: readonly T[]; readonly more: boolean }>> {
  const items: T[] = [];
  let cursor: string | null = null;
  do {
    const page: Result<P> = await readPage(cursor ?? undefined, cursor === null ? Math.min(PAGE, limit) : PAGE);
    if (!page.ok) return page;
    items.push(...itemsOf(page.value));
    cursor = page.value.cursor;
  } while (cursor !== null && items.length < limit);
  return { ok: true, value: { items: items.slice(0, limit), more: cursor !== null || items.length > limit } };
}

/** Names and ids of the containers of `nodes` (ids; none: all). */
export async function readContainers(
  client: ApiClient,
  nodes: readonly string[],
): Promise<Result<readonly { readonly id: string; readonly name: string }[]>> {
  const query = { ...ANY_FINDING, nodes, checks: [CHECK_OF_EVERY_CONTAINER], kinds: ['container'] };
  const read = await readExact(client, query, MAX_CONTAINERS);
  return read.ok ? { ok: true, value: read.value.findings.map(({ subject }) => subject) } : read;
}

function isShortId(word: string): boolean {
  return /^[0-9a-f]{4,63}$/.test(word);
}

/** The API knows checks only: an area is all of its checks. */
function withArea(word: string): readonly string[] {
  return word.includes('.') ? [word] : CHECKS.map(({ id }) => id).filter((id) => id.startsWith(`${word}.`));
}
