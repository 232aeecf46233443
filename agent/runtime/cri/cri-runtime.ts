import { CRI } from '../../../proto/cri.ts';
import { clip } from '../../inspector/clip.ts';
import { parseLabels } from '../labels.ts';
import { replyFailure } from '../runtime.ts';
import type { ContainerRuntime, Reply } from '../runtime.ts';
import { createCriClient } from './cri-client.ts';
import { isId } from './container.ts';
import type { CriCall } from './cri-client.ts';
import { toEngineInfo } from './engine.ts';
import { followEvents } from './events.ts';
import { inspectImage } from './image.ts';
import { createInspector } from './inspector.ts';
import { listAll, toListedContainers } from './listing.ts';
import type { Listed } from './listing.ts';

/** Which runtime, and the bounds of a call. */
export interface CriRuntimeOptions {
  /** `unix:///run/containerd/containerd.sock`. */
  readonly endpoint: string;
  /** For one call; default 5,000. */
  readonly timeoutMs?: number | undefined;
  /** Of one response; default 16 MiB. */
  readonly maxBytes?: number | undefined;
  /** Path of the socket in this mount namespace, where it is not the path of the endpoint. Called for each call. */
  readonly socketPath?: (() => Promise<string>) | undefined;
}

const DEFAULT_TIMEOUT_MS = 5000;
const DEFAULT_MAX_BYTES = 16 * 1024 * 1024;
/** Name of a runtime that has not answered, or calls itself something else. */
const UNNAMED = 'cri';
/** The names that the known runtimes give themselves, as facts have them. */
const RUNTIME_NAMES: ReadonlySet<string> = new Set(['containerd', 'cri-o']);
/**
 * A runtime that serves the Container Runtime Interface (containerd, CRI-O), read over its socket. It lists the containers
 * of pods, and their sandboxes as containers of the kind `sandbox`. Its name is what it calls itself once it answered.
 */
export function createCriRuntime(options: CriRuntimeOptions): ContainerRuntime {
  const { endpoint, timeoutMs = DEFAULT_TIMEOUT_MS, maxBytes = DEFAULT_MAX_BYTES } = options;
  const path = endpoint.replace(/^unix:\/\//, '');
  const client = createCriClient({ socketPath: options.socketPath ?? (() => path), timeoutMs, maxBytes });
  let name = UNNAMED;
  const call: CriCall = async (method, request, subject = '') => {
    const source = subject === '' ? method.name : `${method.name} ${clip(subject, 128)}`;
    const result = await client.call(method, request);
    return result.ok ? { ...result, source } : replyFailure(result.code, result.reason, source);
  };
  const version: ContainerRuntime['version'] = async () => {
    const reply = await call(CRI.version, undefined);
    if (!reply.ok) return reply;
    const { runtimeName, runtimeVersion, runtimeApiVersion } = reply.value;
    // cri-dockerd. It passes the calls of a kubelet on to dockerd, where the containers are seen in full.
    if (runtimeName === 'docker')
      return replyFailure('malformed', 'the containers there are those of Docker', reply.source);
    name = RUNTIME_NAMES.has(runtimeName ?? '') ? (runtimeName ?? name) : UNNAMED;
    const value = { version: clip(runtimeVersion ?? '', 128), apiVersion: clip(runtimeApiVersion ?? '', 32) };
    return { ...reply, value };
  };
  const list = (state: 'all' | 'running'): Promise<Reply<Listed>> => listAll(call, state);
  const inspector = createInspector(call, () => ({ runtime: name, endpoint }));
  return {
    get name() {
      return name;
    },
    endpoint,
    version,
    engine: async () => {
      const [status, own, listed] = [await call(CRI.status, undefined), await version(), await list('all')];
      if (!status.ok) return status;
      return own.ok ? { ...status, value: toEngineInfo(status.value, { ...own.value, name }, listed) } : own;
    },
    listContainers: async () => {
      const all = await list('all');
      // Those that ended long ago must not hide those that run.
      const listed = all.ok || (all.code !== 'tooLarge' && all.code !== 'malformed') ? all : await list('running');
      if (!listed.ok) return listed;
      inspector.retain(listed.value);
      return { ...listed, value: toListedContainers(listed.value) };
    },
    inspectContainer: async (id) => {
      // Facts say which runtime it is.
      if (name === UNNAMED) await version();
      return inspector.inspect(id);
    },
    containerLabels: (id) => readLabels(call, id),
    inspectImage: (id) => inspectImage(call, id, () => name),
    events: (onEvent, onEnd, signal) => void followEvents({ call, stream: client.stream, onEvent, onEnd, signal }),
  };
}

/** The labels of a container, or of a sandbox: those of its pod. */
async function readLabels(call: CriCall, id: string): ReturnType<ContainerRuntime['containerLabels']> {
  if (!isId(id)) return replyFailure('failed', 'not an id', CRI.containerLabels.name);
  const container = await call(CRI.containerLabels, id, id);
  const reply = !container.ok && container.code === 'notFound' ? await call(CRI.podSandboxLabels, id, id) : container;
  if (!reply.ok) return reply;
  const { status } = reply.value;
  return status?.id === id
    ? parseLabels(status.labels ?? {}, reply.source)
    : replyFailure('malformed', 'the response is about another container', reply.source);
}
