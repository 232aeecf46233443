import t from 'tap';
import { toAdmittedPod } from '../../admission/admitted-pod.ts';
import { judgeRequest } from '../../admission/judge-request.ts';
import type { PolicySnapshot } from '../../policy/snapshot.ts';
import { request } from '../fixture/admission-requests.ts';

const uid = '0f3c1a52-7d7e-4d0b-9c57-2f7f3a0b1c2d';
const digest = `sha256:${'a'.repeat(64)}`;
const snapshot: PolicySnapshot = {
  version: 7,
  collector: 'test',
  issuedAt: 0,
  byDigest: new Map(),
  byTag: new Map(),
  policies: [],
  podPolicies: [],
  containerPolicies: [],
};

function recordOf(object: object, over: object = {}) {
  const review = request({ object, ...over });
  const judgement = {
    ...judgeRequest(review, snapshot, { exemptNamespaces: [], now: 0, requestScan: () => 'off' }),
    allowed: true,
  };
  return toAdmittedPod(review, judgement, snapshot, 1);
}

void t.test('an admitted pod is reported with all its images', (t) => {
  const metadata = { uid, name: 'db-7x' };
  const spec = {
    containers: [{ name: 'a', image: `app@${digest}` }],
    initContainers: [{ name: 'b', image: 'app:1' }],
  };
  t.match(recordOf({ metadata, spec }), {
    uid,
    name: 'db-7x',
    images: [
      { reference: 'app:1', digest: '' },
      { reference: `app@${digest}`, digest },
    ],
    isComplete: true,
    generation: 7,
  });
  const many = Array.from({ length: 100 }, (_, index) => ({
    name: `c${String(index)}`,
    image: `${'x'.repeat(600)}${String(index)}`,
  }));
  const large = recordOf({ metadata, spec: { containers: many } });
  t.equal(large?.images.length, 32);
  t.equal(large?.isComplete, false);
  t.ok(JSON.stringify(large).length < 24_000, 'fits into a report');
  for (const hostile of [{ uid: 'x', name: 'a' }, { uid: 'f'.repeat(32), name: 'a' }, { uid, name: 7 }, { uid }])
    t.equal(recordOf({ metadata: hostile, spec }), undefined, JSON.stringify(hostile));
  t.equal(recordOf({ metadata, spec: 'x' }), undefined);
  t.end();
});
