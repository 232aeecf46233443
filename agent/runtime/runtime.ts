import * as s from '../../posture/schema.ts';
import { absent, observed, seen, unreadable } from '../../posture/observed.ts';
import type { Observed } from '../../posture/observed.ts';
import { CONTAINER_STATES } from '../../posture/fact/container.ts';
import type { RuntimeContainer } from '../../posture/fact/container.ts';
import { dockerApiSchema, storedImagesSchema } from '../../posture/fact/docker.ts';
import { swarmSchema } from '../../posture/fact/swarm.ts';
import { containerCountsSchema } from '../../posture/fact/node-status.ts';
import type { ImageFact } from '../../posture/fact/image.ts';

/**
 * The `ContainerRuntime` port: a container runtime, read over its API. An adapter parses the answers of its runtime and
 * returns the values of facts, bounded and with secrets removed. Every call has a deadline; no call throws or rejects.
 */
export interface ContainerRuntime {
  /** Name of the runtime as it identified itself last, for facts: `docker`, `podman`. At most 32 characters. */
  readonly name: string;
  /** Where it is reached: `unix:///var/run/docker.sock`. */
  readonly endpoint: string;
  /** Whether it is away and its answers are those that it gave last (`hold-answers.ts`). */
  readonly isHeld?: () => boolean;
  /** The cheapest call: it also shows whether the runtime answers. */
  readonly version: () => Promise<Reply<RuntimeVersion>>;
  readonly engine: () => Promise<Reply<EngineInfo>>;
  /** All containers; where they exceed the bounds of the adapter, the running ones. */
  readonly listContainers: () => Promise<Reply<readonly ListedContainer[]>>;
  /**
   * A container by its full id. `notFound` also for one that is being removed. The value is the same object for as long
   * as the runtime says the same about the container.
   */
  readonly inspectContainer: (id: string) => Promise<Reply<RuntimeContainer>>;
  /** The labels of a container by its full id, bounded and redacted (`labels.ts`). Only queries read them. */
  readonly containerLabels: (id: string) => Promise<Reply<Readonly<Record<string, string>>>>;
  /** An image by its id, with the build steps of its history. */
  readonly inspectImage: (id: string) => Promise<Reply<ImageFact>>;
  /**
   * Calls `onEvent` for each event from the moment of the call, perhaps also some from just before it, until `signal`
   * aborts; calls `onEnd` once if the stream ends for another reason (the runtime stopped, the connection broke).
   */
  readonly events: (
    onEvent: (event: RuntimeEvent) => void,
    onEnd: (reason: string) => void,
    signal: AbortSignal,
  ) => void;
}

/** The outcome of a call. `source` names the call as evidence does: `GET /info`. */
export type Reply<T> = { readonly ok: true; readonly value: T; readonly source: string } | ReplyFailure;

/** A call that failed. `reason` is for people and contains no secret. */
export interface ReplyFailure {
  readonly ok: false;
  readonly code: ReplyFailureCode;
  readonly reason: string;
  readonly source: string;
}

/** Why a call failed. Closed list. */
export const REPLY_FAILURE_CODES = [
  'absent', // no socket, or nobody listens on it
  'denied', // the socket is there but not for us
  'notFound', // the container or image does not exist
  'timeout',
  'tooLarge',
  'notRecorded', // only of a recorded runtime
  'malformed', // the runtime answered, and the adapter does not understand the answer
  'failed', // anything else
] as const;
/** See {@link REPLY_FAILURE_CODES}. */
export type ReplyFailureCode = (typeof REPLY_FAILURE_CODES)[number];

/** A failed call as a value. */
export function replyFailure(code: ReplyFailureCode, reason: string, source: string): ReplyFailure {
  return { ok: false, code, reason, source };
}

/** A reply as an observation: absent where the container or image does not exist. */
export function observeReply<T>(reply: Reply<T>): Observed<T> {
  if (reply.ok) return seen(reply.value, reply.source);
  return reply.code === 'notFound' ? absent(reply.source) : unreadable(reply.source, reply.reason);
}

/** Version of the engine and of its API; empty where the runtime does not say. */
export const runtimeVersionSchema = s.object({ version: s.string('', 128), apiVersion: s.string('', 32) });
/** See {@link runtimeVersionSchema}. */
export type RuntimeVersion = s.Infer<typeof runtimeVersionSchema>;

/** The engine as it runs. */
export const engineInfoSchema = s.object({
  api: dockerApiSchema,
  containers: observed(containerCountsSchema, 'number of containers by state'),
  bridgeInterContainer: observed(s.boolean(), 'whether containers on the default network can connect to each other'),
  swarm: s.withDefault(
    observed(swarmSchema, 'the swarm that it is part of; absent: none'),
    unreadable('GET /info Swarm', 'not recorded'),
  ),
  images: s.withDefault(
    observed(storedImagesSchema, 'all images; absent for runtimes without the Docker API'),
    unreadable('GET /images/json', 'not recorded'),
  ),
});
/** See {@link engineInfoSchema}. */
export type EngineInfo = s.Infer<typeof engineInfoSchema>;

/** A node that builds keeps thousands of containers that have ended. */
export const MAX_CONTAINERS = 50_000;

/** What the list of containers says about one. */
export const listedContainerSchema = s.object({
  id: s.string('full id', 128),
  names: s.list(s.string('', 512), 'without a leading slash; empty where the list gives none', 64),
  state: s.oneOf([...CONTAINER_STATES, 'other'], '`other`: between two states'),
  imageId: s.string('empty where the list does not give it', 128),
  revision: s.withDefault(
    s.string(
      'as long as it is the same, an inspect call that was made after an earlier list with it has the same result; empty where the runtime does not promise that',
      128,
    ),
    '',
  ),
});
/** See {@link listedContainerSchema}. */
export type ListedContainer = s.Infer<typeof listedContainerSchema>;

/** A change that a runtime reports. */
export type RuntimeEvent =
  /** The container was started: its seccomp filter, capabilities and label are in place. */
  | { readonly kind: 'containerStarted'; readonly id: string }
  /** The container was created, changed its state or settings, or was removed. */
  | { readonly kind: 'containerChanged'; readonly id: string }
  /** A further process was started in the container by the runtime, or ended. */
  | { readonly kind: 'execChanged'; readonly id: string }
  /** The engine has reloaded its configuration. */
  | { readonly kind: 'engineReloaded' };
