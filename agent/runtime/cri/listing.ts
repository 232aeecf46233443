import { CONTAINER_RUNNING, CRI, SANDBOX_READY } from '../../../proto/cri.ts';
import type { Container, PodSandbox } from '../../../proto/cri.ts';
import { clip } from '../../inspector/clip.ts';
import { MAX_CONTAINERS, replyFailure } from '../runtime.ts';
import type { ListedContainer, Reply } from '../runtime.ts';
import { imageIdOf, isId, listedState, SANDBOX_NAME } from './container.ts';
import type { CriCall } from './cri-client.ts';

/** What a runtime lists. Sandboxes that have ended have no process, and are left out. */
export interface Listed {
  readonly containers: readonly Container[];
  readonly sandboxes: readonly PodSandbox[];
}

/** Lists the containers in a state, and all sandboxes that run. */
export async function listAll(call: CriCall, state: 'all' | 'running'): Promise<Reply<Listed>> {
  const containers = await call(CRI.listContainers, state === 'all' ? undefined : CONTAINER_RUNNING);
  if (!containers.ok) return containers;
  const sandboxes = await call(CRI.listPodSandbox, SANDBOX_READY);
  if (!sandboxes.ok) return sandboxes;
  if (containers.value.length + sandboxes.value.length > MAX_CONTAINERS)
    return replyFailure('tooLarge', `more than ${String(MAX_CONTAINERS)} containers`, containers.source);
  return { ...containers, value: { containers: containers.value, sandboxes: sandboxes.value } };
}

/** The list as the port has it. What has no id that could be asked about is left out. */
export function toListedContainers({ containers, sandboxes }: Listed): readonly ListedContainer[] {
  const listed = containers.map((container) => {
    const state = listedState(container.state ?? 0);
    return {
      id: container.id ?? '',
      names: [clip(container.metadata?.name ?? '', 512)],
      state,
      imageId: imageIdOf(container.imageId, container.imageRef),
      // One that has ended is never started again; the limits of one that runs can be changed.
      revision: state === 'exited' ? state : '',
    };
  });
  const holders = sandboxes.map(({ id }) => ({
    id: id ?? '',
    names: [SANDBOX_NAME],
    state: 'running' as const,
    imageId: '',
    revision: '',
  }));
  return [...listed, ...holders].filter(({ id }) => isId(id));
}
