import { runtimeContainerSchema } from '../../../posture/fact/container.ts';
import type { RuntimeContainer } from '../../../posture/fact/container.ts';
import { imageSchema } from '../../../posture/fact/image.ts';
import * as s from '../../../posture/schema.ts';
import type { Schema } from '../../../posture/schema.ts';
import { parseLabels } from '../../../agent/runtime/labels.ts';
import { engineInfoSchema, replyFailure, runtimeVersionSchema } from '../../../agent/runtime/runtime.ts';
import type { ContainerRuntime, Reply, RuntimeEvent } from '../../../agent/runtime/runtime.ts';

/** What a runtime in memory has; unknown, as answers of a real one are, until a schema accepts it. */
export interface MemoryState {
  readonly version: unknown;
  readonly engine: unknown;
  /** By id. */
  readonly containers: Readonly<Record<string, unknown>>;
  readonly images: Readonly<Record<string, unknown>>;
  /** By id of the container. */
  readonly labels?: Readonly<Record<string, unknown>>;
}

/** A runtime in memory, with the means to change it. */
export interface MemoryRuntime extends ContainerRuntime {
  /** Calls every follower of the events. */
  readonly emit: (event: RuntimeEvent) => void;
  /** Ends the event streams; every later call is `absent`. */
  readonly stop: () => void;
}

/**
 * A second adapter of the port: a runtime named `cri` that has pods. `read` returns its state at each call; undefined:
 * nobody answers.
 */
export function createMemoryRuntime(endpoint: string, read: () => MemoryState | undefined): MemoryRuntime {
  const name = 'cri';
  const followers = new Set<{
    readonly onEvent: (event: RuntimeEvent) => void;
    readonly onEnd: (reason: string) => void;
  }>();
  let isStopped = false;
  const state = (): MemoryState | undefined => (isStopped ? undefined : read());
  const reply = <T>(call: string, pick: (state: MemoryState) => unknown, schema: Schema<T>): Promise<Reply<T>> => {
    const current = state();
    if (current === undefined) return Promise.resolve(replyFailure('absent', 'nobody answers', call));
    const value = pick(current);
    if (value === undefined) return Promise.resolve(replyFailure('notFound', 'does not exist', call));
    const parsed = schema.parse(value);
    return Promise.resolve(
      parsed.ok ? { ok: true, value: parsed.value, source: call } : replyFailure('malformed', parsed.problem, call),
    );
  };
  const own = (values: Readonly<Record<string, unknown>>, id: string): unknown =>
    Object.hasOwn(values, id) ? values[id] : undefined;
  const labelsOf = ({ containers, labels = {} }: MemoryState, id: string): unknown =>
    own(containers, id) === undefined ? undefined : (own(labels, id) ?? {});
  const inspected = new Map<string, { readonly from: unknown; readonly reply: Reply<RuntimeContainer> }>();
  const inspectContainer = async (id: string): Promise<Reply<RuntimeContainer>> => {
    const from = own(state()?.containers ?? {}, id);
    const before = inspected.get(id);
    if (from !== undefined && before?.from === from) return before.reply;
    const fresh = await reply('ContainerStatus', ({ containers }) => own(containers, id), runtimeContainerSchema);
    const checked =
      fresh.ok && fresh.value.id !== id
        ? replyFailure('malformed', 'the answer is about another container', fresh.source)
        : fresh;
    inspected.set(id, { from, reply: checked });
    return checked;
  };
  return {
    name,
    endpoint,
    version: () => reply('Version', ({ version }) => version, runtimeVersionSchema),
    engine: () => reply('Status', ({ engine }) => engine, engineInfoSchema),
    listContainers: async () => {
      const current = state();
      if (current === undefined) return replyFailure('absent', 'nobody answers', 'ListContainers');
      const entries = await Promise.all(Object.keys(current.containers).map(inspectContainer));
      const value = entries.flatMap((entry) =>
        entry.ok
          ? [
              {
                id: entry.value.id,
                names: [entry.value.name],
                state: entry.value.state,
                imageId: entry.value.imageId,
                revision: '',
              },
            ]
          : [],
      );
      return { ok: true, value, source: 'ListContainers' };
    },
    inspectContainer,
    containerLabels: async (id) => {
      const labels = await reply('ContainerStatus', (current) => labelsOf(current, id), s.unknown());
      return labels.ok ? parseLabels(labels.value, labels.source) : labels;
    },
    inspectImage: (id) => reply('ImageStatus', ({ images }) => own(images, id), imageSchema),
    events: (onEvent, onEnd, signal) => {
      if (state() === undefined) {
        queueMicrotask(() => {
          if (!signal.aborted) onEnd('nobody answers');
        });
        return;
      }
      const follower = { onEvent, onEnd };
      followers.add(follower);
      signal.addEventListener('abort', () => followers.delete(follower));
    },
    emit: (event) => {
      for (const { onEvent } of followers) onEvent(event);
    },
    stop: () => {
      isStopped = true;
      for (const { onEnd } of followers) onEnd('the runtime stopped');
      followers.clear();
    },
  };
}
