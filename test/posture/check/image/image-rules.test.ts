import t from 'tap';
import { packages } from '../../../../posture/check/image/packages.ts';
import { signature } from '../../../../posture/check/image/signature.ts';
import { vulnerabilities } from '../../../../posture/check/image/vulnerabilities.ts';
import type { ImageRule } from '../../../../posture/fact/image-rules.ts';
import { judgeAll, judgeImageRules } from '../../../../posture/judge.ts';
import { factsOf } from '../../../fixture/facts.ts';

const imageId = `sha256:${'1'.repeat(64)}`;
const CHECKS = [vulnerabilities, packages, signature];

const rule = (state: ImageRule['state'], change: Partial<ImageRule> = {}): ImageRule => {
  return {
    policy: 'production',
    rule: 'spec.rules[0]',
    state,
    text: 'what was found',
    expected: 'what is wanted',
    ...change,
  };
};
const [accepted, refused, unknown] = [rule('accepted'), rule('refused'), rule('unknown')];
const source = 'image policy production, spec.rules[0]';

void t.test('what the rules of image policies say', async (t) => {
  const cases: readonly (readonly [string, readonly ImageRule[], object, incomplete?: string])[] = [
    ['accepted', [accepted], { verdict: 'pass', evidence: [{ source, seen: 'accepted', expected: 'accepted' }] }],
    [
      'refused',
      [refused],
      {
        verdict: 'fail',
        reason: 'image policy production refuses it: what was found',
        evidence: [{ source, seen: 'what was found', expected: 'what is wanted' }],
      },
    ],
    [
      'not known',
      [unknown],
      { verdict: 'unknown', reason: /policy production accepts it is not known: what was found/ },
    ],
    [
      'one of two refuses',
      [accepted, rule('refused', { policy: 'other' })],
      { verdict: 'fail', reason: /policy other/ },
    ],
    ['one of two is not known', [accepted, unknown], { verdict: 'unknown' }],
    ['one refuses, one is not known', [unknown, refused], { verdict: 'fail' }],
    ['rules may be missing', [accepted], { verdict: 'unknown', reason: 'not loaded' }, 'not loaded'],
    ['rules may be missing, and one refuses', [refused], { verdict: 'fail' }, 'not loaded'],
    ['no rule', [], { verdict: 'unknown' }],
  ];
  for (const check of CHECKS)
    for (const [name, rules, expected, incomplete] of cases)
      t.match(
        judgeImageRules(check, { imageId, name: 'shop:1', rules, ...(incomplete !== undefined && { incomplete }) }),
        { ...expected, severity: check.severity, subject: { kind: 'image', id: imageId, name: 'shop:1' } },
        `${check.id}: ${name}`,
      );
  const long = 'x'.repeat(100_000);
  const many = Array.from({ length: 500 }, () => rule('refused', { text: long, expected: long, policy: long }));
  const finding = judgeImageRules(signature, { imageId, name: '', rules: many });
  t.equal(finding.evidence.length, 8, 'bounded evidence');
  t.ok(JSON.stringify(finding).length < 20_000, 'bounded texts');
});

void t.test('agents have no finding of it', async (t) => {
  t.equal(judgeAll(CHECKS, factsOf({})).size, 0);
});
