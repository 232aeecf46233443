import { basename, dirname } from 'node:path';
import { exemptionList, policyList } from '../../../api/policy.ts';
import type { ExemptionList, ListedPolicy } from '../../../api/policy.ts';
import {
  describeContainerPolicy,
  describeImagePolicy,
  describePodPolicy,
  imagePolicyExceptions,
  podPolicyExceptions,
} from '../../../policy/explain/describe-policy.ts';
import type { DescribedCondition } from '../../../policy/explain/describe-policy.ts';
import type { VulnerabilityWaiver } from '../../../vulnerability/waiver.ts';
import type { ExemptNamespaces } from '../../kubernetes/admission-watch.ts';
import type { PolicySet } from '../../policy/policy-files.ts';
import { answer, jsonRoute } from '../route.ts';
import type { ApiSources, Sent } from '../route.ts';
import { NO_POLICIES } from './policies.ts';

/** GET /v1/policies */
export const listPolicies = jsonRoute({
  method: 'GET',
  path: '/v1/policies',
  operation: 'listPolicies',
  summary: 'The policies of the collector, with their conditions in words',
  description:
    'Image, pod and container policies of the setting `policies`. Rollout policies are those of `plimsoll rollout`.',
  refuses: ['notFound'],
  answer: policyList,
  handle: (_input, { policies }) => {
    if (policies === undefined) return NO_POLICIES;
    return answer({
      policies: presentPolicies(policies.policySet()),
      problems: policies.problems().map(({ source, problem }) => ({
        source: basename(source),
        // A conflict names the other file.
        problem: problem.replaceAll(`${dirname(source)}/`, ''),
      })),
    });
  },
});

/** Waivers that one answer holds. */
const MAX_WAIVERS = 10_000;
const MAX_NAMESPACES = 2000;

/** GET /v1/policies/exemptions */
export const listExemptions = jsonRoute({
  method: 'GET',
  path: '/v1/policies/exemptions',
  operation: 'listExemptions',
  summary: 'Exemptions by waivers, policies and the admission webhook',
  description:
    'Waivers of vulnerabilities with the time at which they expire, namespaces that the admission webhook is not asked ' +
    'about, and what policies leave out of their own conditions.',
  refuses: [],
  answer: exemptionList,
  handle: (_input, sources) => {
    const set = sources.policies?.policySet();
    const waivers = waiversOf(sources, set);
    return answer({
      waivers: waivers.slice(0, MAX_WAIVERS),
      omittedWaivers: Math.max(0, waivers.length - MAX_WAIVERS),
      ...presentNamespaces(sources.exemptNamespaces()),
      exceptions: exceptionsOf(set),
    });
  },
});

function presentPolicies(set: PolicySet | undefined): readonly Sent<ListedPolicy>[] {
  if (set === undefined) return [];
  const conditions = (list: readonly DescribedCondition[]) =>
    list.map(({ place, mode, text, message }) => ({ place, mode, text, message }));
  const head = ({ name, mode, source }: { readonly name: string; readonly mode: string; readonly source: string }) => ({
    name,
    mode,
    // The path is that of the machine of the collector.
    source: basename(source),
    images: [],
    namespaces: [],
    clients: [],
  });
  const byName = <T extends { readonly name: string }>(list: readonly T[]): readonly T[] =>
    list.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return [
    ...byName(set.policies.map(({ policy }) => policy)).map((policy) =>
      Object.assign(head(policy), {
        kind: 'ImagePolicy' as const,
        images: policy.match.images.map(({ text }) => text),
        namespaces: policy.match.namespaces,
        conditions: conditions(describeImagePolicy(policy)),
      }),
    ),
    ...byName(set.podPolicies).map((policy) =>
      Object.assign(head(policy), {
        kind: 'PodPolicy' as const,
        namespaces: policy.match.namespaces,
        conditions: conditions(describePodPolicy(policy)),
      }),
    ),
    ...byName(set.containerPolicies).map((policy) =>
      Object.assign(head(policy), {
        kind: 'ContainerPolicy' as const,
        clients: policy.match.clients,
        conditions: conditions(describeContainerPolicy(policy)),
      }),
    ),
  ];
}

function waiversOf({ waivers, clock }: Pick<ApiSources, 'waivers' | 'clock'>, set: PolicySet | undefined) {
  const now = clock.now();
  const present = (waiver: VulnerabilityWaiver, policy: string | undefined) => {
    const { ids, packages, images, reason, owner, expiresAt, source } = waiver;
    return { ids, packages, images, reason, owner, expiresMs: expiresAt, isExpired: expiresAt <= now, source, policy };
  };
  return [
    ...waivers().map((waiver) => present(waiver, undefined)),
    ...(set?.policies ?? []).flatMap(({ policy, annotations }) =>
      annotations.waivers.map((waiver) => present(waiver, policy.name)),
    ),
  ].toSorted((a, b) => a.expiresMs - b.expiresMs);
}

function presentNamespaces(
  exempt: ExemptNamespaces | undefined,
): Sent<Pick<ExemptionList, 'namespaces' | 'namespacesProblem'>> {
  if (exempt === undefined) return { namespaces: [] };
  const { allowed, found } = exempt;
  const named = allowed.map((name) => ({ name, origin: 'setting' as const, because: '' }));
  if (found?.state === 'unreadable') return { namespaces: named, namespacesProblem: found.reason };
  if (found === undefined)
    return { namespaces: named, namespacesProblem: 'the webhook configuration was not seen since the start' };
  const others = found.namespaces.map(({ name, because }) => ({ name, origin: 'labels' as const, because }));
  return { namespaces: [...others, ...named].slice(0, MAX_NAMESPACES) };
}

function exceptionsOf(set: PolicySet | undefined): Sent<ExemptionList>['exceptions'] {
  if (set === undefined) return [];
  return [
    ...set.policies.flatMap(({ policy }) =>
      imagePolicyExceptions(policy).map(({ place, text }) => ({
        kind: 'ImagePolicy' as const,
        policy: policy.name,
        place,
        text,
      })),
    ),
    ...set.podPolicies.flatMap((policy) =>
      podPolicyExceptions(policy).map(({ place, text }) => ({
        kind: 'PodPolicy' as const,
        policy: policy.name,
        place,
        text,
      })),
    ),
  ];
}
