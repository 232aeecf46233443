import type { KubernetesApi, KubernetesResult } from '../kubernetes/api-client.ts';
import type { PlanEntry } from '../policy/rollout/plan.ts';
import type { RolloutPolicy } from '../policy/rollout/rollout-policy.ts';
import type { ImageChange, RolloutRecord, Workload } from '../policy/rollout/workload.ts';
import type { StepState } from '../api/rollout.ts';
import { isolatePods, releasePods } from './isolate.ts';
import { patchWorkload } from './patch-workload.ts';

/** What came of a step. `wait`: nothing has changed. */
export type StepResult = { readonly state: StepState; readonly note: string } | 'wait';

/** What the executor may do with the API server. */
export type ExecutorApi = Pick<KubernetesApi, 'get' | 'create' | 'patch' | 'remove'>;

/** What a step is carried out with. */
export interface StepContext {
  readonly api: ExecutorApi;
  readonly nowMs: number;
  /** Failed checks of the containers of a workload, sorted; undefined: they are not known. */
  readonly failures: readonly string[] | undefined;
  /** Why the images that the workload runs now set off the policy; empty: they do not; undefined: it is not known. */
  readonly fired: readonly string[] | undefined;
}

const MAX_REASON = 1000;
const MAX_REFUSED = 16;
const MAX_FAILURES = 200;
/** How long after the time of observation a rollout waits for a collector that does not answer. */
const UNOBSERVED_MS = 3_600_000;

/**
 * Begins a planned step: one request that changes the workload and says so in its annotation. A workload that was
 * changed since it was read is not touched.
 */
export async function beginStep(
  { action, id, policy: policyName, changes, reasons }: PlanEntry,
  workload: Workload,
  { api, nowMs, failures, policy }: Omit<StepContext, 'fired'> & { readonly policy: RolloutPolicy },
): Promise<StepResult> {
  const before = workload.record === undefined || workload.record === 'damaged' ? undefined : workload.record;
  const record: RolloutRecord = {
    id,
    policy: policyName,
    phase: 'progressing',
    sinceMs: nowMs,
    changes,
    replicas: before?.replicas ?? null,
    offline: before?.phase === 'offline' ? before.offline : null,
    reason: reasons.join('; ').slice(0, MAX_REASON),
    readinessMs: policy.readinessTimeout,
    observeMs: policy.observe,
    refused: before?.refused ?? [],
    // A workload that is scaled to zero has no containers to compare with, so what failed before still counts.
    failures: [...new Set([...(failures ?? []), ...(before?.phase === 'offline' ? before.failures : [])])]
      .sort()
      .slice(0, MAX_FAILURES),
  };
  const patch = (change: Partial<RolloutRecord>, images: readonly ImageChange[], replicas?: number) =>
    patchWorkload(api, workload, {
      images: new Map(images.map(({ container, to }) => [container, to])),
      ...(replicas === undefined ? {} : { replicas }),
      record: { ...record, ...change },
    });
  switch (action) {
    case 'roll':
      return outcome(await patch({ replicas: null, offline: null }, changes), 'started', imagesOf(changes));
    case 'scaleToZero':
      return outcome(
        await patch({ phase: 'offline', offline: 'scaleToZero', replicas: workload.replicas }, [], 0),
        'offline',
        `scaled from ${String(workload.replicas)} to 0`,
      );
    case 'isolate': {
      const isolated = await isolatePods(api, {
        namespace: workload.namespace,
        key: workload.uid,
        selector: workload.selector,
      });
      if (!isolated.ok) return outcome(isolated, 'offline', '');
      return outcome(await patch({ phase: 'offline', offline: 'isolate', replicas: null }, []), 'offline', 'isolated');
    }
    case 'restore': {
      const whole = workload.containers.map(
        ({ name, image }) =>
          changes.find(({ container }) => container === name) ?? { container: name, from: image, to: image },
      );
      const replicas = record.offline === 'scaleToZero' ? (record.replicas ?? 1) : undefined;
      return outcome(await patch({ changes: whole }, changes, replicas), 'started', imagesOf(changes));
    }
    case 'proposePatch':
    case 'requestBuild':
    case 'watch':
    case 'none':
      return 'wait';
  }
}

/** Advances a rollout that runs: watches it, ends it, or rolls it back. */
export async function advanceRollout(
  workload: Workload,
  record: RolloutRecord,
  context: StepContext,
): Promise<StepResult> {
  const { api, nowMs } = context;
  const wanted = new Map(record.changes.map(({ container, to }) => [container, to]));
  const other = workload.containers.find(({ name, image }) => wanted.has(name) && wanted.get(name) !== image);
  const set = (change: Partial<RolloutRecord>) =>
    patchWorkload(api, workload, { images: new Map(), record: { ...record, sinceMs: nowMs, ...change } });
  if (other !== undefined)
    return outcome(await set({ phase: 'done' }), 'failed', `somebody else has changed the image of ${other.name}`);
  const ageMs = nowMs - record.sinceMs;
  if (record.phase === 'progressing') {
    // Its next run is hours away; what runs now has the images of before.
    if (workload.kind === 'CronJob' && record.offline === null)
      return outcome(await set({ phase: 'done', offline: null }), 'done', '');
    if (workload.isReady) {
      const moved = await set({ phase: 'observing' });
      return moved.ok ? 'wait' : outcome(moved, 'failed', '');
    }
    return ageMs < record.readinessMs
      ? 'wait'
      : rollBack(
          workload,
          record,
          context,
          `it was not ready after ${String(Math.round(record.readinessMs / 1000))} s`,
        );
  }
  const added = (context.failures ?? []).filter((check) => !record.failures.includes(check));
  if (added.length > 0)
    return rollBack(workload, record, context, `new failed checks: ${added.slice(0, 5).join(', ')}`);
  if (context.fired !== undefined && context.fired.length > 0)
    return rollBack(workload, record, context, `the new image sets off the policy: ${context.fired.join('; ')}`);
  if (ageMs < record.observeMs) return 'wait';
  // What nobody has seen is not well: it waits until the collector answers.
  const isObserved = context.failures !== undefined && context.fired !== undefined;
  if (!isObserved && ageMs < record.observeMs + UNOBSERVED_MS && workload.isReady) return 'wait';
  if (!workload.isReady) return rollBack(workload, record, context, 'it did not stay ready');
  if (record.offline === 'isolate') {
    const released = await releasePods(api, { namespace: workload.namespace, key: workload.uid });
    if (!released.ok) return outcome(released, 'failed', '');
  }
  const ended = await set({ phase: 'done', offline: null, replicas: null });
  if (isObserved) return outcome(ended, 'done', '');
  const hours = String(UNOBSERVED_MS / 3_600_000);
  return outcome(
    ended,
    'notObserved',
    `the collector did not answer for ${hours} h: whether checks of the new containers fail is not known`,
  );
}

/** Puts the earlier images back; a workload that was offline is offline again. The images are not tried again. */
async function rollBack(
  workload: Workload,
  record: RolloutRecord,
  { api, nowMs }: StepContext,
  why: string,
): Promise<StepResult> {
  const { changes, offline } = record;
  const tried = changes.filter(({ from, to }) => from !== to).map(({ to }) => to);
  const back: RolloutRecord = {
    ...record,
    phase: offline === null ? 'rolledBack' : 'offline',
    sinceMs: nowMs,
    refused: [...record.refused, ...tried].slice(-MAX_REFUSED),
    // Of a workload that is offline, an empty image says that a new one is wanted.
    changes:
      offline === null
        ? changes
        : changes.map(({ container, from, to }) => ({ container, from, to: from === to ? to : '' })),
  };
  const result = await patchWorkload(api, workload, {
    images: new Map(changes.filter(({ from, to }) => from !== to).map(({ container, from }) => [container, from])),
    ...(offline === 'scaleToZero' ? { replicas: 0 } : {}),
    record: back,
  });
  return outcome(result, 'rolledBack', why);
}

function imagesOf(changes: readonly ImageChange[]): string {
  return changes.map(({ container, to }) => `${container}: ${to}`).join(', ');
}

/** A conflict is no failure: the workload was changed since it was read, and the next round sees how. */
function outcome(result: KubernetesResult<object>, state: StepState, note: string): StepResult {
  if (result.ok) return { state, note: note.slice(0, MAX_REASON) };
  return result.code === 'conflict' ? 'wait' : { state: 'failed', note: result.reason.slice(0, MAX_REASON) };
}
