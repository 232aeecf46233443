import type { Package } from '../vulnerability/package.ts';
import type { Vulnerability, VulnerabilitySeverity } from '../vulnerability/vulnerability.ts';

/**
 * Every reason why an image is refused or could not be judged, by code, with its meaning. Codes are stable: pipelines
 * and `plimsoll policy test` name them.
 */
export const REASON_CODES = Object.freeze({
  'architecture-not-allowed': 'The image is built for another processor architecture.',
  'architecture-unknown': 'The processor architecture of the image is not known.',
  'break-glass-not-allowed': 'The object has the break-glass annotation, set by somebody who may not set it.',
  'container-policy': 'Docker authorization refuses the request; in explanations only.',
  'check-failed': 'A check of the image configuration fails.',
  'check-unknown': 'A check of the image configuration could not be answered.',
  'database-too-old': 'The vulnerability database is older than the policy allows.',
  'digest-mismatch': 'What was examined is not the image that the reference names.',
  'database-unknown': 'There is no usable vulnerability database, or its age is not known.',
  'digest-missing': 'The reference names no digest, so what it means can change.',
  'distribution-end-of-life': 'The distribution of the image gets no security updates any more.',
  'distribution-unknown': 'It is not known how long the distribution of the image gets security updates.',
  'environment-secret': 'A variable in the environment of the image holds a secret.',
  'environment-unknown': 'It is not known whether the environment of the image holds secrets.',
  'image-too-old': 'The image was built longer ago than the policy allows.',
  'image-age-unknown': 'It is not known when the image was built.',
  'inventory-incomplete': 'Not all packages of the image could be read.',
  'no-policy': 'No policy applies to the image.',
  'node-posture': 'The pod can be scheduled on a node with an open failed check of the severity that the policy names.',
  'node-posture-unknown': 'The posture of a node on which the pod can be scheduled is not known, or too old.',
  'not-scanned': 'The collector has not judged the image, or its digest is not known.',
  'package-forbidden': 'The image contains a package that the policy forbids.',
  'package-unknown': 'It is not known whether a package of the image is a forbidden one.',
  'pod-malformed': 'The object is not a pod, or not an object with a pod template, as the Kubernetes API documents it.',
  'pod-security': 'The pod violates the level of the Pod Security Standards that the policy asks for.',
  'reference-invalid': 'The reference of the image is malformed.',
  'reference-unknown': 'The image has no reference, so its registry is not known.',
  'registry-not-allowed': 'The image comes from a registry or repository that the policy does not allow.',
  'scan-missing': 'The image has not been scanned.',
  'scan-too-old': 'The last scan of the image is older than the policy allows.',
  'scan-unknown': 'It is not known when the image was scanned.',
  'setuid-file': 'A file of the image is setuid or setgid, and the policy does not allow it.',
  'setuid-unknown': 'It is not known which files of the image are setuid or setgid.',
  'signature-invalid': 'A signature of the image does not verify.',
  'signature-missing': 'The image has no signature.',
  'signature-not-trusted': 'The image is signed, but not by a signer that the policy asks for.',
  'signature-unknown': 'The signatures of the image could not be checked.',
  'tag-not-allowed': 'The reference has a tag that the policy does not allow.',
  'verdict-expired': 'What the collector found depends on the time, and that time has passed.',
  vulnerability: 'A package of the image has a vulnerability that the policy refuses.',
  'vulnerability-unknown': 'It is not known whether the policy refuses a vulnerability, or which there are.',
} as const satisfies Readonly<Record<string, string>>);

/** One of the codes. */
export type ReasonCode = keyof typeof REASON_CODES;

/** All codes, sorted. */
export const REASON_CODE_NAMES = Object.keys(REASON_CODES).sort() as readonly ReasonCode[];

/**
 * What a rule has against an image. `violation`: it is not as the policy wants it. `unknown`: evidence is missing, so
 * that it could be. Texts are for people, one sentence each, and may hold names from the image: escape them.
 */
export interface Objection {
  readonly code: ReasonCode;
  readonly kind: 'violation' | 'unknown';
  readonly severity: VulnerabilitySeverity;
  /** What was found. */
  readonly actual: string;
  /** What the policy wants. */
  readonly expected: string;
  /** What to do about it. */
  readonly action: string;
  /** What it is about within the image, stable over versions: for baselines and fingerprints. */
  readonly about: string;
  readonly package?: Package;
  readonly vulnerability?: Vulnerability;
  readonly fixedVersion?: string;
  /** Of a vulnerability that could not be judged: the part of `actual` and `action` that others share. */
  readonly undetermined?: Undetermined;
}

/** What the database does not say of a vulnerability, and what to do; nothing in it comes from an image. */
export interface Undetermined {
  readonly reason: string;
  readonly action: string;
}

/** An objection, and the rule that makes it. */
export interface Reason extends Objection {
  readonly policy: string;
  /** `spec.rules[2]`, or `spec.match` where no rule is concerned. */
  readonly rule: string;
  /** What the author of the rule wants people to read. */
  readonly message?: string;
}

/**
 * The identity of a reason: the same in the next build of the image, whatever the versions of its packages, the policy
 * that objects and the order of its rules.
 */
export function reasonIdentity({ code, about }: Pick<Reason, 'code' | 'about'>): string {
  return JSON.stringify([code, about]);
}
