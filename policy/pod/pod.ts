/**
 * Pods as an AdmissionReview or a manifest holds them, reduced to the fields that policies judge. Field names are those
 * of the Kubernetes API, `core/v1`: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
 *
 * A pod is hostile until this schema accepts it. A field of another type than the API documents refuses the whole pod:
 * no rule judges half of one.
 */
import * as s from '../../posture/schema.ts';
import type { Infer, Parsed } from '../../posture/schema.ts';
import { compareKeys } from '../../posture/text-order.ts';

/** Lists of a pod beyond this are refused. etcd limits a request to 1.5 MiB, so real pods are far below. */
const MAX_ITEMS = 1000;
/** References of images have at most 1,024 characters, names 253; other strings are compared with short words. */
const MAX_TEXT = 4096;

const text = s.nullable(s.string('', MAX_TEXT));
const flag = s.nullable(s.boolean());
const list = <T>(item: s.Schema<T>): s.Schema<readonly T[]> => s.withDefault(s.list(item, '', MAX_ITEMS), []);
const words = list(s.string('', MAX_TEXT));
const profile = s.nullable(s.object({ type: text }));

const securityContext = s.nullable(
  s.object({
    privileged: flag,
    allowPrivilegeEscalation: flag,
    capabilities: s.nullable(s.object({ add: words, drop: words })),
    procMount: text,
    runAsNonRoot: flag,
    runAsUser: s.nullable(s.integer()),
    seLinuxOptions: s.nullable(s.object({ type: text, user: text, role: text })),
    seccompProfile: profile,
    appArmorProfile: profile,
    windowsOptions: s.nullable(s.object({ hostProcess: flag })),
    sysctls: list(s.object({ name: text })),
  }),
);

const target = s.nullable(s.object({ host: text }));
const handler = s.nullable(s.object({ httpGet: target, tcpSocket: target }));

const container = s.object({
  name: text,
  image: text,
  ports: list(s.object({ hostPort: s.nullable(s.integer()) })),
  securityContext,
  livenessProbe: handler,
  readinessProbe: handler,
  startupProbe: handler,
  lifecycle: s.nullable(s.object({ postStart: handler, preStop: handler })),
});

const requirement = s.object({ key: s.string('', MAX_TEXT), operator: s.string('', MAX_TEXT), values: words });
/** NodeSelectorRequirement (core/v1). */
export type NodeSelectorRequirement = Infer<typeof requirement>;
const term = s.object({ matchExpressions: list(requirement), matchFields: list(requirement) });
/** NodeSelectorTerm (core/v1). */
export type NodeSelectorTerm = Infer<typeof term>;

const pod = s.object({
  metadata: s.withDefault(
    s.object({ annotations: s.withDefault(s.record(s.string('', 256 * 1024), '', MAX_ITEMS), {}) }),
    { annotations: {} },
  ),
  spec: s.object({
    containers: list(container),
    initContainers: list(container),
    ephemeralContainers: list(container),
    // Any source of a volume: the names of its fields are what counts.
    volumes: list(s.record(s.unknown(), '', 64)),
    securityContext,
    hostNetwork: flag,
    hostPID: flag,
    hostIPC: flag,
    hostUsers: flag,
    os: s.nullable(s.object({ name: text })),
    nodeName: text,
    nodeSelector: s.withDefault(s.record(s.string('', MAX_TEXT), '', MAX_ITEMS), {}),
    affinity: s.nullable(
      s.object({
        nodeAffinity: s.nullable(
          s.object({
            requiredDuringSchedulingIgnoredDuringExecution: s.nullable(s.object({ nodeSelectorTerms: list(term) })),
          }),
        ),
      }),
    ),
  }),
});

/** The fields of a pod that policies judge. Missing fields are null or an empty list. */
export type Pod = Infer<typeof pod>;
/** A container of any kind. */
export type Container = Infer<typeof container>;
/** The security context of a pod or a container. */
export type SecurityContext = NonNullable<Infer<typeof securityContext>>;

/** Parses a pod or a pod template. `problem` names the field (`spec.containers[0].image: expected a string`). */
export function parsePod(value: unknown): Parsed<Pod> {
  const parsed = pod.parse(value);
  return parsed.ok ? parsed : { ok: false, problem: parsed.problem.replace(/^\./, '') };
}

/** Annotations that say what a container may do; https://kubernetes.io/docs/reference/labels-annotations-taints/ */
const SECURITY_ANNOTATION = /^(?:container\.(?:apparmor|seccomp)\.security\.|seccomp\.security\.)/;

/** Is the annotation one that policies judge? */
export function isSecurityAnnotation(name: string): boolean {
  return SECURITY_ANNOTATION.test(name);
}

/** The fields that policies judge, as text to compare; undefined where the value is not a pod that can be compared. */
export function judgedFieldsOf(value: unknown): string | undefined {
  const parsed = parsePod(value);
  if (!parsed.ok) return undefined;
  const { metadata, spec } = parsed.value;
  const annotations = Object.entries(metadata.annotations).filter(([name]) => isSecurityAnnotation(name));
  try {
    return JSON.stringify([spec, annotations.toSorted(compareKeys)]);
  } catch {
    // A source of a volume is nested too deep.
    return undefined;
  }
}

/** A container with its place in the pod, `spec.initContainers[0]`. */
export interface PlacedContainer {
  readonly path: string;
  readonly container: Container;
}

/** All containers: init containers, containers, ephemeral containers. */
export function* containersOf({ spec }: Pod): Generator<PlacedContainer> {
  for (const kind of ['initContainers', 'containers', 'ephemeralContainers'] as const)
    for (const [index, container] of spec[kind].entries()) yield { path: `spec.${kind}[${String(index)}]`, container };
}

/** A security context with its place, `spec.containers[0].securityContext`. */
export interface PlacedContext {
  readonly path: string;
  readonly context: SecurityContext;
}

/** The security contexts that the pod and its containers have. */
export function* contextsOf(value: Pod): Generator<PlacedContext> {
  if (value.spec.securityContext !== null) yield { path: 'spec.securityContext', context: value.spec.securityContext };
  for (const { path, container } of containersOf(value))
    if (container.securityContext !== null)
      yield { path: `${path}.securityContext`, context: container.securityContext };
}

/** An image that a pod asks for, with its place: a container's or a volume's. */
export interface PodImage {
  /** `spec.containers[0].image`, `spec.volumes[1].image.reference` */
  readonly path: string;
  /** As written; empty where the pod names none. */
  readonly reference: string;
}

/** Every image of a pod: containers of all kinds, and volumes whose source is an image. */
export function imagesOf(value: Pod): readonly PodImage[] {
  const images: PodImage[] = [];
  for (const { path, container } of containersOf(value))
    images.push({ path: `${path}.image`, reference: container.image ?? '' });
  for (const [index, volume] of value.spec.volumes.entries()) {
    const source = volume['image'];
    if (source === undefined || source === null) continue;
    const { reference } = typeof source === 'object' ? (source as { readonly reference?: unknown }) : {};
    images.push({
      path: `spec.volumes[${String(index)}].image.reference`,
      reference: typeof reference === 'string' ? reference.slice(0, MAX_TEXT) : '',
    });
  }
  return images;
}
