import { compareVersions } from '../../vulnerability/version.ts';
import { matchesGlob } from '../glob.ts';
import type { Outcome } from '../decide.ts';
import { firedBy } from './exposure.ts';
import type { ImageState } from './exposure.ts';
import type { SuccessorRule, Trigger } from './rollout-policy.ts';

/** An image that could replace another. */
export interface Candidate extends ImageState {
  /** Complete reference with its digest. */
  readonly reference: string;
  readonly digest: string;
  /** `judged`: the image policies have decided; `pending`: it is being scanned; `failed`: that did not work. */
  readonly state: 'judged' | 'pending' | 'failed';
  /** The decision of the image policies; `couldNotTell` until it is judged. */
  readonly outcome: Outcome;
  /** Why it may not run, or why it is not judged; for people. */
  readonly reasons: readonly string[];
}

/** What a search found. */
export interface SuccessorSearch {
  /** In the order of preference. */
  readonly candidates: readonly Candidate[];
  /** Why the search is not complete; empty: it is. */
  readonly problem: string;
}

/** Which image is used. */
export type SuccessorChoice =
  | { readonly outcome: 'found'; readonly candidate: Candidate }
  | { readonly outcome: 'none' | 'wait'; readonly reason: string };

/**
 * The first candidate that the image policies allow and that does not set off the trigger. A candidate that could not be
 * scanned, or a search that is not complete, is no absence: the answer is `wait` then. `refused`: references that were
 * tried and failed.
 */
export function chooseSuccessor(
  { candidates, problem }: SuccessorSearch,
  { trigger, refused, now }: { readonly trigger: Trigger; readonly refused: readonly string[]; readonly now: number },
): SuccessorChoice {
  const why: string[] = [];
  const unread: string[] = [];
  for (const candidate of candidates) {
    const { reference, state, outcome, reasons } = candidate;
    if (refused.includes(reference)) {
      why.push(`${reference} was rolled back before`);
      continue;
    }
    if (state === 'pending') return { outcome: 'wait', reason: `${reference} is being scanned` };
    if (state === 'failed') {
      unread.push(`${reference}: ${reasons.join('; ')}`);
      continue;
    }
    if (outcome !== 'allow') {
      const what = outcome === 'deny' ? 'is refused' : 'cannot be judged';
      why.push(`${reference} ${what}: ${reasons.join('; ')}`);
      continue;
    }
    const fired = firedBy(trigger, candidate, { isDenied: false, now });
    if (fired.length === 0) return { outcome: 'found', candidate };
    why.push(`${reference} sets off the same policy: ${fired.map(({ text }) => text).join('; ')}`);
  }
  if (problem !== '') unread.push(problem);
  if (unread.length > 0) return { outcome: 'wait', reason: unread.join('; ') };
  return { outcome: 'none', reason: why.length === 0 ? 'there is no newer image' : why.join('; ') };
}

const MAX_TAGS = 3;

/** Tags that follow `current` by the rule, the newest first, at most three. */
export function newerTags(
  tags: readonly string[],
  current: string,
  { pattern, order }: Pick<SuccessorRule, 'pattern' | 'order'>,
): readonly string[] {
  const own = versionOf(current);
  const compare = (a: string, b: string): number | undefined =>
    compareVersions(order, versionOf(a).version, versionOf(b).version);
  return tags
    .filter((tag) => pattern !== null && matchesGlob(pattern, tag) && versionOf(tag).suffix === own.suffix)
    .filter((tag) => compare(tag, current) === 1)
    .sort((a, b) => compare(b, a) ?? 0)
    .slice(0, MAX_TAGS);
}

/** `v16.2-alpine`: version `16.2`, suffix `-alpine`. */
function versionOf(tag: string): { readonly version: string; readonly suffix: string } {
  const dash = tag.indexOf('-');
  const version = dash < 0 ? tag : tag.slice(0, dash);
  return { version: version.replace(/^v(?=\d)/, ''), suffix: dash < 0 ? '' : tag.slice(dash) };
}
