import { POLICY_API_VERSION, POLICY_KIND } from './image-policy.ts';
import type { ImagePolicy } from './image-policy.ts';
import { CONTAINER_POLICY_KIND } from './docker/container-policy.ts';
import type { ContainerPolicy } from './docker/container-policy.ts';
import { POD_POLICY_KIND } from './pod/pod-policy.ts';
import type { PodPolicy } from './pod/pod-policy.ts';
import type { Rule } from './rule/rules.ts';
import type { VersionRange } from './version-range.ts';

/**
 * The document of a policy as plain JSON: `parsePolicy` makes the same policy of it. Files with waivers and VEX
 * statements are left out: they are on the machine that judged, and whoever gets the document needs only the verdicts.
 */
export function policyDocument(policy: ImagePolicy): object {
  const { name, match, mode, rules, unscannedImages, accept } = policy;
  const spec = {
    match: { images: match.images.map(({ text }) => text), namespaces: match.namespaces },
    mode,
    unscannedImages,
    accept,
    rules: rules.map(ruleDocument),
  };
  return { apiVersion: POLICY_API_VERSION, kind: POLICY_KIND, metadata: { name }, spec };
}

/** The document of a pod policy as plain JSON: `parsePodPolicy` makes the same policy of it. */
export function podPolicyDocument({ name, source: _source, podSecurity, nodes, ...rest }: PodPolicy): object {
  const security = podSecurity === null ? null : { ...podSecurity, version: `1.${String(podSecurity.version)}` };
  return {
    apiVersion: POLICY_API_VERSION,
    kind: POD_POLICY_KIND,
    metadata: { name },
    spec: {
      ...rest,
      podSecurity: security,
      nodes: nodes === null ? null : { ...nodes, maxAge: durationText(nodes.maxAge) },
    },
  };
}

/** The document of a container policy as plain JSON: `parseContainerPolicy` makes the same policy of it. */
export function containerPolicyDocument({ name, source: _source, ...spec }: ContainerPolicy): object {
  return { apiVersion: POLICY_API_VERSION, kind: CONTAINER_POLICY_KIND, metadata: { name }, spec };
}

function ruleDocument(rule: Rule): object {
  switch (rule.type) {
    case 'age':
    case 'database':
    case 'scan':
      return { ...rule, maxAge: durationText(rule.maxAge) };
    case 'distribution':
      return { ...rule, minSupport: nullableDuration(rule.minSupport) };
    case 'vulnerability':
      return { ...rule, fixAvailableFor: nullableDuration(rule.fixAvailableFor) };
    case 'package':
      return {
        ...rule,
        forbid: rule.forbid.map((entry) => ({
          ...entry,
          version: entry.version === null ? null : rangeText(entry.version),
        })),
      };
    case 'registry':
      return { ...rule, allow: rule.allow.map(({ text }) => text) };
    case 'architecture':
    case 'configuration':
    case 'reference':
    case 'signature':
      return rule;
  }
}

/** Durations of policies are whole seconds. */
function durationText(ms: number): string {
  return `${String(Math.round(ms / 1000))}s`;
}

function nullableDuration(ms: number | null): string | null {
  return ms === null ? null : durationText(ms);
}

/** Without spaces, so that it is never longer than what was read. */
function rangeText(range: VersionRange): string {
  return range.map((all) => all.map(({ operator, version }) => operator + version).join(',')).join('||');
}
