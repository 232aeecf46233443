import { UNKNOWN_RUNTIME } from '../../posture/fact/docker.ts';
import type { RuntimeContainer } from '../../posture/fact/container.ts';
import { replyFailure } from './runtime.ts';
import type { ContainerRuntime, Reply, ReplyFailure, RuntimeVersion } from './runtime.ts';

/** Opens an adapter of the port at an endpoint; nothing is sent before the first call. */
export type RuntimeAdapter = (endpoint: string) => ContainerRuntime;

/** Failures that say the same whichever API is spoken. */
const UNREACHABLE: ReadonlySet<ReplyFailure['code']> = new Set(['absent', 'denied', 'timeout']);

/**
 * The runtime at an endpoint whose API is not known. The first adapter that gets a version from it is used from then on;
 * until then each call asks again, and fails as the first adapter does. Each attempt has the deadline of its adapter.
 */
export function openRuntime(endpoint: string, adapters: readonly RuntimeAdapter[]): ContainerRuntime {
  const candidates = adapters.map((open) => open(endpoint));
  let chosen: ContainerRuntime | undefined;
  let choosing: Promise<Choice> | undefined;
  const choose = (): Promise<Choice> => {
    choosing ??= firstAnswering(candidates, endpoint).finally(() => (choosing = undefined));
    return choosing;
  };
  const ask = async <T>(call: (runtime: ContainerRuntime) => Promise<Reply<T>>): Promise<Reply<T>> => {
    if (chosen === undefined) {
      const choice = await choose();
      if (!choice.ok) return choice;
      chosen = choice.runtime;
    }
    return call(chosen);
  };
  return {
    get name() {
      return chosen?.name ?? UNKNOWN_RUNTIME;
    },
    endpoint,
    version: () => ask<RuntimeVersion>((runtime) => runtime.version()),
    engine: () => ask((runtime) => runtime.engine()),
    listContainers: () => ask((runtime) => runtime.listContainers()),
    inspectContainer: (id) => ask<RuntimeContainer>((runtime) => runtime.inspectContainer(id)),
    containerLabels: (id) => ask((runtime) => runtime.containerLabels(id)),
    inspectImage: (id) => ask((runtime) => runtime.inspectImage(id)),
    events: (onEvent, onEnd, signal) => {
      const follow = async (): Promise<void> => {
        const reply = await ask((runtime) => runtime.version());
        if (signal.aborted) return;
        if (chosen === undefined) onEnd(reply.ok ? '' : reply.reason);
        else chosen.events(onEvent, onEnd, signal);
      };
      void follow();
    },
  };
}

type Choice = { readonly ok: true; readonly runtime: ContainerRuntime } | ReplyFailure;

async function firstAnswering(candidates: readonly ContainerRuntime[], endpoint: string): Promise<Choice> {
  for (const runtime of candidates) {
    const reply = await runtime.version();
    // Every API has a version; another JSON service answers without one.
    if (reply.ok && reply.value.apiVersion !== '') return { ok: true, runtime };
    if (!reply.ok && UNREACHABLE.has(reply.code)) return reply;
  }
  return replyFailure('malformed', 'what answers there is not a container runtime', endpoint);
}
