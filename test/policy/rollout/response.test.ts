import { createHash } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { parseResponsePolicy } from '../../../policy/rollout/response-policy.ts';
import type { ResponsePolicy } from '../../../policy/rollout/response-policy.ts';
import { planResponses } from '../../../policy/rollout/response.ts';
import type { ContainerFailure, ResponseEntry, ResponseInput, RunningPod } from '../../../policy/rollout/response.ts';

const NOW = Date.parse('2026-11-25T12:00:00Z');
const MINUTE = 60_000;

const parse = (spec: object, name = 'p') =>
  parseResponsePolicy({
    value: { apiVersion: 'plimsoll.dev/v1', kind: 'ResponsePolicy', metadata: { name }, spec },
    source: 'test',
  });

function policy(spec: object = {}, name = 'p'): ResponsePolicy {
  const match = { checks: ['container.privileged'] };
  const parsed = parse({ match, action: 'evict', mode: 'apply', approval: 'automatic', ...spec }, name);
  if (!parsed.ok) throw new Error(parsed.problem);
  return parsed.value;
}

const pod = (fields: Partial<RunningPod> = {}): RunningPod => ({
  namespace: 'shop',
  name: 'db-1',
  uid: 'pod-1',
  nodeName: 'one',
  nodeUid: 'node-1',
  containers: [{ name: 'db', id: 'c1' }],
  ...fields,
});
const failure = (fields: Partial<ContainerFailure> = {}): ContainerFailure => ({
  check: 'container.privileged',
  severity: 'critical',
  nodeId: 'node-1',
  containerId: 'c1',
  ...fields,
});
const plan = (input: Partial<ResponseInput> = {}): readonly ResponseEntry[] =>
  planResponses({
    policies: [policy()],
    failures: [failure()],
    pods: [pod()],
    decisions: new Map(),
    done: new Set(),
    recent: [],
    isPaused: false,
    hash: (text) => createHash('sha256').update(text).digest('hex'),
    now: NOW,
    ...input,
  });

void t.test('what is planned', (t) => {
  t.match(plan(), [{ action: 'evict', state: 'ready', workload: { kind: 'Pod', name: 'db-1', uid: 'pod-1' } }]);
  t.match(plan({ policies: [policy({ action: 'cordonNode' })] }), [
    { action: 'cordonNode', workload: { kind: 'Node', name: 'one', uid: 'node-1', namespace: '' } },
  ]);
  t.match(plan({ policies: [policy({ mode: 'dryRun' })] }), [{ state: 'dryRun' }]);
  t.match(plan({ policies: [policy({ approval: 'required' })] }), [{ state: 'awaitingApproval' }]);
  t.match(plan({ isPaused: true }), [{ state: 'waiting', note: /paused/ }]);
  const id = plan()[0]?.id ?? '';
  t.match(plan({ decisions: new Map([[id, 'rejected']]) }), [{ state: 'rejected' }]);
  t.match(plan({ done: new Set([id]) }), [{ state: 'none' }], 'once for each pod');
  t.strictSame(plan({ failures: [failure({ severity: 'medium' })] }), [], 'below the severity');
  t.strictSame(plan({ failures: [failure({ check: 'container.devices' })] }), []);
  t.strictSame(plan({ pods: [pod({ namespace: 'kube-system' })] }), [], 'not in namespaces of the system');
  t.strictSame(plan({ pods: [pod({ namespace: 'plimsoll-agents' })] }), [], 'nor in those of Plimsoll');
  const named = policy({ match: { checks: ['*'], namespaces: ['kube-system'] } });
  t.equal(plan({ policies: [named], pods: [pod({ namespace: 'kube-system' })] }).length, 1, 'unless it is named');
  t.end();
});

void t.test('a node brings about nothing for the pods of others, nor for other nodes', (t) => {
  const other = pod({
    name: 'db-2',
    uid: 'pod-2',
    nodeName: 'two',
    nodeUid: 'node-2',
    containers: [{ name: 'db', id: 'c2' }],
  });
  const text = fc.constantFrom('c1', 'c2', '', 'c1 c2', 'node-2 c2');
  fc.assert(
    fc.property(
      fc.array(text, { maxLength: 20 }),
      fc.constantFrom('evict', 'isolatePod', 'labelNode', 'cordonNode'),
      (ids, action) => {
        const entries = plan({
          policies: [policy({ action, budget: { perHour: 1000 } })],
          pods: [pod(), other],
          failures: ids.map((containerId) => failure({ containerId })),
        });
        return entries.every(({ workload: { uid } }) => uid === 'pod-1' || uid === 'node-1');
      },
    ),
  );
  t.strictSame(plan({ pods: [pod({ nodeUid: '' })], failures: [failure({ nodeId: '' })] }), [], 'a pod on no node');
  t.end();
});

void t.test('the budget holds for an hour, whoever used it', (t) => {
  const pods = Array.from({ length: 50 }, (_, index) =>
    pod({
      uid: `pod-${String(index)}`,
      name: `db-${String(index)}`,
      containers: [{ name: 'db', id: `c${String(index)}` }],
    }),
  );
  const failures = pods.map((_, index) => failure({ containerId: `c${String(index)}` }));
  const ready = (recent: ResponseInput['recent'], perHour = 3): number =>
    plan({ policies: [policy({ budget: { perHour } })], pods, failures, recent }).filter(
      ({ state }) => state === 'ready',
    ).length;
  t.equal(ready([]), 3);
  const begun = { id: 'another', policy: 'p', failedMs: null };
  t.equal(ready([{ ...begun, atMs: NOW - 59 * MINUTE }]), 2);
  t.equal(ready([{ ...begun, atMs: NOW - 61 * MINUTE }]), 3);
  t.equal(ready([{ ...begun, policy: 'other', atMs: NOW }]), 3);
  t.end();
});

void t.test('a response that was begun goes on: with its approval, in its place of the budget, after a pause', (t) => {
  const policies = [policy({ approval: 'required', budget: { perHour: 1 } })];
  const id = plan({ policies })[0]?.id ?? '';
  const begun = (minutes: number, failed: number | null): ResponseInput['recent'] => [
    { id, policy: 'p', atMs: NOW - minutes * MINUTE, failedMs: failed === null ? null : NOW - failed * MINUTE },
  ];
  const cases: readonly (readonly [string, Partial<ResponseInput>, ResponseEntry['state']])[] = [
    ['failed just now', { recent: begun(0.1, 0) }, 'waiting'],
    ['failed a minute ago', { recent: begun(1.1, 1) }, 'ready'],
    ['failed again: the pauses double', { recent: begun(5, 2) }, 'waiting'],
    ['the pause is over', { recent: begun(5, 2.5) }, 'ready'],
    ['the process was killed meanwhile', { recent: begun(2, null) }, 'ready'],
    ['somebody has rejected it since', { recent: begun(2, 1), decisions: new Map([[id, 'rejected']]) }, 'rejected'],
    ['somebody has paused rollouts', { recent: begun(2, 1), isPaused: true }, 'waiting'],
    ['it was carried out', { recent: begun(2, null), done: new Set([id]) }, 'none'],
    ['an hour later it is another one', { recent: begun(61, 30) }, 'awaitingApproval'],
  ];
  for (const [name, input, state] of cases) t.equal(plan({ policies, ...input })[0]?.state, state, name);
  t.end();
});

void t.test('a policy that says nothing changes nothing, and mistakes are found', (t) => {
  const match = { checks: ['container.*'] };
  t.match(parse({ match, action: 'evict' }), {
    value: { mode: 'dryRun', approval: 'required', budget: { perHour: 1 } },
  });
  for (const [spec, expected] of [
    [{ action: 'evict' }, /^spec\.match/],
    [{ match: { checks: [] }, action: 'evict' }, /empty list/],
    [{ match, action: 'delete' }, /^spec\.action: expected one of evict/],
    [{ match, action: 'evict', budget: { perHour: 0 } }, /^spec\.budget\.perHour/],
  ] as const)
    t.match(parse(spec), { ok: false, problem: expected });
  t.end();
});
