import { isRunning, UNKNOWN_HANDLER } from '../../../posture/fact/container.ts';
import type { ContainerFact, RuntimeContainer } from '../../../posture/fact/container.ts';
import { clip } from '../../inspector/clip.ts';
import { replyFailure } from '../runtime.ts';
import type { ListedContainer, Reply } from '../runtime.ts';
import type { ContainerEntry, InspectAnswer } from './container-schema.ts';
import { DECLARED_SOURCES, toDeclared } from './declared.ts';
import { podmanDeclared, PODMAN_SOURCES } from './podman.ts';
import type { EngineName } from './reply.ts';

/** Aliases of a container (`--link`) are among its names. */
const MAX_NAMES = 64;

/** An entry of `GET /containers/json`. One without a state comes from an engine that lists running containers only. */
export function toListedContainer({ Id, Names, State, ImageID }: ContainerEntry, revision = ''): ListedContainer {
  return {
    id: Id,
    names: Names.slice(0, MAX_NAMES).map(toName),
    state: State === '' ? 'running' : (LISTED_STATES.find((state) => state === State) ?? 'other'),
    imageId: ImageID,
    revision,
  };
}

/**
 * A container as the engine at `endpoint` describes it. `notFound`: it is being removed, or is between two states.
 * Pod, namespace and workload stay empty: Docker has none. What the kubelet names is compared with the cgroup later.
 */
export function toContainer(
  reply: Reply<InspectAnswer>,
  id: string,
  { endpoint, engine }: { readonly endpoint: string; readonly engine: EngineName },
): Reply<RuntimeContainer> {
  if (!reply.ok) return reply;
  const { value: answer, source } = reply;
  const isPodman = engine === 'podman';
  if (!answer.Id.startsWith(id)) return replyFailure('malformed', 'the answer is about another container', source);
  const state = stateOf(answer.State);
  if (state === undefined) return replyFailure('notFound', 'the container is between two states', source);
  const value: RuntimeContainer = {
    id: answer.Id,
    name: toName(answer.Name),
    runtime: engine,
    engine: endpoint,
    podUid: '',
    imageDigest: '',
    kind: 'container',
    pod: '',
    namespace: '',
    workload: '',
    image: clip(answer.Config.Image, 1024),
    imageId: answer.Image,
    state,
    pid: state === 'running' || state === 'paused' ? answer.State.Pid : 0,
    startedAt: answer.State.StartedAt,
    endedAt: isRunning({ state }) ? '' : endOf(answer),
    handler: isPodman ? UNKNOWN_HANDLER : { name: clip(answer.HostConfig.Runtime, 256), program: '', sandbox: '' },
    declared: isPodman ? podmanDeclared(answer) : toDeclared(answer),
    sources: isPodman ? PODMAN_SOURCES : DECLARED_SOURCES,
  };
  return { ok: true, value, source };
}

/** A container that never ran ended in the year 1. */
function endOf({ State: { FinishedAt }, Created }: InspectAnswer): string {
  return FinishedAt === '' || FinishedAt.startsWith('0001-') ? Created : FinishedAt;
}

function toName(name: string): string {
  return clip(name.replace(/^\//, ''), 512);
}

/** `created`: never started; `restarting`: it ended and is about to be started again; `dead`: not completely removed. */
const STOPPED_STATES = ['created', 'restarting', 'exited', 'dead'] as const;
const LISTED_STATES = ['running', 'paused', ...STOPPED_STATES] as const;

function stateOf({ Running, Paused, Pid, Status }: InspectAnswer['State']): ContainerFact['state'] | undefined {
  if (Running && Pid > 0) return Paused ? 'paused' : 'running';
  return STOPPED_STATES.find((state) => state === Status);
}
