import type { Observed } from '../../posture/observed.ts';
import { nullable, oneOf, string } from '../../posture/schema.ts';
import type { ImageEvidence } from '../evidence.ts';
import type { ImageReference } from '../reference.ts';
import type { Objection } from '../reason.ts';

/** What a violation of a policy or rule leads to. */
export type Mode = 'enforce' | 'warn' | 'observe';

/** All modes, strictest first. */
export const MODES = ['enforce', 'warn', 'observe'] as const satisfies readonly Mode[];

/** The milder of two modes. */
export function milder(one: Mode, other: Mode): Mode {
  return MODES.indexOf(one) > MODES.indexOf(other) ? one : other;
}

/** Fields of every rule beside its `type`. */
export const RULE_HEAD = {
  mode: nullable(
    oneOf(MODES),
    'what a violation of this rule leads to, where that is milder than the mode of the policy',
  ),
  message: nullable(string('', 1024), 'shown with each violation, such as whom to ask'),
};

/** What a rule judges by. */
export interface JudgeInput {
  /** The normalised reference; `absent` for images without a name. */
  readonly reference: Observed<ImageReference>;
  readonly evidence: ImageEvidence;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** What the policy accepts not to know. */
  readonly accept: Acceptance;
}

/** Gaps that the author of a policy accepts. */
export interface Acceptance {
  /** Patterns of paths. */
  readonly gaps: readonly string[];
  /** Codes of packages that could not be judged. */
  readonly unjudged: readonly string[];
}

/** Times of other machines may be ahead by this much. Those further ahead are not believed. */
export const MAX_CLOCK_SKEW_MS = 10 * 60_000;

/** Is the time so far ahead that it cannot be true? */
export function isInFuture(atMs: number, now: number): boolean {
  return atMs > now + MAX_CLOCK_SKEW_MS;
}

/** A violation; of severity high unless it says otherwise. */
export function violation(
  parts: Omit<Objection, 'kind' | 'severity' | 'about'> & Partial<Pick<Objection, 'severity' | 'about'>>,
): Objection {
  return { kind: 'violation', severity: 'high', about: '', ...parts };
}

/** Something that could not be decided. */
export function unknown(
  parts: Omit<Objection, 'kind' | 'severity' | 'about'> & Partial<Pick<Objection, 'about'>>,
): Objection {
  return { kind: 'unknown', severity: 'unknown', about: '', ...parts };
}

/** A list of names for a sentence: the first three, and how many more. */
export function someOf(names: readonly string[]): string {
  const rest = names.length - 3;
  return `${names.slice(0, 3).join(', ')}${rest > 0 ? ` and ${String(rest)} more` : ''}`;
}
