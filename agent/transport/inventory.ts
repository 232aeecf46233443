import { describeEngines } from '../../posture/fact/docker.ts';
import type { Facts } from '../../posture/fact/facts.ts';
import { isRunning } from '../../posture/fact/container.ts';
import { valueOr } from '../../posture/observed.ts';
import { MAX_MESSAGE_BYTES } from '../../proto/fleet.ts';
import type { Inventory } from '../../proto/fleet.ts';

/** Half of a message for containers, a quarter for images: what is longer than that is cut. */
const MAX_CONTAINER_BYTES = MAX_MESSAGE_BYTES / 2;
const MAX_IMAGE_BYTES = MAX_MESSAGE_BYTES / 4;
/** Tags and digests of one image: an image can have any number of either. */
const MAX_REFERENCES = 32;

/** What the node is, for the collector. A list too long for one message is cut: it is for people, findings are not. */
export function inventoryOf(facts: Facts): Inventory {
  const { node, kernel, docker } = facts;
  const running = runningOf(facts);
  const containers = within(MAX_CONTAINER_BYTES, running.map(toContainer));
  return {
    operatingSystem: node.operatingSystem,
    kernelRelease: node.kernelRelease,
    architecture: node.architecture,
    cpus: node.cpus,
    memoryBytes: node.memoryBytes,
    runtime: describeEngines([docker, ...facts.engines]) ?? `${docker.runtime} (not read)`,
    securityModules: valueOr(kernel.lsm, []).join(','),
    containers,
    containersOmitted: running.length - containers.length,
    images: within(
      MAX_IMAGE_BYTES,
      valueOr(facts.images, []).map(({ id, tags, digests }) => ({
        id,
        tags: tags.slice(0, MAX_REFERENCES),
        digests: digests.slice(0, MAX_REFERENCES),
      })),
    ),
  };
}

type RunningContainer = ReturnType<typeof runningOf>[number];

function runningOf({ containers }: Facts) {
  return valueOr(containers, []).filter(isRunning);
}

/** The sandbox of a pod is not one of the containers that the pod names. */
function toContainer({ id, name, image, imageId, startedAt, kind, podUid, namespace, pod }: RunningContainer) {
  const container = { id, name, image, imageId, startedAt };
  if (podUid === '' || kind === 'sandbox') return container;
  return { ...container, podUid, podNamespace: namespace, podName: pod };
}

/** The first items that take no more than `maxBytes`; their JSON is longer than their protobuf. */
function within<T>(maxBytes: number, items: readonly T[]): T[] {
  let bytes = 0;
  const end = items.findIndex((item) => (bytes += Buffer.byteLength(JSON.stringify(item))) > maxBytes);
  return items.slice(0, end === -1 ? items.length : end);
}
