import { cgroupVersion } from './cgroup-version.ts';
import { dockerEngine } from './docker-engine.ts';
import { hostRoot } from './host-root.ts';
import { inotifyLimits } from './inotify-limits.ts';
import type { NodeDiagnostic } from './node-subject.ts';
import { openFiles } from './open-files.ts';
import { processVisibility } from './process-visibility.ts';
import { rights } from './rights.ts';
import { seccompStatus } from './seccomp-status.ts';
import { securityFiles } from './security-files.ts';
import { sshConfiguration } from './ssh-configuration.ts';

/** Every examination of a node, in the order in which people read them. A test compares this with the directory. */
export const NODE_DIAGNOSTICS: readonly NodeDiagnostic[] = Object.freeze([
  dockerEngine,
  rights,
  hostRoot,
  processVisibility,
  securityFiles,
  seccompStatus,
  cgroupVersion,
  sshConfiguration,
  inotifyLimits,
  openFiles,
]);
