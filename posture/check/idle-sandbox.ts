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
  const { kind, pid, processes, complete, capabilities, controlSockets } = container;
  if (kind !== 'sandbox') return false;
  if (pid === 0) return true;
  if (!complete || processes.state !== 'seen' || processes.value !== 1) return false;
  if (capabilities.state !== 'seen' || controlSockets.state !== 'seen' || controlSockets.value.length > 0) return false;
  const isDefault = (word: string): boolean => beyondDefault(capabilityNames(word) ?? ['ALL']).length === 0;
  return Object.values(capabilities.value).every(isDefault) && hostMounts(container, NO_DOCKER).length === 0;
}

/** The storage of Docker is not a place where a sandbox may have its files. */
const NO_DOCKER = Object.freeze({ api: absent('GET /info') });
