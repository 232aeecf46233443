import t from 'tap';
import { reportLines } from '../../../cli/gate/table.ts';
import { createPaint } from '../../../cli/render/paint.ts';
import { displayWidth } from '../../../cli/render/width.ts';
import { decide } from '../../../policy/decide.ts';
import { seen } from '../../../posture/observed.ts';
import type { Package } from '../../../vulnerability/package.ts';
import type { VulnerabilityMatch } from '../../../vulnerability/vulnerability.ts';
import { evidence, matchOf, NOW, policy } from '../../fixture/image-evidence.ts';

const stdlib = (path: string, version = '1.21.0'): Package => ({ type: 'golang', name: 'stdlib', version, path });

/** The table of an image with these vulnerabilities. */
function tableOf(
  matches: readonly VulnerabilityMatch[],
  rules: readonly object[],
  database?: object,
): readonly string[] {
  const policies = [policy(rules)];
  const subject = { reference: undefined, digest: undefined, namespace: undefined };
  const known = { builtAt: NOW, hasKnownExploited: true, hasExploitPrediction: true, ...database };
  const given = evidence({
    vulnerabilities: seen({ matches, unjudged: [] }, 'vulndb'),
    database: seen(known, 'vulndb'),
  });
  const decision = decide(subject, given, policies, NOW);
  const report = { subject, target: 'x', decision, known: [], evidence: given, policies, decidedAt: NOW, version: '1' };
  const paint = createPaint({ color: 'never', isTerminal: false, terminal: undefined });
  const lines = reportLines(report, { width: 80, tableWidth: 80, paint });
  for (const line of lines) t.ok(displayWidth(line) <= 80, line);
  return lines;
}

const rowsOf = (lines: readonly string[], id: RegExp): readonly string[] => lines.filter((line) => id.test(line));

void t.test('one row for a vulnerability of a package version, with its place or their number', (t) => {
  const vulnerability = { id: 'CVE-2026-1', severity: 'critical' } as const;
  const paths = [1, 2, 3, 4, 5].map((number) => `/usr/local/bin/program-${String(number)}`);
  const lines = tableOf(
    [
      ...paths.map((path) => matchOf(vulnerability, { package: stdlib(path) })),
      matchOf(vulnerability, { package: stdlib('/opt/vendor/with/a/long/path/bin/other', '1.20.1') }),
      matchOf({ ...vulnerability, id: 'CVE-2026-2', severity: 'low' }),
    ],
    [{ type: 'vulnerability' }, { type: 'vulnerability', severity: 'critical' }],
  );
  const rows = rowsOf(lines, /CVE-2026-1 /);
  t.equal(rows.length, 2);
  t.match(rows.join('\n'), /critical +CVE-2026-1 +stdlib +1\.21\.0 +3\.0\.14-1 +5 paths/);
  t.match(rows.join('\n'), /stdlib +1\.20\.1 +3\.0\.14-1 +….*\/path\/bin\/other$/m);
  t.match(rowsOf(lines, /CVE-2026-2/).join(), /low +CVE-2026-2 +libssl3 +3\.0\.11-1 +3\.0\.14-1$/, 'no place');
  t.match(lines.at(-1), /^REFUSED: 13 violations$/);
  t.end();
});

void t.test('what could not be judged: the reason and what to do, not a severity', (t) => {
  const { publishedAt: _, ...noDate } = matchOf({ id: 'CVE-2024-5535', severity: 'critical' }).vulnerability;
  const match = { ...matchOf(), vulnerability: noDate };
  const lines = tableOf([match], [{ type: 'vulnerability', severity: 'high', fixAvailableFor: '14d' }]);
  const text = lines.join('\n');
  t.match(text, /undetermined vulnerability-unknown test spec\.rules\[0\]/);
  t.match(text, /1 vulnerability undetermined: no publication date in the database\n/);
  t.match(text, /fixAvailable in place of fixAvailableFor/);
  t.match(rowsOf(lines, /CVE-2024-5535/), [/^ +critical +CVE-2024-5535 +libssl3/]);
  t.notMatch(text, /unknown +CVE/);

  const rows: readonly (readonly [rule: object, match: VulnerabilityMatch, database: object, said: RegExp])[] = [
    [{ severity: 'critical' }, matchOf({ severity: 'unknown' }), {}, /no severity.*--unknown-severity refuse/],
    [{ fixAvailableFor: '1d' }, matchOf({ publishedAt: NOW + 1e9 }), {}, /in the future.*clock/],
    [{ knownExploited: true }, matchOf(), { hasKnownExploited: false }, /no catalogue of known exploited.*KEV/],
    [{ epss: 0.5 }, matchOf(), { hasExploitPrediction: false }, /no EPSS scores.*EPSS/],
    [{ risk: 90 }, matchOf(), { hasExploitPrediction: false }, /risk can be higher.*sources/],
  ];
  for (const [rule, one, database, said] of rows) {
    const lines = tableOf([one], [{ type: 'vulnerability', ...rule }], database);
    t.match(lines.join(' ').replaceAll(/ +/g, ' '), said);
    t.equal(lines.at(-1), 'COULD NOT TELL: 1 could not be told');
  }
  t.end();
});

void t.test('what refuses the image is not buried below what could not be judged', (t) => {
  const unrated = Array.from({ length: 317 }, (_, index) =>
    matchOf({ id: `GO-2026-${String(index)}`, severity: 'unknown' }, { package: stdlib('/app') }),
  );
  const critical = ['CVE-1', 'CVE-2', 'CVE-3'].map((id) => matchOf({ id, severity: 'critical' }));
  const rules = [{ type: 'vulnerability', severity: 'critical' }];
  const lines = tableOf([...unrated, ...critical], rules);
  t.ok(lines.length < 40, String(lines.length));
  for (const id of [/CVE-1/, /CVE-2/, /CVE-3/]) t.equal(rowsOf(lines, id).length, 1);
  t.equal(rowsOf(lines, /^ +unrated +GO-2026-/).length, 10);
  t.match(lines.join('\n'), /… and 307 more rows: -o json has all/);
  t.equal(lines.at(-1), 'REFUSED: 3 violations, 317 could not be told');
  const many = Array.from({ length: 60 }, (_, index) =>
    matchOf({ id: `CVE-3-${String(index)}`, severity: 'critical' }),
  );
  t.equal(rowsOf(tableOf(many, rules), /CVE-3-/).length, 50);
  const worst = matchOf({ id: 'CVE-9', severity: 'critical', risk: 99 });
  t.equal(rowsOf(tableOf([...many, worst], rules), /CVE-9/).length, 1, 'the riskiest come first');
  t.end();
});

void t.test('vulnerabilities without a severity that a rule ignores are counted', (t) => {
  const unrated = matchOf({ severity: 'unknown' });
  const rule = { type: 'vulnerability', severity: 'critical', unknownSeverity: 'ignore' };
  t.match(tableOf([unrated, matchOf()], [rule]), [/^ALLOWED$/]);
  t.match(tableOf([unrated], [rule]).join(' '), /1 vulnerability without a severity not counted/);
  for (const [one, more] of [
    [matchOf(), {}],
    [matchOf({ severity: 'unknown' }, { status: 'affected' }), { fixAvailable: true }],
    [{ ...unrated, suppressed: { by: 'vex', reason: 'r', source: 's' } }, {}],
  ] as const)
    t.notMatch(tableOf([one], [{ ...rule, ...more }]).join(' '), /without a severity/);
  t.end();
});
