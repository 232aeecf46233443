import type { Schema } from '../schema.ts';
import { accountsSchema } from './accounts.ts';
import { agentSchema } from './agent.ts';
import { auditSchema } from './audit.ts';
import { certificatesSchema } from './certificates.ts';
import { clockSchema } from './clock.ts';
import { containerdsSchema } from './containerd.ts';
import { containersSchema, queriedContainersSchema } from './container.ts';
import { crioSchema } from './crio.ts';
import { dockerSchema } from './docker.ts';
import { enginesSchema } from './engines.ts';
import { filesSchema } from './file.ts';
import { hostSchema } from './host.ts';
import { imagesSchema } from './image.ts';
import { kernelSchema } from './kernel.ts';
import { kubeletSchema } from './kubelet.ts';
import { listenersSchema } from './listener.ts';
import { nodeSchema } from './node.ts';
import { nodeStatusSchema } from './node-status.ts';
import { sshAccessSchema } from './ssh-access.ts';
import { sshdSchema } from './sshd.ts';
import { unobservedListSchema } from './unobserved.ts';
import type { AccountsFact } from './accounts.ts';
import type { AgentFact } from './agent.ts';
import type { AuditFact } from './audit.ts';
import type { CertificatesFact } from './certificates.ts';
import type { ClockFact } from './clock.ts';
import type { ContainerdsFact } from './containerd.ts';
import type { ContainersFact } from './container.ts';
import type { CrioFact } from './crio.ts';
import type { DockerFact } from './docker.ts';
import type { EnginesFact } from './engines.ts';
import type { FilesFact } from './file.ts';
import type { HostFact } from './host.ts';
import type { ImagesFact } from './image.ts';
import type { KernelFact } from './kernel.ts';
import type { KubeletFact } from './kubelet.ts';
import type { ListenersFact } from './listener.ts';
import type { NodeFact } from './node.ts';
import type { NodeStatusFact } from './node-status.ts';
import type { SshAccessFact } from './ssh-access.ts';
import type { SshdFact } from './sshd.ts';
import type { UnobservedFact } from './unobserved.ts';

/** All that is known of a node, by name. Checks judge these; a round reads them all. */
export interface Facts {
  readonly accounts: AccountsFact;
  readonly agent: AgentFact;
  readonly audit: AuditFact;
  readonly certificates: CertificatesFact;
  readonly clock: ClockFact;
  readonly containerds: ContainerdsFact;
  readonly containers: ContainersFact;
  readonly crio: CrioFact;
  readonly docker: DockerFact;
  readonly engines: EnginesFact;
  readonly files: FilesFact;
  readonly host: HostFact;
  readonly images: ImagesFact;
  readonly kernel: KernelFact;
  readonly kubelet: KubeletFact;
  readonly listeners: ListenersFact;
  readonly node: NodeFact;
  readonly sshAccess: SshAccessFact;
  readonly sshd: SshdFact;
  readonly unobserved: UnobservedFact;
}

/** The name of a fact. */
export type FactName = keyof Facts;

/** The schema of each fact, sorted by name. */
export const FACT_SCHEMAS = Object.freeze({
  accounts: accountsSchema,
  agent: agentSchema,
  audit: auditSchema,
  certificates: certificatesSchema,
  clock: clockSchema,
  containerds: containerdsSchema,
  containers: containersSchema,
  crio: crioSchema,
  docker: dockerSchema,
  engines: enginesSchema,
  files: filesSchema,
  host: hostSchema,
  images: imagesSchema,
  kernel: kernelSchema,
  kubelet: kubeletSchema,
  listeners: listenersSchema,
  node: nodeSchema,
  sshAccess: sshAccessSchema,
  sshd: sshdSchema,
  unobserved: unobservedListSchema,
} satisfies { [N in FactName]: Schema<Facts[N]> });

/** The variables of a live query: all facts, and what is read only when a query names it. */
export interface QueryFacts extends Facts {
  readonly nodeStatus: NodeStatusFact;
}

/** The name of a variable of a live query. */
export type QueryFactName = keyof QueryFacts;

/** The schema of each variable of a live query, in no particular order. */
export const QUERY_SCHEMAS = Object.freeze({
  ...FACT_SCHEMAS,
  containers: queriedContainersSchema,
  nodeStatus: nodeStatusSchema,
} satisfies { [N in QueryFactName]: Schema<QueryFacts[N]> });
