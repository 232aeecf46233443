import type { DeviceInventory, SoftwareInventory } from '../activity.ts';
import { deviceOf } from './device.ts';
import { classOf, severityOf } from './ocsf-event.ts';
import type { OcsfContext, OcsfEvent } from './ocsf-event.ts';

/*
 * OCSF 1.8 Device Inventory Info (class 5001) and Software Inventory Info (class 5020):
 * https://schema.ocsf.io/1.8.0/classes/inventory_info
 */

const DEVICE = { uid: 5001, name: 'Device Inventory Info', category: 'Discovery' } as const;
const SOFTWARE = { uid: 5020, name: 'Software Inventory Info', category: 'Discovery' } as const;
const COLLECT = { id: 2, name: 'Collect' } as const;

interface Terms extends Pick<OcsfContext, 'node'> {
  readonly atMs: number;
  readonly metadata: OcsfEvent;
}

/** The attributes of a node as they were then. */
export function toDeviceInventory({ node: was }: DeviceInventory, { atMs, metadata, node }: Terms): OcsfEvent {
  const { id: nodeId, name: nodeName, architecture, cpus, memoryBytes, runtime, securityModules } = was;
  const now = node(nodeId);
  return {
    ...classOf(DEVICE, COLLECT, atMs),
    ...severityOf('info'),
    message: `inventory of ${nodeName}`,
    metadata: { ...metadata, log_name: 'plimsoll-inventory' },
    device: deviceOf({ nodeId, nodeName }, now && { ...now, ...was }),
    unmapped: { architecture, cpus, memory_bytes: memoryBytes, runtime, security_modules: securityModules },
  };
}

/** The packages of an image as an SBOM; the device is the node that listed them first. */
export function toSoftwareInventory(activity: SoftwareInventory, { atMs, metadata, node }: Terms): OcsfEvent {
  const { imageId, digest, distribution, packages, components } = activity;
  return {
    ...classOf(SOFTWARE, COLLECT, atMs),
    ...severityOf('info'),
    message: `${String(packages)} packages in image ${imageId}`,
    metadata: { ...metadata, log_name: 'plimsoll-inventory' },
    device: deviceOf(activity, node(activity.nodeId)),
    sbom: {
      uid: digest,
      // The image is what the components are in.
      package: { name: imageId, version: imageId },
      software_components: components.map(({ name, version }) => ({ name, version })),
    },
    unmapped: { image: imageId, distribution, packages, omitted: packages - components.length },
  };
}
