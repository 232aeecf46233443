import * as s from '../posture/schema.ts';
import { time } from './part.ts';
import { VULNERABILITY_SEVERITIES } from './image.ts';

const outcome = s.oneOf(['allow', 'deny', 'couldNotTell']);

const exposedVulnerability = s.object({
  id: s.string('CVE, or id of the advisory', 256),
  package: s.string('', 512),
  severity: s.oneOf(VULNERABILITY_SEVERITIES),
  exploited: s.boolean('known to be exploited (CISA KEV)'),
  epss: s.nullable(s.number('EPSS: probability of exploitation within 30 days, 0 to 1')),
  fixable: s.boolean('a later version of the package has the fix'),
  expiredWaiver: s.boolean('a waiver accepted it and has expired'),
});

const stateFields = {
  vulnerabilities: s.list(exposedVulnerability, 'that no VEX statement and no valid waiver suppresses', 5000),
  endOfLifeMs: s.nullable(time('when security updates of its distribution end')),
};

/** What rollouts decide by: the images of the fleet, where they run, and what is wrong with them. */
export const exposureList = s.object({
  images: s.list(
    s.object({
      id: s.string('sha256:… of the configuration', 256),
      digests: s.list(s.string('', 256), 'the id, and manifests and indexes that name the image', 64),
      containers: s.list(s.object({ nodeId: s.string('', 256), id: s.string('', 256) }), 'running', 100_000),
      source: s.oneOf(
        ['layers', 'container', 'conflict', 'none'],
        'where its packages were read; `conflict`: nodes contradict each other; `none`: they are not known',
      ),
      ...stateFields,
    }),
    '',
    10_000,
  ),
});

/** See {@link exposureList}. */
export type ExposureList = s.Infer<typeof exposureList>;

/** An image that could replace another. */
const candidate = s.object({
  reference: s.string('complete, with its digest', 1024),
  digest: s.string('', 256),
  state: s.oneOf(['judged', 'pending', 'failed'], '`pending`: it is being scanned; ask again'),
  outcome,
  reasons: s.list(s.string('', 1024), 'why it may not run, or is not judged', 20),
  ...stateFields,
});

/** Images that could replace another. */
export const successorSearch = s.object({
  candidates: s.list(candidate, 'in the order of preference', 16),
  problem: s.string('why the search is not complete; empty: it is', 1024),
});

/** Says that an image replaces others. */
export const announcement = s.object({
  reference: s.string('complete, with its digest', 1024),
  replaces: s.list(s.string('', 256), 'tags or digests of the same repository; empty: its own tag', 64),
  announcedMs: time('when'),
  by: s.string('who announced it', 512),
});
/** See {@link announcement}. */
export type Announcement = s.Infer<typeof announcement>;

/** Actions of rollouts and of responses to findings. */
export const REMEDIATION_ACTIONS = Object.freeze([
  'roll',
  'scaleToZero',
  'isolate',
  'restore',
  'proposePatch',
  'requestBuild',
  'evict',
  'isolatePod',
  'labelNode',
  'cordonNode',
] as const);
/** Actions of responses to findings. */
export const RESPONSE_ACTIONS: readonly string[] = Object.freeze(['evict', 'isolatePod', 'labelNode', 'cordonNode']);

/**
 * How far a step is. `notObserved`: the new images run and are ready, but the collector never said what its containers
 * failed, so nobody knows.
 */
export const STEP_STATES = Object.freeze([
  'started',
  'done',
  'notObserved',
  'rolledBack',
  'failed',
  'offline',
  'delivered',
] as const);
/** See {@link STEP_STATES}. */
export type StepState = (typeof STEP_STATES)[number];

const target = s.object({
  kind: s.string('', 64),
  namespace: s.string('empty: it is in none', 253),
  name: s.string('', 253),
  uid: s.string('', 64),
});

/** Fields of a planned step. */
export const entryFields = {
  id: s.string('the same for the same step', 64),
  policy: s.string('name of the policy', 253),
  workload: target,
  action: s.openOneOf([...REMEDIATION_ACTIONS, 'watch', 'none']),
  changes: s.list(
    s.object({
      container: s.string('', 253),
      from: s.string('', 1024),
      to: s.string('empty: a new image is wanted', 1024),
    }),
    'images that are replaced',
    64,
  ),
  reasons: s.list(s.string('', 4096), 'why something is to be done', 64),
  note: s.string('why the state is what it is', 4096),
};

/** Fields of a step that was carried out. */
export const stepFields = { atMs: time('when'), state: s.oneOf(STEP_STATES), note: s.string('', 1024) };

/** What somebody decided about a planned step; null: nobody did. */
export const rolloutDecision = s.nullable(
  s.object({
    decision: s.oneOf(['approved', 'rejected']),
    by: s.string('', 512),
    atMs: time('when'),
    isUsed: s.boolean('the approval was used: it counts for one step'),
  }),
);

/** One rollout: what is planned, or what was done. */
export const rollout = s.object({
  ...entryFields,
  state: s.openOneOf(
    ['ready', 'dryRun', 'awaitingApproval', 'rejected', 'waiting', 'none', ...STEP_STATES],
    'of the plan, or of the last step where the plan does not have it any more',
  ),
  isPlanned: s.boolean('it is in the current plan'),
  decision: rolloutDecision,
  steps: s.list(s.object(stepFields), 'the oldest first', 50),
});
/** See {@link rollout}. */
export type Rollout = s.Infer<typeof rollout>;

/** How much of the budgets of the policies is used, and their maintenance windows. */
const budgetFields = {
  budgets: s.withDefault(
    s.list(
      s.object({
        policy: s.string('', 253),
        budget: s.openOneOf(['atOnce', 'perNamespace', 'offline', 'perHour'], 'the field of `budget` of the policy'),
        namespace: s.string('of `perNamespace`; empty: all namespaces', 253),
        used: s.integer('', 0),
        limit: s.integer('', 0),
        holders: s.list(s.string('', 256), 'workloads that use it, the first of them', 16),
        freesMs: s.nullable(time('of `perHour`: when the oldest response does not count any more')),
      }),
      'those with the least left first',
      100,
    ),
    [],
  ),
  windows: s.withDefault(
    s.list(
      s.object({
        policy: s.string('', 253),
        isOpen: s.boolean('rollouts may begin'),
        changesMs: s.nullable(time('when it opens or closes next; absent: it never does')),
      }),
      'maintenance windows of policies that have one',
      100,
    ),
    [],
  ),
};

/** Rollouts and whether they are paused. */
export const rolloutList = s.object({
  isPaused: s.boolean('nothing new begins'),
  plannedMs: s.nullable(time('when the plan was reported; absent: not since the start of the collector')),
  rollouts: s.list(rollout, 'what needs somebody first, then by namespace and name', 20_000),
  ...budgetFields,
});
/** See {@link rolloutList}. */
export type RolloutList = s.Infer<typeof rolloutList>;

/** Whether rollouts are paused. */
export const rolloutPause = s.object({ isPaused: s.boolean('nothing new begins') });

/** What `plimsoll rollout` reports: its plan and what it did. */
export const rolloutReport = s.object({
  plan: s.nullable(
    s.list(
      s.object({
        ...entryFields,
        state: s.oneOf(['ready', 'dryRun', 'awaitingApproval', 'rejected', 'waiting', 'none']),
      }),
      'a part of the plan; absent: it is as before',
      1000,
    ),
  ),
  usage: s.nullable(s.object(budgetFields, 'absent: it is as before')),
  part: s.withDefault(s.oneOf(['only', 'first', 'next', 'last'], 'of the plan: a request has at most 64 KiB'), 'only'),
  steps: s.list(
    s.object({
      stepId: s.string('unique: a step that is reported again is not recorded twice', 64),
      entry: s.object(entryFields),
      state: s.oneOf(STEP_STATES),
      note: s.string('', 1024),
    }),
    'what was done',
    100,
  ),
});
/** See {@link rolloutReport}. */
export type RolloutReport = s.Infer<typeof rolloutReport>;

/** What people and earlier steps say about rollouts. */
export const rolloutState = s.object({
  isPaused: s.boolean(),
  decisions: s.list(
    s.object({ id: s.string('', 64), decision: s.oneOf(['approved', 'rejected']) }),
    'that are not used yet',
    10_000,
  ),
  delivered: s.list(
    s.string('', 64),
    'ids of steps whose webhook has answered, and of responses that were carried out',
    10_000,
  ),
  recent: s.list(
    s.object({
      id: s.withDefault(s.string('', 64), ''),
      policy: s.string('', 253),
      atMs: time('when it was begun'),
      failedMs: s.nullable(time('when its last try failed')),
    }),
    'responses that were begun within the last day',
    10_000,
  ),
});

/** What a step is about: `shop/Deployment/db`, or `Node/worker-1`. */
export function workloadName({
  namespace,
  kind,
  name,
}: Pick<Rollout['workload'], 'namespace' | 'kind' | 'name'>): string {
  return `${namespace === '' ? '' : `${namespace}/`}${kind}/${name}`;
}

const BUDGET_LABELS: Readonly<Record<string, string>> = Object.freeze({
  atOnce: 'rollouts at a time',
  perNamespace: 'rollouts at a time in',
  offline: 'workloads offline',
  perHour: 'responses within an hour',
});

/** What a budget counts, for people. */
export function budgetLabel({
  budget,
  namespace,
}: Pick<RolloutList['budgets'][number], 'budget' | 'namespace'>): string {
  return [BUDGET_LABELS[budget] ?? budget, namespace].join(' ').trim();
}
