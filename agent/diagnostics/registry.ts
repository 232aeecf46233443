import { dockerEngine } from './docker-engine.ts';
import { fileWatches } from './file-watches.ts';
import type { NodeDiagnostic } from './node-subject.ts';
import { nodeVisibility } from './node-visibility.ts';

/** Diagnostics of the node, in display order. A test compares them with the directory. */
export const NODE_DIAGNOSTICS: readonly NodeDiagnostic[] = Object.freeze([dockerEngine, nodeVisibility, fileWatches]);
