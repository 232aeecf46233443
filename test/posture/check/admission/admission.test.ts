import t from 'tap';
import { admitted } from '../../../../posture/check/admission/admitted.ts';
import { exemptNamespace } from '../../../../posture/check/admission/exempt-namespace.ts';
import { webhook } from '../../../../posture/check/admission/webhook.ts';
import type { AdmittedContainer } from '../../../../posture/fact/admitted-container.ts';
import type { ClusterAdmission } from '../../../../posture/fact/cluster-admission.ts';
import { judgeAdmittedContainer, judgeCluster } from '../../../../posture/judge.ts';

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

void t.test('the verdict on a container', (t) => {
  const digest = `sha256:${'a'.repeat(64)}`;
  const container: AdmittedContainer = {
    id: 'c'.repeat(64),
    name: 'prod/db/app',
    podUid: '0f3c1a52-7d7e-4d0b-9c57-2f7f3a0b1c2d',
    namespace: 'prod',
    pod: 'db',
    image: `app@${digest}`,
    imageId: 'sha256:1',
    digests: [],
    admission: { state: 'missing' },
  };
  const images = [{ reference: `app@${digest}`, digest }];
  const good = { state: 'admitted', namespace: 'prod', pod: 'db', images, isComplete: true } as const;
  const cases: readonly (readonly [over: Partial<AdmittedContainer>, verdict: string])[] = [
    [{}, 'fail'],
    [{ admission: { state: 'exempt' } }, 'manual'],
    [{ admission: { state: 'older' } }, 'notApplicable'],
    [{ admission: { state: 'notKnown', reason: 'r' } }, 'unknown'],
    [{ admission: { state: 'static', isExemptNamespace: true } }, 'manual'],
    [{ admission: { state: 'static', isExemptNamespace: false } }, 'fail'],
    [{ admission: good }, 'pass'],
    [{ admission: good, image: 'app:1' }, 'pass'],
    [{ admission: good, image: `app@sha256:${'b'.repeat(64)}` }, 'fail'],
    [{ admission: good, digests: [`sha256:${'b'.repeat(64)}`] }, 'fail'],
    [{ admission: { ...good, isComplete: false }, digests: [`sha256:${'b'.repeat(64)}`] }, 'pass'],
    [{ admission: good, pod: 'other' }, 'fail'],
  ];
  for (const [over, verdict] of cases)
    t.equal(judgeAdmittedContainer(admitted, { ...container, ...over }).verdict, verdict, JSON.stringify(over));
  t.end();
});
