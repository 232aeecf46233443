import t from 'tap';
import { safe } from '../../api/safe.ts';
import { BREAK_GLASS_ANNOTATION } from '../../policy/pod/pod-policy.ts';
import { judgeRequest } from '../../admission/judge-request.ts';
import type { RequestJudgement } from '../../admission/judge-request.ts';
import { pinImages } from '../../admission/pin-images.ts';
import { denialMessage, responseOf } from '../../admission/response.ts';
import type { PodPolicy } from '../../policy/pod/pod-policy.ts';
import { evidence, matchOf, NOW, policy } from '../fixture/image-evidence.ts';
import { seen } from '../../posture/observed.ts';
import { snapshotOf } from '../fixture/policy-snapshot.ts';
import { restrictedPod } from '../fixture/pods.ts';
import { podPolicy, request } from '../fixture/admission-requests.ts';

const GOOD = `sha256:${'a'.repeat(64)}`;
const BAD = `sha256:${'b'.repeat(64)}`;
const REPOSITORY = 'registry.example.com/shop/db';
const SHOP = policy(
  [
    { type: 'registry', allow: ['registry.example.com/**'] },
    { type: 'vulnerability', severity: 'high' },
  ],
  {},
  'shop',
);
const snapshot = snapshotOf(
  [SHOP],
  [
    [GOOD, evidence()],
    [BAD, evidence({ vulnerabilities: seen({ matches: [matchOf()], unjudged: [] }, 'vulndb') })],
  ],
  { tags: [{ reference: `${REPOSITORY}:16`, digest: GOOD, checkedAt: NOW }] },
);
const PODS = podPolicy({
  podSecurity: { level: 'restricted' },
  breakGlass: { users: ['root@example.com'], groups: ['sre'] },
});

function judge(parts: Readonly<Record<string, unknown>>, podPolicies: readonly PodPolicy[] = [PODS]): RequestJudgement {
  const context = { exemptNamespaces: ['plimsoll'], now: NOW, requestScan: () => 'off' as const };
  return judgeRequest(request(parts), { ...snapshot, podPolicies }, context);
}

const codesOf = ({ decision }: RequestJudgement): readonly string[] =>
  [...new Set(decision.reasons.map(({ code }) => code))].toSorted();

const good = restrictedPod(`${REPOSITORY}@${GOOD}`);
const privileged = { ...good, spec: { ...(good['spec'] as object), hostPID: true } };
const annotated = (object: Readonly<Record<string, unknown>>, reason: unknown): Record<string, unknown> => ({
  ...object,
  metadata: { ...(object['metadata'] as object), annotations: { [BREAK_GLASS_ANNOTATION]: reason } },
});
const deployment = (pod: Readonly<Record<string, unknown>>): object => ({
  spec: { replicas: 1, template: { metadata: pod['metadata'], spec: pod['spec'] } },
});

void t.test('images by their verdict, pods by their level', (t) => {
  t.strictSame(codesOf(judge({ object: good })), []);
  t.equal(judge({ object: good }).allowed, true);
  for (const [what, object, codes] of [
    ['vulnerable', restrictedPod(`${REPOSITORY}@${BAD}`), ['vulnerability']],
    ['a tag, which can mean anything', restrictedPod(`${REPOSITORY}:16`), ['not-scanned']],
    ['unknown', restrictedPod(`${REPOSITORY}@sha256:${'c'.repeat(64)}`), ['not-scanned']],
    ['another registry', restrictedPod(`evil.example/db@${GOOD}`), ['registry-not-allowed']],
    ['hostPID', privileged, ['pod-security']],
    ['no object', undefined, ['pod-malformed']],
  ] as const) {
    const judgement = judge({ object });
    t.equal(judgement.allowed, false, what);
    t.strictSame(codesOf(judgement), codes, what);
  }
  t.end();
});

void t.test('a condition on nodes is for what is still to be scheduled', (t) => {
  const policy = podPolicy({ nodes: { severity: 'critical' } });
  const failing = { name: 'old-1', labels: {}, seenAt: NOW, failed: [1, 0, 0, 0], unknown: [0, 0, 0, 0] };
  const nodes = { listedAt: NOW, isComplete: true, nodes: [failing] };
  const codes = (parts: Readonly<Record<string, unknown>>): readonly string[] => {
    const context = { exemptNamespaces: [], now: NOW, requestScan: () => 'off' as const };
    return codesOf(judgeRequest(request(parts), { ...snapshot, podPolicies: [policy], nodes }, context));
  };
  const on = (nodeName: string | undefined, image = GOOD) => {
    const pod = restrictedPod(`${REPOSITORY}@${image}`);
    return { ...pod, spec: { ...(pod['spec'] as object), ...(nodeName === undefined ? {} : { nodeName }) } };
  };
  t.strictSame(codes({ object: on(undefined) }), ['node-posture']);
  t.strictSame(codes({ object: on('old-1') }), ['node-posture']);
  const changed = { ...on('old-1'), metadata: { annotations: { [BREAK_GLASS_ANNOTATION]: '' } } };
  t.strictSame(codes({ operation: 'UPDATE', object: changed, oldObject: on('old-1') }).includes('node-posture'), false);
  // A pod that waits behind a scheduling gate is not bound, even if the update claims that it is.
  t.strictSame(codes({ operation: 'UPDATE', object: on('old-1'), oldObject: on(undefined) }), ['node-posture']);
  t.end();
});

void t.test('an ephemeral container is refused, also beside a good pod', (t) => {
  const debug = {
    ...good,
    spec: { ...(good['spec'] as object), ephemeralContainers: [{ name: 'd', image: 'busybox' }] },
  };
  const parts = { operation: 'UPDATE', subResource: 'ephemeralcontainers', oldObject: good };
  t.equal(judge({ ...parts, object: debug }).allowed, false);
  t.equal(judge({ ...parts, object: good }).skipped, 'unchanged');
  // As API servers before 1.22 sent it: no pod, so not understood, so refused.
  t.equal(
    judge({
      ...parts,
      kind: 'EphemeralContainers',
      resource: { group: '', version: 'v1', resource: 'pods' },
      object: { ephemeralContainers: [] },
    }).allowed,
    false,
  );
  t.end();
});

void t.test('what changes no pod is not judged: a new policy blocks no scaling and no finalizers', (t) => {
  const update = { operation: 'UPDATE' };
  const labelled = { ...privileged, metadata: { name: 'db', labels: { a: 'b' }, annotations: { other: 'x' } } };
  t.equal(judge({ ...update, object: labelled, oldObject: privileged }).skipped, 'unchanged');
  const profile = {
    ...privileged,
    metadata: { annotations: { 'container.apparmor.security.beta.kubernetes.io/db': 'unconfined' } },
  };
  t.equal(judge({ ...update, object: profile, oldObject: privileged }).allowed, false, 'an annotation that is judged');
  t.equal(judge({ ...update, object: restrictedPod('evil.example/x'), oldObject: good }).allowed, false, 'a new image');
  const gated = { ...privileged, spec: { ...(privileged['spec'] as object), schedulingGates: [{ name: 'queue' }] } };
  t.equal(judge({ ...update, object: privileged, oldObject: gated }).skipped, 'unchanged', 'a gate is opened');
  for (const subResource of ['resize', 'eviction', 'binding', 'status'])
    t.equal(judge({ ...update, subResource, object: gated, oldObject: privileged }).allowed, true, subResource);
  for (const kind of ['Eviction', 'Binding']) {
    const parts = { subResource: kind.toLowerCase(), resource: { group: '', version: 'v1', resource: 'pods' } };
    t.equal(judge({ kind, ...parts, object: { metadata: { name: 'db' } } }).skipped, 'subresource', kind);
  }
  let deep: unknown = 1;
  for (let depth = 0; depth < 100_000; depth += 1) deep = { a: deep };
  const volumes = { ...privileged, spec: { ...(privileged['spec'] as object), volumes: [{ emptyDir: deep }] } };
  const nested = { ...request({ ...update, oldObject: privileged }), object: volumes };
  const context = { exemptNamespaces: [], now: NOW, requestScan: () => 'off' as const };
  t.equal(judgeRequest(nested, { ...snapshot, podPolicies: [PODS] }, context).allowed, false, 'nested deep');
  const strict = [podPolicy({ podSecurity: { level: 'restricted' }, templates: 'enforce' })];
  const scaled = { ...deployment(privileged), status: { replicas: 2 } };
  t.equal(
    judge({ ...update, kind: 'Deployment', object: scaled, oldObject: deployment(privileged) }, strict).skipped,
    'unchanged',
  );
  t.equal(
    judge({ ...update, kind: 'Deployment', object: deployment(privileged), oldObject: deployment(good) }, strict)
      .allowed,
    false,
  );
  t.equal(
    judge({ ...update, kind: 'Deployment', object: deployment(privileged), oldObject: null }, strict).allowed,
    false,
  );
  t.end();
});

void t.test('templates warn, other kinds and operations pass', (t) => {
  const warned = judge({ kind: 'Deployment', object: deployment(privileged) });
  t.equal(warned.allowed, true);
  t.match(warned.decision.warnings, [{ path: 'spec.template.spec.hostPID' }]);
  t.equal(judge({ operation: 'DELETE', object: null }).skipped, 'operation');
  t.equal(judge({ namespace: 'plimsoll', object: privileged }).skipped, 'namespace');
  t.equal(judge({ kind: 'Service', object: {} }).skipped, 'kind');
  t.equal(
    judge({ kind: 'Service', resource: { group: '', version: 'v1', resource: 'pods' }, object: {} }).allowed,
    false,
  );
  t.end();
});

void t.test('break-glass', (t) => {
  const glass = annotated(privileged, 'outage 42');
  const as = (username: string, groups: readonly string[] = []): object => ({ userInfo: { username, groups } });
  const root = as('root@example.com');
  const update = (object: object, oldObject: object) => ({ operation: 'UPDATE', object, oldObject });
  const changed = (pod: Readonly<Record<string, unknown>>, spec: object): Readonly<Record<string, unknown>> => ({
    ...pod,
    spec: { ...(pod['spec'] as object), ...spec },
  });
  const evil = { spec: {}, ...restrictedPod('evil.example.com/miner:1') };
  const controller = (name: string): object => as(`system:serviceaccount:kube-system:${name}`);
  const cases: readonly (readonly [string, Readonly<Record<string, unknown>>, boolean])[] = [
    ['a user of the policy', { object: glass, ...as('root@example.com') }, true],
    ['a group of the policy', { object: glass, ...as('bob', ['sre']) }, true],
    ['somebody else', { object: glass }, false],
    ['somebody else, on a good pod', { object: annotated(good, 'x') }, false],
    ['a value that is no string', { object: annotated(good, { a: 1 }) }, false],
    ['a prefix of the name', { object: glass, ...as('root@example.com.evil') }, false],
    ['the controller that copies a template', { object: glass, ...controller('replicaset-controller') }, true],
    [
      'a controller of the same name elsewhere',
      { object: glass, ...as('system:serviceaccount:prod-eu:replicaset-controller') },
      false,
    ],
    [
      'a controller for another kind',
      { kind: 'Deployment', object: deployment(glass), ...controller('replicaset-controller') },
      false,
    ],
    [
      'the deployment controller',
      { kind: 'ReplicaSet', object: deployment(glass), ...controller('deployment-controller') },
      true,
    ],
    [
      'a template by somebody else, although templates only warn',
      { kind: 'Deployment', object: deployment(glass) },
      false,
    ],
    [
      'a Job within a CronJob by somebody else',
      { kind: 'CronJob', object: { spec: { jobTemplate: deployment(glass) } } },
      false,
    ],
    ['added to a running pod by somebody else', { operation: 'UPDATE', object: glass, oldObject: privileged }, false],
    ['kept, with a change by somebody else', update(changed(glass, { hostIPC: true }), glass), false],
    ['kept, with another image by somebody else', update(annotated(evil, 'outage 42'), glass), false],
    [
      'kept, with another image by a user of the policy',
      { ...update(changed(glass, evil.spec), glass), ...root },
      true,
    ],
    ['kept, with a change that no policy judges', update(changed(glass, { priority: 1 }), glass), true],
    ['kept, corrected by somebody else', update(annotated(good, 'outage 42'), glass), true],
    [
      'kept in a template, with another image by somebody else',
      { kind: 'Deployment', ...update(deployment(annotated(evil, 'outage 42')), deployment(glass)) },
      false,
    ],
    [
      'kept in a template, corrected by somebody else',
      { kind: 'Deployment', ...update(deployment(annotated(good, 'outage 42')), deployment(glass)) },
      true,
    ],
    [
      'kept in a template, with another command by somebody else',
      {
        kind: 'Deployment',
        ...update(deployment(changed(glass, { serviceAccountName: 'root' })), deployment(glass)),
      },
      false,
    ],
    [
      'kept in a template, restarted by somebody else',
      {
        kind: 'Deployment',
        ...update(
          deployment({
            ...glass,
            metadata: {
              annotations: { [BREAK_GLASS_ANNOTATION]: 'outage 42', 'kubectl.kubernetes.io/restartedAt': 'x' },
            },
          }),
          deployment(glass),
        ),
      },
      true,
    ],
    [
      'another reason by somebody else',
      { operation: 'UPDATE', object: annotated(privileged, 'mine'), oldObject: glass },
      false,
    ],
  ];
  for (const [what, parts, allowed] of cases) {
    const judgement = judge(parts);
    t.equal(judgement.allowed, allowed, what);
    if (!allowed) t.ok(codesOf(judgement).includes('break-glass-not-allowed'), what);
  }
  t.equal(judge({ object: glass, ...as('bob', ['sre']) }).breakGlass, 'outage 42');
  t.equal(
    judge({ object: annotated(good, 'x'), ...as('bob', ['sre']) }).breakGlass,
    undefined,
    'nothing was overridden',
  );
  t.equal(
    judge({ object: glass, ...controller('replicaset-controller') }, [podPolicy({})]).allowed,
    false,
    'nobody may',
  );
  t.equal(judge({ object: glass, ...as('bob', ['sre']) }, []).allowed, false, 'no policy: nobody may');
  t.end();
});

void t.test('the event of a template names who broke the glass, not the controller that copies it', (t) => {
  const glass = annotated(privileged, 'outage 42');
  const judgement = judge({
    kind: 'Deployment',
    object: deployment(glass),
    userInfo: { username: 'root@example.com', groups: [] },
  });
  t.equal(judgement.breakGlass, 'outage 42');
  t.match(judgement.decision.reasons[0]?.path, /^spec\.template\.spec\.hostPID$/);
  const harmless = judge({
    kind: 'Deployment',
    object: deployment(annotated(good, 'x')),
    userInfo: { username: 'root@example.com', groups: [] },
  });
  t.equal(harmless.breakGlass, undefined, 'nothing to override');
  t.end();
});

/*
 * The controller of StatefulSets makes pods of a revision: it applies `data` to the set as a strategic merge patch
 * (ApplyRevision of kubernetes/pkg/controller/statefulset).
 */
void t.test('a revision of a StatefulSet cannot bring what its template could not', (t) => {
  const glass = annotated(privileged, 'outage 42');
  const revision = (template: object, directive: object = { $patch: 'replace' }): object => ({
    kind: 'ControllerRevision',
    object: { revision: 2, data: { spec: { template: { ...directive, ...template } } } },
  });
  const as = (username: string): object => ({ userInfo: { username, groups: ['system:authenticated'] } });
  const controller = (name: string): object => as(`system:serviceaccount:kube-system:${name}`);
  const cases: readonly (readonly [string, Readonly<Record<string, unknown>>, boolean])[] = [
    ['by somebody else', { ...revision(glass) }, false],
    ['by somebody else, although its pods violate nothing', { ...revision(annotated(good, 'x')) }, false],
    [
      'by the controller that copies the template',
      { ...revision(glass), ...controller('statefulset-controller') },
      true,
    ],
    ['of a DaemonSet by its controller', { ...revision(glass), ...controller('daemon-set-controller') }, true],
    ['by another controller', { ...revision(glass), ...controller('deployment-controller') }, false],
    ['by a user of the policy', { ...revision(glass), ...as('root@example.com') }, true],
    ['without the annotation: its pods are judged', { ...revision(privileged) }, true],
    ['merged into a template that may have the annotation', { ...revision(privileged, {}) }, false],
    ['merged, with another directive', { ...revision(privileged, { $patch: 'merge' }) }, false],
    ['merged, and its pods violate nothing', { ...revision(good, {}) }, true],
    ['without a template, as other controllers keep them', { kind: 'ControllerRevision', object: { data: {} } }, true],
    ['without data', { kind: 'ControllerRevision', object: {} }, true],
    [
      'an update of its metadata',
      { ...revision(glass), oldObject: (revision(glass) as { object: object }).object, operation: 'UPDATE' },
      true,
    ],
    [
      'an update of its data',
      { ...revision(glass), oldObject: (revision(good) as { object: object }).object, operation: 'UPDATE' },
      false,
    ],
  ];
  for (const [what, parts, allowed] of cases) {
    const judgement = judge(parts);
    t.equal(judgement.allowed, allowed, what);
    if (!allowed) t.ok(codesOf(judgement).includes('break-glass-not-allowed'), what);
  }
  t.equal(judge({ ...revision(privileged, {}) }, [podPolicy({})]).allowed, true, 'nobody may break the glass');
  t.end();
});

void t.test('tags of pods are pinned to the digest that was judged', (t) => {
  const pod = restrictedPod(`${REPOSITORY}:16`);
  Object.assign(pod['spec'] as object, {
    initContainers: [{ image: 'unknown:1' }, { image: `${REPOSITORY}:16` }],
    volumes: [{ image: { reference: `${REPOSITORY}:16` } }, {}],
  });
  const value = `${REPOSITORY}:16@${GOOD}`;
  t.strictSame(pinImages(request({ object: pod }), snapshot), [
    { op: 'replace', path: '/spec/initContainers/1/image', value },
    { op: 'replace', path: '/spec/containers/0/image', value },
    { op: 'replace', path: '/spec/volumes/0/image/reference', value },
  ]);
  t.strictSame(pinImages(request({ kind: 'Deployment', object: deployment(pod) }), snapshot), []);
  t.strictSame(pinImages(request({ object: good }), snapshot), [], 'already pinned');
  t.strictSame(pinImages(request({ object: { spec: 1 } }), snapshot), []);
  t.equal(judge({ object: restrictedPod(value) }).allowed, true, 'and are allowed then');
  t.end();
});

void t.test('a response fits what the API server takes, and shows nothing raw', (t) => {
  const containers = Array.from({ length: 300 }, (_, index) => ({
    name: `c${String(index)}`,
    image: `evil.example/\u001B[31m${'x'.repeat(300)}:${String(index)}`,
  }));
  const judgement = judge({ object: { spec: { hostPID: true, containers } } });
  const response = responseOf(request(), judgement);
  t.match(response, { uid: '705ab4f5-6393-11e8-b7cc-42010a800002', allowed: false, status: { code: 403 } });
  const message = response.status?.message ?? '';
  t.ok(message.length <= 16_384);
  t.match(message, /further reasons are not shown\.$/);
  const text = message.replaceAll('\n', '');
  t.equal(safe(text), text, 'no raw control character');
  const warned = responseOf(
    request(),
    judge({ kind: 'Deployment', object: { spec: { template: { spec: { containers } } } } }),
  );
  t.equal(warned.allowed, true);
  t.equal(warned.status, undefined);
  t.ok((warned.warnings ?? []).every((text) => text.length <= 256));
  t.ok((warned.warnings ?? []).join('').length <= 4096);
  for (const value of Object.values(warned.auditAnnotations ?? {})) t.ok(value.length <= 1024);
  const one = denialMessage(judge({ object: privileged }).decision.reasons);
  t.match(
    one,
    /^plimsoll: 1 reason against it\n1\. spec\.hostPID: hostNamespaces: true; expected false or not set\. Remove hostPID\. \(policy pods/,
  );
  t.end();
});

void t.test('an image that is to be scanned: the denial says what happens, and only what can pass is scanned', (t) => {
  const UNKNOWN = `${REPOSITORY}@sha256:${'c'.repeat(64)}`;
  const rules = [
    { type: 'registry', allow: ['registry.example.com/**'] },
    { type: 'vulnerability', severity: 'high' },
  ];
  const scanning = snapshotOf([policy(rules, { unscannedImages: 'scan' }, 'scanning')], [[GOOD, evidence()]]);
  const asked: unknown[] = [];
  const judgeImageOf = (image: string, answer: 'asked' | 'full' | 'off', parts = {}): string => {
    const requestScan = (one: unknown): typeof answer => {
      asked.push(one);
      return answer;
    };
    const judgement = judgeRequest(request({ object: restrictedPod(image), ...parts }), scanning, {
      exemptNamespaces: [],
      now: NOW,
      requestScan,
    });
    t.equal(judgement.allowed, image.endsWith(GOOD));
    return denialMessage(judgement.decision.reasons);
  };
  t.match(judgeImageOf(UNKNOWN, 'asked'), 'The collector was asked to scan it: try again in a minute.');
  t.match(judgeImageOf(UNKNOWN, 'full'), 'Too many images wait for a scan: try again later.');
  t.match(judgeImageOf(UNKNOWN, 'off'), 'Deploy an image that the collector has judged');
  t.strictSame(asked.splice(0)[0], { reference: UNKNOWN, namespace: 'prod-eu' });
  judgeImageOf(`${REPOSITORY}@${GOOD}`, 'asked');
  judgeImageOf(UNKNOWN.replace('registry.example.com', 'evil.example.com'), 'asked');
  judgeImageOf(UNKNOWN, 'asked', { dryRun: true });
  t.strictSame(asked, [], 'not a known image, none that is refused in any case, none of a dry run');
  t.end();
});
