import { list, nullable, oneOf, string } from '../posture/schema.ts';
import type { Parsed } from '../posture/schema.ts';
import { parseWaivers } from '../vulnerability/waiver.ts';
import type { VulnerabilityWaiver } from '../vulnerability/waiver.ts';
import { globPattern } from './glob.ts';
import { IMAGE_PATTERNS } from './registry-pattern.ts';
import { strictObject } from './strict-object.ts';
import { MAX_WAIVER_DAYS, parseWaiver, WAIVER_API_VERSION, WAIVER_KIND } from './waiver.ts';
import type { Waiver } from './waiver.ts';

/**
 * A document of kind Waiver. `match` says what it is about: `checks`, findings of them; `vulnerabilities`, the
 * vulnerabilities with these ids, in `packages` and `images`.
 */
export type WaiverDocument =
  | { readonly target: 'findings'; readonly waiver: Waiver }
  | { readonly target: 'vulnerabilities'; readonly waiver: VulnerabilityWaiver };

const patterns = nullable(list(globPattern(''), '', 1000));
const images = nullable(list(string('', 512), '', 1000));
const vulnerabilityDocument = strictObject({
  apiVersion: oneOf([WAIVER_API_VERSION]),
  kind: oneOf([WAIVER_KIND]),
  metadata: strictObject({ name: string('', 128) }),
  spec: strictObject({
    match: strictObject({ vulnerabilities: list(string('', 128), '', 1000), packages: patterns, images }),
    reason: string('', 1000),
    owner: string('', 256),
    expires: string('', 64),
  }),
});
const DAY_MS = 86_400_000;

/** What a document says, or what is wrong and where. With `nowMs` an end too far away is refused. `source`: its file. */
export function parseWaiverDocument(
  value: unknown,
  { source, nowMs }: { readonly source: string; readonly nowMs?: number | undefined },
): Parsed<WaiverDocument> {
  if (!isAboutVulnerabilities(value)) {
    const parsed = parseWaiver(value, nowMs);
    return parsed.ok ? { ok: true, value: { target: 'findings', waiver: parsed.value } } : parsed;
  }
  const parsed = vulnerabilityDocument.parse(value);
  if (!parsed.ok) return { ok: false, problem: parsed.problem.replace(/^\./, '') };
  const { metadata, spec } = parsed.value;
  if (metadata.name.trim() === '') return { ok: false, problem: 'metadata.name: expected a name' };
  const { vulnerabilities: ids, packages, images: repositories } = spec.match;
  const { reason, owner, expires } = spec;
  const entry = {
    ids,
    ...(packages && { packages }),
    ...(repositories && { images: repositories }),
    reason,
    owner,
    expires,
  };
  const read = parseWaivers([entry], source, IMAGE_PATTERNS);
  if (!read.ok) return { ok: false, problem: placed(read.problem) };
  const [waiver] = read.waivers;
  if (waiver === undefined) return { ok: false, problem: 'spec: expected a waiver' };
  if (nowMs !== undefined && waiver.expiresAt - nowMs > (MAX_WAIVER_DAYS + 1) * DAY_MS)
    return { ok: false, problem: `spec.expires: expected a date within ${String(MAX_WAIVER_DAYS)} days` };
  return {
    ok: true,
    value: { target: 'vulnerabilities', waiver: { ...waiver, source: `${source} ${metadata.name}` } },
  };
}

function isAboutVulnerabilities(value: unknown): boolean {
  const spec = fieldOf(value, 'spec');
  const match = fieldOf(spec, 'match');
  return typeof match === 'object' && match !== null && Object.hasOwn(match, 'vulnerabilities');
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;
}

/** A problem of an entry of a list, at the place that the document has for it. */
function placed(problem: string): string {
  return problem
    .replace(/^\[0\]\.ids/, 'spec.match.vulnerabilities')
    .replace(/^\[0\]\.(packages|images)/, 'spec.match.$1')
    .replace(/^\[0\]/, 'spec');
}
