import { execFileSync } from 'node:child_process';
import t from 'tap';
import { codeQualityDocument } from '../../../cli/gate/code-quality.ts';
import { junitDocument } from '../../../cli/gate/junit.ts';
import { reportDocument, reportItems } from '../../../cli/gate/report.ts';
import { sarifDocument } from '../../../cli/gate/sarif.ts';
import { uriOf } from '../../../cli/output/sarif.ts';
import { reportLines } from '../../../cli/gate/table.ts';
import { createPaint } from '../../../cli/render/paint.ts';
import { displayWidth } from '../../../cli/render/width.ts';
import { decide } from '../../../policy/decide.ts';
import { HOSTILE, reportOf } from '../../fixture/gate-report.ts';
import { NOW } from '../../fixture/image-evidence.ts';

/** Raw controls, bidirectional controls and lone surrogates; line feeds are between lines. */
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const UNSAFE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]|\p{Cs}/u;

void t.test('table: fits 80 columns, nothing unsafe, every reason', (t) => {
  const report = reportOf();
  const paint = createPaint({ color: 'never', isTerminal: false, terminal: undefined });
  const lines = reportLines(report, { width: 80, tableWidth: 80, paint });
  for (const line of lines) {
    t.ok(displayWidth(line) <= 80, line);
    t.notMatch(line, UNSAFE);
  }
  const text = lines.join('\n');
  t.match(lines[0], /^REFUSED$/);
  t.match(lines.at(-1), /^REFUSED: 3 violations, 1 could not be told, 2 warnings, 1 known$/);
  for (const { vulnerability, code } of report.decision.reasons) t.ok(text.includes(vulnerability?.id ?? code), code);
  t.match(text, /1 vulnerability suppressed by waivers/);
  const narrow = reportLines(report, { width: 66, tableWidth: 66, paint });
  for (const line of narrow) t.ok(displayWidth(line) <= 66, line);
  t.end();
});

void t.test('json and ndjson hold every reason once', (t) => {
  const report = reportOf();
  const document = JSON.parse(JSON.stringify(reportDocument(report))) as Record<string, unknown[]>;
  t.equal(document['outcome'], 'deny');
  t.equal(document['reasons']?.length, report.decision.reasons.length);
  t.equal(document['known']?.length, 1);
  t.equal(document['suppressed']?.length, 1);
  const { reasons, warnings, observed } = report.decision;
  t.equal(reportItems(report).length, reasons.length + warnings.length + observed.length + 2);
  t.end();
});

void t.test('junit: well-formed for xmllint-like parsers, one case a rule', (t) => {
  const xml = junitDocument(reportOf());
  t.notMatch(xml, UNSAFE);
  // Python's expat is a parser that is none of ours.
  const script =
    'import sys,json,xml.etree.ElementTree as e;r=e.fromstring(sys.stdin.buffer.read());' +
    'print(json.dumps([r.tag,r[0].attrib,[[c.attrib["classname"],c.attrib["name"],[x.tag for x in c]] for c in r.iter("testcase")]]))';
  const [tag, suite, cases] = JSON.parse(execFileSync('python3', ['-c', script], { input: xml, encoding: 'utf8' })) as [
    string,
    Record<string, string>,
    unknown[],
  ];
  t.equal(tag, 'testsuites');
  t.match(suite, { tests: '6', failures: '2', errors: '0' });
  t.strictSame(cases, [
    ['test', 'spec.match match', []],
    ['test', 'spec.rules[0] vulnerability', ['failure']],
    ['test', 'spec.rules[1] package', ['system-out']],
    ['test', 'spec.rules[2] age', ['system-out']],
    ['test', 'spec.rules[3] signature', ['failure']],
    ['test', 'spec.rules[4] scan', []],
  ]);
  t.end();
});

void t.test('junit: an image without a policy is an error, not a pass', (t) => {
  const report = reportOf();
  const decision = decide(report.subject, report.evidence, [], NOW);
  t.match(junitDocument({ ...report, decision, policies: [], known: [] }), /tests="1" failures="0" errors="1"/);
  t.end();
});

void t.test('GitLab: fields, unique fingerprints, relative paths', (t) => {
  const entries = codeQualityDocument(reportOf()) as readonly Record<string, unknown>[];
  const fingerprints = entries.map(({ fingerprint }) => fingerprint);
  t.equal(new Set(fingerprints).size, entries.length);
  for (const entry of entries) {
    t.match(entry, {
      description: String,
      check_name: String,
      fingerprint: /^[0-9a-f]{64}/,
      location: { path: /^[^/]/, lines: { begin: 1 } },
    });
    t.ok(['info', 'minor', 'major', 'critical', 'blocker'].includes(String(entry['severity'])));
    t.notMatch(String(entry['description']), UNSAFE);
  }
  t.end();
});

void t.test('SARIF: what GitHub demands', (t) => {
  const report = reportOf();
  const { runs } = sarifDocument(report) as {
    runs: readonly {
      tool: { driver: { rules: { id: string; properties: Record<string, unknown> }[] } };
      results: Record<string, unknown>[];
    }[];
  };
  const [run] = runs;
  if (run === undefined) throw new Error('no run');
  const rules = new Map(run.tool.driver.rules.map((rule) => [rule.id, rule]));
  t.equal(rules.size, run.tool.driver.rules.length, 'rules are unique');
  t.equal(rules.get('CVE-2026-1')?.properties['security-severity'], '7.5');
  t.equal(rules.get('CVE-2026-2')?.properties['security-severity'], '9.0');
  for (const result of run.results) {
    t.ok(rules.has(String(result['ruleId'])));
    t.ok(['error', 'warning', 'note'].includes(String(result['level'])));
    t.match(result, { locations: [{ physicalLocation: { region: { startLine: 1, startColumn: 1 } } }] });
  }
  t.equal(run.results.filter(({ suppressions }) => suppressions !== undefined).length, 2);
  t.end();
});

void t.test('a URI of a location is relative and has no scheme', (t) => {
  t.equal(uriOf('/usr/lib/a b.jar'), 'usr/lib/a%20b.jar');
  t.equal(uriOf('alpine:3'), 'alpine%3A3');
  t.equal(uriOf('/../../etc/passwd'), 'etc/passwd');
  t.equal(uriOf('//'), 'image');
  t.equal(uriOf('javascript:alert(1)'), 'javascript%3Aalert(1)');
  for (const path of ['\ud800', HOSTILE]) t.equal(new URL(uriOf(path), 'file:///base/').protocol, 'file:');
  t.end();
});
