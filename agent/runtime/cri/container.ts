import type { RuntimeContainer } from '../../../posture/fact/container.ts';
import { CRI_CONTAINER_STATES } from '../../../proto/cri.ts';
import type { ContainerStatusResponse, PodSandboxStatusResponse } from '../../../proto/cri.ts';
import { clip } from '../../inspector/clip.ts';
import { replyFailure } from '../runtime.ts';
import type { ListedContainer, Reply } from '../runtime.ts';
import { DECLARED_SOURCES, toDeclared } from './declared.ts';
import { workloadOf } from './pod.ts';
import type { Pod } from './pod.ts';
import type { ContainerInfo, RuntimeSpec, SandboxInfo } from './runtime-spec.ts';

/** What every container of one runtime has. */
export interface ContainerOrigin {
  readonly runtime: string;
  readonly endpoint: string;
}

/** A container as its status and the details of that give it. */
export interface DescribedContainer {
  readonly status: NonNullable<ContainerStatusResponse['status']>;
  readonly info: ContainerInfo;
  readonly pod: Pod;
  readonly imageId: string;
}

/** What a sandbox is called; no container can have this name (RFC 1123 label). */
export const SANDBOX_NAME = '(sandbox)';

/** A container. */
export function toContainer(
  { status, info, pod, imageId }: DescribedContainer,
  { runtime, endpoint }: ContainerOrigin,
): Reply<RuntimeContainer> {
  const id = status.id ?? '';
  const source = `ContainerStatus ${clip(id, 128)}`;
  const state = CRI_CONTAINER_STATES[status.state ?? 0] ?? 'unknown';
  if (state === 'unknown') return replyFailure('failed', 'the runtime does not know its state', source);
  if (state === 'running' && info.pid <= 0)
    return replyFailure('failed', 'it runs, and the runtime does not name its first process', source);
  const value: RuntimeContainer = {
    id: clip(id, 128),
    kind: 'container',
    name: clip(status.metadata?.name ?? '', 512),
    runtime,
    engine: endpoint,
    ...podFieldsOf(pod),
    image: clip(status.image?.image ?? '', 1024),
    imageId,
    imageDigest: digestOf(status.imageRef ?? ''),
    state,
    pid: state === 'running' ? info.pid : 0,
    startedAt: timeOf(status.startedAt ?? 0),
    // The kubelet removes what ended; nothing judges when.
    endedAt: '',
    handler: pod.handler,
    declared: toDeclared(info.runtimeSpec, { id, pod, info }),
    sources: DECLARED_SOURCES,
  };
  return { ok: true, value, source };
}

/** The sandbox of a pod: the process that holds its namespaces, where the runtime needs one. */
export function toSandbox(
  { status }: PodSandboxStatusResponse,
  { pod, info, origin }: { readonly pod: Pod; readonly info: SandboxInfo; readonly origin: ContainerOrigin },
): Reply<RuntimeContainer> {
  const { sandboxId: id } = pod;
  const isRunning = pod.isReady && info.pid > 0;
  const value: RuntimeContainer = {
    id,
    kind: 'sandbox',
    name: SANDBOX_NAME,
    runtime: origin.runtime,
    engine: origin.endpoint,
    ...podFieldsOf(pod),
    image: clip(info.image, 1024),
    imageId: '',
    imageDigest: '',
    state: isRunning ? 'running' : pod.isReady ? 'created' : 'exited',
    pid: isRunning ? info.pid : 0,
    startedAt: timeOf(status?.createdAt ?? 0),
    endedAt: '',
    handler: pod.handler,
    declared: toDeclared(info.runtimeSpec ?? EMPTY_SPEC, {
      id,
      pod,
      info: { privileged: info.config?.linux?.security_context?.privileged ?? false, config: null },
    }),
    sources: SANDBOX_SOURCES,
  };
  return { ok: true, value, source: `PodSandboxStatus ${id}` };
}

const EMPTY_SPEC: RuntimeSpec = Object.freeze({ process: null, root: null, mounts: [], annotations: {}, linux: null });

const SANDBOX_SOURCES: Readonly<Record<string, string>> = Object.freeze(
  Object.fromEntries(
    Object.entries(DECLARED_SOURCES).map(([field, source]) => [
      field,
      source.replace('ContainerStatus', 'PodSandboxStatus'),
    ]),
  ),
);

function podFieldsOf(pod: Pod): Pick<RuntimeContainer, 'pod' | 'namespace' | 'workload' | 'podUid'> {
  return { pod: pod.name, namespace: pod.namespace, workload: workloadOf(pod.name), podUid: pod.uid };
}

/** States of the list, where `exited` and the others mean the same. */
export function listedState(state: number): ListedContainer['state'] {
  const known = CRI_CONTAINER_STATES[state] ?? 'unknown';
  return known === 'unknown' ? 'other' : known;
}

/** `sha256:…` where a reference is the id of an image, which CRI-O writes without `sha256:`; otherwise empty. */
export function imageIdOf(...references: readonly (string | null | undefined)[]): string {
  const found = references.find((reference) => /^(?:sha256:)?[0-9a-f]{64}$/.test(reference ?? '')) ?? '';
  return found === '' || found.startsWith('sha256:') ? found : `sha256:${found}`;
}

function digestOf(reference: string): string {
  return /@sha256:[0-9a-f]{64}$/.test(reference) ? clip(reference, 1024) : '';
}

/** RFC 3339 of nanoseconds since 1970; empty for none, and for what is no time. */
function timeOf(nanoseconds: number): string {
  const ms = Math.trunc(nanoseconds / 1e6);
  return ms > 0 && ms <= 8.64e15 ? new Date(ms).toISOString() : '';
}

/** Can this be the id of a container or sandbox? Anything else is not sent. */
export function isId(id: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/.test(id);
}

/** Can this be the id of an image, or a reference to one (distribution/reference grammar)? */
export function isImageReference(reference: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9_.:@/-]{0,511}$/.test(reference);
}
