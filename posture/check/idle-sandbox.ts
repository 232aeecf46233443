import type { ContainerFact } from '../fact/container.ts';
import { absent } from '../observed.ts';
import { beyondDefault, capabilityNames } from './capability.ts';
import { hostMounts } from './host-mount.ts';

/**
 * Does a sandbox do nothing but hold the namespaces of its pod? Then it is not judged: what it lacks follows from the
 * runtime and from its pod, whose containers are judged. The runtime says that it is a sandbox, and the kernel that it is
 * idle: one process, no capability beyond the defaults, and nothing of the node mounted. Names and images do not count.
 */
export function isIdleSandbox(container: ContainerFact): boolean {
  if (container.kind !== 'sandbox') return false;
  return (
    container.pid === 0 ||
    (unreadOf(container) === undefined && !isBusy(container) && hostMounts(container, NO_DOCKER).length === 0)
  );
}

/** Why it is not known whether a sandbox is idle; undefined: it is known, or it is no sandbox. */
export function unclearSandbox(container: ContainerFact): string | undefined {
  if (container.kind !== 'sandbox' || container.pid === 0 || isBusy(container)) return undefined;
  return unreadOf(container);
}

/** Do its processes, sockets or capabilities show that it is not idle? The mounts of one that was read in part do not. */
function isBusy(container: ContainerFact): boolean {
  // It holds the kernel of its pod.
  if (container.ownKernel.state === 'seen') return container.declared.privileged;
  const { processes, capabilities, controlSockets } = container;
  if (processes.state === 'seen' && processes.value !== 1) return true;
  if (controlSockets.state === 'seen' && controlSockets.value.length > 0) return true;
  const isDefault = (word: string): boolean => beyondDefault(capabilityNames(word) ?? ['ALL']).length === 0;
  return capabilities.state === 'seen' && !Object.values(capabilities.value).every(isDefault);
}

function unreadOf({
  ownKernel,
  processes,
  complete,
  incompleteReason,
  capabilities,
  controlSockets,
}: ContainerFact): string | undefined {
  if (ownKernel.state === 'seen') return undefined;
  if (!complete) return incompleteReason;
  for (const part of [processes, capabilities, controlSockets])
    if (part.state !== 'seen') return `${part.source}: ${part.state === 'unreadable' ? part.reason : 'absent'}`;
  return undefined;
}

/** The storage of Docker is not a place where a sandbox may have its files. */
const NO_DOCKER = Object.freeze({ api: absent('GET /info') });
