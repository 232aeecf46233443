import { Environment } from '@marcbachmann/cel-js';
import { Ajv } from 'ajv';
import fc from 'fast-check';
import t from 'tap';
import { decide } from '../../../policy/decide.ts';
import type { ImagePolicy } from '../../../policy/image-policy.ts';
import { decidePod } from '../../../policy/pod/decide-pod.ts';
import { parsePod } from '../../../policy/pod/pod.ts';
import { parsePodPolicy } from '../../../policy/pod/pod-policy.ts';
import type { PodPolicy } from '../../../policy/pod/pod-policy.ts';
import { judgePodSecurity } from '../../../policy/pod/security/pod-security.ts';
import { exportAdmissionPolicies } from '../../../policy/vap/admission-policy.ts';
import type { AdmissionPolicy } from '../../../policy/vap/admission-policy.ts';
import { evidence, NOW, policy } from '../../fixture/image-evidence.ts';
import { pods, references, restrictedPod } from '../../fixture/pods.ts';

function podPolicy(name: string, spec: object): PodPolicy {
  const value = { apiVersion: 'plimsoll.dev/v1', kind: 'PodPolicy', metadata: { name }, spec };
  const parsed = parsePodPolicy({ value, source: 'test' });
  if (!parsed.ok) throw new Error(parsed.problem);
  return parsed.value;
}

function exported(images: readonly ImagePolicy[], podPolicies: readonly PodPolicy[]): readonly AdmissionPolicy[] {
  const result = exportAdmissionPolicies(images, podPolicies);
  if (!result.ok) throw new Error(result.problem);
  return result.objects.filter((object) => object.kind === 'ValidatingAdmissionPolicy');
}

const environment = new Environment({ enableOptionalTypes: true, unlistedVariablesAreDyn: true });
const compiled = new Map<string, (context: object) => unknown>();

/** The value of an expression by a library that is not ours. Integers of JSON are CEL integers, as in the API server. */
function evaluate(expression: string, context: object): unknown {
  const run = compiled.get(expression) ?? environment.parse(expression);
  compiled.set(expression, run);
  return run(context);
}

function toCel(value: unknown): unknown {
  if (typeof value === 'number') return BigInt(value);
  if (Array.isArray(value)) return value.map(toCel);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, toCel(each)]));
}

/** Messages of the validations that refuse the pod. As the API server does it: an error refuses too (failurePolicy Fail). */
function refusals({ spec }: AdmissionPolicy, pod: unknown, namespace: string): readonly string[] {
  const context = { object: toCel(pod), request: { namespace, operation: 'CREATE' }, variables: {} };
  for (const { name, expression } of spec.variables)
    Object.assign(context.variables, { [name]: evaluate(expression, context) });
  return spec.validations.flatMap(({ expression, message, messageExpression }) => {
    if (evaluate(expression, context) === true) return [];
    return [messageExpression === undefined ? message : String(evaluate(messageExpression, context))];
  });
}

const IMAGES = [
  policy([{ type: 'registry', allow: ['registry.example.com/shop/*', 'alpine', 'bitnami/*'] }], {}, 'all'),
  policy(
    [
      { type: 'reference', requireDigest: true },
      { type: 'registry', allow: ['registry.example.com/**'], mode: 'warn' },
    ],
    { match: { images: ['registry.example.com/shop/**'], namespaces: ['prod-*'] } },
    'shop',
  ),
  policy(
    [{ type: 'reference', forbidTags: ['latest', '1?'] }],
    { match: { images: ['docker.io/**', 'registry.example.com/**'], namespaces: ['test'] }, mode: 'observe' },
    'test',
  ),
  policy(
    [{ type: 'registry', allow: ['*.example.com/**', 'localhost:5000/**'] }],
    { match: { namespaces: ['dev-?'] }, mode: 'warn' },
    'dev',
  ),
];
const POD_POLICIES = [
  podPolicy('baseline', { podSecurity: { level: 'baseline', version: '1.30' } }),
  podPolicy('restricted', { match: { namespaces: ['prod-*'] }, podSecurity: { level: 'restricted' } }),
  podPolicy('old', {
    match: { namespaces: ['test'] },
    mode: 'warn',
    podSecurity: { level: 'restricted', version: '1.18', exempt: ['hostPorts'] },
  }),
  podPolicy('dev', {
    match: { namespaces: ['dev-?'] },
    mode: 'observe',
    podSecurity: { level: 'restricted', version: '1.22' },
  }),
];
const NAMESPACES = ['default', 'prod-eu', 'test', 'dev-1', 'dev-12'];
const LISTS = { Deny: 'reasons', Warn: 'warnings', Audit: 'observed' } as const;

/** Compares the exported policies with the judge of the webhook, for one pod in each namespace. */
function differences(
  images: readonly ImagePolicy[],
  podPolicies: readonly PodPolicy[],
  pod: unknown,
): readonly string[] {
  const names = { 'plimsoll-enforce': 'Deny', 'plimsoll-warn': 'Warn', 'plimsoll-observe': 'Audit' } as const;
  const objects = exported(images, podPolicies);
  return NAMESPACES.flatMap((namespace) => {
    const decision = decidePod(
      { kind: 'Pod', object: pod, namespace },
      { podPolicies, placement: undefined, decideImage: (subject) => decide(subject, evidence(), images, NOW) },
    );
    return objects.flatMap((object) => {
      const own = decision[LISTS[names[object.metadata.name as keyof typeof names]]];
      const theirs = refusals(object, pod, namespace);
      if (own.length > 0 === theirs.length > 0) return [];
      return [`${namespace} ${object.metadata.name}: ${JSON.stringify({ own, theirs, pod })}`];
    });
  });
}

void t.test('the expressions agree with the judge on 200 generated pods', (t) => {
  const generated = fc.sample(pods, { numRuns: 200, seed: 12 });
  let refused = 0;
  for (const pod of [...generated, restrictedPod()]) {
    t.strictSame(differences(IMAGES, POD_POLICIES, pod), []);
    for (const object of exported([], POD_POLICIES)) if (refusals(object, pod, 'default').length > 0) refused += 1;
  }
  t.ok(refused > 20, 'pods that are refused occur');
  t.strictSame(refusals(exported([], POD_POLICIES)[0] as AdmissionPolicy, restrictedPod(), 'prod-eu'), []);
  t.end();
});

void t.test('each control agrees in each version that changes it', (t) => {
  const generated = fc.sample(pods, { numRuns: 60, seed: 7 });
  for (const version of [0, 8, 18, 19, 22, 23, 25, 27, 29, 31, 32, 34, 35, 37])
    for (const level of ['baseline', 'restricted'] as const) {
      const one = [podPolicy('one', { podSecurity: { level, version: `1.${String(version)}` } })];
      const [object] = exported([], one);
      if (object === undefined) throw new Error('nothing exported');
      for (const pod of generated) {
        const parsed = parsePod(pod);
        if (!parsed.ok) throw new Error(parsed.problem);
        const { violations } = judgePodSecurity(parsed.value, { level, version, exempt: [] });
        const own = new Set(violations.map(({ control }) => control));
        const theirs = new Set(refusals(object, pod, 'x').map((message) => /, (\w+): /.exec(message)?.[1]));
        t.strictSame(theirs, own, `${level} 1.${String(version)}`);
      }
    }
  t.end();
});

void t.test('spellings of references agree one by one', (t) => {
  const pattern = fc.constantFrom(
    '**',
    'alpine',
    'bitnami/*',
    'docker.io/**',
    'docker.io/*/*',
    'registry.example.com/**',
    'registry.example.com/shop/*',
    'registry.example.com/shop/d*',
    'registry.example.com:444/**',
    'registry.example.com/**/db',
    '*.example.com/**',
    'localhost/**',
    'localhost:5000/**',
    '[::1]:5000/**',
    '**/db',
  );
  const others = fc.stringMatching(
    /^(?:(?:Registry\.example\.com|localhost|docker\.io|\[::1\])(?::0?[0-9]{1,4})?\/)?[a-z0-9_./-]{1,12}(?::[A-Za-z0-9._-]{0,4})?(?:@sha256:[a-f]{1,3})?$/,
  );
  fc.assert(
    fc.property(
      fc.oneof(fc.constantFrom(...references), others),
      fc.array(pattern, { minLength: 1, maxLength: 2 }),
      (image, allow) => {
        const images = [
          policy([{ type: 'registry', allow }], {}, 'all'),
          policy([{ type: 'reference', forbidTags: ['latest'] }], { match: { images: ['docker.io/**'] } }, 'hub'),
        ];
        const pod = { metadata: {}, spec: { containers: [{ name: 'a', image }] } };
        const found = differences(images, [], pod);
        if (found.length > 0) throw new Error(found[0]);
      },
    ),
    { numRuns: 250 },
  );
  t.end();
});

void t.test('what a policy says cannot become an expression', (t) => {
  const evil = podPolicy('evil', {
    match: { namespaces: ["x' || true || '", '\\', 'a.c', '\u{1F600}*'] },
    podSecurity: { level: 'baseline' },
    message: "line\nbreak ' + object",
  });
  const [object] = exported([], [evil]);
  if (object === undefined) throw new Error('nothing exported');
  const pod = { metadata: {}, spec: { hostPID: true, containers: [] } };
  t.strictSame(refusals(object, pod, 'abc'), [], 'a dot is no wildcard');
  for (const namespace of ["x' || true || '", '\\', 'a.c', '\u{1F600}y'])
    t.equal(refusals(object, pod, namespace).length, 1, namespace);
  for (const { message } of object.spec.validations) t.notMatch(message, /\n/);
  t.end();
});

/*
 * ValidatingAdmissionPolicy and ValidatingAdmissionPolicyBinding of admissionregistration.k8s.io/v1, by the API
 * reference of Kubernetes 1.30: fields that we write, required ones, enumerations, limits.
 */
const NAME = { type: 'string', pattern: '^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$', maxLength: 253 };
const closed = (properties: object, required: readonly string[]): object => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
});
const EXPRESSION = { type: 'string', minLength: 1, maxLength: 100_000 };
const RULE = closed(
  {
    apiGroups: { type: 'array', items: { type: 'string' }, minItems: 1 },
    apiVersions: { type: 'array', items: { type: 'string' }, minItems: 1 },
    operations: { type: 'array', items: { enum: ['CREATE', 'UPDATE', 'DELETE', 'CONNECT', '*'] }, minItems: 1 },
    resources: { type: 'array', items: { type: 'string' }, minItems: 1 },
    scope: { enum: ['*', 'Cluster', 'Namespaced'] },
  },
  ['apiGroups', 'apiVersions', 'operations', 'resources'],
);
const HEAD = { apiVersion: { const: 'admissionregistration.k8s.io/v1' }, metadata: closed({ name: NAME }, ['name']) };
const SCHEMAS: Readonly<Record<string, object>> = {
  ValidatingAdmissionPolicy: closed(
    {
      ...HEAD,
      kind: { const: 'ValidatingAdmissionPolicy' },
      spec: closed(
        {
          failurePolicy: { enum: ['Fail', 'Ignore'] },
          matchConstraints: closed({ resourceRules: { type: 'array', items: RULE, minItems: 1 } }, ['resourceRules']),
          matchConditions: {
            type: 'array',
            maxItems: 64,
            items: closed({ name: NAME, expression: EXPRESSION }, ['name', 'expression']),
          },
          variables: {
            type: 'array',
            items: closed({ name: { type: 'string', pattern: '^[A-Za-z_][A-Za-z0-9_]*$' }, expression: EXPRESSION }, [
              'name',
              'expression',
            ]),
          },
          validations: {
            type: 'array',
            minItems: 1,
            items: closed(
              {
                expression: EXPRESSION,
                message: { type: 'string', pattern: '^[^\\n]+$' },
                messageExpression: EXPRESSION,
                reason: { enum: ['Unauthorized', 'Forbidden', 'Invalid', 'RequestEntityTooLarge'] },
              },
              ['expression'],
            ),
          },
        },
        ['matchConstraints', 'validations'],
      ),
    },
    ['apiVersion', 'kind', 'metadata', 'spec'],
  ),
  ValidatingAdmissionPolicyBinding: closed(
    {
      ...HEAD,
      kind: { const: 'ValidatingAdmissionPolicyBinding' },
      spec: closed(
        {
          policyName: NAME,
          validationActions: {
            type: 'array',
            minItems: 1,
            uniqueItems: true,
            items: { enum: ['Deny', 'Warn', 'Audit'] },
          },
        },
        ['policyName', 'validationActions'],
      ),
    },
    ['apiVersion', 'kind', 'metadata', 'spec'],
  ),
};

void t.test('the objects are as the API reference documents them, and name what they leave out', (t) => {
  const withEvidence = policy([{ type: 'scan', maxAge: '7d' }], { match: { namespaces: ['extra'] } }, 'scanned');
  const result = exportAdmissionPolicies([...IMAGES, withEvidence], POD_POLICIES);
  if (!result.ok) throw new Error(result.problem);
  t.equal(result.objects.length, 6);
  t.strictSame(result.omitted, ['scanned spec.rules[0] (scan)']);
  const ajv = new Ajv({ allErrors: true });
  for (const object of result.objects) {
    const validate = ajv.compile(SCHEMAS[object.kind] ?? false);
    t.ok(validate(object), `${object.kind} ${object.metadata.name}: ${JSON.stringify(validate.errors)}`);
  }
  t.match(exportAdmissionPolicies([], []), { ok: false, problem: /no rule/ });
  const many = Array.from({ length: 101 }, (_, index) =>
    podPolicy(`p${String(index)}`, { match: { namespaces: [`n${String(index)}`] } }),
  );
  t.match(exportAdmissionPolicies([], many), { ok: false, problem: /more than 100/ });
  t.end();
});
