import { sourceOf } from '../fact/container.ts';
import type { ContainerFact } from '../fact/container.ts';
import type { EngineSettings } from '../fact/docker.ts';
import type { Evidence } from '../verdict.ts';

/**
 * How it is declared that the user ids of a container are remapped: by its pod, or for all containers by the daemon. `off`
 * where they are not, undefined where the daemon could not be asked.
 */
export function remapEvidence(
  container: ContainerFact,
  { api }: Pick<EngineSettings, 'api'>,
): Evidence | 'off' | undefined {
  if (container.pod !== '' && container.declared.usernsMode === PRIVATE)
    return {
      source: sourceOf(container, 'usernsMode'),
      seen: 'a user namespace of its own',
      expected: 'each container in a user namespace that is not the one of pid 1',
    };
  if (api.state !== 'seen') return undefined;
  const option = api.value.securityOptions.find(({ name }) => name === 'userns' || name === 'rootless');
  if (option === undefined) return 'off';
  return {
    source: 'GET /info SecurityOptions',
    seen: `name=${option.name}`,
    expected: 'each container in a user namespace that is not the one of pid 1',
  };
}

/**
 * In whose user namespace the processes of a container are: `node` if any of them is in that of pid 1; `remapped` if the
 * engine put all of them into another one, or under a kernel of their own; `self` if they moved there themselves, while the engine starts the next one
 * in that of the node.
 */
export function userNamespaceOf(
  container: ContainerFact,
  docker: Pick<EngineSettings, 'api'>,
): 'node' | 'remapped' | 'self' {
  const { namespaces, otherContexts, uidMap, ownKernel } = container;
  if (ownKernel.state === 'seen') return 'remapped';
  const { user } = namespaces;
  const isInNode = (observed: typeof user): boolean => observed.state === 'seen' && observed.value.host;
  if (isInNode(user) || otherContexts.some((context) => isInNode(context.namespaces.user))) return 'node';
  if (user.state !== 'seen' && (uidMap.state !== 'seen' || isIdentityMap(uidMap.value))) return 'node';
  return remapEvidence(container, docker) === 'off' ? 'self' : 'remapped';
}

/** The `usernsMode` of a container whose configuration has a user namespace: `hostUsers: false` of its pod. */
const PRIVATE = 'private';

/** `0 0 4294967295`: the map of the initial user namespace. */
function isIdentityMap(map: Extract<ContainerFact['uidMap'], { readonly state: 'seen' }>['value']): boolean {
  return map.every(({ inside, outside }) => inside === outside) && map.some(({ count }) => count === 4294967295);
}
