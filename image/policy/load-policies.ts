import { dirname, resolve } from 'node:path';
import { conflictBetween, CONTAINER_POLICY_KIND, parseContainerPolicy } from '../../policy/docker/container-policy.ts';
import type { ContainerPolicy } from '../../policy/docker/container-policy.ts';
import { parsePolicy } from '../../policy/image-policy.ts';
import type { ImagePolicy, PolicyDocument } from '../../policy/image-policy.ts';
import { findPodPolicyConflicts, parsePodPolicy, POD_POLICY_KIND } from '../../policy/pod/pod-policy.ts';
import type { PodPolicy } from '../../policy/pod/pod-policy.ts';
import { findConflicts } from '../../policy/policy-selection.ts';
import { parseRolloutPolicy, ROLLOUT_POLICY_KIND } from '../../policy/rollout/rollout-policy.ts';
import { parseResponsePolicy, RESPONSE_POLICY_KIND } from '../../policy/rollout/response-policy.ts';
import type { ResponsePolicy } from '../../policy/rollout/response-policy.ts';
import type { RolloutPolicy } from '../../policy/rollout/rollout-policy.ts';
import type { Authority } from '../../policy/rule/signature.ts';
import type { Rule } from '../../policy/rule/rules.ts';
import type { PolicySets } from '../../policy/snapshot.ts';
import { readBoundedText } from './bounded-text.ts';
import { parseYamlDocuments } from './yaml-documents.ts';

/** Policies by kind. */
interface LoadedSets extends PolicySets {
  readonly rolloutPolicies: readonly RolloutPolicy[];
  readonly responsePolicies: readonly ResponsePolicy[];
}

/** All policies of some files, or everything that is wrong with them. */
export type LoadedPolicies =
  ({ readonly ok: true } & LoadedSets) | { readonly ok: false; readonly problems: readonly PolicyProblem[] };

/** What is wrong with a policy file. Quotes nothing of it but names of fields and policies. */
export interface PolicyProblem {
  /** The file, with the number of the document where it has several: `policy.yaml#2`. */
  readonly source: string;
  readonly problem: string;
}

/** A policy is far below; what is larger takes the parser seconds. */
const MAX_FILE_BYTES = 256 * 1024;
const MAX_POLICIES = 1000;
const MAX_KEY_BYTES = 64 * 1024;

/**
 * Loads the policies of YAML files. One problem refuses all: to leave out a policy could allow an image. Keys are read
 * as well, so that two policies that trust the same key name it in the same way. Paths are absolute; never rejects.
 */
export async function loadPolicies(paths: readonly string[]): Promise<LoadedPolicies> {
  const loaded = emptySet();
  const problems: PolicyProblem[] = [];
  for (const path of new Set(paths)) problems.push(...(await readPolicyFile(path, loaded)));
  const { policies, podPolicies, containerPolicies, rolloutPolicies, responsePolicies } = loaded;
  const automation = [...rolloutPolicies, ...responsePolicies];
  const count = policies.length + podPolicies.length + containerPolicies.length + automation.length;
  if (problems.length === 0 && count > MAX_POLICIES)
    problems.push({ source: paths.join(', '), problem: `more than ${String(MAX_POLICIES)} policies` });
  if (problems.length === 0) {
    for (const { policies: pair, patterns } of findConflicts(policies)) problems.push(conflict(pair, patterns));
    for (const { policies: pair, reason } of findPodPolicyConflicts(podPolicies)) problems.push(conflict(pair, reason));
    for (const [index, one] of containerPolicies.entries())
      for (const other of containerPolicies.slice(index + 1)) {
        const reason = conflictBetween(one, other);
        if (reason !== undefined) problems.push(conflict([one, other], reason));
      }
    // Budgets and records are by name.
    for (const pair of sameNames<Named>(automation))
      problems.push(conflict(pair, `the name ${pair[0].name} is used twice`));
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, ...loaded };
}

type Named = Pick<ImagePolicy, 'name' | 'source'>;

function conflict([first, second]: readonly [Named, Named], reason: string): PolicyProblem {
  return {
    source: second.source,
    problem: `${second.name} conflicts with ${first.name} of ${first.source}: ${reason}`,
  };
}

function sameNames<T extends Named>(policies: readonly T[]): readonly (readonly [T, T])[] {
  return policies.flatMap((one, index) => {
    const earlier = policies.slice(0, index).find(({ name }) => name === one.name);
    return earlier === undefined ? [] : [[earlier, one] as const];
  });
}

function emptySet() {
  return {
    policies: [] as ImagePolicy[],
    podPolicies: [] as PodPolicy[],
    containerPolicies: [] as ContainerPolicy[],
    rolloutPolicies: [] as RolloutPolicy[],
    responsePolicies: [] as ResponsePolicy[],
  };
}

/** Adds the policies of a file. Returns what is wrong with it. */
async function readPolicyFile(path: string, loaded: ReturnType<typeof emptySet>): Promise<readonly PolicyProblem[]> {
  const failed = (problem: string): readonly PolicyProblem[] => [{ source: path, problem }];
  const file = await readBoundedText(path, MAX_FILE_BYTES);
  if (!file.ok) return failed(file.reason);
  const yaml = parseYamlDocuments(file.text);
  if (!yaml.ok) return failed(yaml.reason);
  if (yaml.documents.length === 0) return failed('contains no policy');
  const problems: PolicyProblem[] = [];
  for (const [index, value] of yaml.documents.entries()) {
    const source = yaml.documents.length === 1 ? path : `${path}#${String(index + 1)}`;
    const problem = await addDocument({ value, source }, dirname(path), loaded);
    if (problem !== undefined) problems.push({ source, problem });
  }
  return problems;
}

/** Adds the policy of a document. Returns what is wrong with it. */
async function addDocument(
  document: PolicyDocument,
  directory: string,
  { policies, podPolicies, containerPolicies, rolloutPolicies, responsePolicies }: ReturnType<typeof emptySet>,
): Promise<string | undefined> {
  const add = <T>(list: T[], parsed: Completed<T>): string | undefined => {
    if (!parsed.ok) return parsed.problem;
    list.push(parsed.value);
    return undefined;
  };
  switch (kindOf(document)) {
    case POD_POLICY_KIND:
      return add(podPolicies, parsePodPolicy(document));
    case CONTAINER_POLICY_KIND:
      return add(containerPolicies, parseContainerPolicy(document));
    case RESPONSE_POLICY_KIND:
      return add(responsePolicies, parseResponsePolicy(document));
    case ROLLOUT_POLICY_KIND:
      return add(rolloutPolicies, parseRolloutPolicy(document));
    default: {
      const parsed = parsePolicy(document);
      return add(policies, parsed.ok ? await withFiles(parsed.value, directory) : parsed);
    }
  }
}

function kindOf({ value }: PolicyDocument): unknown {
  return typeof value === 'object' && value !== null ? (value as { kind?: unknown }).kind : undefined;
}

type Completed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string };

/** The policy with absolute paths, and with public keys in place of the files that hold them. */
async function withFiles(policy: ImagePolicy, directory: string): Promise<Completed<ImagePolicy>> {
  const absolute = (file: string): string => resolve(directory, file);
  const rules: Rule[] = [];
  for (const [index, rule] of policy.rules.entries()) {
    if (rule.type !== 'signature') {
      rules.push(rule);
      continue;
    }
    const authorities: Authority[] = [];
    for (const [place, authority] of rule.authorities.entries()) {
      const completed = await withKey(authority, absolute);
      if (!completed.ok)
        return {
          ok: false,
          problem: `spec.rules[${String(index)}].authorities[${String(place)}]: ${completed.problem}`,
        };
      authorities.push(completed.value);
    }
    rules.push({ ...rule, authorities });
  }
  const [waivers, vex] = [policy.waivers.map(absolute), policy.vex.map(absolute)];
  return { ok: true, value: { ...policy, rules, waivers, vex } };
}

async function withKey(authority: Authority, absolute: (file: string) => string): Promise<Completed<Authority>> {
  const { key, keyless } = authority;
  if (keyless !== null)
    return {
      ok: true,
      value: { ...authority, keyless: { ...keyless, trustedRoot: absolute(keyless.trustedRoot) } },
    };
  if (key === null || key.file === null) return { ok: true, value: authority };
  const path = absolute(key.file);
  const read = await readBoundedText(path, MAX_KEY_BYTES);
  if (!read.ok) return { ok: false, problem: `key.file: ${path} ${read.reason}` };
  if (!read.text.includes('-----BEGIN PUBLIC KEY-----'))
    return { ok: false, problem: `key.file: ${path} is not a public key in PEM` };
  return { ok: true, value: { ...authority, key: { file: null, pem: read.text } } };
}
