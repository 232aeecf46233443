import fc from 'fast-check';
import t from 'tap';
import type { PlanEntry, PlanInput } from '../../../policy/rollout/plan.ts';
import type { SuccessorSearch } from '../../../policy/rollout/successor.ts';
import {
  candidate,
  digest,
  entryWith,
  exposure,
  FIXED,
  found,
  IMAGE,
  NODE,
  NOW,
  OLD,
  planWith,
  rolloutPolicy,
  rolloutRecord,
  vulnerability,
  workload,
} from './fixture.ts';

const exploited = exposure({ vulnerabilities: [vulnerability({ isExploited: true })] });
const build = { webhook: 'https://ci.example.com/hook' };
const NONE = found();

type Expected = Partial<Pick<PlanEntry, 'action' | 'state'>> & { readonly note?: RegExp };
type Row = readonly [name: string, input: Partial<PlanInput>, search: SuccessorSearch | undefined, expected: Expected];

const ROWS: readonly Row[] = [
  ['a successor that may run', {}, found(candidate()), { action: 'roll', state: 'ready' }],
  ['no answer yet', {}, undefined, { action: 'none', state: 'waiting', note: /being looked for/ }],
  [
    'not vulnerable',
    { exposures: [exposure({ vulnerabilities: [] })] },
    NONE,
    { action: 'none', state: 'none', note: /do not set off/ },
  ],
  [
    'below the severity',
    { exposures: [exposure({ vulnerabilities: [vulnerability({ severity: 'medium' })] })] },
    NONE,
    { action: 'none', note: /do not set off/ },
  ],
  [
    'unknown image',
    { exposures: [] },
    NONE,
    { action: 'none', state: 'none', note: /knows nothing of the images of db: no agent that is enrolled as the Node/ },
  ],
  [
    'another node claims the container',
    { exposures: [exposure({ containers: [{ nodeId: 'evil', id: 'c1' }], digests: [] })] },
    NONE,
    { action: 'none', note: /knows nothing/ },
  ],
  [
    'a pod on no node',
    {
      workloads: [workload({ pods: [{ name: 'p', nodeUid: '', containers: [{ name: 'db', id: 'c1', digest: '' }] }] })],
    },
    NONE,
    { action: 'none', note: /knows nothing/ },
  ],
  [
    'by the digest that was pulled',
    {
      exposures: [exposure({ containers: [] })],
      workloads: [
        workload({ pods: [{ name: 'p', nodeUid: NODE, containers: [{ name: 'db', id: 'c9', digest: OLD }] }] }),
      ],
    },
    found(candidate()),
    { action: 'roll' },
  ],
  [
    'by the pinned digest, without pods',
    {
      exposures: [exposure({ containers: [] })],
      workloads: [workload({ pods: [], containers: [{ name: 'db', image: `${IMAGE}@${OLD}`, isInit: false }] })],
    },
    found(candidate()),
    { action: 'roll' },
  ],
  [
    'nodes contradict each other',
    { exposures: [exposure({ source: 'conflict' })] },
    found(candidate()),
    { action: 'none', note: /contradict/ },
  ],
  [
    'the successor is refused',
    {},
    found(candidate({ outcome: 'deny', reasons: ['unsigned'] })),
    { action: 'none', note: /is refused: unsigned/ },
  ],
  [
    'the successor cannot be judged',
    {},
    found(candidate({ outcome: 'couldNotTell', reasons: ['no database'] })),
    { action: 'none', note: /cannot be judged: no database/ },
  ],
  [
    'the successor is as vulnerable',
    {},
    found(candidate({ vulnerabilities: [vulnerability({ id: 'CVE-2026-2' })] })),
    { action: 'none', note: /sets off the same policy.*CVE-2026-2/ },
  ],
  [
    'the successor is being scanned',
    {},
    found(candidate({ state: 'pending', outcome: 'couldNotTell' })),
    { action: 'none', state: 'waiting', note: /being scanned/ },
  ],
  [
    'the second successor may run',
    {},
    found(candidate({ outcome: 'deny', reference: `${IMAGE}@${digest('c')}` }), candidate()),
    { action: 'roll' },
  ],
  [
    'the registry did not answer',
    { policies: [rolloutPolicy({ onNoSuccessor: build })] },
    { candidates: [], problem: 'timeout' },
    { action: 'none', state: 'waiting', note: /timeout/ },
  ],
  [
    'another repository',
    {},
    found(candidate({ reference: `registry.example.com/evil/db:16@${digest('b')}` })),
    { action: 'none', note: /another repository/ },
  ],
  ['nobody to ask', {}, NONE, { action: 'none', note: /no successor: db: there is no newer image/ }],
  [
    'somebody to ask',
    { policies: [rolloutPolicy({ onNoSuccessor: build })] },
    NONE,
    { action: 'requestBuild', state: 'ready' },
  ],
  [
    'managed, with a webhook',
    { workloads: [workload({ managedBy: 'Argo CD' })], policies: [rolloutPolicy({ onManaged: build })] },
    found(candidate()),
    { action: 'proposePatch', state: 'ready' },
  ],
  [
    'managed, without one',
    { workloads: [workload({ managedBy: 'Flux' })] },
    found(candidate()),
    { action: 'none', note: /Flux manages it/ },
  ],
  [
    'managed and exploited',
    {
      workloads: [workload({ managedBy: 'Flux' })],
      exposures: [exploited],
      policies: [rolloutPolicy({ onExploited: 'scaleToZero' })],
    },
    NONE,
    { action: 'none', note: /Flux manages it/ },
  ],
  [
    'exploited, without a successor',
    { exposures: [exploited], policies: [rolloutPolicy({ onExploited: 'scaleToZero' })] },
    NONE,
    { action: 'scaleToZero', state: 'ready' },
  ],
  [
    'exploited, but only a container says so',
    { exposures: [{ ...exploited, source: 'container' }], policies: [rolloutPolicy({ onExploited: 'scaleToZero' })] },
    NONE,
    { action: 'none' },
  ],
  [
    'exploited, with a successor',
    { exposures: [exploited], policies: [rolloutPolicy({ onExploited: 'scaleToZero' })] },
    found(candidate()),
    { action: 'roll' },
  ],
  [
    'exploited, the registry does not answer',
    { exposures: [exploited], policies: [rolloutPolicy({ onExploited: 'scaleToZero' })] },
    { candidates: [], problem: 'timeout' },
    { action: 'none', state: 'waiting' },
  ],
  [
    'exploited, no scale',
    {
      exposures: [exploited],
      workloads: [workload({ kind: 'DaemonSet' })],
      policies: [rolloutPolicy({ onExploited: 'scaleToZero' })],
    },
    NONE,
    { action: 'none', note: /cannot be scaled/ },
  ],
  [
    'exploited, isolated',
    {
      exposures: [exploited],
      workloads: [workload({ kind: 'DaemonSet' })],
      policies: [rolloutPolicy({ onExploited: 'isolate' })],
    },
    NONE,
    { action: 'isolate' },
  ],
  [
    'exploited, no budget for it',
    { exposures: [exploited], policies: [rolloutPolicy({ onExploited: 'scaleToZero', budget: { offline: 0 } })] },
    NONE,
    { action: 'scaleToZero', state: 'waiting', note: /budget/ },
  ],
  [
    'dry run',
    { policies: [rolloutPolicy({ mode: 'dryRun' })] },
    found(candidate()),
    { action: 'roll', state: 'dryRun' },
  ],
  [
    'not approved',
    { policies: [rolloutPolicy({ approval: 'required' })] },
    found(candidate()),
    { action: 'roll', state: 'awaitingApproval' },
  ],
  ['paused', { isPaused: true }, found(candidate()), { action: 'roll', state: 'waiting', note: /paused/ }],
  [
    'window closed',
    { policies: [rolloutPolicy({ window: { from: '22:00', to: '04:00' } })] },
    found(candidate()),
    { action: 'roll', state: 'waiting', note: /window/ },
  ],
  [
    'window open',
    { policies: [rolloutPolicy({ window: { days: ['wed'], from: '11:00', to: '13:00' } })] },
    found(candidate()),
    { action: 'roll', state: 'ready' },
  ],
  [
    'not ready before',
    { workloads: [workload({ isReady: false })] },
    found(candidate()),
    { action: 'roll', state: 'waiting', note: /not ready/ },
  ],
  [
    'OnDelete',
    { workloads: [workload({ isUpdatedByController: false })] },
    found(candidate()),
    { action: 'none', note: /OnDelete/ },
  ],
  [
    'a paused Deployment',
    { workloads: [workload({ isPaused: true })] },
    found(candidate()),
    { action: 'roll', state: 'waiting', note: /paused.*kubectl rollout resume/ },
  ],
  [
    'below the PodDisruptionBudget',
    {
      workloads: [
        workload({ maxUnavailable: 1, disruptionBudgets: [{ name: 'pdb', currentHealthy: 3, desiredHealthy: 3 }] }),
      ],
    },
    found(candidate()),
    { action: 'roll', state: 'waiting', note: /pdb allows 0/ },
  ],
  [
    'within the PodDisruptionBudget',
    {
      workloads: [
        workload({ maxUnavailable: 1, disruptionBudgets: [{ name: 'pdb', currentHealthy: 3, desiredHealthy: 2 }] }),
      ],
    },
    found(candidate()),
    { action: 'roll', state: 'ready' },
  ],
  [
    'Recreate with a PodDisruptionBudget',
    {
      workloads: [
        workload({
          maxUnavailable: Infinity,
          disruptionBudgets: [{ name: 'pdb', currentHealthy: 3, desiredHealthy: 1 }],
        }),
      ],
    },
    found(candidate()),
    { action: 'roll', state: 'waiting', note: /takes up to all/ },
  ],
  [
    'in progress',
    { workloads: [workload({ record: rolloutRecord({ phase: 'progressing' }) })] },
    NONE,
    { action: 'watch', state: 'ready' },
  ],
  [
    'damaged record',
    { workloads: [workload({ record: 'damaged' })] },
    found(candidate()),
    { action: 'none', note: /damaged/ },
  ],
  [
    'rolled back before',
    { workloads: [workload({ record: rolloutRecord({ phase: 'rolledBack', refused: [FIXED] }) })] },
    found(candidate()),
    { action: 'none', note: /rolled back before/ },
  ],
  [
    'denied by image policies',
    {
      policies: [rolloutPolicy({ trigger: { denied: true } })],
      exposures: [exposure({ vulnerabilities: [] })],
      isDenied: () => true,
    },
    found(candidate()),
    { action: 'roll' },
  ],
  [
    'end of life',
    {
      policies: [rolloutPolicy({ trigger: { endOfLife: true } })],
      exposures: [exposure({ vulnerabilities: [], endOfLifeMs: NOW })],
    },
    found(candidate()),
    { action: 'roll' },
  ],
  [
    'waiver expired',
    {
      policies: [rolloutPolicy({ trigger: { waiverExpired: true } })],
      exposures: [exposure({ vulnerabilities: [vulnerability({ severity: 'low', hasExpiredWaiver: true })] })],
    },
    found(candidate()),
    { action: 'roll' },
  ],
  [
    'EPSS',
    {
      policies: [rolloutPolicy({ trigger: { epss: 0.5 } })],
      exposures: [exposure({ vulnerabilities: [vulnerability({ severity: 'low', epss: 0.5 })] })],
    },
    found(candidate()),
    { action: 'roll' },
  ],
  [
    'no fix',
    {
      policies: [rolloutPolicy({ trigger: { severity: 'high', fixAvailable: true } })],
      exposures: [exposure({ vulnerabilities: [vulnerability({ isFixable: false })] })],
    },
    found(candidate()),
    { action: 'none', note: /do not set off/ },
  ],
];

void t.test('one workload', (t) => {
  for (const [name, input, search, expected] of ROWS) t.match(entryWith(input, search), expected, name);
  t.end();
});

void t.test('which workloads a policy is for', (t) => {
  const names = (spec: object, ...workloads: Parameters<typeof workload>): readonly string[] =>
    planWith({ policies: [rolloutPolicy(spec)], workloads: workloads.map((one) => workload(one)) }).entries.map(
      ({ workload: { name } }) => name,
    );
  t.strictSame(names({}, { namespace: 'kube-system' }), [], 'a wildcard does not cover namespaces of the system');
  t.strictSame(names({ match: { namespaces: ['kube-*'] } }, { namespace: 'kube-system' }), []);
  t.strictSame(names({ match: { namespaces: ['kube-system'] } }, { namespace: 'kube-system' }), ['db']);
  t.strictSame(names({ match: { labels: { tier: 'web' } } }, {}), []);
  t.strictSame(names({ match: { labels: { tier: 'data' } } }, {}), ['db']);
  t.strictSame(names({ match: { kinds: ['CronJob'] } }, {}), []);
  t.strictSame(names({ match: { images: ['docker.io/**'] } }, {}), []);
  t.equal(
    planWith({ policies: [rolloutPolicy({}, 'b'), rolloutPolicy({ mode: 'dryRun' }, 'a')] }).entries[0]?.policy,
    'a',
    'of several the first by name',
  );
  t.end();
});

void t.test('budgets count what runs, also of earlier rounds', (t) => {
  const states = (spec: object, ...workloads: readonly Partial<Parameters<typeof workload>[0]>[]) =>
    planWith(
      { policies: [rolloutPolicy(spec)], workloads: workloads.map((one) => workload(one)) },
      found(candidate()),
    ).entries.map(({ action, state }) => `${action} ${state}`);
  const two = [{ name: 'a' }, { name: 'b' }];
  t.strictSame(states({}, ...two), ['roll ready', 'roll waiting']);
  t.strictSame(states({ budget: { atOnce: 2 } }, ...two), ['roll ready', 'roll waiting'], 'one in a namespace');
  t.strictSame(states({ budget: { atOnce: 2, perNamespace: 2 } }, ...two), ['roll ready', 'roll ready']);
  t.strictSame(states({ budget: { atOnce: 2 } }, { name: 'a' }, { name: 'b', namespace: 'other' }), [
    'roll ready',
    'roll ready',
  ]);
  const running = { name: 'z', record: rolloutRecord({ phase: 'observing' }) };
  t.strictSame(states({}, { name: 'a' }, running), ['roll waiting', 'watch ready']);
  t.end();
});

void t.test('an approval is for one step: policy, workload and digest', (t) => {
  const policies = [rolloutPolicy({ approval: 'required' })];
  const asked = entryWith({ policies }, found(candidate()));
  const decisions = new Map([[asked.id, 'approved' as const]]);
  t.match(entryWith({ policies, decisions }, found(candidate())), { state: 'ready', id: asked.id });
  const other = found(candidate({ reference: `${IMAGE}@${digest('e')}`, digest: digest('e') }));
  t.match(entryWith({ policies, decisions }, other), { state: 'awaitingApproval' });
  t.match(entryWith({ policies, decisions, workloads: [workload({ uid: 'new' })] }, found(candidate())), {
    state: 'awaitingApproval',
  });
  const rejected = new Map([[asked.id, 'rejected' as const]]);
  t.match(entryWith({ policies, decisions: rejected }, found(candidate())), { state: 'rejected' });
  t.end();
});

void t.test('a workload that is offline comes back with a successor', (t) => {
  const record = rolloutRecord({
    phase: 'offline',
    offline: 'scaleToZero',
    replicas: 3,
    changes: [{ container: 'db', from: IMAGE, to: '' }],
    reason: 'db: known exploited: CVE-2026-1',
  });
  const offline = workload({ replicas: 0, pods: [], record });
  const input = { workloads: [offline], exposures: [], policies: [rolloutPolicy({ onNoSuccessor: build })] };
  t.match(entryWith(input, NONE), { action: 'requestBuild', note: /stays offline/ });
  t.match(entryWith(input, found(candidate())), {
    action: 'restore',
    state: 'ready',
    changes: [{ container: 'db', from: IMAGE, to: FIXED }],
  });
  const refused = { ...record, refused: [FIXED] };
  t.match(
    entryWith({ ...input, workloads: [{ ...offline, record: refused }] }, found(candidate())),
    { action: 'requestBuild' },
    'not with one that was rolled back',
  );
  const edited = { ...offline, containers: [{ name: 'db', image: 'evil.example/db', isInit: false }] };
  t.match(
    planWith({ ...input, workloads: [edited], policies: [rolloutPolicy()] }, found(candidate())).entries,
    [{ action: 'none', note: /was changed since/ }],
    'not with an image that somebody else put there',
  );
  t.end();
});

void t.test('nothing is changed unless the image policies allow the successor', (t) => {
  const outcome = fc.constantFrom('allow', 'deny', 'couldNotTell');
  const state = fc.constantFrom('judged', 'pending', 'failed');
  const candidates = fc.array(fc.record({ outcome, state, isVulnerable: fc.boolean() }), { maxLength: 4 });
  fc.assert(
    fc.property(candidates, fc.constantFrom('', 'timeout'), fc.boolean(), (all, problem, isExploited) => {
      const entry = entryWith(
        {
          exposures: [isExploited ? exploited : exposure()],
          policies: [rolloutPolicy({ onExploited: 'scaleToZero' })],
        },
        {
          problem,
          candidates: all.map(({ isVulnerable, ...one }, index) =>
            candidate({
              ...one,
              reference: `${IMAGE}@${digest(String(index))}`,
              vulnerabilities: isVulnerable ? [vulnerability()] : [],
            }),
          ),
        },
      );
      const usable = all.findIndex((one) => one.outcome === 'allow' && one.state === 'judged' && !one.isVulnerable);
      if (entry.action === 'roll') return usable >= 0 && entry.changes[0]?.to === `${IMAGE}@${digest(String(usable))}`;
      if (entry.action === 'scaleToZero') return isExploited && usable < 0 && problem === '';
      return entry.action === 'none';
    }),
  );
  t.end();
});
