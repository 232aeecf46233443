import t from 'tap';
import { exemptNamespace } from '../../../../posture/check/admission/exempt-namespace.ts';
import { webhook } from '../../../../posture/check/admission/webhook.ts';
import type { ClusterAdmission } from '../../../../posture/fact/cluster-admission.ts';
import { judgeCluster } from '../../../../posture/judge.ts';

const good: ClusterAdmission = {
  configuration: 'plimsoll-admission',
  webhook: { state: 'registered', differences: [] },
  exempt: { state: 'read', namespaces: [] },
};
const unreadable = { state: 'unreadable', sinceMs: 0, reason: 'HTTP 403' } as const;
const differences = Array.from({ length: 30 }, (_, index) => ({
  field: `pods: field ${String(index)}`,
  seen: 'x'.repeat(5_000),
  expected: 'Fail',
}));
const namespaces = Array.from({ length: 30 }, (_, index) => ({ name: `n${String(index)}`, because: 'label skip=' }));

void t.test('registration of the webhook, and exempt namespaces', (t) => {
  const cases: readonly (readonly [over: Partial<ClusterAdmission>, webhook: string, exempt: string])[] = [
    [{}, 'pass', 'pass'],
    [{ webhook: { state: 'absent' } }, 'fail', 'notApplicable'],
    [{ webhook: { state: 'registered', differences } }, 'fail', 'pass'],
    [{ webhook: unreadable }, 'unknown', 'pass'],
    [{ exempt: { state: 'read', namespaces } }, 'pass', 'fail'],
    [{ exempt: unreadable }, 'pass', 'unknown'],
  ];
  for (const [over, expectedOfWebhook, expectedOfNamespaces] of cases) {
    const [one, other] = [webhook, exemptNamespace].map((check) => judgeCluster(check, { ...good, ...over }));
    t.equal(one?.verdict, expectedOfWebhook, JSON.stringify(over).slice(0, 80));
    t.equal(other?.verdict, expectedOfNamespaces, JSON.stringify(over).slice(0, 80));
    t.ok(JSON.stringify([one, other]).length < 40_000, 'bounded');
  }
  t.match(judgeCluster(webhook, { ...good, webhook: unreadable }).reason, /since 1970-01-01T00:00:00Z: HTTP 403/);
  t.end();
});
