import { list, nullable, object, oneOf, record, string, integer, withDefault } from '../../posture/schema.ts';
import type { Infer } from '../../posture/schema.ts';

/** Kinds of workloads whose images are replaced. */
export const WORKLOAD_KINDS = Object.freeze(['Deployment', 'StatefulSet', 'DaemonSet', 'CronJob'] as const);
/** See {@link WORKLOAD_KINDS}. */
export type WorkloadKind = (typeof WORKLOAD_KINDS)[number];

/** The annotation of a workload that holds its {@link RolloutRecord} as JSON. */
export const ROLLOUT_ANNOTATION = 'plimsoll.dev/rollout';

/** A workload with its pods, as the API server has it. */
export interface Workload {
  readonly kind: WorkloadKind;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Who manages the object and would undo a patch: `Argo CD`, `Helm` …; undefined: nobody known. */
  readonly managedBy: string | undefined;
  /** The selector of its pods, as it is in the object; undefined: it has none. */
  readonly selector: unknown;
  /** Wanted pods; 0 for a CronJob. */
  readonly replicas: number;
  readonly containers: readonly TemplateContainer[];
  /** Pods that the update strategy may take down at a time; Infinity: all of them. */
  readonly maxUnavailable: number;
  /** Whether the controller replaces pods when the template changes. */
  readonly isUpdatedByController: boolean;
  /** Somebody has paused the Deployment: its controller starts no pods from a new template. */
  readonly isPaused: boolean;
  /** All wanted pods run the current template and are available. */
  readonly isReady: boolean;
  readonly pods: readonly WorkloadPod[];
  /** What the PodDisruptionBudgets that select its pods demand. */
  readonly disruptionBudgets: readonly DisruptionBudget[];
  /** The rollout that was carried out last, or runs; undefined: none, `damaged`: the annotation is not one. */
  readonly record: RolloutRecord | 'damaged' | undefined;
}

/** A container of the template of a workload. */
export interface TemplateContainer {
  readonly name: string;
  readonly image: string;
  readonly isInit: boolean;
}

/** A pod of a workload. */
export interface WorkloadPod {
  readonly name: string;
  /** Uid of the Node object that it is bound to; empty: not known. */
  readonly nodeUid: string;
  readonly containers: readonly PodContainer[];
}

/** A container of a pod, as the kubelet reports it. */
export interface PodContainer {
  readonly name: string;
  /** Id without the name of the runtime. */
  readonly id: string;
  /** Digest of the manifest that was pulled; empty: not known. */
  readonly digest: string;
}

/** The state of a PodDisruptionBudget, by its own status. */
export interface DisruptionBudget {
  readonly name: string;
  readonly currentHealthy: number;
  readonly desiredHealthy: number;
}

const change = object({
  container: string('', 63),
  from: string('', 1024),
  to: string('', 1024),
});
/** One container that gets another image. References are as in the template. */
export type ImageChange = Infer<typeof change>;

/** What the annotation of a workload holds. It is written in the same request as the change, so neither is there alone. */
export const rolloutRecord = object({
  id: string('', 64),
  policy: string('', 253),
  phase: oneOf(['progressing', 'observing', 'done', 'rolledBack', 'offline']),
  /** When the phase began, in milliseconds since the epoch. */
  sinceMs: integer('', 0),
  changes: list(change, '', 64),
  /** Replicas before the workload was scaled to zero. */
  replicas: nullable(integer('', 0)),
  /** How the workload was taken offline. */
  offline: nullable(oneOf(['scaleToZero', 'isolate'])),
  reason: withDefault(string('', 4096), ''),
  /** How long it may take until the workload is ready, and for how long it is observed after that. */
  readinessMs: withDefault(integer('', 0), 600_000),
  observeMs: withDefault(integer('', 0), 300_000),
  /** References that were rolled back, the newest last. They are not tried again. */
  refused: withDefault(list(string('', 1024), '', 16), []),
  /** Failed checks of its containers before, as `check`. */
  failures: withDefault(list(string('', 128), '', 200), []),
});
/** See {@link rolloutRecord}. */
export type RolloutRecord = Infer<typeof rolloutRecord>;

/** The record of the annotations of an object. */
export function recordOf(annotations: Readonly<Record<string, string>>): RolloutRecord | 'damaged' | undefined {
  const text = annotations[ROLLOUT_ANNOTATION];
  if (text === undefined || text === '') return undefined;
  try {
    const parsed = rolloutRecord.parse(JSON.parse(text));
    return parsed.ok ? parsed.value : 'damaged';
  } catch {
    return 'damaged';
  }
}

/** Labels and annotations by which a controller marks the objects that it applies, and its name. */
const MANAGERS: readonly (readonly [key: string, value: RegExp, name: string])[] = [
  ['argocd.argoproj.io/instance', /./, 'Argo CD'],
  ['argocd.argoproj.io/tracking-id', /./, 'Argo CD'],
  ['kustomize.toolkit.fluxcd.io/name', /./, 'Flux'],
  ['helm.toolkit.fluxcd.io/name', /./, 'Flux'],
  ['meta.helm.sh/release-name', /./, 'Helm'],
  ['app.kubernetes.io/managed-by', /^Helm$/i, 'Helm'],
  ['objectset.rio.cattle.io/id', /./, 'Fleet'],
];

/** Who manages an object with these labels, annotations and owners; undefined: nobody known. */
export function managerOf(
  labels: Readonly<Record<string, string>>,
  annotations: Readonly<Record<string, string>>,
  owners: readonly { readonly kind: string; readonly controller: boolean }[],
): string | undefined {
  for (const [key, value, name] of MANAGERS)
    if (value.test(labels[key] ?? '') || value.test(annotations[key] ?? '')) return name;
  const owner = owners.find(({ controller }) => controller);
  return owner === undefined ? undefined : `the ${owner.kind} that owns it`;
}

/** Needed for schemas of Kubernetes objects: labels or annotations. */
export const textMap = withDefault(record(string('', 256 * 1024), '', 1000), {});
