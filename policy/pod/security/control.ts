import type { Pod } from '../pod.ts';

/** Levels of the Pod Security Standards that have controls: https://kubernetes.io/docs/concepts/security/pod-security-standards/ */
export type PodSecurityLevel = 'baseline' | 'restricted';

/** What a pod has against a control. Texts are for people; values of the pod are shortened and escaped. */
export interface PodViolation {
  /** Id of the control, such as `hostNamespaces`. */
  readonly control: string;
  /** The field: `spec.containers[0].securityContext.privileged`. */
  readonly path: string;
  readonly actual: string;
  readonly expected: string;
  readonly action: string;
}

/** A violation as a control yields it; the judge adds the id. */
export type Breach = Omit<PodViolation, 'control'>;

/**
 * One control of the Pod Security Standards. The id is that of `k8s.io/pod-security-admission`; versions are minor
 * versions of Kubernetes 1.x.
 */
export interface PodSecurityControl {
  readonly id: string;
  readonly level: PodSecurityLevel;
  readonly title: string;
  /** First version of the standards with the control. */
  readonly since: number;
  /** The controls of baseline that this one, of restricted, contains: they are not judged beside it. */
  readonly replaces?: readonly string[];
  /** What violates it, lazily: whoever reads the first few pays for no more. */
  readonly judge: (pod: Pod, version: number) => Iterable<Breach>;
  /**
   * The same as a CEL expression that is true for a pod without a violation. It may use `variables.spec`,
   * `variables.containers`, `variables.contexts` and `variables.annotations`; see `policy/pod/admission-policy.ts`.
   */
  readonly cel: (version: number) => string;
}

/** Freezes a control. */
export function defineControl(control: PodSecurityControl): PodSecurityControl {
  return Object.freeze(control);
}

const MAX_SHOWN = 80;

/** A value of a pod for a message: JSON, shortened, printable ASCII only. */
export function shown(value: string | number | boolean): string {
  const text = typeof value === 'string' && value.length > MAX_SHOWN ? `${value.slice(0, MAX_SHOWN)}…` : value;
  return JSON.stringify(text).replaceAll(/[^ -~…]/g, '?');
}

/** A list of strings in CEL. Only for words of ours: it escapes as JSON does. */
export function celList(words: readonly string[]): string {
  return `[${words.map((word) => `'${word}'`).join(', ')}]`;
}

/** Controls for pods of Windows hold no fields that Linux has; from 1.25 on they do not apply where `spec.os` says so. */
export function isExemptWindows({ spec }: Pod, version: number): boolean {
  return version >= 25 && spec.os?.name === 'windows';
}

/** {@link isExemptWindows} in CEL, before an alternative: `… || `. */
export function celExemptWindows(version: number): string {
  return version >= 25 ? "variables.spec.?os.?name.orValue('') == 'windows' || " : '';
}

/** From 1.35 on, some controls do not apply to pods in a user namespace of their own (KEP-127). */
export function isInUserNamespace({ spec }: Pod, version: number): boolean {
  return version >= 35 && spec.hostUsers === false;
}

/** {@link isInUserNamespace} in CEL, before an alternative. */
export function celInUserNamespace(version: number): string {
  return version >= 35 ? '!variables.spec.?hostUsers.orValue(true) || ' : '';
}
