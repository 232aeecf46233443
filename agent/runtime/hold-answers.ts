import type { RuntimeContainer } from '../../posture/fact/container.ts';
import type { ImageFact } from '../../posture/fact/image.ts';
import type { Host } from '../host/host.ts';
import type { LastRunning } from '../inspector/unobserved/last-running.ts';
import { replyFailure } from './runtime.ts';
import type { ContainerRuntime, EngineInfo, ListedContainer, Reply, ReplyFailure } from './runtime.ts';

/** What answers are held with. */
export interface HoldOptions {
  readonly host: Host;
  /** Says whether the first process of a container still runs. */
  readonly lastRunning: Pick<LastRunning, 'runs'>;
  /** How long answers are held, from the first call that found no engine. */
  readonly graceMs: number;
  /** Milliseconds of a clock that never goes back. */
  readonly monotonic: () => number;
}

type Answer<T> = Extract<Reply<T>, { readonly ok: true }>;
type Failure = ReplyFailure['code'];

/** While an engine is away: a daemon that starts accepts connections before it answers. */
const SILENT: ReadonlySet<Failure> = new Set(['absent', 'failed', 'timeout']);

/**
 * Bridges a restart of an engine that leaves its containers running (`live-restore`), as an upgrade does. For a grace
 * time the last answers of the engine are held, but only for containers whose first process still runs; their kernel
 * facts are read as usual. If none of them runs, the engine counts as gone at once. `version`, labels and events are
 * never held.
 */
export function holdAnswers(runtime: ContainerRuntime, options: HoldOptions): ContainerRuntime {
  const { host, lastRunning, graceMs, monotonic } = options;
  const containers = new Map<string, Answer<RuntimeContainer>>();
  const images = new Map<string, Answer<ImageFact>>();
  let lastEngine: Answer<EngineInfo> | undefined;
  let listSource: string | undefined;
  /** Until a list is answered again. */
  let awaySinceMs: number | undefined;
  let isHeld = false;

  const runs = ({ value }: Answer<RuntimeContainer>): Promise<boolean> => lastRunning.runs(host, value);
  const oneRuns = async (): Promise<boolean> => {
    for (const each of containers.values()) if (each.value.pid !== 0 && (await runs(each))) return true;
    return false;
  };
  const isAway = async (code: Failure): Promise<boolean> => {
    if (!SILENT.has(code)) return false;
    if (awaySinceMs === undefined) {
      // The connection broke or the call failed: do not hold answers for an engine that still responds.
      const version = code === 'failed' ? await runtime.version() : undefined;
      if (version !== undefined && (version.ok || version.code !== 'absent')) return false;
      if (code === 'timeout') return false;
      awaySinceMs ??= monotonic();
    }
    return monotonic() - awaySinceMs < graceMs && (await oneRuns());
  };
  /** The answer of the engine, or while it is away the held one. */
  const orHeld = async <T>(reply: Reply<T>, held: () => Promise<Reply<T> | undefined>): Promise<Reply<T>> => {
    isHeld = !reply.ok && (await isAway(reply.code));
    if (reply.ok) return reply;
    return (isHeld ? await held() : undefined) ?? reply;
  };
  const heldList = async (): Promise<Reply<readonly ListedContainer[]> | undefined> => {
    if (listSource === undefined) return undefined;
    const value: ListedContainer[] = [];
    for (const [id, answer] of containers) {
      const { name, state, imageId, pid } = answer.value;
      if (pid !== 0 && !(await runs(answer))) containers.delete(id);
      else value.push({ id, names: [name], state, imageId, revision: '' });
    }
    return { ok: true, value, source: listSource };
  };
  const heldContainer = async (id: string): Promise<Reply<RuntimeContainer> | undefined> => {
    const answer = containers.get(id);
    if (answer === undefined || answer.value.pid === 0 || (await runs(answer))) return answer;
    containers.delete(id);
    return replyFailure('notFound', 'its first process ended while its engine was away', answer.source);
  };
  const retain = (listed: readonly ListedContainer[]): void => {
    const ids = new Set(listed.map(({ id }) => id));
    for (const id of containers.keys()) if (!ids.has(id)) containers.delete(id);
    const used = new Set([...containers.values()].map(({ value }) => value.imageId));
    for (const id of images.keys()) if (!used.has(id)) images.delete(id);
  };
  return {
    ...runtime,
    get name() {
      return runtime.name;
    },
    isHeld: () => isHeld,
    version: async () => {
      const reply = await runtime.version();
      if (reply.ok) isHeld = false;
      return reply;
    },
    engine: async () => {
      const reply = await runtime.engine();
      if (reply.ok) lastEngine = reply;
      return orHeld(reply, () => Promise.resolve(lastEngine));
    },
    listContainers: async () => {
      const reply = await runtime.listContainers();
      if (!reply.ok) return orHeld(reply, heldList);
      [awaySinceMs, isHeld, listSource] = [undefined, false, reply.source];
      retain(reply.value);
      return reply;
    },
    inspectContainer: async (id) => {
      // Each of hundreds would wait for a daemon that starts.
      const held = isHeld ? await heldContainer(id) : undefined;
      if (held !== undefined) return held;
      const reply = await runtime.inspectContainer(id);
      if (reply.ok) containers.set(id, reply);
      else if (reply.code === 'notFound') containers.delete(id);
      return orHeld(reply, () => heldContainer(id));
    },
    inspectImage: async (id) => {
      const held = isHeld ? images.get(id) : undefined;
      if (held !== undefined) return held;
      const reply = await runtime.inspectImage(id);
      if (reply.ok) images.set(id, reply);
      return orHeld(reply, () => Promise.resolve(images.get(id)));
    },
  };
}
