import t from 'tap';
import { isWindowOpen } from '../../../policy/rollout/maintenance-window.ts';
import { parseRolloutPolicy } from '../../../policy/rollout/rollout-policy.ts';
import { newerTags } from '../../../policy/rollout/successor.ts';
import { managerOf, recordOf, ROLLOUT_ANNOTATION } from '../../../policy/rollout/workload.ts';
import { rolloutPolicy, rolloutRecord } from './fixture.ts';

const problemOf = (spec: object): string => {
  const value = { apiVersion: 'plimsoll.dev/v1', kind: 'RolloutPolicy', metadata: { name: 'p' }, spec };
  const parsed = parseRolloutPolicy({ value, source: 'test' });
  return parsed.ok ? '' : parsed.problem;
};

void t.test('a policy that says nothing changes nothing', (t) => {
  const trigger = { severity: 'high' };
  t.equal(problemOf({ trigger }), '');
  const parsed = parseRolloutPolicy({
    value: { apiVersion: 'plimsoll.dev/v1', kind: 'RolloutPolicy', metadata: { name: 'p' }, spec: { trigger } },
    source: 'test',
  });
  t.match(parsed, { value: { mode: 'dryRun', approval: 'required', budget: { atOnce: 1 }, onExploited: null } });
  t.end();
});

void t.test('mistakes are found, with the place', (t) => {
  const trigger = { severity: 'high' };
  for (const [spec, expected] of [
    [{}, /^spec\.trigger: expected/],
    [{ trigger: {} }, /^spec\.trigger: expected at least one condition/],
    [{ trigger: { fixAvailable: true } }, /at least one condition/],
    [{ trigger: { severty: 'high' } }, /severty: unknown field.*severity/],
    [{ trigger: { epss: 2 } }, /^spec\.trigger\.epss/],
    [{ trigger, successor: [{ type: 'tagPattern' }] }, /^spec\.successor\[0\]\.pattern/],
    [{ trigger, successor: [{ type: 'sameTag', pattern: '1.*' }] }, /^spec\.successor\[0\]\.pattern/],
    [{ trigger, budget: { atOnce: 0 } }, /^spec\.budget\.atOnce: expected an integer from 1 to 100/],
    [{ trigger, window: { from: '25:00', to: '04:00' } }, /^spec\.window\.from/],
    [{ trigger, onExploited: 'isolate' }, /knownExploited/],
    [{ trigger, match: { namespaces: [] } }, /an empty list/],
    [
      { trigger, onNoSuccessor: { webhook: 'http://ci.example.com' } },
      /^spec\.onNoSuccessor\.webhook: expected an https/,
    ],
    [{ trigger, onNoSuccessor: { webhook: 'https://u:p@ci.example.com' } }, /without user and password/],
    [{ trigger, onNoSuccessor: { webhook: 'file:///etc/passwd' } }, /https/],
  ] as const)
    t.match(problemOf(spec), expected, JSON.stringify(spec));
  t.end();
});

void t.test('maintenance windows, across midnight', (t) => {
  const { window } = rolloutPolicy({ window: { days: ['sat'], from: '22:00', to: '04:00' } });
  for (const [at, expected] of [
    ['2026-11-28T21:59:59Z', false], // Saturday
    ['2026-11-28T22:00:00Z', true],
    ['2026-11-29T03:59:59Z', true], // Sunday: it has begun on Saturday
    ['2026-11-29T04:00:00Z', false],
    ['2026-11-29T22:30:00Z', false],
    ['2026-11-28T03:00:00Z', false], // Saturday morning: that window would have begun on Friday
  ] as const)
    t.equal(window !== null && isWindowOpen(window, Date.parse(at)), expected, at);
  t.end();
});

void t.test('newer tags by order and pattern', (t) => {
  const tags = ['16.1', '16.2', '16.10', '16.3-alpine', '17.0', '16', 'latest', '16.11-rc1', 'v16.12'];
  t.strictSame(newerTags(tags, '16.2', { pattern: '16.*', order: 'semver' }), ['16.10']);
  t.strictSame(newerTags(tags, '16.2', { pattern: '*', order: 'semver' }), ['17.0', 'v16.12', '16.10']);
  t.strictSame(newerTags(tags, '16.2-alpine', { pattern: '16.*', order: 'semver' }), ['16.3-alpine']);
  t.strictSame(newerTags(tags, 'latest', { pattern: '*', order: 'semver' }), [], 'a tag without a version');
  t.strictSame(newerTags(['20260101', '20251231'], '20251231', { pattern: '*', order: 'dpkg' }), ['20260101']);
  t.end();
});

void t.test('who manages an object', (t) => {
  t.equal(managerOf({}, {}, []), undefined);
  t.equal(managerOf({ 'argocd.argoproj.io/instance': 'shop' }, {}, []), 'Argo CD');
  t.equal(managerOf({}, { 'argocd.argoproj.io/tracking-id': 'shop:apps/Deployment:shop/db' }, []), 'Argo CD');
  t.equal(managerOf({ 'kustomize.toolkit.fluxcd.io/name': 'shop' }, {}, []), 'Flux');
  t.equal(managerOf({ 'app.kubernetes.io/managed-by': 'Helm' }, {}, []), 'Helm');
  t.equal(managerOf({ 'app.kubernetes.io/managed-by': 'kubectl' }, {}, []), undefined);
  t.equal(managerOf({}, {}, [{ kind: 'Database', controller: true }]), 'the Database that owns it');
  t.end();
});

void t.test('the record of a workload', (t) => {
  const record = rolloutRecord();
  t.strictSame(recordOf({ [ROLLOUT_ANNOTATION]: JSON.stringify(record) }), record);
  t.equal(recordOf({}), undefined);
  for (const text of ['{', '{}', '[]', JSON.stringify({ ...record, phase: 'other' })])
    t.equal(recordOf({ [ROLLOUT_ANNOTATION]: text }), 'damaged');
  t.end();
});
