/**
 * A waiver accepts failures of checks until a day. It hides nothing: a waived finding is shown as waived.
 *
 * ```yaml
 * apiVersion: plimsoll.dev/v1
 * kind: Waiver
 * metadata: { name: legacy-report }
 * spec:
 *   match: { checks: [container.privileged], subjects: [report], imageIds: ['sha256:…'] }
 *   reason: Replaced in March
 *   owner: shop team
 *   expires: 2027-03-31
 * ```
 */
import type { Finding } from '../posture/finding.ts';
import { list, nullable, oneOf, string, withDefault } from '../posture/schema.ts';
import type { Infer, Parsed } from '../posture/schema.ts';
import { globPattern, matchesGlob } from './glob.ts';
import { strictObject } from './strict-object.ts';

/** `apiVersion` and `kind` of the documents. */
export const WAIVER_API_VERSION = 'plimsoll.dev/v1';
export const WAIVER_KIND = 'Waiver';

/** A waiver may last this long, so that every one of them is decided again. */
export const MAX_WAIVER_DAYS = 366;
const DAY_MS = 86_400_000;

const patterns = (doc: string) => withDefault(list(globPattern(''), doc, 1000), []);

const waiverDocument = strictObject({
  apiVersion: oneOf([WAIVER_API_VERSION]),
  kind: oneOf([WAIVER_KIND]),
  metadata: strictObject({ name: string('', 128) }),
  spec: strictObject({
    match: strictObject({
      checks: list(string('', 128), 'ids of checks', 1000),
      subjects: patterns('names or ids of subjects, with `*` and `?`'),
      nodes: patterns('names of nodes, with `*` and `?`'),
      imageIds: withDefault(list(string('', 128), 'ids of images, `sha256:…`, of images and containers', 1000), []),
    }),
    reason: string('', 1000),
    owner: string('', 256),
    from: nullable(string('', 64)),
    expires: string('', 64),
  }),
});

/** A waiver. Times are in milliseconds since 1970; it applies from `fromMs` until before `expiresMs`. */
export interface Waiver {
  readonly name: string;
  readonly match: Infer<typeof waiverDocument>['spec']['match'];
  readonly reason: string;
  readonly owner: string;
  readonly fromMs: number;
  readonly expiresMs: number;
}

/** The waiver of one document, or what is wrong with it and where. With `nowMs` an end too far away is refused. */
export function parseWaiver(value: unknown, nowMs?: number): Parsed<Waiver> {
  const parsed = waiverDocument.parse(value);
  if (!parsed.ok) return { ok: false, problem: parsed.problem.replace(/^\./, '') };
  const { metadata, spec } = parsed.value;
  const wrong = (place: string, expected: string): Parsed<never> => ({
    ok: false,
    problem: `${place}: expected ${expected}`,
  });
  if (metadata.name.trim() === '') return wrong('metadata.name', 'a name');
  if (spec.match.checks.length === 0) return wrong('spec.match.checks', 'at least one check');
  const pattern = spec.match.checks.findIndex((id) => !/^[a-z][a-z0-9-]*\.[a-z0-9][a-z0-9.-]*$/.test(id));
  if (pattern !== -1) return wrong(`spec.match.checks[${String(pattern)}]`, 'the id of a check, without patterns');
  const image = spec.match.imageIds.findIndex((id) => !/^sha256:[0-9a-f]{64}$/.test(id));
  if (image !== -1) return wrong(`spec.match.imageIds[${String(image)}]`, 'sha256: and 64 hexadecimal digits');
  for (const field of ['subjects', 'nodes', 'imageIds'] as const)
    if (spec.match[field].length === 0 && isWritten(value, field))
      return wrong(`spec.match.${field}`, 'at least one, or no such field: an empty list would match all');
  for (const field of ['reason', 'owner'] as const)
    if (spec[field].trim() === '') return wrong(`spec.${field}`, 'a text that is not empty');
  const fromMs = spec.from === null ? 0 : dayOf(spec.from);
  if (fromMs === undefined)
    return wrong('spec.from', 'a date without a time, such as 2026-11-28: the first day, in UTC');
  const lastMs = dayOf(spec.expires);
  if (lastMs === undefined)
    return wrong('spec.expires', 'a date without a time, such as 2027-03-31: the last day, in UTC');
  if (nowMs !== undefined && lastMs - nowMs > MAX_WAIVER_DAYS * DAY_MS)
    return wrong('spec.expires', `a date within ${String(MAX_WAIVER_DAYS)} days`);
  const { match, reason, owner } = spec;
  return {
    ok: true,
    value: { name: metadata.name, match, reason, owner, fromMs, expiresMs: lastMs + DAY_MS },
  };
}

/** Has the document this field of `match`? */
function isWritten(value: unknown, field: string): boolean {
  const { match } = (value as { readonly spec: { readonly match: object } }).spec;
  return Object.hasOwn(match, field);
}

/** The begin of a day in UTC; undefined where there is no such day. */
function dayOf(text: string): number | undefined {
  const ms = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  return Number.isFinite(ms) && new Date(ms).toISOString().startsWith(text) ? ms : undefined;
}

/** What findings are about, beside what they say. */
export interface WaiverScope {
  /** Names and ids by which `match.nodes` knows the node. */
  readonly nodeNames: readonly string[];
  /** The id of the image that a container runs, as its engine gives it; undefined where it is not known. */
  readonly imageIdOf: (containerId: string) => string | undefined;
  readonly nowMs: number;
}

/** What a waiver did. pending: it does not apply yet; broad: it accepts more than half of many failures. */
export type WaiverState = 'used' | 'unused' | 'expired' | 'pending' | 'broad';

/** A waiver and what it did. */
export interface WaiverUse {
  readonly waiver: Waiver;
  readonly state: WaiverState;
  /** Findings that it accepts, or would accept if it applied now. */
  readonly findings: number;
}

/** Failures from this number on are many. */
const MANY = 10;

/**
 * The waivers of failures and of findings that need a person, by id of the finding, and what each waiver did. What could
 * not be read is never waived: nobody knows what would be accepted.
 */
export function applyWaivers(
  findings: readonly Finding[],
  waivers: readonly Waiver[],
  scope: WaiverScope,
): { readonly waived: ReadonlyMap<string, Waiver>; readonly uses: readonly WaiverUse[] } {
  const waived = new Map<string, Waiver>();
  const open = findings.filter(({ verdict }) => verdict === 'fail' || verdict === 'manual');
  const uses = waivers.map((waiver): WaiverUse => {
    const accepted = open.filter((finding) => isMatched(waiver, finding, scope));
    if (isInForce(waiver, scope.nowMs)) for (const { id } of accepted) if (!waived.has(id)) waived.set(id, waiver);
    return waiverUse(waiver, { findings: accepted.length, open: open.length, nowMs: scope.nowMs });
  });
  return { waived, uses };
}

/** What a waiver does at a time: it accepts `findings`, of `open` findings that fail or need a person. */
export function waiverUse(
  waiver: Waiver,
  { findings, open, nowMs }: { readonly findings: number; readonly open: number; readonly nowMs: number },
): WaiverUse {
  const stateOf = (): WaiverState => {
    if (nowMs >= waiver.expiresMs) return 'expired';
    if (nowMs < waiver.fromMs) return 'pending';
    if (findings === 0) return 'unused';
    return open >= MANY && findings * 2 > open ? 'broad' : 'used';
  };
  return { waiver, state: stateOf(), findings };
}

/** Does the waiver apply at this time? */
export function isInForce({ fromMs, expiresMs }: Waiver, nowMs: number): boolean {
  return fromMs <= nowMs && nowMs < expiresMs;
}

/** The id of a container or an image, or its begin. It is matched with ids only: whoever starts a container names it. */
const ID_PATTERN = /^(?:sha256:)?[0-9a-f]{12,64}\*?$/;

/** Do all conditions hold? A container is of an image only by the id that its engine gives: names are chosen freely. */
export function isMatched(
  { match }: Pick<Waiver, 'match'>,
  { check, subject }: Pick<Finding, 'check' | 'subject'>,
  { nodeNames, imageIdOf }: Omit<WaiverScope, 'nowMs'>,
): boolean {
  if (!match.checks.includes(check)) return false;
  const isNode = (pattern: string): boolean => nodeNames.some((name) => matchesGlob(pattern, name));
  if (match.nodes.length > 0 && !match.nodes.some(isNode)) return false;
  const isNamed = (pattern: string): boolean =>
    matchesGlob(pattern, subject.id) || (!ID_PATTERN.test(pattern) && matchesGlob(pattern, subject.name));
  if (match.subjects.length > 0 && !match.subjects.some(isNamed)) return false;
  if (match.imageIds.length === 0) return true;
  const image =
    subject.kind === 'image' ? subject.id : subject.kind === 'container' ? imageIdOf(subject.id) : undefined;
  return image !== undefined && match.imageIds.includes(image);
}

/** A waiver as it is shown beside a finding. `expires` is the last day on which it applies. */
export interface FindingWaiver {
  readonly name: string;
  readonly owner: string;
  readonly reason: string;
  readonly expires: string;
}

/** What is shown of a waiver. */
export function findingWaiver({ name, owner, reason, expiresMs }: Waiver): FindingWaiver {
  return { name, owner, reason, expires: waiverEnd(expiresMs) };
}

/** `waived by legacy-report (shop team, until 2027-03-31): Replaced in March` */
export function waiverText({ name, owner, reason, expires }: FindingWaiver): string {
  return `waived by ${name} (${owner}, until ${expires}): ${reason}`;
}

/** The last day on which it applies: `2027-03-31`. */
export function waiverEnd(expiresMs: number): string {
  return new Date(expiresMs - 1).toISOString().slice(0, 10);
}
