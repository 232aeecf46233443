/**
 * Image policies: documents that say which images may run.
 *
 * ```yaml
 * apiVersion: plimsoll.dev/v1
 * kind: ImagePolicy
 * metadata: { name: production }
 * spec:
 *   match: { images: ['registry.example.com/**'], namespaces: [prod-*] }
 *   mode: enforce
 *   rules:
 *     - { type: vulnerability, severity: high, fixAvailable: true }
 * ```
 */
import { list, nullable, object, oneOf, string, unknown, withDefault } from '../posture/schema.ts';
import type { Infer, Parsed, Schema } from '../posture/schema.ts';
import { globPattern } from './glob.ts';
import { parseRegistryPattern } from './registry-pattern.ts';
import { registryPattern } from './rule/registry.ts';
import { MODES } from './rule/judging.ts';
import type { Mode } from './rule/judging.ts';
import { parseRule } from './rule/rules.ts';
import type { Rule } from './rule/rules.ts';
import { strictObject } from './strict-object.ts';

/** `apiVersion` of the documents. */
export const POLICY_API_VERSION = 'plimsoll.dev/v1';
/** `kind` of the documents. */
export const POLICY_KIND = 'ImagePolicy';

const MAX_RULES = 256;
const UNSCANNED = ['deny', 'scan', 'allow'] as const;
const UNJUDGED_CODES = ['unsupported-distribution', 'no-data', 'third-party', 'version-not-comparable'] as const;

const name: Schema<string> = {
  shape: { kind: 'string', doc: 'unique among the policies; lower-case letters, digits, `-` and `.`', maximum: 253 },
  parse: (value, at = '') =>
    typeof value === 'string' && value.length <= 253 && /^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/.test(value)
      ? { ok: true, value }
      : { ok: false, problem: `${at}: expected a name of lower-case letters, digits, "-" and "."` },
};

/** Each rule is parsed by its type; see `rule/rules.ts`. */
const rules: Schema<readonly Rule[]> = {
  shape: { kind: 'list', doc: 'conditions; all must hold', item: { kind: 'unknown', doc: '' }, maximum: MAX_RULES },
  parse: (value, at = '') => {
    if (!Array.isArray(value)) return { ok: false, problem: `${at}: expected a list of rules` };
    if (value.length > MAX_RULES) return { ok: false, problem: `${at}: expected at most ${String(MAX_RULES)} rules` };
    const parsed: Rule[] = [];
    for (const [index, item] of value.entries()) {
      const rule = parseRule(item, `${at}[${String(index)}]`);
      if (!rule.ok) return rule;
      parsed.push(rule.value);
    }
    return { ok: true, value: parsed };
  },
};

const EVERY_IMAGE = parseRegistryPattern('**');

const match = strictObject({
  images: withDefault(
    list(registryPattern(''), 'patterns of repositories that the policy is for; default: every image', 256),
    EVERY_IMAGE.ok ? [EVERY_IMAGE.value] : [],
  ),
  namespaces: withDefault(
    list(
      globPattern(''),
      'namespaces that the policy is for; `*` and `?` are wildcards; default: all, and images without a namespace',
      256,
    ),
    ['*'],
  ),
});

const file = string('', 4096);

/** The schema of the field `spec`. */
export const policySpec = strictObject({
  match: withDefault(match, { images: EVERY_IMAGE.ok ? [EVERY_IMAGE.value] : [], namespaces: ['*'] }),
  mode: withDefault(
    oneOf(MODES, '`enforce`: violations refuse the image; `warn`: they are shown; `observe`: they are recorded'),
    'enforce',
  ),
  rules,
  unscannedImages: withDefault(
    oneOf(
      UNSCANNED,
      'what admission control and the Docker authorisation plugin do with an image that the collector has not judged; `deny`: refuse it; `scan`: the same, and admission control asks the collector to scan it; `allow`: warn only, so whoever builds an image anew escapes the rules until it is scanned',
    ),
    'deny',
  ),
  accept: withDefault(
    strictObject({
      gaps: withDefault(list(globPattern(''), 'paths of the image that need not be readable', 64), []),
      unjudged: withDefault(
        list(oneOf(UNJUDGED_CODES), 'packages whose vulnerabilities need not be known, by the reason', 8),
        [],
      ),
    }),
    { gaps: [], unjudged: [] },
  ),
  waivers: withDefault(list(file, 'files with waivers of vulnerabilities; relative to the policy file', 64), []),
  vex: withDefault(list(file, 'files with VEX statements; relative to the policy file', 64), []),
});

/** The schema of the field `metadata` of every kind of policy. */
export const policyMetadata = strictObject({
  name,
  description: nullable(string('what the policy is for', 4096)),
  labels: nullable(unknown('not used')),
  annotations: nullable(unknown('not used')),
});

const document = strictObject({
  apiVersion: oneOf([POLICY_API_VERSION]),
  kind: oneOf([POLICY_KIND]),
  metadata: policyMetadata,
  spec: policySpec,
});

/** A policy that can be applied. */
export interface ImagePolicy extends Infer<typeof policySpec> {
  readonly name: string;
  /** Where it was read, for messages: a file name. */
  readonly source: string;
}

/** A document of a policy file, parsed from YAML. */
export interface PolicyDocument {
  readonly value: unknown;
  readonly source: string;
}

/** The policy of one document, or what is wrong with it and where (`spec.rules[2].severity: expected …`). */
export function parsePolicy({ value, source }: PolicyDocument): Parsed<ImagePolicy> {
  const head = object({ kind: unknown(), apiVersion: unknown() }).parse(value);
  if (!head.ok) return { ok: false, problem: 'expected an object with apiVersion, kind, metadata and spec' };
  if (head.value.kind !== POLICY_KIND)
    return {
      ok: false,
      problem: `kind: expected ${POLICY_KIND}, PodPolicy, ContainerPolicy, RolloutPolicy or ResponsePolicy`,
    };
  const parsed = document.parse(value);
  // The schema writes a place as `.spec.rules[2]`; people write it without the first dot.
  if (!parsed.ok) return { ok: false, problem: parsed.problem.replace(/^\./, '') };
  const { metadata, spec } = parsed.value;
  if (spec.match.images.length === 0 || spec.match.namespaces.length === 0)
    return { ok: false, problem: 'spec.match: an empty list matches no image; leave it out to match every image' };
  return { ok: true, value: { ...spec, name: metadata.name, source } };
}

/** What a violation of a rule leads to: the milder of the modes of rule and policy. */
export function modeOf(policy: Pick<ImagePolicy, 'mode'>, rule: Pick<Rule, 'mode'>): Mode {
  return MODES[Math.max(MODES.indexOf(policy.mode), MODES.indexOf(rule.mode ?? 'enforce'))] ?? 'enforce';
}
