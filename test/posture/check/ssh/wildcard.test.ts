import * as fc from 'fast-check';
import t from 'tap';
import { matchesWildcard } from '../../../../posture/check/ssh/wildcard.ts';

const MATCHES: readonly (readonly [pattern: string, text: string, matches: boolean])[] = [
  ['*', '', true],
  ['*', 'LD_PRELOAD', true],
  ['LD_*', 'LD_PRELOAD', true],
  ['LD_*', 'LD', false],
  ['LD_*', 'XLD_PRELOAD', false],
  ['?D_PRELOAD', 'LD_PRELOAD', true],
  ['LC_*', 'LD_PRELOAD', false],
  ['*sha1*', 'hmac-sha1-etm@openssh.com', true],
  ['*a*b*c', 'xxaxxbxxc', true],
  ['*a*b*c', 'xxaxxbxx', false],
  ['', '', true],
  ['', 'a', false],
  ['a', '', false],
];
for (const [pattern, text, matches] of MATCHES)
  t.equal(matchesWildcard(pattern, text), matches, `${pattern} on ${text}`);

// Against the same rule written as a regular expression, on texts short enough for it.
const few = fc.string({ maxLength: 8 });
const patterns = fc.array(fc.constantFrom('a', 'b', '*', '?'), { maxLength: 8 }).map((parts) => parts.join(''));
const texts = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 8 }).map((parts) => parts.join(''));
fc.assert(
  fc.property(patterns, texts, (pattern, text) => {
    const rule = new RegExp(`^${pattern.replaceAll('*', '.*').replaceAll('?', '.')}$`);
    return matchesWildcard(pattern, text) === rule.test(text);
  }),
);
fc.assert(fc.property(few, few, (pattern, text) => typeof matchesWildcard(pattern, text) === 'boolean'));

// A pattern on which a regular expression would take for ever.
t.notOk(matchesWildcard(`${'*a'.repeat(2000)}*b`, 'a'.repeat(4000)), 'many stars end in time');
