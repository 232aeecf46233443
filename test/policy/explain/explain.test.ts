import fc from 'fast-check';
import t from 'tap';
import { seen } from '../../../posture/observed.ts';
import { decidePod } from '../../../policy/pod/decide-pod.ts';
import { decideFromSnapshot } from '../../../policy/decide-from-snapshot.ts';
import { referenceOf } from '../../../policy/decide.ts';
import { parseContainerPolicy } from '../../../policy/docker/container-policy.ts';
import type { ContainerPolicy } from '../../../policy/docker/container-policy.ts';
import { explainContainer } from '../../../policy/explain/explain-container.ts';
import { explainImage } from '../../../policy/explain/explain-image.ts';
import { explainObject } from '../../../policy/explain/explain-object.ts';
import { resultOf } from '../../../policy/explain/explanation.ts';
import { parsePodPolicy } from '../../../policy/pod/pod-policy.ts';
import type { PodPolicy } from '../../../policy/pod/pod-policy.ts';
import { judgeRule } from '../../../policy/rule/rules.ts';
import { anyEvidence, anyRules } from '../../fixture/any-image.ts';
import { DIGEST, evidence, matchOf, NOW, policy } from '../../fixture/image-evidence.ts';
import { pods } from '../../fixture/pods.ts';
import { snapshotOf } from '../../fixture/policy-snapshot.ts';

const IMAGE = 'registry.example.com/shop/db';
const subject = { reference: `${IMAGE}:1`, digest: DIGEST, namespace: undefined };
const vulnerable = evidence({ vulnerabilities: seen({ matches: [matchOf()], unjudged: [] }, 'v') });

function podPolicy(name: string, spec: object): PodPolicy {
  const document = { apiVersion: 'plimsoll.dev/v1', kind: 'PodPolicy', metadata: { name }, spec };
  const parsed = parsePodPolicy({ value: document, source: 'test' });
  if (!parsed.ok) throw new Error(parsed.problem);
  return parsed.value;
}

void t.test('a rule passes only where it passes with all evidence, however many others do not', (t) => {
  // Each rule several times: the same words of several rules must not make one of them pass.
  const manyRules = anyRules.chain((rules) =>
    fc.integer({ min: 1, max: 4 }).map((times) => Array(times).fill(rules).flat()),
  );
  const count = { pass: 0, violation: 0, unknown: 0, hidden: 0 };
  fc.assert(
    fc.property(manyRules, anyEvidence, (rules: readonly object[], known) => {
      const one = policy(rules);
      const snapshot = snapshotOf([one], [[DIGEST, known]]);
      const explained = explainImage(subject, { snapshot, now: NOW });
      t.equal(explained.outcome, decideFromSnapshot(subject, snapshot, NOW).outcome);
      const results = explained.rules.filter(({ type }) => type !== 'match').map(({ result }) => result);
      return one.rules.every((rule, index) => {
        const input = { reference: referenceOf(subject), evidence: known, now: NOW, accept: one.accept };
        const full = resultOf(judgeRule(rule, input));
        const isSame = results[index] === full;
        count[isSame ? full : 'hidden'] += 1;
        // With more reasons than a snapshot holds, it is not known whose they are.
        return isSame || results[index] === 'unknown';
      });
    }),
    { seed: 21, numRuns: 300 },
  );
  t.ok(count.pass > 100 && count.violation > 100 && count.unknown > 10 && count.hidden > 10, JSON.stringify(count));
  t.end();
});

void t.test('beyond the reasons that a snapshot holds, a rule without one is unknown', (t) => {
  const rules = Array.from({ length: 12 }, (_, index) => ({
    type: 'vulnerability',
    severity: 'high',
    message: String(index),
  }));
  const one = policy(rules);
  const { rules: explained } = explainImage(subject, { snapshot: snapshotOf([one], [[DIGEST, vulnerable]]), now: NOW });
  t.equal(explained.length, 12);
  t.equal(explained.filter(({ result }) => result === 'pass').length, 0);
  t.equal(explained.filter(({ result }) => result === 'violation').length, 10);
  t.match(explained.find(({ result }) => result === 'unknown')?.reasons[0]?.actual, 'leaves out 2 reasons');
  t.end();
});

void t.test('why a policy decides and others do not', (t) => {
  const policies = [
    policy([], { match: { images: ['registry.example.com/**'], namespaces: ['prod-*'] } }, 'prod'),
    policy([], { match: { images: ['registry.example.com/**'] } }, 'registry'),
    policy([], { match: { images: ['**'] } }, 'rest'),
    policy([], { match: { images: ['other.example.com/**'] } }, 'other'),
  ];
  const snapshot = snapshotOf(policies, []);
  const explain = (namespace: string | undefined) =>
    explainImage({ reference: IMAGE, digest: undefined, namespace }, { snapshot, now: NOW }).policies.map(
      ({ name, decides, why }) => [name, decides, why],
    );
  t.strictSame(explain('prod-eu'), [
    ['prod', true, 'registry.example.com/** in prod-*: the most specific match'],
    ['registry', false, 'registry.example.com/** in *: in its namespace less specific than prod'],
    ['rest', false, '** in *: less specific than prod'],
  ]);
  t.strictSame(explain(undefined)[0], ['registry', true, 'registry.example.com/** in *: the most specific match']);
  const none = explainImage(
    { reference: IMAGE, digest: undefined, namespace: 'x' },
    { snapshot: snapshotOf([], []), now: NOW },
  );
  t.match(none, {
    outcome: 'couldNotTell',
    policies: [],
    rules: [{ type: 'match', reasons: [{ code: 'no-policy' }] }],
  });
  t.end();
});

void t.test('a tag is judged by the digest that the collector saw, and that is said', (t) => {
  const tags = [{ reference: `${IMAGE}:1`, digest: DIGEST, checkedAt: NOW }];
  const rules = [{ type: 'vulnerability', severity: 'high' }];
  const snapshot = snapshotOf([policy(rules)], [[DIGEST, vulnerable]], { tags });
  const explain = (reference: string) =>
    explainImage({ reference, digest: undefined, namespace: undefined }, { snapshot, now: NOW });
  const known = explain(`${IMAGE}:1`);
  t.equal(known.outcome, 'deny');
  t.match(known.notes[0], `is judged as ${DIGEST}, which the collector saw under the tag at 2026-11-28T12:00:00.000Z`);
  t.match(explain(`${IMAGE}:2`), { outcome: 'couldNotTell', notes: [] });
  t.end();
});

void t.test(
  'any pod: the outcome is that of the decision, and a control passes only where nothing violates it',
  (t) => {
    const podPolicies = [podPolicy('pods', { podSecurity: { level: 'restricted' } })];
    const snapshot = snapshotOf([policy([{ type: 'registry', allow: ['docker.io/**'] }])], [], { podPolicies });
    fc.assert(
      fc.property(pods, (object) => {
        const decision = decidePod(
          { kind: 'Pod', object, namespace: 'a' },
          { podPolicies, placement: undefined, decideImage: (image) => decideFromSnapshot(image, snapshot, NOW) },
        );
        const explained = explainObject({ kind: 'Pod', name: 'p', namespace: 'a', object }, { snapshot, now: NOW });
        const violated = new Set(decision.reasons.flatMap(({ control }) => control ?? []));
        const controls = explained.rules.filter(({ rule }) => rule === 'spec.podSecurity');
        t.equal(explained.outcome, decision.outcome);
        t.strictSame(
          new Set(controls.filter(({ result }) => result === 'violation').map(({ type }) => type)),
          violated,
        );
      }),
      { seed: 22, numRuns: 200 },
    );
    t.end();
  },
);

void t.test('templates: what happens to the object and to its pods, with places within the object', (t) => {
  const podPolicies = [
    podPolicy('strict', {
      match: { namespaces: ['prod'] },
      podSecurity: { level: 'baseline' },
      breakGlass: { users: ['ann'] },
    }),
    podPolicy('rest', { mode: 'observe' }),
  ];
  const snapshot = snapshotOf([policy([])], [], { podPolicies });
  const template = {
    metadata: { annotations: { 'plimsoll.dev/break-glass': 'why' } },
    spec: { hostPID: true, containers: [{ name: 'a', image: 'alpine' }] },
  };
  const explain = (kind: string, object: unknown, namespace = 'prod') =>
    explainObject({ kind, name: 'x', namespace, object }, { snapshot, now: NOW });
  const job = explain('CronJob', { spec: { jobTemplate: { spec: { template } } } });
  t.match(job, { outcome: 'deny', created: 'allow' });
  t.match(job.notes, [
    /The object itself is created, with warnings/,
    /lets it run in spite of violations if ann sets it/,
  ]);
  t.equal(
    job.rules.find(({ type }) => type === 'hostNamespaces')?.reasons[0]?.path,
    'spec.jobTemplate.spec.template.spec.hostPID',
  );
  t.match(
    job.policies.map(({ kind, name, why }) => [kind, name, why]),
    [
      ['ImagePolicy'],
      ['PodPolicy', 'strict', 'in prod: the most specific match'],
      ['PodPolicy', 'rest', 'in *: less specific than strict'],
    ],
  );
  t.match(explain('CronJob', { spec: { jobTemplate: { spec: { template } } } }, 'other').notes, [
    /is refused: no policy says who may set it/,
  ]);
  t.match(explain('Service', {}), { outcome: 'allow', rules: [], notes: [/objects of this kind hold none/] });
  t.match(explain('Deployment', { spec: {} }), { outcome: 'deny', rules: [{ type: 'pod', result: 'violation' }] });
  t.end();
});

void t.test('a container of Docker: by the policy for the client, and the image policies', (t) => {
  const container = (name: string, spec: object): ContainerPolicy => {
    const document = { apiVersion: 'plimsoll.dev/v1', kind: 'ContainerPolicy', metadata: { name }, spec };
    const parsed = parseContainerPolicy({ value: document, source: 'test' });
    if (!parsed.ok) throw new Error(parsed.problem);
    return parsed.value;
  };
  const containerPolicies = [
    container('ci', { match: { clients: ['ci-*'] }, images: { judge: false } }),
    container('host', { match: { clients: ['host-1'] } }),
  ];
  const rules = [{ type: 'vulnerability', severity: 'high' }];
  const snapshot = snapshotOf([policy(rules)], [[DIGEST, vulnerable]], { containerPolicies });
  const explain = (reference: string, client?: string) =>
    explainContainer({ reference, client }, { snapshot, now: NOW });
  t.match(explain(`${IMAGE}:1`, 'ci-7'), { outcome: 'allow', policies: [{ name: 'ci' }], rules: [{ result: 'pass' }] });
  t.match(explain(`${IMAGE}@${DIGEST}`, 'host-1').rules, [
    { result: 'violation', reasons: [{ actual: /CVE-2026-1/ }] },
  ]);
  t.match(explain(`${IMAGE}:1`, 'host-1').rules, [{ reasons: [{ actual: /without a digest/ }] }]);
  t.match(explain(`${IMAGE}:1`), { outcome: 'deny', policies: [], rules: [{ rule: 'spec.match' }] });
  t.end();
});
