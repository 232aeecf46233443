import { describeEngines } from '../../posture/fact/docker.ts';
import type { Facts } from '../../posture/fact/facts.ts';
import type { Observed } from '../../posture/observed.ts';

/** The node as a scan reports it: what it is and what protects it. Null: could not be read. */
export interface ScannedNode {
  readonly id: string;
  readonly name: string;
  readonly operatingSystem: string;
  readonly kernelRelease: string;
  readonly architecture: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly virtualization: string;
  /** Container engine and version; empty: none. */
  readonly runtime: string | null;
  readonly containers: number | null;
  readonly securityModules: readonly string[] | null;
  /** `unsupported`: the kernel has no lockdown. */
  readonly lockdown: string | null;
  readonly selinux: string | null;
  readonly apparmor: boolean | null;
  /** User id that the scan ran as; 0 sees most. */
  readonly effectiveUid: number;
  readonly agentVersion: string;
}

/** What `facts` say about the node as a whole. */
export function describeNode(facts: Facts): ScannedNode {
  const { node, kernel, docker, engines, containers } = facts;
  return {
    id: node.id,
    name: node.name,
    operatingSystem: node.operatingSystem,
    kernelRelease: node.kernelRelease,
    architecture: node.architecture,
    cpus: node.cpus,
    memoryBytes: node.memoryBytes,
    virtualization: node.virtualization,
    runtime: describeEngines([docker, ...engines]),
    containers: reading(containers, 0, (list) => list.length),
    securityModules: reading<readonly string[], readonly string[]>(kernel.lsm, [], (list) => [...list]),
    lockdown: reading<string, string>(kernel.lockdown, 'unsupported', (level) => level),
    selinux: reading<string, string>(kernel.selinux, 'disabled', (mode) => mode),
    apparmor: reading(kernel.apparmor, false, (on) => on),
    effectiveUid: node.effectiveUid,
    agentVersion: node.agentVersion,
  };
}

function reading<T, R>(observed: Observed<T>, absent: R, read: (value: T) => R): R | null {
  switch (observed.state) {
    case 'seen':
      return read(observed.value);
    case 'absent':
      return absent;
    case 'unreadable':
      return null;
  }
}
