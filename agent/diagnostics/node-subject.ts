import type { KernelFact } from '../../posture/fact/kernel.ts';
import type { Diagnostic } from '../../service/diagnostic.ts';
import type { NodeAccess } from '../node-access.ts';

/** What is examined of a node. */
export interface NodeSubject {
  readonly access: NodeAccess;
  /** Where the root directory of the node is seen from here. */
  readonly hostRoot: string;
  /** Somebody chose the engine's socket; otherwise it was found. */
  readonly dockerHostGiven: boolean;
  /** Effective user of this process. */
  readonly uid: number;
  /** Read once, when the first asks. */
  readonly kernel: () => Promise<KernelFact>;
}

/** One thing about a node that can be looked at. */
export type NodeDiagnostic = Diagnostic<NodeSubject>;

/** What anybody who is not root is told to do about it. */
export const AS_ROOT = 'run this as root to see what an agent that runs as root sees';
