import fc from 'fast-check';
import t from 'tap';
import { mapObserved, seen } from '../../posture/observed.ts';
import { decide } from '../../policy/decide.ts';
import type { Outcome } from '../../policy/decide.ts';
import { decideFromSnapshot, digestOfTag } from '../../policy/decide-from-snapshot.ts';
import type { ImageEvidence } from '../../policy/evidence.ts';
import { judgeImage } from '../../policy/image-verdict.ts';
import { anyEvidence, anyRules } from '../fixture/any-image.ts';
import { DAY, DIGEST, evidence, HOUR, matchOf, NOW, policy } from '../fixture/image-evidence.ts';
import { snapshotOf } from '../fixture/policy-snapshot.ts';

const REPOSITORY = 'registry.example.com/shop/db';
const subject = { reference: `${REPOSITORY}:1`, digest: DIGEST, namespace: undefined };
const OTHER = `sha256:${'b'.repeat(64)}`;
const severe = { type: 'vulnerability', severity: 'high' };
const vulnerable = evidence({ vulnerabilities: seen({ matches: [matchOf()], unjudged: [] }, 'v') });

const STRICTNESS: Readonly<Record<Outcome, number>> = { allow: 0, couldNotTell: 1, deny: 2 };

void t.test('with the same evidence and at the same time the snapshot decides as decide() does', (t) => {
  fc.assert(
    fc.property(anyRules, anyEvidence, fc.constantFrom('enforce', 'warn', 'observe'), (rules, known, mode) => {
      const policies = [policy(rules, { mode })];
      const full = decide(subject, known, policies, NOW);
      const short = decideFromSnapshot(subject, snapshotOf(policies, [[DIGEST, known]]), NOW);
      // The same vulnerability twice in one package, as only this generator has it, is one reason in a snapshot.
      const told = ({ outcome, reasons, warnings, observed }: typeof full): unknown => ({
        outcome,
        said: new Set(
          [...reasons, ...warnings, ...observed].map(({ code, kind, severity, about, actual, rule }) =>
            JSON.stringify([code, kind, severity, about, actual, rule]),
          ),
        ),
      });
      t.strictSame(told(short), told(full));
    }),
    { seed: 11, numRuns: 500 },
  );
  t.end();
});

void t.test('later the snapshot decides as decide() does, or is stricter and says that it expired', (t) => {
  const time = fc.integer({ min: -60 * DAY, max: 60 * DAY }).map((offset) => NOW + offset);
  const anyTimes = fc
    .record({
      known: anyEvidence,
      scannedAt: time,
      createdAt: time,
      builtAt: time,
      endOfLifeAt: time,
      publishedAt: time,
    })
    .map(({ known, scannedAt, createdAt, builtAt, endOfLifeAt, publishedAt }): ImageEvidence => {
      const matches = known.vulnerabilities.state === 'seen' ? known.vulnerabilities.value.matches : [];
      const dated = matches.map(({ vulnerability: { publishedAt: _published, ...rest }, ...match }) =>
        matchOf({ ...rest, publishedAt }, match),
      );
      const configured = evidence().configuration;
      const configuration = mapObserved(configured, (value) => ({ ...value, createdAt: seen(createdAt, 's') }));
      return evidence({
        scannedAt: seen(scannedAt, 's'),
        database: seen({ builtAt, hasKnownExploited: true, hasExploitPrediction: true }, 's'),
        distribution: seen({ name: 'debian 12', endOfLifeAt: seen(endOfLifeAt, 's') }, 's'),
        configuration,
        vulnerabilities: seen({ matches: dated, unjudged: [] }, 'v'),
        signatures: known.signatures,
      });
    });
  // Moments at which an answer turns, and their neighbours, beside any time.
  const anyLater = fc.oneof(
    fc.integer({ min: 0, max: 120 * DAY }),
    fc.constantFrom(0, 24 * HOUR, 5 * DAY, 7 * DAY, 90 * DAY).chain((at) => fc.integer({ min: at, max: at + 2 })),
  );
  let expired = 0;
  fc.assert(
    fc.property(anyRules, anyTimes, anyLater, (rules, known, later) => {
      const policies = [policy(rules)];
      const full = decide(subject, known, policies, NOW + later);
      const short = decideFromSnapshot(subject, snapshotOf(policies, [[DIGEST, known]]), NOW + later);
      const isExpired = short.reasons.some(({ code }) => code === 'verdict-expired');
      if (isExpired) expired += 1;
      if (isExpired) return short.outcome !== 'allow';
      return STRICTNESS[short.outcome] === STRICTNESS[full.outcome];
    }),
    { seed: 12, numRuns: 1500 },
  );
  t.ok(expired > 100, 'the property was tried with verdicts that expired');
  t.end();
});

void t.test('each answer holds until the moment at which decide() gives another, and not longer', (t) => {
  const cases: readonly (readonly [rule: object, known: ImageEvidence, last: number])[] = [
    [{ type: 'scan', maxAge: '24h' }, evidence(), NOW + 24 * HOUR],
    [{ type: 'age', maxAge: '15d' }, evidence(), NOW + 5 * DAY],
    [{ type: 'database', maxAge: '24h' }, evidence(), NOW + 23 * HOUR],
    [{ type: 'distribution', minSupport: '100d' }, evidence(), NOW + 200 * DAY - 1],
    [{ ...severe, fixAvailableFor: '40d' }, vulnerable, NOW + 10 * DAY - 1],
  ];
  for (const [rule, known, last] of cases) {
    const policies = [policy([rule])];
    const snapshot = snapshotOf(policies, [[DIGEST, known]]);
    const at = (now: number): readonly Outcome[] => [
      decide(subject, known, policies, now).outcome,
      decideFromSnapshot(subject, snapshot, now).outcome,
    ];
    t.strictSame(at(last), ['allow', 'allow'], JSON.stringify(rule));
    const [full, short] = at(last + 1);
    t.not(full, 'allow');
    t.equal(short, 'couldNotTell');
  }
  const graced = snapshotOf(
    [policy([{ ...severe, severity: 'critical', fixAvailableFor: '40d' }])],
    [[DIGEST, vulnerable]],
  );
  t.equal(decideFromSnapshot(subject, graced, NOW + 90 * DAY).outcome, 'allow', 'a grace for others does not count');
  t.end();
});

void t.test('a clock that is behind does not make an answer hold longer', (t) => {
  const policies = [policy([{ type: 'scan', maxAge: '24h' }])];
  const known = evidence({ scannedAt: seen(NOW - 20 * HOUR, 's') });
  const snapshot = snapshotOf(policies, [[DIGEST, known]], { issuedAt: NOW + 5 * HOUR });
  t.equal(decideFromSnapshot(subject, snapshot, NOW).outcome, 'couldNotTell');
  t.end();
});

void t.test('images that the collector has not judged', (t) => {
  const decideOn = (unscannedImages: string, digest: string | undefined, rules: readonly object[] = [severe]) => {
    const snapshot = snapshotOf([policy(rules, { unscannedImages })], [[DIGEST, vulnerable]]);
    const { outcome, reasons, warnings, wantsScan } = decideFromSnapshot({ ...subject, digest }, snapshot, NOW);
    return [outcome, reasons.map(({ code }) => code), warnings.map(({ code }) => code), wantsScan];
  };
  t.strictSame(decideOn('deny', OTHER), ['couldNotTell', ['not-scanned'], [], false]);
  t.strictSame(decideOn('scan', OTHER), ['couldNotTell', ['not-scanned'], [], true]);
  t.strictSame(decideOn('allow', OTHER), ['allow', [], ['not-scanned'], false]);
  t.strictSame(
    decideOn('allow', undefined),
    ['couldNotTell', ['not-scanned'], [], false],
    'an image that is refused by its digest is not allowed by its tag',
  );
  t.strictSame(
    decideOn('deny', OTHER, [{ type: 'registry', allow: ['registry.example.com/**'] }]),
    ['allow', [], [], false],
    'no rule needs the image',
  );
  t.strictSame(decideOn('deny', DIGEST), ['deny', ['vulnerability'], [], false]);
  t.end();
});

void t.test('the digest of the reference decides where the subject names none', (t) => {
  const snapshot = snapshotOf([policy([severe])], [[DIGEST, evidence()]]);
  const judge = (reference: string, digest?: string): readonly unknown[] => {
    const { outcome, reasons } = decideFromSnapshot({ reference, digest, namespace: undefined }, snapshot, NOW);
    return [outcome, ...reasons.map(({ code }) => code)];
  };
  t.strictSame(judge(`${REPOSITORY}:1@${DIGEST}`), ['allow']);
  t.strictSame(judge(`${REPOSITORY}:1@${OTHER}`), ['couldNotTell', 'not-scanned']);
  t.strictSame(judge(`${REPOSITORY}:1@${OTHER}`, DIGEST), ['deny', 'digest-mismatch']);
  t.strictSame(judge('Not A Reference', DIGEST), ['deny', 'reference-invalid']);
  t.end();
});

void t.test('an index is judged by all images that it names', (t) => {
  const snapshot = snapshotOf(
    [policy([severe])],
    [
      [DIGEST, evidence()],
      [DIGEST, vulnerable],
    ],
  );
  t.equal(decideFromSnapshot(subject, snapshot, NOW).outcome, 'deny');
  t.end();
});

void t.test('a verdict with waivers for one repository holds for no other', (t) => {
  const one = policy([severe]);
  const verdicts = [
    { ...judgeImage(one, vulnerable, { now: NOW }), repository: null },
    { ...judgeImage(one, evidence(), { now: NOW }), repository: REPOSITORY },
  ];
  const image = { digests: [DIGEST], judgedAt: NOW, scannedAt: NOW, databaseBuiltAt: NOW, verdicts };
  const snapshot = snapshotOf([one], [], { images: [image] });
  const judge = (reference: string | undefined): Outcome =>
    decideFromSnapshot({ ...subject, reference }, snapshot, NOW).outcome;
  t.equal(judge(`${REPOSITORY}:1`), 'allow');
  t.equal(judge(`REGISTRY.example.com:443/shop/db:2`), 'allow', 'the same registry in another spelling');
  t.equal(judge('mirror.example.com/shop/db:1'), 'deny');
  t.equal(judge(undefined), 'deny');
  t.end();
});

void t.test('a verdict keeps ten reasons of each mode, and never loses that it refuses', (t) => {
  const matches = Array.from({ length: 40 }, (_, index) =>
    matchOf({ id: `CVE-2026-${String(index)}`, severity: 'unknown' }),
  );
  const known = evidence({
    vulnerabilities: seen({ matches: [...matches, matchOf({ id: 'CVE-2026-99' })], unjudged: [] }, 'v'),
  });
  const policies = [policy([severe])];
  const decision = decideFromSnapshot(subject, snapshotOf(policies, [[DIGEST, known]]), NOW);
  t.equal(decision.outcome, 'deny');
  t.equal(decision.reasons[0]?.about, 'CVE-2026-99 deb:libssl3');
  t.equal(decision.reasons.length, 10);
  t.equal(decision.omitted.enforce, 31);
  t.end();
});

void t.test('tags', (t) => {
  const tags = [{ reference: `${REPOSITORY}:1`, digest: DIGEST, checkedAt: NOW }];
  const snapshot = snapshotOf([policy([severe])], [[DIGEST, evidence()]], { tags });
  t.equal(digestOfTag('Registry.Example.com:443/shop/db:1', snapshot)?.digest, DIGEST);
  for (const other of [`${REPOSITORY}:2`, `${REPOSITORY}:1@${OTHER}`, 'UPPER CASE', ''])
    t.equal(digestOfTag(other, snapshot), undefined, other);
  t.equal(
    decideFromSnapshot({ ...subject, digest: undefined }, snapshot, NOW).outcome,
    'couldNotTell',
    'a tag is not looked up unasked',
  );
  t.end();
});
