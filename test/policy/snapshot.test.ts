import fc from 'fast-check';
import t from 'tap';
import { parsePolicy } from '../../policy/image-policy.ts';
import { parseContainerPolicy } from '../../policy/docker/container-policy.ts';
import { parsePodPolicy } from '../../policy/pod/pod-policy.ts';
import { podPolicyDocument, policyDocument } from '../../policy/policy-document.ts';
import { judgeImage } from '../../policy/image-verdict.ts';
import { MAX_SNAPSHOT_BYTES, parseSnapshot } from '../../policy/snapshot.ts';
import type { SnapshotImage, SnapshotDocument } from '../../policy/snapshot.ts';
import { seen } from '../../posture/observed.ts';
import { anyRules } from '../fixture/any-image.ts';
import { DIGEST, evidence, matchOf, NOW, policy } from '../fixture/image-evidence.ts';
import { snapshotText } from '../fixture/policy-snapshot.ts';

const HEAD = { version: 7, collector: 'test', issuedAt: NOW, tags: [] };

void t.test('a policy and its document', (t) => {
  const more = [
    { type: 'package', forbid: [{ name: 'a*', type: 'deb', version: '>= 1.0 , < 2.0 || =3.1', reason: 'old' }] },
    { type: 'distribution', minSupport: '2w' },
    { type: 'signature', authorities: [{ name: 'k', key: { pem: 'PEM' } }], mode: 'warn', message: 'ask' },
  ];
  fc.assert(
    fc.property(
      anyRules,
      fc.subarray(more),
      fc.constantFrom('deny', 'scan', 'allow'),
      (some, others, unscannedImages) => {
        const match = { images: ['alpine', '*.example.com/a/**'], namespaces: ['prod-*'] };
        const accept = { gaps: ['/opt/*'], unjudged: ['no-data'] };
        const one = policy([...some, ...others], { match, accept, unscannedImages, mode: 'warn' });
        const again = parsePolicy({ value: JSON.parse(JSON.stringify(policyDocument(one))), source: one.source });
        t.strictSame(again, { ok: true, value: one });
      },
    ),
    { seed: 21, numRuns: 200 },
  );
  const files = policy([], { waivers: ['/etc/w.yaml'], vex: ['/etc/v.json'] });
  t.notMatch(JSON.stringify(policyDocument(files)), '/etc', 'files of the collector are not told');
  t.end();
});

void t.test('a pod policy and its document', (t) => {
  const match = { namespaces: ['prod-*'] };
  const breakGlass = { users: ['ann'], groups: [] };
  for (const podSecurity of [null, { level: 'restricted', version: '1.30' }, { level: 'baseline' }]) {
    const spec = { match, mode: 'warn', templates: 'observe', podSecurity, breakGlass, message: 'ask' };
    const value = { apiVersion: 'plimsoll.dev/v1', kind: 'PodPolicy', metadata: { name: 'p' }, spec };
    const parsed = parsePodPolicy({ value, source: 'p.yaml' });
    t.equal(parsed.ok, true);
    if (!parsed.ok) continue;
    const again = JSON.parse(JSON.stringify(podPolicyDocument(parsed.value)));
    t.strictSame(parsePodPolicy({ value: again, source: 'p.yaml' }), parsed);
    const text = snapshotText({ ...HEAD, policies: [], podPolicies: [parsed.value], images: [] });
    t.match(parseSnapshot(JSON.parse(text)), { ok: true, value: { podPolicies: [{ name: 'p', message: 'ask' }] } });
  }
  t.end();
});

const one = policy([{ type: 'vulnerability', severity: 'high' }]);
const known = evidence({ vulnerabilities: seen({ matches: [matchOf()], unjudged: [] }, 'v') });
const withVerdicts = (verdicts: SnapshotImage['verdicts']): readonly SnapshotImage[] => [
  { digests: [DIGEST], judgedAt: NOW, scannedAt: NOW, databaseBuiltAt: null, verdicts },
];
const images = withVerdicts([{ ...judgeImage(one, known, { now: NOW }), repository: null }]);
const valid = JSON.parse(snapshotText({ ...HEAD, policies: [one], images })) as SnapshotDocument;

void t.test('a container policy and its document', (t) => {
  for (const spec of [
    {},
    { mode: 'warn', match: { clients: ['ci-*'] }, operations: ['exec', 'build'], allowPrivileged: true },
    { hostPaths: [{ path: '/srv/**', readOnly: true }], images: { withoutDigest: 'allow' }, capabilities: [] },
  ]) {
    const value = { apiVersion: 'plimsoll.dev/v1', kind: 'ContainerPolicy', metadata: { name: 'c' }, spec };
    const parsed = parseContainerPolicy({ value, source: 'containerPolicies[0]' });
    if (!parsed.ok) throw new Error(parsed.problem);
    const text = snapshotText({ ...HEAD, policies: [], containerPolicies: [parsed.value], images: [] });
    const snapshot = parseSnapshot(JSON.parse(text));
    t.strictSame(snapshot.ok && snapshot.value.containerPolicies, [parsed.value]);
  }
  t.match(parseSnapshot({ ...valid, containerPolicies: [{ kind: 'ContainerPolicy' }] }), {
    ok: false,
    problem: /^containerPolicies\[0\]\.apiVersion: /,
  });
  t.end();
});

void t.test('what is wrong in a document refuses it as a whole', (t) => {
  const [image] = valid.images;
  const [reason] = valid.reasons;
  const [verdict] = image?.verdicts ?? [];
  const cases: readonly (readonly [change: object, problem: RegExp])[] = [
    [{ kind: 'ImagePolicy' }, /^kind:/],
    [{ version: 0 }, /^version:/],
    [{ version: 1.5 }, /^version:/],
    [{ policies: [{}] }, /^policies\[0\]/],
    [{ policies: [policyDocument(one), policyDocument(one)] }, /twice/],
    [{ policies: [] }, /^reasons\[0\]\.rule/],
    [{ reasons: [] }, /^images\[0\]\.verdicts\[0\]\.reasons/],
    [{ reasons: [{ ...reason, rule: 'spec.rules[1]' }] }, /^reasons\[0\]\.rule/],
    [{ reasons: [{ ...reason, rule: 'spec.rules[00]' }] }, /^reasons\[0\]\.rule/],
    [{ reasons: [{ ...reason, rule: 'spec.match' }] }, /^reasons\[0\]\.rule/],
    [{ reasons: [{ ...reason, code: 'fine' }] }, /^reasons\[0\]\.code/],
    [{ images: [{ ...image, digests: ['latest'] }] }, /^images\[0\]\.digests/],
    [{ images: [{ ...image, verdicts: [{ ...verdict, policy: 'other' }] }] }, /reasons of the policy/],
    [{ images: [{ ...image, verdicts: [{ ...verdict, reasons: [1] }] }] }, /reasons of the policy/],
    [{ images: [{ ...image, verdicts: [{ ...verdict, validUntil: { 'spec.rules[0]': 'never' } }] }] }, /validUntil/],
  ];
  t.equal(parseSnapshot(valid).ok, true);
  for (const [change, problem] of cases) {
    const parsed = parseSnapshot({ ...valid, ...change });
    t.match(parsed, { ok: false, problem }, JSON.stringify(change).slice(0, 100));
  }
  t.end();
});

void t.test('no value makes it throw', (t) => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(...Object.keys(valid)), (value, key) => {
      parseSnapshot(value);
      parseSnapshot({ ...valid, [key]: value });
    }),
    { seed: 22, numRuns: 1000 },
  );
  t.end();
});

void t.test('long names from an image are cut', (t) => {
  const long = evidence({
    vulnerabilities: seen(
      {
        matches: [matchOf({}, { package: { type: 'deb', name: 'x'.repeat(100_000), version: '1', path: '/' } })],
        unjudged: [],
      },
      'v',
    ),
  });
  const verdicts = [{ ...judgeImage(one, long, { now: NOW }), repository: null }];
  const text = snapshotText({ ...HEAD, policies: [one], images: withVerdicts(verdicts) });
  t.ok(text.length < 20_000);
  t.equal(parseSnapshot(JSON.parse(text)).ok, true);
  t.end();
});

void t.test('2,000 images that all have reasons', (t) => {
  const many = Array.from({ length: 2000 }, (_, index) => {
    const matches = Array.from({ length: 30 }, (_, at) =>
      matchOf({ id: `CVE-2026-${String((index * 7 + at) % 3000)}` }),
    );
    const own = evidence({ vulnerabilities: seen({ matches, unjudged: [] }, 'v') });
    return {
      digests: [`sha256:${index.toString(16).padStart(64, '0')}`],
      judgedAt: NOW,
      scannedAt: NOW,
      databaseBuiltAt: NOW,
      verdicts: [{ ...judgeImage(one, own, { now: NOW }), repository: null }],
    };
  });
  const json = snapshotText({ ...HEAD, policies: [one], images: many });
  t.ok(json.length < MAX_SNAPSHOT_BYTES);
  t.ok(json.length < 4_000_000, `${String(json.length)} bytes`);
  t.equal(parseSnapshot(JSON.parse(json)).ok, true);
  t.end();
});
