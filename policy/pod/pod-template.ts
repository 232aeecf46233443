/** Kinds whose objects hold the template of a pod, with the place of the template. */
export const TEMPLATE_PATHS: Readonly<Record<string, string>> = Object.freeze({
  CronJob: 'spec.jobTemplate.spec.template',
  DaemonSet: 'spec.template',
  Deployment: 'spec.template',
  Job: 'spec.template',
  PodTemplate: 'template',
  ReplicaSet: 'spec.template',
  ReplicationController: 'spec.template',
  StatefulSet: 'spec.template',
});

/** A pod, or the template of one, that an object holds. */
export interface PodSource {
  /** Place within the object: `spec.template`; empty for a pod. */
  readonly path: string;
  /** Not parsed: an object with `metadata` and `spec`. Undefined where the object has none. */
  readonly value: unknown;
}

/** The pod or pod template of an object; undefined for kinds without one. */
export function podSourceOf(kind: string, object: unknown): PodSource | undefined {
  if (kind === 'Pod') return { path: '', value: object };
  const path = Object.hasOwn(TEMPLATE_PATHS, kind) ? TEMPLATE_PATHS[kind] : undefined;
  return path === undefined ? undefined : { path, value: valueAt(object, path) };
}

/** Kind of the objects in which controllers of StatefulSets and DaemonSets keep earlier templates. */
export const REVISION_KIND = 'ControllerRevision';
const REVISION_PATH = 'data.spec.template';

/**
 * What pods of an object are made of, not parsed: as {@link podSourceOf}, and the template of a revision, of which the
 * controller of StatefulSets makes pods. Undefined where the object has none: revisions of other controllers hold
 * anything.
 */
export function templateOf(kind: string, object: unknown): unknown {
  return kind === REVISION_KIND ? valueAt(object, REVISION_PATH) : podSourceOf(kind, object)?.value;
}

/**
 * Whether the pods of a revision have what the template of its owner has besides: a revision is a strategic merge patch,
 * and only with this directive it replaces the template, as the controllers write it.
 * https://git.k8s.io/design-proposals-archive/apps/controller_history.md
 */
export function isMergedRevision(kind: string, object: unknown): boolean {
  if (kind !== REVISION_KIND) return false;
  const template = templateOf(kind, object);
  return typeof template === 'object' && template !== null && valueAt(template, '$patch') !== 'replace';
}

/** `spec.containers[0].image` within a template at `spec.template`: `spec.template.spec.containers[0].image`. */
export function placeWithin({ path }: Pick<PodSource, 'path'>, place: string): string {
  return path === '' ? place : `${path}.${place}`;
}

function valueAt(object: unknown, path: string): unknown {
  let value: unknown = object;
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  return value;
}
