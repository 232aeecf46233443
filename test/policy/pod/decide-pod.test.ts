import t from 'tap';
import { decide } from '../../../policy/decide.ts';
import { decidePod } from '../../../policy/pod/decide-pod.ts';
import type { PodDecision } from '../../../policy/pod/decide-pod.ts';
import { parsePodPolicy, selectPodPolicy, findPodPolicyConflicts } from '../../../policy/pod/pod-policy.ts';
import type { PodPolicy } from '../../../policy/pod/pod-policy.ts';
import { TEMPLATE_PATHS } from '../../../policy/pod/pod-template.ts';
import { evidence, NOW, policy } from '../../fixture/image-evidence.ts';
import { restrictedPod } from '../../fixture/pods.ts';

function podPolicy(spec: object, name = 'pods'): PodPolicy {
  const value = { apiVersion: 'plimsoll.dev/v1', kind: 'PodPolicy', metadata: { name }, spec };
  const parsed = parsePodPolicy({ value, source: 'test' });
  if (!parsed.ok) throw new Error(parsed.problem);
  return parsed.value;
}

const RESTRICTED = podPolicy({ podSecurity: { level: 'restricted' } });
const SHOP = policy([{ type: 'registry', allow: ['registry.example.com/shop/**'] }], {}, 'shop');

function decision(kind: string, object: unknown, podPolicies = [RESTRICTED], images = [SHOP]): PodDecision {
  return decidePod(
    { kind, object, namespace: 'prod-eu' },
    { podPolicies, placement: undefined, decideImage: (subject) => decide(subject, evidence(), images, NOW) },
  );
}

const paths = (reasons: PodDecision['reasons']): readonly string[] =>
  reasons.map(({ code, path }) => `${code} ${path}`).toSorted();

void t.test('every image counts: containers of all kinds and volumes', (t) => {
  t.strictSame(decision('Pod', restrictedPod()).outcome, 'allow');
  const pod = restrictedPod('evil.example/a');
  const spec = pod['spec'] as Record<string, unknown>;
  const [container] = spec['containers'] as readonly [object];
  Object.assign(spec, {
    initContainers: [{ ...container, image: 'evil.example/b' }],
    ephemeralContainers: [{ ...container, image: 'evil.example/c' }],
    volumes: [
      { name: 'm', image: { reference: 'evil.example/d' } },
      { name: 'n', image: {} },
    ],
  });
  const { outcome, reasons, policies } = decision('Pod', pod);
  t.equal(outcome, 'deny');
  t.strictSame(policies, ['pods', 'shop']);
  t.strictSame(
    paths(reasons),
    [
      'reference-invalid spec.volumes[1].image.reference',
      'registry-not-allowed spec.containers[0].image',
      'registry-not-allowed spec.ephemeralContainers[0].image',
      'registry-not-allowed spec.initContainers[0].image',
      'registry-not-allowed spec.volumes[0].image.reference',
      // The reference could not be read, so its registry is not known either.
      'reference-unknown spec.volumes[1].image.reference',
    ].toSorted(),
  );
  t.end();
});

void t.test('templates of all kinds are found, and warn unless a policy asks for more', (t) => {
  for (const [kind, path] of Object.entries(TEMPLATE_PATHS)) {
    const { metadata, spec } = restrictedPod('evil.example/a');
    const object = path
      .split('.')
      .toReversed()
      .reduce<unknown>((inner, name) => ({ [name]: inner }), { metadata, spec });
    const mild = decision(kind, object);
    t.equal(mild.outcome, 'allow', kind);
    t.strictSame(paths(mild.warnings), [`registry-not-allowed ${path}.spec.containers[0].image`]);
    t.equal(decision(kind, object, [podPolicy({ templates: 'enforce' })]).outcome, 'deny');
    t.strictSame(decision(kind, object, [podPolicy({ templates: 'observe' })]).warnings, []);
  }
  t.equal(decision('ConfigMap', {}).outcome, 'allow');
  t.equal(decision('__proto__', {}).outcome, 'allow');
  t.end();
});

void t.test('modes of the pod policy, and what is no pod', (t) => {
  const root = restrictedPod();
  Object.assign(root['spec'] as object, { hostNetwork: true });
  t.equal(decision('Pod', root).outcome, 'deny');
  t.strictSame(paths(decision('Pod', root).reasons), ['pod-security spec.hostNetwork']);
  const warned = decision('Pod', root, [
    podPolicy({ mode: 'warn', podSecurity: { level: 'baseline' }, message: 'Ask us.' }),
  ]);
  t.equal(warned.outcome, 'allow');
  t.match(warned.warnings, [{ control: 'hostNamespaces', message: 'Ask us.', action: 'Remove hostNetwork.' }]);
  t.equal(decision('Pod', root, [podPolicy({})]).outcome, 'allow', 'no level is asked for');
  for (const object of [undefined, null, [], 'x', {}, { spec: null }, { spec: { containers: {} } }])
    t.match(decision('Pod', object, [podPolicy({ mode: 'observe' })]), {
      outcome: 'deny',
      reasons: [{ code: 'pod-malformed' }],
    });
  t.end();
});

void t.test('the policy of the most specific namespace decides alone', (t) => {
  const [all, prod, one] = [
    podPolicy({}, 'all'),
    podPolicy({ match: { namespaces: ['prod-*'] } }, 'prod'),
    podPolicy({ match: { namespaces: ['prod-1', 'x'] } }, 'one'),
  ];
  for (const policies of [
    [all, prod, one],
    [one, prod, all],
  ]) {
    t.equal(selectPodPolicy(policies, 'prod-1')?.name, 'one');
    t.equal(selectPodPolicy(policies, 'prod-2')?.name, 'prod');
    t.equal(selectPodPolicy(policies, 'test')?.name, 'all');
    t.equal(selectPodPolicy(policies.slice(0, 2), 'kube-system')?.name, policies[0] === all ? 'all' : undefined);
  }
  const conflicts = (...policies: readonly PodPolicy[]): number => findPodPolicyConflicts(policies).length;
  t.equal(conflicts(all, prod, one), 0);
  t.equal(conflicts(all, podPolicy({}, 'other')), 1);
  t.equal(conflicts(prod, podPolicy({ match: { namespaces: ['*-east'] } }, 'prod')), 1, 'one name');
  t.equal(conflicts(prod, podPolicy({ match: { namespaces: ['*-east'] } }, 'east')), 1, 'prod-east');
  t.equal(conflicts(prod, podPolicy({ match: { namespaces: ['test-*'] } }, 'test')), 0);
  t.end();
});

void t.test('what is wrong with a pod policy is said with its place', (t) => {
  const problem = (spec: unknown): string => {
    const value = { apiVersion: 'plimsoll.dev/v1', kind: 'PodPolicy', metadata: { name: 'x' }, spec };
    const parsed = parsePodPolicy({ value, source: 'test' });
    return parsed.ok ? '' : parsed.problem;
  };
  t.match(
    problem({ podSecurity: { level: 'strict' } }),
    /^spec\.podSecurity\.level: expected one of baseline, restricted/,
  );
  t.match(
    problem({ podSecurity: { level: 'baseline', version: 1.34 } }),
    /^spec\.podSecurity\.version: expected latest/,
  );
  t.match(problem({ podSecurity: { level: 'baseline', version: '1.99' } }), /^spec\.podSecurity\.version/);
  t.match(problem({ podSecurity: { level: 'baseline', exempt: ['hostpath'] } }), /^spec\.podSecurity\.exempt\[0\]/);
  t.match(problem({ podSecurty: {} }), /did you mean `podSecurity`/);
  t.match(problem({ match: { namespaces: [] } }), /empty list/);
  t.equal(problem({ podSecurity: { level: 'baseline', version: '1.0' } }), '');
  t.end();
});
