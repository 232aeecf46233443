import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { knownFailures, readBaseline } from '../../../cli/report/baseline.ts';
import { controlListing, controlResults, scoreLine } from '../../../cli/report/control-listing.ts';
import { htmlDocument } from '../../../cli/report/html.ts';
import { junitDocument } from '../../../cli/report/junit.ts';
import { sarifDocument } from '../../../cli/report/sarif.ts';
import type { FindingReport, ReportedFinding } from '../../../cli/report/finding-report.ts';
import { createPaint } from '../../../cli/render/paint.ts';
import { scanDocument } from '../../../cli/scan/document.ts';
import { findBenchmark } from '../../../posture/benchmark/benchmark.ts';
import { assessBenchmark } from '../../../posture/benchmark/compliance.ts';
import { findingId } from '../../../posture/finding.ts';
import type { Finding, Subject } from '../../../posture/finding.ts';
import type { Severity, Verdict } from '../../../posture/verdict.ts';
import { HOSTILE } from '../../fixture/gate-report.ts';
import { BUILT_IN_CATALOG } from '../../../tailoring/catalog.ts';
import { temporaryDirectory } from '../process.ts';

/** Raw controls, bidirectional controls and lone surrogates; line feeds are between lines. */
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const UNSAFE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]|\p{Cs}/u;
const ATTACK = `${HOSTILE}<script>alert(1)</script>" onload="x`;

const node = {
  id: 'n1',
  name: ATTACK,
  operatingSystem: 'Debian GNU/Linux 13',
  kernelRelease: '6.12',
  architecture: 'x86_64',
  cpus: 2,
  memoryBytes: 1,
  virtualization: '',
  runtime: 'docker 26.1.5',
  containers: 2,
  securityModules: [],
  lockdown: null,
  selinux: null,
  apparmor: null,
  effectiveUid: 0,
  agentVersion: '1.2.3',
};

function finding(
  check: string,
  verdict: Verdict,
  subject: Partial<Subject> = {},
  severity: Severity = 'high',
): Finding {
  const about = { kind: 'container', id: 'c'.repeat(64), name: ATTACK, ...subject } as const;
  return {
    id: findingId(check, about),
    check,
    title: `title of ${check}`,
    verdict,
    severity,
    subject: about,
    evidence: [{ source: `/proc/1/${ATTACK}`, seen: ATTACK, expected: 'none' }],
    ...(verdict === 'pass' ? {} : { reason: `reason ${ATTACK}` }),
  };
}

const FINDINGS = [
  finding('container.privileged', 'fail'),
  finding('container.privileged', 'unknown', { id: 'd'.repeat(64), name: 'other' }),
  finding('container.seccomp-filter', 'manual'),
  finding('container.apparmor', 'pass'),
  finding('container.selinux', 'notApplicable'),
  finding('file.docker-socket', 'fail', { kind: 'file', id: '/etc/a b/../c', name: '/etc/a b/../c' }, 'low'),
];

/** `accepted`: the id of a finding that a waiver accepts. */
function reported(findings: readonly Finding[], accepted = ''): readonly ReportedFinding[] {
  return findings.map((one) => ({
    ...one,
    node,
    ...(one.id === accepted && { waived: true, accepted: `waived by ${ATTACK}` }),
  }));
}

function reportOf(changes: Partial<FindingReport> = {}): FindingReport {
  return {
    command: 'plimsoll scan',
    description: `Host ${ATTACK}.`,
    nodes: [node],
    isFleet: false,
    findings: reported(FINDINGS),
    checks: BUILT_IN_CATALOG.checks,
    tailoring: BUILT_IN_CATALOG,
    benchmark: undefined,
    isComplete: true,
    madeAt: 0,
    version: '1.2.3',
    ...changes,
  };
}

void t.test('sarif: a rule for each check, a result for each finding, levels for failures only', (t) => {
  const findings = reported(FINDINGS, FINDINGS[0]?.id);
  const log = JSON.parse(JSON.stringify(sarifDocument(reportOf({ findings })))) as {
    runs: [
      {
        tool: { driver: { rules: { id: string }[] } };
        results: {
          ruleId: string;
          kind: string;
          level: string;
          message: { text: string };
          suppressions?: unknown[];
          locations: [{ physicalLocation: { artifactLocation: { uri: string } } }];
        }[];
      },
    ];
  };
  const [{ tool, results }] = log.runs;
  t.strictSame(
    results.map(({ kind, level }) => [kind, level]),
    [
      ['fail', 'error'],
      ['open', 'none'],
      ['review', 'none'],
      ['pass', 'none'],
      ['notApplicable', 'none'],
      ['fail', 'note'],
    ],
    'SARIF 2.1.0, 3.27.10: a level other than none is for kind fail only',
  );
  t.strictSame(
    results.map(({ suppressions }) => suppressions?.length ?? 0),
    [1, 0, 0, 0, 0, 0],
  );
  const rules = new Set(tool.driver.rules.map(({ id }) => id));
  for (const { ruleId, message, locations } of results) {
    t.ok(rules.has(ruleId) || ruleId === 'file.docker-socket', ruleId);
    t.notMatch(message.text, UNSAFE);
    t.match(locations[0].physicalLocation.artifactLocation.uri, /^(?:[\w.~!*'()-]|%[0-9A-F]{2}|\/)+$/);
    t.notMatch(locations[0].physicalLocation.artifactLocation.uri, /(?:^|\/)\.\.(?:\/|$)/);
  }
  t.end();
});

void t.test('junit: read by a parser of XML, what was not read is an error', (t) => {
  const xml = junitDocument(reportOf({ findings: reported(FINDINGS, FINDINGS[5]?.id) }));
  t.notMatch(xml, UNSAFE);
  const script =
    'import sys,json,xml.etree.ElementTree as e;r=e.fromstring(sys.stdin.buffer.read());' +
    'print(json.dumps([r.attrib,[[c.attrib["classname"],[x.tag for x in c]] for c in r.iter("testcase")]]))';
  const [counts, cases] = JSON.parse(execFileSync('python3', ['-c', script], { input: xml, encoding: 'utf8' })) as [
    Record<string, string>,
    unknown[],
  ];
  t.strictSame(counts, { name: 'plimsoll scan', tests: '6', failures: '1', errors: '1' }, 'as junit-10.xsd of Jenkins');
  t.match(xml, /<testsuite name="container\.selinux" tests="1" failures="0" errors="0" skipped="1" time="0"/);
  t.strictSame(cases, [
    ['container.privileged', ['failure']],
    ['container.privileged', ['error']],
    ['container.seccomp-filter', ['skipped']],
    ['container.apparmor', []],
    ['container.selinux', ['skipped']],
    ['file.docker-socket', ['skipped']],
  ]);
  t.end();
});

void t.test('html: nothing from a container becomes markup, nothing is loaded, all that is open is shown', (t) => {
  const benchmark = findBenchmark('cis-docker-1.8.0');
  if (benchmark === undefined) throw new Error('the benchmark is absent');
  for (const report of [reportOf(), reportOf({ benchmark: assessBenchmark(benchmark, reported(FINDINGS)) })]) {
    const html = htmlDocument(report);
    t.notMatch(html, UNSAFE);
    // Python's parser, which is none of ours, lists elements and attributes.
    const script =
      'import sys,json,html.parser as h\n' +
      'class P(h.HTMLParser):\n' +
      '  s=set();a=set();text=[]\n' +
      '  def handle_starttag(self,t,a): self.s.add(t); [self.a.add(k) for k,_ in a]\n' +
      '  def handle_data(self,d): self.text.append(d)\n' +
      'p=P();p.feed(sys.stdin.read());print(json.dumps([sorted(p.s),sorted(p.a),"".join(p.text)]))';
    const [tags, attributes, text] = JSON.parse(
      execFileSync('python3', ['-c', script], { input: html, encoding: 'utf8' }),
    ) as [string[], string[], string];
    t.notOk(
      tags.some((tag) => ['script', 'img', 'link', 'iframe', 'object', 'form'].includes(tag)),
      tags.join(),
    );
    t.strictSame(
      attributes.filter(
        (name) => !['charset', 'class', 'content', 'href', 'http-equiv', 'id', 'lang', 'name', 'scope'].includes(name),
      ),
      [],
    );
    t.notMatch(html, /(?:href|src)="(?!#)/);
    t.match(text, /other \(container\)/);
    t.match(text, /What could not be judged, and why/);
  }
  t.end();
});

void t.test('html: what is said of many subjects is said once, and what is accepted is listed', (t) => {
  const unread = Array.from({ length: 60 }, (_, index) => ({
    ...finding('container.privileged', 'unknown', { id: `u${String(index)}`, name: `unread-${String(index)}` }),
    reason: 'permission denied',
  }));
  const failed = Array.from({ length: 60 }, (_, index) =>
    finding('container.host-pid', 'fail', { id: `f${String(index)}`, name: `failed-${String(index)}` }),
  );
  const accepted = finding('container.host-ipc', 'fail', { id: 'x', name: 'legacy' });
  const other = { ...finding('swarm.auto-lock', 'notApplicable', { name: 'dockerd' }), reason: 'it is in no swarm' };
  const findings = reported(
    [...unread, ...failed, accepted, other, finding('container.apparmor', 'pass')],
    accepted.id,
  );
  const html = htmlDocument(reportOf({ findings }));
  t.equal(html.split('class="finding"').length - 1, 3, 'three different findings');
  t.match(html, /unread-49 and 10 more<\/strong> \(container, 60 subjects\)/);
  t.match(html, /failed-59<\/strong> \(container, 60 subjects\)/, 'each failure is named');
  t.match(html, /permission denied \(60 findings\): container\.privileged/);
  t.match(html, /What is accepted<\/h2>.*<li>waived by [^]*: 1 finding of container\.host-ipc<\/li>/);
  t.match(html, /<td>1 of 1<\/td><td><span class="badge notApplicable">failed, accepted<\/span>/);
  t.match(html, /<td>60 of 60<\/td><td><span class="badge fail">failed<\/span>/);
  t.match(html, /Not applicable: dockerd: it is in no swarm/);
  t.match(html, /Passed: [^]* in \/proc\/1\//, 'what was read of a subject that passes');
  t.end();
});

void t.test('controls: the listing and the line of the score', (t) => {
  const benchmark = findBenchmark('cis-docker-1.8.0');
  if (benchmark === undefined) throw new Error('the benchmark is absent');
  const result = controlResults(assessBenchmark(benchmark, FINDINGS));
  const listing = controlListing(result, createPaint({ color: 'never', isTerminal: false, terminal: undefined }));
  t.equal(listing.rows.length, benchmark.controls.length);
  const privileged = listing.items.find((item) => (item as { control: string }).control === '5.5');
  t.match(privileged, { verdict: 'fail', failed: 1, subjects: 2 });
  t.match(
    scoreLine(result),
    /^CIS Docker Benchmark 1\.8\.0: 1 of \d+ controls pass \([01] %\); 1 failed, \d+ unknown, /,
  );
  t.end();
});

void t.test(
  'baseline: a failure is known by its check and the name of its container, as long as it is not worse',
  async (t) => {
    const directory = temporaryDirectory(t);
    const path = join(directory, 'baseline.json');
    const known: ReadonlySet<string> = new Set();
    const document = scanDocument({
      node,
      judged: FINDINGS,
      shown: FINDINGS,
      known,
      durationMs: 1,
      catalog: BUILT_IN_CATALOG,
      waived: new Map(),
      uses: [],
    });
    const later = finding('ssh.root-login', 'fail');
    const waived = { ...later, waiver: { name: 'w', owner: 'o', reason: 'r', expires: '2026-11-29' } };
    writeFileSync(path, JSON.stringify({ ...document, findings: [...document.findings, waived] }));
    const read = await readBaseline(path);
    if (!read.ok) throw new Error(read.problem);
    const isKnown = (one: Finding) => knownFailures(read.value, [one]).has(one.id);
    t.ok(isKnown(finding('container.privileged', 'fail', { id: 'e'.repeat(64) })), 'created again under its name');
    t.notOk(isKnown(finding('container.privileged', 'fail', {}, 'critical')), 'worse than before');
    t.notOk(isKnown(finding('container.privileged', 'unknown')), 'what could not be read');
    t.notOk(isKnown(finding('container.privileged', 'fail', { name: 'other' })), 'was unknown, not failed');
    t.notOk(isKnown(finding('container.host-pid', 'fail')), 'another check');
    t.notOk(isKnown(later), 'what was waived, which counts when the waiver ends');
    t.equal(read.value.node.id, 'n1');
    for (const text of ['', '[]', '{"schema":"plimsoll/scan/v1"}', JSON.stringify({ ...document, schema: 'x' })]) {
      writeFileSync(path, text);
      t.equal((await readBaseline(path)).ok, false, text.slice(0, 30));
    }
    t.equal((await readBaseline(join(directory, 'none'))).ok, false);
  },
);
