import { dirname, resolve } from 'node:path';
import { parsePolicy } from '../../policy/image-policy.ts';
import type { ImagePolicy, PolicyDocument } from '../../policy/image-policy.ts';
import { findPodPolicyConflicts, parsePodPolicy, POD_POLICY_KIND } from '../../policy/pod/pod-policy.ts';
import type { PodPolicy } from '../../policy/pod/pod-policy.ts';
import { findConflicts } from '../../policy/policy-selection.ts';
import type { Authority } from '../../policy/rule/signature.ts';
import type { Rule } from '../../policy/rule/rules.ts';
import { readBoundedText } from './bounded-text.ts';
import { parseYamlDocuments } from './yaml-documents.ts';

/** All policies of some files, or everything that is wrong with them. */
export type LoadedPolicies =
  | { readonly ok: true; readonly policies: readonly ImagePolicy[]; readonly podPolicies: readonly PodPolicy[] }
  | { readonly ok: false; readonly problems: readonly PolicyProblem[] };

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
 * Loads the image policies and pod policies of YAML files. One problem refuses all: to leave out a policy could allow an image. Keys are read
 * as well, so that two policies that trust the same key name it in the same way. Paths are absolute; never rejects.
 */
export async function loadPolicies(paths: readonly string[]): Promise<LoadedPolicies> {
  const policies: ImagePolicy[] = [];
  const podPolicies: PodPolicy[] = [];
  const problems: PolicyProblem[] = [];
  for (const path of new Set(paths)) {
    const read = await readPolicyFile(path);
    problems.push(...read.problems);
    policies.push(...read.policies);
    podPolicies.push(...read.podPolicies);
  }
  if (problems.length === 0 && policies.length + podPolicies.length > MAX_POLICIES)
    problems.push({ source: paths.join(', '), problem: `more than ${String(MAX_POLICIES)} policies` });
  if (problems.length === 0) {
    for (const { policies: pair, patterns } of findConflicts(policies)) problems.push(conflict(pair, patterns));
    for (const { policies: pair, reason } of findPodPolicyConflicts(podPolicies)) problems.push(conflict(pair, reason));
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, policies, podPolicies };
}

type Named = Pick<ImagePolicy, 'name' | 'source'>;

function conflict([first, second]: readonly [Named, Named], reason: string): PolicyProblem {
  return {
    source: second.source,
    problem: `${second.name} conflicts with ${first.name} of ${first.source}: ${reason}`,
  };
}

interface ReadFile {
  readonly policies: readonly ImagePolicy[];
  readonly podPolicies: readonly PodPolicy[];
  readonly problems: readonly PolicyProblem[];
}

async function readPolicyFile(path: string): Promise<ReadFile> {
  const failed = (problem: string): ReadFile => ({
    policies: [],
    podPolicies: [],
    problems: [{ source: path, problem }],
  });
  const file = await readBoundedText(path, MAX_FILE_BYTES);
  if (!file.ok) return failed(file.reason);
  const yaml = parseYamlDocuments(file.text);
  if (!yaml.ok) return failed(yaml.reason);
  if (yaml.documents.length === 0) return failed('contains no policy');
  const policies: ImagePolicy[] = [];
  const podPolicies: PodPolicy[] = [];
  const problems: PolicyProblem[] = [];
  for (const [index, value] of yaml.documents.entries()) {
    const source = yaml.documents.length === 1 ? path : `${path}#${String(index + 1)}`;
    if (isPodPolicy({ value, source })) {
      const parsed = parsePodPolicy({ value, source });
      if (parsed.ok) podPolicies.push(parsed.value);
      else problems.push({ source, problem: parsed.problem });
      continue;
    }
    const parsed = parsePolicy({ value, source });
    const completed = parsed.ok ? await withFiles(parsed.value, dirname(path)) : parsed;
    if (completed.ok) policies.push(completed.value);
    else problems.push({ source, problem: completed.problem });
  }
  return { policies, podPolicies, problems };
}

function isPodPolicy({ value }: PolicyDocument): boolean {
  return typeof value === 'object' && value !== null && (value as { kind?: unknown }).kind === POD_POLICY_KIND;
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
