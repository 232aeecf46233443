import type { Pod } from '../pod.ts';
import { CONFINEMENT_CONTROLS } from './confinement.ts';
import type { PodSecurityControl, PodSecurityLevel, PodViolation } from './control.ts';
import { HOST_CONTROLS } from './host.ts';
import { PRIVILEGE_CONTROLS } from './privilege.ts';

/** All controls of the Pod Security Standards, sorted by id. */
export const POD_SECURITY_CONTROLS: readonly PodSecurityControl[] = Object.freeze(
  [...CONFINEMENT_CONTROLS, ...HOST_CONTROLS, ...PRIVILEGE_CONTROLS].toSorted((a, b) =>
    a.id < b.id ? -1 : a.id > b.id ? 1 : 0,
  ),
);

/** The newest minor version of the standards that is known here: what `latest` means. */
export const LATEST_POD_SECURITY_VERSION = 37;

/** The levels, mildest first. */
export const POD_SECURITY_LEVELS = ['baseline', 'restricted'] as const satisfies readonly PodSecurityLevel[];

/** What a pod is judged by. */
export interface PodSecurityRequirement {
  readonly level: PodSecurityLevel;
  /** Minor version of Kubernetes 1.x. */
  readonly version: number;
  /** Ids of controls that are left out. Without one of restricted, the one of baseline that it replaces applies. */
  readonly exempt: readonly string[];
}

/** The controls that a requirement asks for, in the order of their ids. */
export function controlsFor({ level, version, exempt }: PodSecurityRequirement): readonly PodSecurityControl[] {
  const inForce = POD_SECURITY_CONTROLS.filter(
    (control) =>
      control.since <= version &&
      (control.level === 'baseline' || level === 'restricted') &&
      !exempt.includes(control.id),
  );
  const replaced = new Set(inForce.flatMap(({ replaces = [] }) => replaces));
  return inForce.filter(({ id }) => !replaced.has(id));
}

/** Violations of one control that are listed. A pod with a thousand containers must not make a reply of megabytes. */
const MAX_PER_CONTROL = 10;

/** What a pod has against a level. `further`: ids of controls with more violations than are listed. */
export interface PodSecurityResult {
  readonly violations: readonly PodViolation[];
  readonly further: readonly string[];
}

/** Judges a pod by the Pod Security Standards. At most ten violations per control are listed. Never throws. */
export function judgePodSecurity(pod: Pod, requirement: PodSecurityRequirement): PodSecurityResult {
  const violations: PodViolation[] = [];
  const further: string[] = [];
  for (const { id, judge } of controlsFor(requirement)) {
    let count = 0;
    for (const breach of judge(pod, requirement.version)) {
      count += 1;
      if (count > MAX_PER_CONTROL) {
        further.push(id);
        break;
      }
      violations.push({ control: id, ...breach });
    }
  }
  return { violations, further };
}
