import type { ImageRule, ImageRules } from '../fact/image-rules.ts';
import { fail, pass, unknownBecause } from '../verdict.ts';
import type { Evidence, Judgement } from '../verdict.ts';
import { quote } from './evidence-text.ts';

/** Rules that the evidence names. */
const MAX_NAMED = 8;

/** One rule that refuses the image fails it, whatever the others say. It passes only where every rule is known. */
export function judgeRules({ rules, incomplete }: ImageRules): Judgement {
  const refused = rules.filter(({ state }) => state === 'refused');
  const [first] = refused;
  if (first !== undefined)
    return fail(`image policy ${quote(first.policy)} refuses it: ${quote(first.text)}`, ...evidenceOf(refused));
  if (incomplete !== undefined) return unknownBecause(quote(incomplete));
  const open = rules.filter(({ state }) => state === 'unknown');
  const [unread] = open;
  if (unread !== undefined)
    return unknownBecause(
      `whether image policy ${quote(unread.policy)} accepts it is not known: ${quote(unread.text)}`,
      ...evidenceOf(open),
    );
  return rules.length === 0 ? unknownBecause('no rule of an image policy was judged') : pass(...evidenceOf(rules));
}

function evidenceOf(rules: readonly ImageRule[]): readonly Evidence[] {
  return rules.slice(0, MAX_NAMED).map((rule) => ({
    source: ruleSource(rule),
    seen: rule.state === 'accepted' ? 'accepted' : quote(rule.text),
    expected: rule.state === 'accepted' ? 'accepted' : quote(rule.expected),
  }));
}

/** The source of evidence about a rule. */
export function ruleSource({ policy, rule }: Pick<ImageRule, 'policy' | 'rule'>): string {
  return `image policy ${quote(policy)}, ${quote(rule)}`;
}
