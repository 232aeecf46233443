import fc from 'fast-check';
import t from 'tap';
import { globsOverlap, matchesGlob } from '../../policy/glob.ts';

const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 7 });
const text = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 7 });

/** By the definition of the wildcards, with the regular expressions of JavaScript. */
function reference(glob: string, subject: string): boolean {
  return new RegExp(`^${glob.replaceAll('*', '.*').replaceAll('?', '.')}$`, 's').test(subject);
}

void t.test('matches as the same regular expression does', (t) => {
  fc.assert(
    fc.property(pattern, text, (glob, subject) => matchesGlob(glob, subject) === reference(glob, subject)),
    { seed: 1, numRuns: 5000 },
  );
  t.notOk(matchesGlob('a.c', 'abc'));
  t.notOk(matchesGlob('prod', 'Prod'));
  t.end();
});

void t.test('two patterns overlap exactly if a text matches both', (t) => {
  const texts = Array.from({ length: 9 }, (_, length) =>
    Array.from({ length: 2 ** length }, (_unused, bits) =>
      bits.toString(2).padStart(length, '0').slice(0, length).replaceAll('0', 'a').replaceAll('1', 'b'),
    ),
  ).flat();
  const short = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 4 });
  fc.assert(
    fc.property(short, short, (one, other) => {
      const both = texts.some((subject) => matchesGlob(one, subject) && matchesGlob(other, subject));
      return globsOverlap(one, other) === both && globsOverlap(other, one) === both;
    }),
    { seed: 1, numRuns: 1500 },
  );
  t.end();
});

void t.test('an adversary cannot make it slow', (t) => {
  const started = process.hrtime.bigint();
  t.notOk(matchesGlob(`${'*a'.repeat(250)}b`, 'a'.repeat(50_000)));
  t.ok(Number(process.hrtime.bigint() - started) / 1e6 < 2000);
  t.end();
});
