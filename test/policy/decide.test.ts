import fc from 'fast-check';
import t from 'tap';
import { seen, unreadable } from '../../posture/observed.ts';
import { decide } from '../../policy/decide.ts';
import type { Outcome } from '../../policy/decide.ts';
import type { ImageEvidence } from '../../policy/evidence.ts';
import type { ImagePolicy } from '../../policy/image-policy.ts';
import { anyEvidence, anyMatch, anyRules } from '../fixture/any-image.ts';
import { DIGEST, evidence, matchOf, NOW, policy } from '../fixture/image-evidence.ts';

const subject = { reference: 'registry.example.com/shop/db:1', digest: DIGEST, namespace: undefined };
const vulnerable = evidence({ vulnerabilities: seen({ matches: [matchOf()], unjudged: [] }, 'v') });
const severe = { type: 'vulnerability', severity: 'high' };

void t.test('modes', (t) => {
  const count = (policies: readonly ImagePolicy[]): readonly unknown[] => {
    const { outcome, reasons, warnings, observed } = decide(subject, vulnerable, policies, NOW);
    return [outcome, reasons.length, warnings.length, observed.length];
  };
  t.strictSame(count([policy([severe])]), ['deny', 1, 0, 0]);
  t.strictSame(count([policy([severe], { mode: 'warn' })]), ['allow', 0, 1, 0]);
  t.strictSame(count([policy([severe], { mode: 'observe' })]), ['allow', 0, 0, 1]);
  t.strictSame(
    count([
      policy([
        { ...severe, mode: 'warn' },
        { type: 'age', maxAge: '1d' },
      ]),
    ]),
    ['deny', 1, 1, 0],
  );
  t.end();
});

void t.test('a violation outweighs what could not be told, and both are reasons', (t) => {
  const rules = [severe, { type: 'signature', authorities: [{ name: 'k', key: { file: 'k.pub' } }] }];
  const without = { ...vulnerable, signatures: unreadable('registry', 'timeout') };
  const { outcome, reasons } = decide(subject, without, [policy(rules)], NOW);
  t.equal(outcome, 'deny');
  t.strictSame(
    reasons.map(({ code, rule }) => [code, rule]),
    [
      ['vulnerability', 'spec.rules[0]'],
      ['signature-unknown', 'spec.rules[1]'],
    ],
  );
  t.end();
});

void t.test('nothing is allowed without a policy that applies', (t) => {
  const other = policy([], { match: { images: ['other.example.com/**'] } });
  for (const policies of [[], [other]]) {
    const { outcome, reasons } = decide(subject, evidence(), policies, NOW);
    t.equal(outcome, 'couldNotTell');
    t.strictSame(
      reasons.map(({ code }) => code),
      ['no-policy'],
    );
  }
  t.end();
});

void t.test('the digest decides, not the tag beside it', (t) => {
  const bad = `sha256:${'b'.repeat(64)}`;
  const reference = `registry.example.com/shop/db:good@${bad}`;
  const judge = (digest: string | undefined): readonly unknown[] => {
    const { outcome, reasons } = decide({ ...subject, reference, digest }, evidence(), [policy([])], NOW);
    return [outcome, ...reasons.map(({ code }) => code)];
  };
  t.strictSame(judge(bad), ['allow']);
  t.strictSame(judge(DIGEST), ['deny', 'digest-mismatch'], 'the tag was examined instead');
  t.strictSame(judge(undefined), ['couldNotTell', 'digest-mismatch']);
  t.end();
});

const gone = unreadable('somewhere', 'it was taken away');
/** Each takes something away from what is known. */
const REMOVALS: Readonly<Record<string, (full: ImageEvidence) => ImageEvidence>> = {
  inventory: (full) => ({ ...full, inventory: gone }),
  scannedAt: (full) => ({ ...full, scannedAt: gone }),
  database: (full) => ({ ...full, database: gone, vulnerabilities: gone }),
  vulnerabilities: (full) => ({ ...full, vulnerabilities: gone }),
  distribution: (full) => ({ ...full, distribution: gone }),
  configuration: (full) => ({ ...full, configuration: gone }),
  signatures: (full) => ({ ...full, signatures: gone }),
  'a package, with its vulnerabilities': (full) => ({
    ...full,
    inventory: seen({ packages: [], gaps: [{ path: '/var/lib/dpkg/status', reason: 'is damaged' }] }, 'archive'),
    vulnerabilities: seen({ matches: [], unjudged: [] }, 'v'),
  }),
  'one signature': (full) =>
    full.signatures.state === 'seen' ? { ...full, signatures: seen(full.signatures.value.slice(1), 'r') } : full,
};

void t.test('less evidence never allows more', (t) => {
  fc.assert(
    fc.property(
      anyRules,
      anyEvidence,
      fc.subarray(Object.values(REMOVALS), { minLength: 1 }),
      (rules, full, removals) => {
        const less = removals.reduce((rest, remove) => remove(rest), full);
        const before = decide(subject, full, [policy(rules)], NOW).outcome;
        const after = decide(subject, less, [policy(rules)], NOW).outcome;
        return before === 'allow' || after !== 'allow';
      },
    ),
    { seed: 1, numRuns: 2000 },
  );
  t.end();
});

void t.test('one more vulnerability never improves the outcome, and no reason disappears', (t) => {
  const rank: Readonly<Record<Outcome, number>> = { allow: 0, couldNotTell: 1, deny: 2 };
  fc.assert(
    fc.property(anyRules, anyEvidence, anyMatch, (rules, some, match) => {
      const matches = some.vulnerabilities.state === 'seen' ? some.vulnerabilities.value.matches : [];
      const more = { ...some, vulnerabilities: seen({ matches: [...matches, match], unjudged: [] }, 'v') };
      const before = decide(subject, some, [policy(rules)], NOW);
      const after = decide(subject, more, [policy(rules)], NOW);
      const kept = new Set(after.reasons.map((reason) => JSON.stringify(reason)));
      return (
        rank[after.outcome] >= rank[before.outcome] &&
        before.reasons.every((reason) => kept.has(JSON.stringify(reason)))
      );
    }),
    { seed: 2, numRuns: 2000 },
  );
  t.end();
});

void t.test('every rule that objects alone is among the reasons of all together', (t) => {
  fc.assert(
    fc.property(anyRules, anyEvidence, (rules, some) => {
      const together = new Set(
        decide(subject, some, [policy(rules)], NOW).reasons.map(({ code, actual }) => `${code} ${actual}`),
      );
      const alone = rules.flatMap((rule) => decide(subject, some, [policy([rule])], NOW).reasons);
      return alone.every(({ code, actual }) => together.has(`${code} ${actual}`));
    }),
    { seed: 3, numRuns: 500 },
  );
  t.end();
});

void t.test('the order of policies, rules and vulnerabilities does not matter', (t) => {
  const others = [
    policy([], { match: { images: ['**'] } }, 'every'),
    policy([severe], { match: { images: ['docker.io/**'] } }, 'hub'),
  ];
  fc.assert(
    fc.property(anyRules, anyEvidence, (rules, some) => {
      const own = { match: { images: ['registry.example.com/**'] } };
      const matches = some.vulnerabilities.state === 'seen' ? some.vulnerabilities.value.matches : [];
      const turned = { ...some, vulnerabilities: seen({ matches: matches.toReversed(), unjudged: [] }, 'v') };
      const place = ({ reasons, ...rest }: ReturnType<typeof decide>): unknown => ({
        ...rest,
        // The places of rules differ, of course.
        reasons: reasons.map(({ rule: _rule, ...reason }) => reason),
      });
      t.strictSame(
        place(decide(subject, some, [policy(rules, own), ...others], NOW)),
        place(decide(subject, turned, [...others.toReversed(), policy(rules.toReversed(), own)], NOW)),
      );
    }),
    { seed: 4, numRuns: 200 },
  );
  t.end();
});
