import type { ContainerPolicy } from '../docker/container-policy.ts';
import { describeDuration } from '../duration.ts';
import { modeOf } from '../image-policy.ts';
import type { ImagePolicy } from '../image-policy.ts';
import type { PodPolicy } from '../pod/pod-policy.ts';
import { describeNodeCondition } from '../pod/node-condition.ts';
import { milder } from '../rule/judging.ts';
import type { Mode } from '../rule/judging.ts';
import { describePackage } from '../rule/package.ts';
import type { Rule } from '../rule/rules.ts';
import { describeConditions } from '../rule/vulnerability.ts';

/** A condition of a policy in words. */
export interface DescribedCondition {
  /** `spec.rules[2]`, `spec.podSecurity` */
  readonly place: string;
  readonly mode: Mode;
  /** What must hold; may hold names that the author of the policy chose. */
  readonly text: string;
  /** What the author wants people to read. */
  readonly message: string | undefined;
}

/** What a policy leaves out of its own conditions, without an end. */
export interface DescribedException {
  readonly place: string;
  readonly text: string;
}

/** Names that one condition lists: a policy may have thousands. */
const MAX_NAMES = 20;

/** Every rule of an image policy. */
export function describeImagePolicy(policy: ImagePolicy): readonly DescribedCondition[] {
  return policy.rules.map((rule, index) => ({
    place: `spec.rules[${String(index)}]`,
    mode: modeOf(policy, rule),
    text: describeRule(rule),
    message: rule.message ?? undefined,
  }));
}

/** What a pod policy asks of pods. */
export function describePodPolicy({ mode, podSecurity, nodes, message }: PodPolicy): readonly DescribedCondition[] {
  const shared = { mode, message: message ?? undefined };
  return [
    ...(podSecurity === null
      ? []
      : [
          {
            ...shared,
            place: 'spec.podSecurity',
            text: `the pod meets level ${podSecurity.level} of the Pod Security Standards, version 1.${String(podSecurity.version)}`,
          },
        ]),
    ...(nodes === null
      ? []
      : [
          {
            ...shared,
            place: 'spec.nodes',
            mode: milder(mode, nodes.mode ?? mode),
            text: describeNodeCondition(nodes),
          },
        ]),
  ];
}

/** What a container policy lets clients of dockerd ask for. */
export function describeContainerPolicy(policy: ContainerPolicy): readonly DescribedCondition[] {
  const { mode, operations, images, hostPaths, allowHostNamespaces } = policy;
  const condition = (place: string, text: string): DescribedCondition => ({ place, mode, text, message: undefined });
  const paths = hostPaths.map(({ path, readOnly }) => (readOnly ? `${path} (read-only)` : path));
  return [
    condition('spec.operations', `API calls besides reads: ${namesOf(operations)}`),
    condition(
      'spec.allowPrivileged',
      policy.allowPrivileged ? 'privileged containers are allowed' : 'no privileged container',
    ),
    condition('spec.allowHostNamespaces', `namespaces of the host that are shared: ${namesOf(allowHostNamespaces)}`),
    condition('spec.hostPaths', `paths of the host that are mounted: ${namesOf(paths)}`),
    condition('spec.capabilities', `capabilities that are added: ${namesOf(policy.capabilities)}`),
    condition('spec.devices', `devices of the host: ${namesOf(policy.devices)}`),
    condition(
      'spec.images',
      `${images.judge ? 'image policies allow the image' : 'images are not judged'}${images.withoutDigest === 'deny' ? ', and a digest names it' : ''}`,
    ),
  ];
}

/** What an image policy accepts not to know, and what it does with images that nobody has judged. */
export function imagePolicyExceptions({ accept, unscannedImages }: ImagePolicy): readonly DescribedException[] {
  return [
    ...(accept.gaps.length === 0
      ? []
      : [{ place: 'spec.accept.gaps', text: `paths of the image that need not be readable: ${namesOf(accept.gaps)}` }]),
    ...(accept.unjudged.length === 0
      ? []
      : [
          {
            place: 'spec.accept.unjudged',
            text: `packages whose vulnerabilities need not be known: ${namesOf(accept.unjudged)}`,
          },
        ]),
    ...(unscannedImages === 'allow'
      ? [{ place: 'spec.unscannedImages', text: 'images that the collector has not judged are allowed' }]
      : []),
  ];
}

/** Controls that a pod policy does not judge, and who may let a pod run in spite of violations. */
export function podPolicyExceptions({ podSecurity, nodes, breakGlass }: PodPolicy): readonly DescribedException[] {
  const exempt = podSecurity?.exempt ?? [];
  const { users, groups } = breakGlass ?? { users: [], groups: [] };
  const who = [...users.map((user) => `user ${user}`), ...groups.map((group) => `group ${group}`)];
  return [
    ...(exempt.length === 0
      ? []
      : [{ place: 'spec.podSecurity.exempt', text: `controls that are not judged: ${namesOf(exempt)}` }]),
    ...(nodes === null || nodes.except.length === 0
      ? []
      : [{ place: 'spec.nodes.except', text: `nodes that are not looked at: ${namesOf(nodes.except)}` }]),
    ...(nodes === null || nodes.unknown === 'deny'
      ? []
      : [{ place: 'spec.nodes.unknown', text: 'nodes whose posture is not known refuse no pod' }]),
    ...(who.length === 0 ? [] : [{ place: 'spec.breakGlass', text: `break-glass is allowed for ${namesOf(who)}` }]),
  ];
}

/** What one rule demands of an image. */
function describeRule(rule: Rule): string {
  switch (rule.type) {
    case 'age':
      return `the image was built within ${describeDuration(rule.maxAge)}`;
    case 'architecture':
      return `the image is built for ${namesOf(rule.allow, 'or')}`;
    case 'configuration':
      return describeConfiguration(rule);
    case 'database':
      return `the vulnerability database was built within ${describeDuration(rule.maxAge)}`;
    case 'distribution':
      return `the distribution gets security updates${rule.minSupport === null ? '' : ` for ${describeDuration(rule.minSupport)} more`}`;
    case 'package':
      return `the image contains none of ${namesOf(rule.forbid.map(describePackage))}`;
    case 'reference': {
      const tags = rule.forbidTags.length === 0 ? [] : [`has none of the tags ${namesOf(rule.forbidTags)}`];
      return `the reference ${[...(rule.requireDigest ? ['names a digest'] : []), ...tags].join(' and ')}`;
    }
    case 'registry':
      return `the image comes from ${namesOf(
        rule.allow.map(({ text }) => text),
        'or',
      )}`;
    case 'scan':
      return `the packages of the image were listed within ${describeDuration(rule.maxAge)}`;
    case 'signature': {
      const names = rule.authorities.map(({ name }) => name);
      return `the image is signed by ${rule.match === 'any' ? namesOf(names, 'or') : namesOf(names)}`;
    }
    case 'vulnerability':
      return `the image has no vulnerability${describeConditions(rule)}`;
  }
}

function describeConfiguration({
  checks,
  forbidEnvironmentSecrets,
  allowSetuid,
}: Extract<Rule, { readonly type: 'configuration' }>): string {
  return [
    ...(checks.length === 0 ? [] : [`the image passes ${namesOf(checks)}`]),
    ...(forbidEnvironmentSecrets ? ['its environment holds no secret'] : []),
    ...(allowSetuid === null ? [] : [`setuid or setgid files: ${namesOf(allowSetuid)}`]),
  ].join('; ');
}

/** A list in words: `a, b and c`; `none` where it is empty. */
function namesOf(names: readonly string[], last: 'and' | 'or' = 'and'): string {
  const shown = names.slice(0, MAX_NAMES);
  const rest = names.length - shown.length;
  if (rest > 0) return `${shown.join(', ')} and ${String(rest)} more`;
  if (shown.length < 2) return shown[0] ?? 'none';
  return `${shown.slice(0, -1).join(', ')} ${last} ${shown.at(-1) ?? ''}`;
}
