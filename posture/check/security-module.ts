import type { ContainerFact } from '../fact/container.ts';
import type { KernelFact } from '../fact/kernel.ts';
import type { Observed } from '../observed.ts';
import { notApplicable, unknownBecause } from '../verdict.ts';
import type { Evidence, Judgement } from '../verdict.ts';
import { hasEnded, notSeen } from './container-reading.ts';
import type { Unseen } from './container-reading.ts';

/** A security module that confines processes, as people and as the kernel's list write it. */
interface SecurityModule {
  readonly name: string;
  readonly inList: string;
}

/**
 * Nothing where the module is active; otherwise the answer of a check about its labels. The list of the kernel decides;
 * `own` is the module's word about itself, for nodes where securityfs is not mounted.
 */
export function unlessActive(
  module: SecurityModule,
  lsm: KernelFact['lsm'],
  own: Observed<boolean>,
): Judgement | undefined {
  const inactive = (source: string): Judgement =>
    notApplicable(`${module.name} is not active in this kernel (${source})`);
  if (lsm.state === 'seen') return lsm.value.includes(module.inList) ? undefined : inactive(lsm.source);
  switch (own.state) {
    case 'seen':
      return own.value ? undefined : inactive(own.source);
    case 'absent':
      return inactive(own.source);
    case 'unreadable':
      return unknownBecause(`${own.source}: ${own.reason}, so it is not known whether ${module.name} is active`);
  }
}

/** `unknown`: the module is active, but the label of the container was not seen. */
export function labelNotSeen(container: ContainerFact, label: Unseen, ...evidence: readonly Evidence[]): Judgement {
  if (label.state === 'absent' && !hasEnded(container))
    return unknownBecause(`${label.source} holds no label, though a security module is active`, ...evidence);
  return notSeen(label, ...evidence);
}
