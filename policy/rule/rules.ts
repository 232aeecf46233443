import type { Parsed, Schema } from '../../posture/schema.ts';
import { suggestion } from '../../posture/query/nearest.ts';
import type { Objection } from '../reason.ts';
import { ageRule, judgeAge } from './age.ts';
import type { AgeRule } from './age.ts';
import { architectureRule, judgeArchitecture } from './architecture.ts';
import type { ArchitectureRule } from './architecture.ts';
import { configurationRule, judgeConfiguration } from './configuration.ts';
import type { ConfigurationRule } from './configuration.ts';
import { databaseRule, judgeDatabase } from './database.ts';
import type { DatabaseRule } from './database.ts';
import { distributionRule, judgeDistribution } from './distribution.ts';
import type { DistributionRule } from './distribution.ts';
import type { JudgeInput } from './judging.ts';
import { judgePackages, packageRule, packageRuleProblem } from './package.ts';
import type { PackageRule } from './package.ts';
import { judgeReference, referenceRule } from './reference.ts';
import type { ReferenceRule } from './reference.ts';
import { judgeRegistry, registryRule } from './registry.ts';
import type { RegistryRule } from './registry.ts';
import { judgeScan, scanRule } from './scan.ts';
import type { ScanRule } from './scan.ts';
import { judgeSignature, signatureRule, signatureRuleProblem } from './signature.ts';
import type { SignatureRule } from './signature.ts';
import { judgeVulnerabilities, vulnerabilityRule } from './vulnerability.ts';
import type { VulnerabilityRule } from './vulnerability.ts';

/** One rule of a policy. */
export type Rule =
  | AgeRule
  | ArchitectureRule
  | ConfigurationRule
  | DatabaseRule
  | DistributionRule
  | PackageRule
  | ReferenceRule
  | RegistryRule
  | ScanRule
  | SignatureRule
  | VulnerabilityRule;

/** The schema of each type of rule, sorted by type. */
export const RULE_SCHEMAS = Object.freeze({
  age: ageRule,
  architecture: architectureRule,
  configuration: configurationRule,
  database: databaseRule,
  distribution: distributionRule,
  package: packageRule,
  reference: referenceRule,
  registry: registryRule,
  scan: scanRule,
  signature: signatureRule,
  vulnerability: vulnerabilityRule,
} as const satisfies { readonly [T in Rule['type']]: Schema<Extract<Rule, { type: T }>> });

const TYPES = Object.keys(RULE_SCHEMAS);

/** A rule of a policy document; `at` is its place. */
export function parseRule(value: unknown, at: string): Parsed<Rule> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { ok: false, problem: `${at}: expected an object with a type` };
  const type = Object.hasOwn(value, 'type') ? (value as { readonly type?: unknown }).type : undefined;
  if (typeof type !== 'string' || !isRuleType(type))
    return {
      ok: false,
      problem: `${at}.type: expected one of ${TYPES.join(', ')}${typeof type === 'string' ? suggestion(type, TYPES) : ''}`,
    };
  const parsed = RULE_SCHEMAS[type].parse(value, at);
  if (!parsed.ok) return parsed;
  const problem = ruleProblem(parsed.value, at);
  return problem === undefined ? parsed : { ok: false, problem };
}

function isRuleType(type: string): type is Rule['type'] {
  return Object.hasOwn(RULE_SCHEMAS, type);
}

/** What is wrong with a rule that its schema cannot say. */
function ruleProblem(rule: Rule, at: string): string | undefined {
  switch (rule.type) {
    case 'architecture':
      return rule.allow.length === 0 ? `${at}.allow: expected at least one` : undefined;
    case 'configuration':
      return rule.checks.length === 0 && rule.allowSetuid === null && !rule.forbidEnvironmentSecrets
        ? `${at}.checks: expected at least one, or allowSetuid or forbidEnvironmentSecrets`
        : undefined;
    case 'package':
      return rule.forbid.length === 0 ? `${at}.forbid: expected at least one` : packageRuleProblem(rule, at);
    case 'reference':
      return rule.requireDigest || rule.forbidTags.length > 0
        ? undefined
        : `${at}: expected requireDigest: true or forbidTags`;
    case 'signature':
      return signatureRuleProblem(rule, at);
    case 'age':
    case 'database':
    case 'distribution':
    case 'registry':
    case 'scan':
    case 'vulnerability':
      return undefined;
  }
}

/** What a rule has against an image. Empty: the image is as the rule wants it. */
export function judgeRule(rule: Rule, input: JudgeInput): readonly Objection[] {
  switch (rule.type) {
    case 'age':
      return judgeAge(rule, input);
    case 'architecture':
      return judgeArchitecture(rule, input);
    case 'configuration':
      return judgeConfiguration(rule, input);
    case 'database':
      return judgeDatabase(rule, input);
    case 'distribution':
      return judgeDistribution(rule, input);
    case 'package':
      return judgePackages(rule, input);
    case 'reference':
      return judgeReference(rule, input);
    case 'registry':
      return judgeRegistry(rule, input);
    case 'scan':
      return judgeScan(rule, input);
    case 'signature':
      return judgeSignature(rule, input);
    case 'vulnerability':
      return judgeVulnerabilities(rule, input);
  }
}
