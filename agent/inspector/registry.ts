import type { FactName } from '../../posture/fact/facts.ts';
import { accountsInspector } from './account/inspect.ts';
import { agentInspector } from './agent/inspect.ts';
import { auditInspector } from './audit/inspect.ts';
import { certificatesInspector } from './certificate/inspect.ts';
import { clockInspector } from './clock/inspect.ts';
import { containerdsInspector } from './containerd/inspect.ts';
import { containerInspector } from './container/inspect.ts';
import { crioInspector } from './crio/inspect.ts';
import { dockerInspector } from './docker/inspect.ts';
import { enginesInspector } from './engines/inspect.ts';
import { fileInspector } from './file/inspect.ts';
import { hostInspector } from './host/inspect.ts';
import { imageInspector } from './image/inspect.ts';
import type { Inspector } from './inspector.ts';
import { kernelInspector } from './kernel/inspect.ts';
import { kubeletInspector } from './kubelet/inspect.ts';
import { listenerInspector } from './listener/inspect.ts';
import { nodeInspector } from './node/inspect.ts';
import { sshAccessInspector } from './ssh-access/inspect.ts';
import { sshdInspector } from './sshd/inspect.ts';
import { unobservedInspector } from './unobserved/inspect.ts';

/** An inspector of whichever fact. */
export type AnyInspector = { readonly [N in FactName]: Inspector<N> }[FactName];

/** All inspectors; each comes after those whose facts it needs. */
export const INSPECTORS: readonly AnyInspector[] = Object.freeze([
  agentInspector,
  clockInspector,
  certificatesInspector,
  nodeInspector,
  kernelInspector,
  containerdsInspector,
  crioInspector,
  kubeletInspector,
  hostInspector,
  dockerInspector,
  enginesInspector,
  containerInspector,
  imageInspector,
  unobservedInspector,
  sshdInspector,
  accountsInspector,
  sshAccessInspector,
  fileInspector,
  auditInspector,
  listenerInspector,
]);

/** The inspector of one fact. */
export function inspectorOf<N extends FactName>(fact: N): Inspector<N> {
  // Every fact has its inspector: the registry test holds the list to it.
  return INSPECTORS.find((inspector) => inspector.fact === fact) as unknown as Inspector<N>;
}

/** Paths on the host whose change makes a fact stale, with the facts that it touches. */
export function watchedPaths(facts: Parameters<AnyInspector['watches']>[0]): ReadonlyMap<string, readonly FactName[]> {
  const paths = new Map<string, FactName[]>();
  for (const { fact, watches } of INSPECTORS)
    for (const path of watches(facts)) paths.set(path, [...(paths.get(path) ?? []), fact]);
  return paths;
}
