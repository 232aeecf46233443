import { join } from 'node:path';
import { entryFields, RESPONSE_ACTIONS, rolloutDecision, stepFields } from '../../api/rollout.ts';
import type { Rollout, RolloutList, RolloutReport } from '../../api/rollout.ts';
import * as s from '../../posture/schema.ts';
import type { Clock } from '../../service/clock.ts';
import { openListFile } from '../enrollment/list-file.ts';
import { createMutex } from '../session/mutex.ts';
import type { EventBus } from '../store/event-bus.ts';
import type { Store } from '../store/store.ts';

/** What is planned and was done to workloads, and what people decided about it. */
export interface RolloutRecords {
  readonly list: () => RolloutList;
  /** What `plimsoll rollout` goes by. */
  readonly state: () => RolloutState;
  /** Records a plan and steps. A step is an event of the outbox. Durable when the promise resolves. */
  readonly report: (report: RolloutReport, by: string) => Promise<void>;
  /** Approves or rejects a planned step. Resolves to undefined where the plan does not have it. */
  readonly decide: (id: string, decision: 'approved' | 'rejected', by: string) => Promise<Rollout | undefined>;
  readonly setPaused: (isPaused: boolean, by: string) => Promise<void>;
}

/** See `rolloutState` of api/rollout.ts. */
export interface RolloutState {
  readonly isPaused: boolean;
  readonly decisions: readonly { readonly id: string; readonly decision: 'approved' | 'rejected' }[];
  readonly delivered: readonly string[];
  readonly recent: readonly {
    readonly id: string;
    readonly policy: string;
    readonly atMs: number;
    readonly failedMs: number | null;
  }[];
}

/** What records need. */
export interface RolloutRecordsOptions {
  readonly directory: string;
  readonly store: Pick<Store, 'recordRemediations'>;
  readonly eventBus: Pick<EventBus, 'announce'>;
  readonly clock: Pick<Clock, 'now'>;
}

/** Rollouts whose steps and decisions are kept; the one that was changed the longest ago is forgotten. */
const MAX_RECORDS = 1000;
const MAX_STEPS = 50;
const DAY_MS = 86_400_000;
const MAX_PLANNED = 20_000;
const ROLLOUTS_FILE = 'rollouts.json';
const PAUSES_FILE = 'rollouts-paused.json';

const keptRollout = s.object({
  ...entryFields,
  decision: rolloutDecision,
  steps: s.list(s.object({ ...stepFields, stepId: s.string('', 64) }), '', MAX_STEPS),
});
type Kept = s.Infer<typeof keptRollout>;
type Entry = NonNullable<RolloutReport['plan']>[number];
type Step = RolloutReport['steps'][number];

const pause = s.object({ by: s.string('', 512), atMs: s.integer('', 0) });

/** Opens the records of a directory. Throws StartError for a file that cannot be read or is damaged. */
export async function openRolloutRecords(options: RolloutRecordsOptions): Promise<RolloutRecords> {
  const { directory, store, eventBus, clock } = options;
  const kept = await openListFile(join(directory, ROLLOUTS_FILE), s.list(keptRollout, '', MAX_RECORDS));
  const pauses = await openListFile(join(directory, PAUSES_FILE), s.list(pause, '', 1));
  const mutex = createMutex();
  let plan: readonly Entry[] = [];
  /** Parts of a plan that is not complete yet. */
  let incoming: readonly Entry[] = [];
  let plannedMs: number | undefined;
  let current: Pick<RolloutList, 'budgets' | 'windows'> = { budgets: [], windows: [] };

  /** The record moves to the end: the first is the one that was changed the longest ago. */
  const put = (change: (before: Kept | undefined) => Kept, id: string): Promise<void> =>
    kept.update((list) => {
      const others = list.filter((one) => one.id !== id);
      return [...others.slice(1 - MAX_RECORDS), change(list.find((one) => one.id === id))];
    });
  const recordStep = async ({ stepId, entry, state, note }: Step, by: string): Promise<void> => {
    const before = kept.all().find(({ id }) => id === entry.id);
    if (before?.steps.some((one) => one.stepId === stepId) === true) return;
    const atMs = clock.now();
    const { id, policy, action, workload } = entry;
    // The event first: a step without one would never reach a sink.
    eventBus.announce(
      await store.recordRemediations([{ id, stepId, policy, action, state, note, workload, by, atMs }]),
    );
    await put(
      (known) => ({
        ...entry,
        decision: known?.decision ? { ...known.decision, isUsed: true } : null,
        steps: [...(known?.steps ?? []).slice(1 - MAX_STEPS), { atMs, state, note, stepId }],
      }),
      id,
    );
  };
  const list = (): RolloutList => {
    const planned = new Map(plan.map((entry) => [entry.id, entry]));
    const records = new Map(kept.all().map((record) => [record.id, record]));
    const all = [
      ...plan.map((entry) => present(entry, records.get(entry.id))),
      ...kept
        .all()
        .filter(({ id }) => !planned.has(id))
        .toReversed()
        .map((record) => present(undefined, record)),
    ].flatMap((one) => one ?? []);
    return { isPaused: pauses.all().length > 0, plannedMs: plannedMs ?? null, rollouts: all, ...current };
  };
  return {
    list,
    state: () => ({
      isPaused: pauses.all().length > 0,
      decisions: kept
        .all()
        .flatMap(({ id, decision }) =>
          decision === null || (decision.decision === 'approved' && decision.isUsed)
            ? []
            : [{ id, decision: decision.decision }],
        ),
      delivered: kept
        .all()
        .filter(({ action, steps }) =>
          steps.some(({ state }) => state === 'delivered' || (state === 'done' && RESPONSE_ACTIONS.includes(action))),
        )
        .map(({ id }) => id),
      recent: kept
        .all()
        .filter(({ action }) => RESPONSE_ACTIONS.includes(action))
        .flatMap(({ id, policy, steps }) => {
          const begun = steps.findLast(({ state }) => state === 'started');
          if (begun === undefined || clock.now() - begun.atMs >= DAY_MS) return [];
          const last = steps.at(-1);
          return [{ id, policy, atMs: begun.atMs, failedMs: last?.state === 'failed' ? last.atMs : null }];
        }),
    }),
    report: async ({ plan: next, part, steps, usage }, by) => {
      const release = await mutex.acquire();
      try {
        for (const step of steps) await recordStep(step, by);
        if (usage !== null) current = usage;
        if (next === null) return;
        const isFirst = part === 'only' || part === 'first';
        incoming = [...(isFirst ? [] : incoming), ...next].slice(0, MAX_PLANNED);
        if (part !== 'only' && part !== 'last') return;
        [plan, incoming, plannedMs] = [incoming, [], clock.now()];
      } finally {
        release();
      }
    },
    decide: async (id, decision, by) => {
      const entry = plan.find((one) => one.id === id);
      if (entry === undefined || entry.action === 'none' || entry.action === 'watch') return undefined;
      const { state: _state, ...fields } = entry;
      const made = { decision, by, atMs: clock.now(), isUsed: false };
      await put((known) => ({ ...fields, steps: known?.steps ?? [], decision: made }), id);
      return list().rollouts.find((one) => one.id === id);
    },
    setPaused: (isPaused, by) =>
      pauses.update((now) => {
        if (!isPaused) return now.length === 0 ? now : [];
        return now.length > 0 ? now : [{ by, atMs: clock.now() }];
      }),
  };
}

function present(entry: Entry | undefined, record: Kept | undefined): Rollout | undefined {
  const fields = entry ?? record;
  if (fields === undefined) return undefined;
  const steps = record?.steps ?? [];
  const last = steps.at(-1)?.state;
  const { id, policy, workload, action, changes, reasons, note } = fields;
  return {
    id,
    policy,
    workload,
    action,
    changes,
    reasons,
    note,
    // Without a plan and without a step it is a decision about something that is not planned any more.
    state: entry?.state === 'ready' && last === 'delivered' ? last : (entry?.state ?? last ?? 'none'),
    isPlanned: entry !== undefined,
    decision: record?.decision ?? null,
    steps: steps.map(({ atMs, state, note: own }) => ({ atMs, state, note: own })),
  };
}
