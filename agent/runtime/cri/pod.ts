import type { Declared, Handler } from '../../../posture/fact/container.ts';
import { NAMESPACE_OF_NODE, SANDBOX_READY } from '../../../proto/cri.ts';
import type { PodSandboxStatusResponse } from '../../../proto/cri.ts';
import { clip } from '../../inspector/clip.ts';
import { binaryOf, crioPortsSchema, parseInfo } from './runtime-spec.ts';
import type { SandboxInfo } from './runtime-spec.ts';

/** A pod as its sandbox has it: nothing of it changes while the sandbox exists, but `isReady`. */
export interface Pod {
  readonly sandboxId: string;
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly isReady: boolean;
  readonly isOnNodeNetwork: boolean;
  readonly isOnNodeIpc: boolean;
  readonly isOnNodePid: boolean;
  readonly ports: Declared['ports'];
  readonly handler: Handler;
}

const MAX_PORTS = 8192;

/** The pod of a sandbox; undefined where the response is not about one. */
export function toPod({ status }: PodSandboxStatusResponse, info: SandboxInfo): Pod | undefined {
  const { metadata } = status ?? {};
  if (status?.id === undefined || status.id === null || metadata === null || metadata === undefined) return undefined;
  const options = status.linux?.namespaces?.options;
  return {
    sandboxId: clip(status.id, 128),
    name: clip(metadata.name ?? '', 256),
    namespace: clip(metadata.namespace ?? '', 256),
    uid: clip(metadata.uid ?? '', 64),
    isReady: status.state === SANDBOX_READY,
    isOnNodeNetwork: options?.network === NAMESPACE_OF_NODE,
    isOnNodeIpc: options?.ipc === NAMESPACE_OF_NODE,
    isOnNodePid: options?.pid === NAMESPACE_OF_NODE,
    ports: portsOf(info),
    handler: {
      name: clip((status.runtimeHandler ?? '') || info.runtimeHandler, 256),
      program: clip(binaryOf(info.runtimeOptions) || info.runtimeType, 512),
      sandbox: clip(status.id, 128),
    },
  };
}

const PROTOCOLS = ['tcp', 'udp', 'sctp'] as const;

/** The ports of the node that lead to the pod; those of the pod alone have no number of the node. */
function portsOf({ config, runtimeSpec }: SandboxInfo): Declared['ports'] {
  const own = (config?.port_mappings ?? []).map((port) => ({
    containerPort: `${String(port.container_port)}/${PROTOCOLS[port.protocol] ?? 'other'}`,
    hostIp: clip(port.host_ip, 64),
    hostPort: port.host_port,
  }));
  const annotation = runtimeSpec?.annotations['io.kubernetes.cri-o.PortMappings'];
  const ofCrio = annotation === undefined ? undefined : parseInfo(annotation, crioPortsSchema);
  for (const { HostPort, ContainerPort, Protocol, HostIP } of ofCrio?.ok === true ? ofCrio.value : [])
    own.push({
      containerPort: `${String(ContainerPort)}/${clip(Protocol.toLowerCase(), 8)}`,
      hostIp: clip(HostIP, 64),
      hostPort: HostPort,
    });
  return own
    .filter(({ hostPort, containerPort }) => hostPort > 0 && hostPort <= 65_535 && containerPort.length <= 32)
    .sort((one, other) => one.hostPort - other.hostPort)
    .slice(0, MAX_PORTS);
}

/** Names that a controller makes end in characters of this alphabet (k8s.io/apimachinery, util/rand). */
const GENERATED = '[bcdfghjklmnpqrstvwxz2456789]';
/** `NAME-HASH-SUFFIX` of a Deployment, `NAME-TIME-SUFFIX` of a CronJob, `NAME-SUFFIX` of a DaemonSet or Job. */
const GENERATED_NAME = new RegExp(`^(.+?)(?:-${GENERATED}{6,10}|-\\d{8})?-${GENERATED}{5}$`);
/** Of a StatefulSet. */
const ORDINAL_NAME = /^(.+)-\d{1,6}$/;

/**
 * The workload that the name of a pod shows: `shop` for `shop-6f4d8b9c7d-x2x4p`. The runtime knows no owner, so this is
 * a guess by the form of names; a name without such a form is the workload itself.
 */
export function workloadOf(podName: string): string {
  return GENERATED_NAME.exec(podName)?.[1] ?? ORDINAL_NAME.exec(podName)?.[1] ?? podName;
}
