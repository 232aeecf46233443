import type { Diagnostic } from '../../service/diagnostic.ts';
import type { NodeAccess } from '../node-access.ts';

/** The node that diagnostics examine. */
export interface NodeSubject {
  readonly access: NodeAccess;
  /** Path of the root directory of the node, as this process sees it. */
  readonly hostRoot: string;
  /** The settings name the engine's socket; otherwise the agent found it. */
  readonly dockerHostGiven: boolean;
  /** Effective user id of this process. */
  readonly uid: number;
}

/** A diagnostic of the node. */
export type NodeDiagnostic = Diagnostic<NodeSubject>;
