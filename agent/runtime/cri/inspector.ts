import { CRI } from '../../../proto/cri.ts';
import type { ContainerStatusResponse, PodSandboxStatusResponse } from '../../../proto/cri.ts';
import type { RuntimeContainer } from '../../../posture/fact/container.ts';
import { createReplyCache } from '../reply-cache.ts';
import { replyFailure } from '../runtime.ts';
import type { Reply, ReplyFailure } from '../runtime.ts';
import { imageIdOf, isId, isImageReference, toContainer, toSandbox } from './container.ts';
import type { ContainerOrigin } from './container.ts';
import type { CriCall } from './cri-client.ts';
import type { Listed } from './listing.ts';
import { toPod } from './pod.ts';
import type { Pod } from './pod.ts';
import { containerInfoSchema, parseInfo, sandboxInfoSchema } from './runtime-spec.ts';
import type { SandboxInfo } from './runtime-spec.ts';

/** Asks about single containers, and remembers what does not change. */
export interface ContainerInspector {
  /** A container or sandbox; the same object for as long as the runtime says the same about it. */
  readonly inspect: (id: string) => Promise<Reply<RuntimeContainer>>;
  /** Forgets all others. */
  readonly retain: (listed: Listed) => void;
}

/** Pods and images that are remembered. */
const MAX_REMEMBERED = 20_000;

/** An inspector that remembers nothing yet. */
export function createInspector(call: CriCall, origin: () => ContainerOrigin): ContainerInspector {
  const replies = createReplyCache<RuntimeContainer>();
  const pods = createPodReader(call);
  const imageIdFor = createImageResolver(call);
  let sandboxes: ReadonlySet<string> = new Set();

  const inspectSandbox = async (id: string): Promise<Reply<RuntimeContainer>> => {
    const read = await pods.read(id);
    if (!read.ok) return read;
    const { response, ...described } = read.value;
    const text = `${String(described.pod.isReady)} ${response.info?.['info'] ?? ''}`;
    return replies.get(id, text, () => toSandbox(response, { ...described, origin: origin() }));
  };
  const inspectContainer = async (id: string): Promise<Reply<RuntimeContainer>> => {
    const reply = await call(CRI.containerStatus, id, id);
    if (!reply.ok) return reply;
    const { source } = reply;
    const { status, info } = reply.value;
    if (status === null || status === undefined || status.id !== id)
      return replyFailure('malformed', 'the response is about another container', source);
    const parsed = parseInfo(info?.['info'], containerInfoSchema);
    if (!parsed.ok) return replyFailure('malformed', parsed.problem, source);
    const pod = await pods.of(parsed.value.sandboxID);
    // The container is there, whatever is the matter with its pod.
    if ('code' in pod) return replyFailure('failed', `its pod: ${pod.reason}`, pod.source);
    const imageId = await imageIdFor(status, parsed.value.config?.image?.image);
    const text = JSON.stringify([status, imageId, info?.['info']]);
    return replies.get(id, text, () => toContainer({ status, info: parsed.value, pod, imageId }, origin()));
  };
  return {
    inspect: async (id) => {
      if (!isId(id)) return replyFailure('failed', 'not an id', CRI.containerStatus.name);
      if (sandboxes.has(id)) return inspectSandbox(id);
      const reply = await inspectContainer(id);
      // An event names a sandbox before it is listed.
      return !reply.ok && reply.code === 'notFound' ? inspectSandbox(id) : reply;
    },
    retain: (listed) => {
      sandboxes = new Set(listed.sandboxes.map(({ id }) => id ?? ''));
      replies.retain(new Set([...sandboxes, ...listed.containers.map(({ id }) => id ?? '')]));
      pods.retain(new Set([...sandboxes, ...listed.containers.map(({ podSandboxId }) => podSandboxId ?? '')]));
    },
  };
}

interface ReadPod {
  readonly pod: Pod;
  readonly info: SandboxInfo;
  readonly response: PodSandboxStatusResponse;
}

/** Reads pods by the ids of their sandboxes. */
interface PodReader {
  readonly read: (sandboxId: string) => Promise<Reply<ReadPod>>;
  /** The pod, read once: its identity and namespaces do not change. */
  readonly of: (sandboxId: string) => Promise<Pod | ReplyFailure>;
  readonly retain: (sandboxIds: ReadonlySet<string>) => void;
}

function createPodReader(call: CriCall): PodReader {
  const known = new Map<string, Pod>();
  const read = async (sandboxId: string): Promise<Reply<ReadPod>> => {
    if (!isId(sandboxId)) return replyFailure('malformed', 'it has no sandbox', CRI.podSandboxStatus.name);
    const reply = await call(CRI.podSandboxStatus, sandboxId, sandboxId);
    if (!reply.ok) return reply;
    const { source, value: response } = reply;
    const info = parseInfo(response.info?.['info'], sandboxInfoSchema);
    if (!info.ok) return replyFailure('malformed', info.problem, source);
    const pod = toPod(response, info.value);
    if (pod?.sandboxId !== sandboxId) return replyFailure('malformed', 'the response is about another sandbox', source);
    if (known.size >= MAX_REMEMBERED) known.clear();
    known.set(sandboxId, pod);
    return { ...reply, value: { pod, info: info.value, response } };
  };
  return {
    read,
    of: async (sandboxId) => {
      const before = known.get(sandboxId);
      if (before !== undefined) return before;
      const reply = await read(sandboxId);
      return reply.ok ? reply.value.pod : reply;
    },
    retain: (sandboxIds) => {
      for (const id of known.keys()) if (!sandboxIds.has(id)) known.delete(id);
    },
  };
}

/**
 * Finds the id of the image of a container: in its status, in what was `asked` for, or else with the runtime's help, once
 * for each reference with a digest. Empty where the runtime does not say.
 */
function createImageResolver(
  call: CriCall,
): (status: NonNullable<ContainerStatusResponse['status']>, asked: string | undefined) => Promise<string> {
  const known = new Map<string, string>();
  return async ({ imageId, imageRef }, asked) => {
    const own = imageIdOf(imageId, imageRef, asked);
    const reference = imageRef ?? '';
    if (own !== '' || !isImageReference(reference)) return own;
    const before = known.get(reference);
    if (before !== undefined) return before;
    const reply = await call(CRI.imageStatus, reference, reference);
    const found = reply.ok ? imageIdOf(reply.value.image?.id) : '';
    if (known.size >= MAX_REMEMBERED) known.clear();
    if (found !== '' && reference.includes('@sha256:')) known.set(reference, found);
    return found;
  };
}
