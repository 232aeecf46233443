import type { KubernetesApi, KubernetesResult } from '../kubernetes/api-client.ts';
import * as s from '../posture/schema.ts';
import { ROLLOUT_ANNOTATION } from '../policy/rollout/workload.ts';
import type { RolloutRecord, Workload } from '../policy/rollout/workload.ts';
import { readWorkload } from './parse-workload.ts';
import type { RawWorkload } from './parse-workload.ts';

/** What changes in a workload. The record of the rollout is written in the same request. */
export interface WorkloadChange {
  /** New images, by container. */
  readonly images: ReadonlyMap<string, string>;
  readonly replicas?: number;
  readonly record: RolloutRecord;
}

const TRIES = 5;
const CONFLICT = Object.freeze({ ok: false, code: 'conflict', reason: 'the workload was changed meanwhile' } as const);

/**
 * Patches a workload that is still as it was read: the same object with the same images, replicas and record. Otherwise
 * the result is a `conflict` and nothing is changed, so a patch that was made before a crash is never made again. Its
 * status may have changed: that alone makes the API server refuse a patch, which is then tried again.
 */
export async function patchWorkload(
  api: Pick<KubernetesApi, 'get' | 'patch'>,
  workload: Workload,
  change: WorkloadChange,
): Promise<KubernetesResult<object>> {
  for (let left = TRIES; left > 0; left -= 1) {
    const current = await readWorkload(api, workload);
    if (!current.ok) return current;
    if (fingerprintOf(current.value.workload) !== fingerprintOf(workload)) return CONFLICT;
    const body = patchOf(current.value.workload, change);
    const result = await api.patch(current.value.path, body, s.object({}), 'strategic');
    if (result.ok || result.code !== 'conflict') return result;
  }
  return CONFLICT;
}

/** Everything that a decision about a workload depends on and that a patch could undo. */
function fingerprintOf({ uid, containers, replicas, record, managedBy, kind }: RawWorkload | Workload): string {
  // The pods that a DaemonSet wants depend on the nodes, not on the object.
  return JSON.stringify([uid, containers, kind === 'DaemonSet' ? 0 : replicas, record, managedBy]);
}

/** The body of a strategic merge patch: containers are merged by name. */
function patchOf(workload: RawWorkload, { images, replicas, record }: WorkloadChange): object {
  const spec = { ...(replicas === undefined ? {} : { replicas }), ...templateOf(workload, images) };
  return {
    metadata: {
      resourceVersion: workload.resourceVersion,
      annotations: { [ROLLOUT_ANNOTATION]: JSON.stringify(record) },
    },
    ...(Object.keys(spec).length === 0 ? {} : { spec }),
  };
}

/** What of the spec of a workload sets these images; also the patch that a webhook gets. */
export function templateOf(
  { kind, containers }: Pick<Workload, 'kind' | 'containers'>,
  images: ReadonlyMap<string, string>,
): object {
  const changed = (isInit: boolean) =>
    containers
      .filter((one) => one.isInit === isInit && images.has(one.name))
      .map(({ name }) => ({ name, image: images.get(name) }));
  const [own, init] = [changed(false), changed(true)];
  if (own.length === 0 && init.length === 0) return {};
  const template = {
    template: {
      spec: {
        ...(own.length === 0 ? {} : { containers: own }),
        ...(init.length === 0 ? {} : { initContainers: init }),
      },
    },
  };
  return kind === 'CronJob' ? { jobTemplate: { spec: template } } : template;
}
