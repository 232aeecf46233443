/**
 * Policies and the verdicts on all known images, as the collector hands them to whoever enforces policies: admission
 * control, the Docker authorisation plugin. They decide from it without asking anyone. JSON, signed as a whole:
 *
 * ```json
 * {
 *   "apiVersion": "plimsoll.dev/v1", "kind": "PolicySnapshot",
 *   "version": 1795900000000, "collector": "collector.example.com", "issuedAt": 1795900000000,
 *   "policies": [{ "apiVersion": "plimsoll.dev/v1", "kind": "ImagePolicy", "…": "…" }],
 *   "podPolicies": [], "containerPolicies": [],
 *   "reasons": [{ "policy": "production", "rule": "spec.rules[0]", "code": "vulnerability", "…": "…" }],
 *   "images": [{ "digests": ["sha256:…"], "judgedAt": 1795900000000, "verdicts": [
 *     { "policy": "production", "reasons": [0], "omitted": {}, "validUntil": { "spec.rules[0]": 1795990000000 } }] }],
 *   "tags": [{ "reference": "registry.example.com/shop/db:16", "digest": "sha256:…", "checkedAt": 1795900000000 }]
 * }
 * ```
 *
 * Times are milliseconds since the epoch. Reasons and suppressions are in tables of their own, since images share most of
 * them.
 */
import {
  boolean,
  integer,
  list,
  nullable,
  object,
  oneOf,
  record,
  string,
  unknown,
  withDefault,
} from '../posture/schema.ts';
import type { Infer, Parsed, Schema } from '../posture/schema.ts';
import { VULNERABILITY_SEVERITIES } from '../vulnerability/vulnerability.ts';
import { parseContainerPolicy } from './docker/container-policy.ts';
import type { ContainerPolicy } from './docker/container-policy.ts';
import { parsePolicy, POLICY_API_VERSION } from './image-policy.ts';
import type { ImagePolicy, PolicyDocument } from './image-policy.ts';
import { parsePodPolicy } from './pod/pod-policy.ts';
import type { PodPolicy } from './pod/pod-policy.ts';
import { containerPolicyDocument, podPolicyDocument, policyDocument } from './policy-document.ts';
import { readNodes, writeNodes, writtenNodes } from './node-posture.ts';
import type { SnapshotNodes } from './node-posture.ts';
import { REASON_CODE_NAMES } from './reason.ts';
import { isDigest } from './reference.ts';

/** `kind` of the document. */
export const SNAPSHOT_KIND = 'PolicySnapshot';
/** Bytes of a snapshot that are read. */
export const MAX_SNAPSHOT_BYTES = 256 * 1024 * 1024;

const MAX_POLICIES = 1000;
const MAX_IMAGES = 50_000;
const MAX_TABLE = 1_000_000;
const MAX_DIGESTS = 64;
const MAX_TEXT = 2048;

const time = integer('', 0);
const digest: Schema<string> = {
  shape: { kind: 'string', doc: '`sha256:…`' },
  parse: (value, at = '') =>
    typeof value === 'string' && isDigest(value)
      ? { ok: true, value }
      : { ok: false, problem: `${at}: expected a digest` },
};
const text = string('', MAX_TEXT);
const count = withDefault(integer('', 0), 0);

const reason = object({
  policy: text,
  rule: text,
  code: oneOf(REASON_CODE_NAMES),
  kind: oneOf(['violation', 'unknown']),
  severity: oneOf(VULNERABILITY_SEVERITIES),
  about: text,
  actual: text,
  expected: text,
  action: text,
});
/** One reason of the table. Its mode and message are those of its rule. */
export type SnapshotReason = Infer<typeof reason>;

const suppression = object({
  vulnerability: text,
  package: string('name and version', MAX_TEXT),
  by: oneOf(['vex', 'waiver']),
  reason: text,
  source: string('the file and place', MAX_TEXT),
  expiresAt: nullable(time),
});
/** One suppressed vulnerability of the table. */
export type SnapshotSuppression = Infer<typeof suppression>;

const verdict = object({
  policy: text,
  repository: nullable(text, 'the only repository that it holds for; null: all that have no verdict of their own'),
  reasons: list(integer('', 0), 'indexes of the table of reasons', 30),
  omitted: object({ enforce: count, warn: count, observe: count }, 'how many more reasons there are'),
  suppressed: withDefault(
    list(integer('', 0), 'indexes of the table of suppressions: what the policy leaves out that it would refuse', 10),
    [],
  ),
  omittedSuppressed: count,
  validUntil: record(time, 'by the place of a rule: until when its answer holds', 256),
});

/** The verdict of one policy on one image. */
export interface SnapshotVerdict extends Omit<Infer<typeof verdict>, 'reasons' | 'suppressed'> {
  /** The first of each mode: violations first, worst first. */
  readonly reasons: readonly SnapshotReason[];
  readonly suppressed: readonly SnapshotSuppression[];
}

const image = object({
  digests: list(digest, 'of the manifest and of indexes that name it, and the id of the image', MAX_DIGESTS),
  judgedAt: time,
  scannedAt: nullable(time, 'when its packages were listed'),
  databaseBuiltAt: nullable(time, 'the vulnerability database that it was judged by'),
  verdicts: list(verdict, '', 4 * MAX_POLICIES),
  unscanned: withDefault(boolean('its packages are not known from its layers, and a scan could list them'), false),
});
/** One image, as it is written. */
type WrittenImage = Infer<typeof image>;
/** One image. */
export interface SnapshotImage extends Omit<WrittenImage, 'verdicts' | 'unscanned'> {
  readonly unscanned?: boolean;
  readonly verdicts: readonly SnapshotVerdict[];
}

const tag = object({ reference: text, digest, checkedAt: time });
/** What a tag named when the collector asked its registry. It says nothing about a tag on a node. */
export type SnapshotTag = Infer<typeof tag>;

const snapshot = object({
  apiVersion: oneOf([POLICY_API_VERSION]),
  kind: oneOf([SNAPSHOT_KIND]),
  version: integer('each snapshot of a collector has a higher one', 1),
  collector: string('id of the collector', 256),
  issuedAt: time,
  policies: list(unknown(), 'documents of kind ImagePolicy', MAX_POLICIES),
  podPolicies: withDefault(list(unknown(), 'documents of kind PodPolicy', MAX_POLICIES), []),
  containerPolicies: withDefault(list(unknown(), 'documents of kind ContainerPolicy', MAX_POLICIES), []),
  reasons: list(reason, '', MAX_TABLE),
  suppressions: withDefault(list(suppression, '', MAX_TABLE), []),
  images: list(image, '', MAX_IMAGES),
  tags: list(tag, '', MAX_IMAGES),
  nodes: nullable(writtenNodes, 'nodes of the cluster, where a pod policy has a condition on them'),
});
/** The document. */
export type SnapshotDocument = Infer<typeof snapshot>;

/** Policies of all kinds. */
export interface PolicySets {
  readonly policies: readonly ImagePolicy[];
  readonly podPolicies: readonly PodPolicy[];
  readonly containerPolicies: readonly ContainerPolicy[];
}

/** A snapshot that decisions can be made from; see `decideFromSnapshot`. */
export interface PolicySnapshot extends PolicySets, Pick<SnapshotDocument, 'version' | 'collector' | 'issuedAt'> {
  /** Images by each of their digests. Several where an index names images of several platforms. */
  readonly byDigest: ReadonlyMap<string, readonly SnapshotImage[]>;
  /** Digest of what a complete reference with a tag (`registry/path:tag`) named when it was asked last. */
  readonly byTag: ReadonlyMap<string, SnapshotTag>;
  /** Nodes of the cluster; undefined: they are not known. */
  readonly nodes?: SnapshotNodes | undefined;
}

/** The snapshot of a parsed JSON document, or what is wrong with it and where. Never throws. */
export function parseSnapshot(value: unknown): Parsed<PolicySnapshot> {
  const parsed = snapshot.parse(value);
  if (!parsed.ok) return { ok: false, problem: parsed.problem.replace(/^\./, '') };
  const document = parsed.value;
  const policies = parseEach(document.policies, 'policies', parsePolicy);
  if (!policies.ok) return policies;
  const podPolicies = parseEach(document.podPolicies, 'podPolicies', parsePodPolicy);
  if (!podPolicies.ok) return podPolicies;
  const containerPolicies = parseEach(document.containerPolicies, 'containerPolicies', parseContainerPolicy);
  if (!containerPolicies.ok) return containerPolicies;
  const problem = inconsistency(document, policies.value);
  if (problem !== undefined) return { ok: false, problem };
  const { version, collector, issuedAt, tags } = document;
  const byDigest = indexImages(document.images.map((one) => withTables(one, document)));
  const byTag = new Map(tags.map((one) => [one.reference, one]));
  const sets = {
    policies: policies.value,
    podPolicies: podPolicies.value,
    containerPolicies: containerPolicies.value,
  };
  const nodes = document.nodes === null ? undefined : readNodes(document.nodes);
  return { ok: true, value: { version, collector, issuedAt, ...sets, byDigest, byTag, nodes } };
}

function parseEach<T>(
  documents: readonly unknown[],
  field: string,
  parse: (document: PolicyDocument) => Parsed<T>,
): Parsed<readonly T[]> {
  const values: T[] = [];
  for (const [index, value] of documents.entries()) {
    const source = `${field}[${String(index)}]`;
    const parsed = parse({ value, source });
    if (!parsed.ok) return { ok: false, problem: `${source}.${parsed.problem}` };
    values.push(parsed.value);
  }
  return { ok: true, value: values };
}

/** Images by each of their digests. */
export function indexImages(images: readonly SnapshotImage[]): ReadonlyMap<string, readonly SnapshotImage[]> {
  const byDigest = new Map<string, SnapshotImage[]>();
  for (const one of images)
    for (const name of new Set(one.digests)) {
      const others = byDigest.get(name);
      if (others === undefined) byDigest.set(name, [one]);
      else others.push(one);
    }
  return byDigest;
}

function withTables(
  written: WrittenImage,
  { reasons, suppressions }: Pick<SnapshotDocument, 'reasons' | 'suppressions'>,
): SnapshotImage {
  const verdicts = written.verdicts.map((one) => ({
    ...one,
    reasons: one.reasons.flatMap((index) => reasons[index] ?? []),
    suppressed: one.suppressed.flatMap((index) => suppressions[index] ?? []),
  }));
  return { ...written, verdicts };
}

/** The first reference within the document that leads nowhere; undefined: all are valid. */
function inconsistency(
  { reasons, images }: Pick<SnapshotDocument, 'reasons' | 'images'>,
  policies: readonly ImagePolicy[],
): string | undefined {
  const rules = new Map(policies.map((policy) => [policy.name, policy.rules.length]));
  if (rules.size !== policies.length) return 'policies: a name occurs twice';
  for (const [index, { policy, rule }] of reasons.entries())
    if (ruleIndex(rule) >= (rules.get(policy) ?? 0))
      return `reasons[${String(index)}].rule: expected a rule of a policy`;
  for (const [index, { verdicts }] of images.entries())
    for (const [at, one] of verdicts.entries()) {
      // A reason of another policy would be left out of the decision, and that could allow the image.
      if (one.reasons.some((entry) => reasons[entry]?.policy !== one.policy))
        return `images[${String(index)}].verdicts[${String(at)}].reasons: expected reasons of the policy`;
    }
  return undefined;
}

/** 2 of `spec.rules[2]`; Infinity for anything else. */
function ruleIndex(place: string): number {
  const [, digits] = /^spec\.rules\[(0|[1-9]\d{0,5})\]$/.exec(place) ?? [];
  return digits === undefined ? Infinity : Number(digits);
}

/** Head of a snapshot. */
export interface SnapshotHead extends Pick<SnapshotDocument, 'version' | 'collector' | 'issuedAt' | 'tags'> {
  readonly nodes?: SnapshotNodes | undefined;
}

/** Writes a snapshot image by image, so that a fleet of many need not be written at a stretch. */
export interface SnapshotWriter {
  readonly add: (image: SnapshotImage) => void;
  /** Of the images so far, with their reasons. */
  readonly bytes: () => number;
  /** The JSON text in parts. What was added in the same order gives the same text. */
  readonly finish: (head: SnapshotHead) => readonly string[];
}

/** Begins a snapshot; images must have been judged by exactly these policies. */
export function createSnapshotWriter({ policies, podPolicies, containerPolicies }: PolicySets): SnapshotWriter {
  const reasonTable = new Map<string, number>();
  const suppressionTable = new Map<string, number>();
  const images: string[] = [];
  let bytes = 0;
  const indexIn = (table: Map<string, number>, entry: object): number => {
    const key = JSON.stringify(entry);
    const known = table.get(key);
    if (known !== undefined) return known;
    bytes += Buffer.byteLength(key) + 1;
    table.set(key, table.size);
    return table.size - 1;
  };
  return {
    bytes: () => bytes,
    add: ({ digests, judgedAt, scannedAt, databaseBuiltAt, verdicts, unscanned }) => {
      const written = {
        digests: digests.slice(0, MAX_DIGESTS),
        judgedAt,
        scannedAt,
        databaseBuiltAt,
        verdicts: verdicts.map(
          ({ policy, repository, omitted, validUntil, reasons, suppressed, omittedSuppressed }) => ({
            policy,
            repository,
            reasons: reasons.map((one) => indexIn(reasonTable, shortened(one))),
            omitted,
            ...(suppressed.length > 0 && {
              suppressed: suppressed.map((one) => indexIn(suppressionTable, shortenedSuppression(one))),
              omittedSuppressed,
            }),
            validUntil,
          }),
        ),
        ...(unscanned === true && { unscanned }),
      };
      const text = JSON.stringify(written);
      bytes += Buffer.byteLength(text) + 1;
      images.push(text);
    },
    finish: ({ nodes, ...head }) => [
      JSON.stringify({
        apiVersion: POLICY_API_VERSION,
        kind: SNAPSHOT_KIND,
        ...head,
        ...(nodes === undefined ? {} : { nodes: writeNodes(nodes) }),
        policies: policies.map(policyDocument),
        podPolicies: podPolicies.map(podPolicyDocument),
        containerPolicies: containerPolicies.map(containerPolicyDocument),
      }).slice(0, -1),
      ',"reasons":[',
      ...separated([...reasonTable.keys()]),
      '],"suppressions":[',
      ...separated([...suppressionTable.keys()]),
      '],"images":[',
      ...separated(images),
      ']}',
    ],
  };
}

function separated(items: readonly string[]): readonly string[] {
  return items.map((item, index) => (index === 0 ? item : `,${item}`));
}

/** Texts can hold names from an image, whose length its author chooses. */
function shortened({ policy, rule, code, kind, severity, about, actual, expected, action }: SnapshotReason) {
  return {
    policy,
    rule,
    code,
    kind,
    severity,
    about: cut(about),
    actual: cut(actual),
    expected: cut(expected),
    action: cut(action),
  };
}

function shortenedSuppression(entry: SnapshotSuppression): SnapshotSuppression {
  const { vulnerability, package: found, by, reason: why, source, expiresAt } = entry;
  return {
    vulnerability: cut(vulnerability),
    package: cut(found),
    by,
    reason: cut(why),
    source: cut(source),
    expiresAt,
  };
}

function cut(part: string): string {
  return part.length <= MAX_TEXT ? part : `${part.slice(0, MAX_TEXT - 1)}…`;
}
