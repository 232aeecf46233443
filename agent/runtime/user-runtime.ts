import { userOfEngine } from '../../posture/fact/docker.ts';
import type { RuntimeContainer } from '../../posture/fact/container.ts';
import type { Host } from '../host/host.ts';
import { parseUidMap } from '../inspector/proc/uid-map.ts';
import { readText } from '../inspector/read-text.ts';
import { socketPath } from '../inspector/runtime-reply.ts';
import { createEventPacer } from './event-pacer.ts';
import { replyFailure } from './runtime.ts';
import type { ContainerRuntime, ListedContainer, Reply, ReplyFailure } from './runtime.ts';

/** Running containers of one user's engine; with more, the engine counts as unreadable. */
const MAX_CONTAINERS = 500;
/** All calls together may take so long in each period; then none is sent until the period is over. */
const BUDGET_MS = 5000;
const PERIOD_MS = 60_000;
/** Ids below it are those of accounts, not subordinate ones: SUB_UID_MIN of login.defs(5) is 100,000. */
const FIRST_SUBORDINATE_ID = 65_536;

/** What a user's engine is checked with. */
export interface UserRuntimeOptions {
  readonly host: Host;
  /** Milliseconds of a clock that never goes back. */
  readonly monotonic: () => number;
}

/**
 * A rootless engine, served by the user to whom the endpoint belongs. Everything that it says is that user's word, so a
 * container counts only while the kernel shows its first process in a user namespace of that user. Containers that do not
 * run and images have no such evidence and are left out. Calls are limited in time, events in number.
 */
export function createUserRuntime(
  runtime: ContainerRuntime,
  { host, monotonic }: UserRuntimeOptions,
): ContainerRuntime {
  const { endpoint } = runtime;
  const uid = userOfEngine(endpoint);
  const budget = createTimeBudget(monotonic);
  const mark = createMarker(uid);
  /** First processes of the containers that the kernel has confirmed, by id. */
  const confirmed = new Map<string, number>();
  const ask = async <T>(call: () => Promise<Reply<T>>): Promise<Reply<T>> => {
    const refusal = (await socketRefusal(host, endpoint, uid)) ?? budget.refusal(endpoint);
    return refusal ?? budget.spend(call);
  };
  const inspectContainer = async (id: string): Promise<Reply<RuntimeContainer>> => {
    const reply = await ask(() => runtime.inspectContainer(id));
    const pid = reply.ok ? reply.value.pid : (confirmed.get(id) ?? 0);
    if (pid === 0 || !(await belongsToUser(host, pid, uid))) {
      confirmed.delete(id);
      return replyFailure('notFound', `no process of uid ${String(uid)} runs it`, reply.source);
    }
    if (!reply.ok) return reply;
    if (confirmed.size < MAX_CONTAINERS) confirmed.set(id, pid);
    return { ...reply, value: mark(reply.value) };
  };
  return {
    get name() {
      return runtime.name;
    },
    endpoint,
    version: () => ask(runtime.version),
    engine: () => ask(runtime.engine),
    listContainers: async () => runningOnly(await ask(runtime.listContainers), uid),
    inspectContainer,
    containerLabels: (id) =>
      confirmed.has(id)
        ? ask(() => runtime.containerLabels(id))
        : Promise.resolve(replyFailure('notFound', 'not a container of this engine', `labels ${id.slice(0, 128)}`)),
    inspectImage: (id) =>
      Promise.resolve(
        replyFailure('notFound', 'images of a rootless engine are not inspected', `image ${id.slice(0, 128)}`),
      ),
    events: (onEvent, onEnd, signal) => {
      const follow = async (): Promise<void> => {
        const refusal = await socketRefusal(host, endpoint, uid);
        if (signal.aborted) return;
        if (refusal === undefined) runtime.events(createEventPacer(onEvent, signal), onEnd, signal);
        else onEnd(refusal.reason);
      };
      void follow();
    },
  };
}

/**
 * Does a process run in a user namespace of this user? Its map then holds the id of the user and subordinate ids, and no
 * other: newuidmap(1) gives a user nothing else, and only root could make such a map for somebody else.
 */
export async function belongsToUser(host: Host, pid: number, uid: number): Promise<boolean> {
  const map = await readText(host, `/proc/${String(pid)}/uid_map`);
  const ranges = (map.ok ? parseUidMap(map.value) : undefined) ?? [];
  const isOwn = ({ outside, count }: { readonly outside: number; readonly count: number }): boolean =>
    outside === uid && count === 1;
  return ranges.some(isOwn) && ranges.every((range) => isOwn(range) || range.outside >= FIRST_SUBORDINATE_ID);
}

/** Why nobody should be asked there: the user could lead the agent to a socket that only root may use. */
async function socketRefusal(host: Host, endpoint: string, uid: number): Promise<ReplyFailure | undefined> {
  const path = socketPath(endpoint) ?? '';
  const stat = await host.stat(path);
  if (!stat.ok) return stat.code === 'absent' ? replyFailure('absent', 'no socket', endpoint) : undefined;
  const { realPath, kind, uid: owner } = stat.value;
  if (realPath === path && kind === 'socket' && owner === uid) return undefined;
  return replyFailure('denied', `it is not a socket of uid ${String(uid)} at that place`, endpoint);
}

function runningOnly(reply: Reply<readonly ListedContainer[]>, uid: number): Reply<readonly ListedContainer[]> {
  if (!reply.ok) return reply;
  const running = reply.value.filter(({ state }) => state === 'running' || state === 'paused' || state === 'other');
  if (running.length > MAX_CONTAINERS)
    return replyFailure(
      'tooLarge',
      `uid ${String(uid)} lists more than ${String(MAX_CONTAINERS)} running containers`,
      reply.source,
    );
  return { ...reply, value: running.map(({ id, names, state }) => ({ id, names, state, imageId: '', revision: '' })) };
}

/** Says in each source whose word the declaration is. The result is the same object for the same container. */
function createMarker(uid: number): (container: RuntimeContainer) => RuntimeContainer {
  const marked = new WeakMap<RuntimeContainer, RuntimeContainer>();
  const suffix = ` (as the rootless engine of uid ${String(uid)} reports)`;
  return (container) => {
    const before = marked.get(container);
    if (before !== undefined) return before;
    const entries = Object.entries(container.sources);
    // Sources have at most 128 characters.
    const sources = Object.fromEntries(entries.map(([field, source]) => [field, source.slice(0, 72) + suffix]));
    const result = { ...container, imageId: '', imageDigest: '', sources };
    marked.set(container, result);
    return result;
  };
}

/** Bounds the time in which at least one call is waited for. */
function createTimeBudget(monotonic: () => number): {
  readonly refusal: (endpoint: string) => ReplyFailure | undefined;
  readonly spend: <T>(call: () => Promise<T>) => Promise<T>;
} {
  let periodStartMs = monotonic();
  let spentMs = 0;
  let running = 0;
  let busySinceMs = 0;
  return {
    refusal: (endpoint) => {
      const nowMs = monotonic();
      if (nowMs - periodStartMs >= PERIOD_MS) [periodStartMs, spentMs] = [nowMs, 0];
      const busyMs = running > 0 ? nowMs - Math.max(busySinceMs, periodStartMs) : 0;
      if (spentMs + busyMs < BUDGET_MS) return undefined;
      const reason = `its answers took ${String(BUDGET_MS)} ms within a minute: it is not asked again in that minute`;
      return replyFailure('timeout', reason, endpoint);
    },
    spend: async (call) => {
      if (running === 0) busySinceMs = monotonic();
      running += 1;
      try {
        return await call();
      } finally {
        running -= 1;
        if (running === 0) spentMs += monotonic() - Math.max(busySinceMs, periodStartMs);
      }
    },
  };
}
