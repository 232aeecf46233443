import type { NodeRow } from '../../store/store.ts';
import type { OcsfEvent } from './ocsf-event.ts';

const LINUX = 200;
const SERVER = 1;
const CONFIGURATION_MANAGEMENT = 8;

/** The node that an event is about, as it was called then. */
interface NodeName {
  readonly nodeId: string;
  readonly nodeName: string;
}

/** What events say about their node. */
export type KnownDevice = Pick<NodeRow, 'operatingSystem' | 'kernelRelease' | 'agentVersion'>;

/** The object `device` of a node; `node` is undefined for one that was removed. */
export function deviceOf({ nodeId, nodeName }: NodeName, node: KnownDevice | undefined): OcsfEvent {
  const device = {
    type_id: SERVER,
    type: 'Server',
    uid: nodeId,
    name: nodeName,
    hostname: nodeName,
  };
  if (node === undefined) return device;
  const os = {
    type_id: LINUX,
    type: 'Linux',
    name: node.operatingSystem || 'Linux',
    ...(node.kernelRelease !== '' && { kernel_release: node.kernelRelease }),
  };
  const agent = {
    name: 'plimsoll-agent',
    uid: nodeId,
    type_id: CONFIGURATION_MANAGEMENT,
    type: 'Configuration Management',
    version: node.agentVersion,
  };
  return { ...device, os, agent_list: [agent] };
}
