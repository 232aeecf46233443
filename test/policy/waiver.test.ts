import t from 'tap';
import { findingId } from '../../posture/finding.ts';
import type { Finding, Subject } from '../../posture/finding.ts';
import type { Verdict } from '../../posture/verdict.ts';
import { applyWaivers, findingWaiver, parseWaiver, waiverText } from '../../policy/waiver.ts';
import type { Waiver } from '../../policy/waiver.ts';
import { parseWaiverDocument } from '../../policy/waiver-document.ts';
import { IMAGE_PATTERNS } from '../../policy/registry-pattern.ts';
import { parseWaivers } from '../../vulnerability/waiver.ts';

const NOW = Date.UTC(2026, 10, 28, 12);
const IMAGE = `sha256:${'a'.repeat(64)}`;
const OTHER_IMAGE = `sha256:${'b'.repeat(64)}`;

const document = (spec: object): object => ({
  apiVersion: 'plimsoll.dev/v1',
  kind: 'Waiver',
  metadata: { name: 'legacy' },
  spec: {
    match: { checks: ['container.privileged'] },
    reason: 'Replaced in March',
    owner: 'shop team',
    expires: '2026-12-31',
    ...spec,
  },
});

function waiver(spec: object = {}): Waiver {
  const parsed = parseWaiver(document(spec), NOW);
  if (!parsed.ok) throw new Error(parsed.problem);
  return parsed.value;
}

function finding(name: string, verdict: Verdict = 'fail', check = 'container.privileged', id = name): Finding {
  const subject: Subject = { kind: 'container', id, name };
  return { id: findingId(check, subject), check, title: '', verdict, severity: 'high', subject, evidence: [] };
}

/** Names of the containers whose findings are waived, and what the waivers did. */
function apply(findings: readonly Finding[], waivers: readonly Waiver[], nowMs = NOW) {
  const images = new Map([
    ['report', IMAGE],
    ['evil', OTHER_IMAGE],
  ]);
  const { waived, uses } = applyWaivers(findings, waivers, {
    nodeNames: ['web-1'],
    imageIdOf: (id) => images.get(id),
    nowMs,
  });
  return {
    names: findings.filter(({ id }) => waived.has(id)).map(({ subject }) => subject.name),
    states: uses.map(({ state }) => state),
  };
}

void t.test('all conditions must hold', (t) => {
  const all = [finding('report'), finding('shop-db'), finding('report', 'fail', 'container.seccomp-filter')];
  const cases: readonly (readonly [object, readonly string[]])[] = [
    [{ match: { checks: ['container.privileged'] } }, ['report', 'shop-db']],
    [{ match: { checks: ['container.privileged'], subjects: ['shop-*'] } }, ['shop-db']],
    [{ match: { checks: ['container.privileged'], subjects: ['repor?'] } }, ['report']],
    [{ match: { checks: ['container.privileged'], subjects: ['*'], nodes: ['db-*'] } }, []],
    [{ match: { checks: ['container.privileged'], nodes: ['web-*'], imageIds: [IMAGE] } }, ['report']],
    [{ match: { checks: ['container.host-pid'] } }, []],
  ];
  for (const [spec, names] of cases) t.strictSame(apply(all, [waiver(spec)]).names, names, JSON.stringify(spec));
  t.end();
});

void t.test('a container that takes the name of another one is not of its image', (t) => {
  const bound = waiver({ match: { checks: ['container.privileged'], subjects: ['report'], imageIds: [IMAGE] } });
  t.strictSame(apply([finding('report')], [bound]).names, ['report']);
  // The same name, run from another image; and a container whose image is not known.
  t.strictSame(apply([finding('report', 'fail', 'container.privileged', 'evil')], [bound]).names, []);
  t.strictSame(apply([finding('report', 'fail', 'container.privileged', 'nobody')], [bound]).names, []);
  t.end();
});

void t.test('failures and what a person must decide are waived, never what could not be read', (t) => {
  const verdicts: readonly Verdict[] = ['fail', 'manual', 'unknown', 'pass', 'notApplicable'];
  t.strictSame(
    apply(
      verdicts.map((verdict) => finding(verdict, verdict)),
      [waiver()],
    ).names,
    ['fail', 'manual'],
  );
  t.end();
});

void t.test('a waiver ends with its last day, and does not begin before its first', (t) => {
  const all = [finding('report')];
  const end = Date.UTC(2027, 0, 1);
  t.strictSame(apply(all, [waiver()], end - 1), { names: ['report'], states: ['used'] });
  t.strictSame(apply(all, [waiver()], end), { names: [], states: ['expired'] });
  const from = waiver({ from: '2026-11-20' });
  t.strictSame(apply(all, [from]).states, ['used']);
  // A clock that was set back does not bring a waiver to life.
  t.strictSame(apply(all, [from], Date.UTC(2026, 10, 19)), { names: [], states: ['pending'] });
  t.strictSame(apply([], [waiver()]).states, ['unused']);
  t.match(waiverText(findingWaiver(waiver())), 'waived by legacy (shop team, until 2026-12-31): Replaced in March');
  t.end();
});

void t.test('a waiver that accepts more than half of many failures is broad', (t) => {
  const many = Array.from({ length: 12 }, (_, index) => finding(`c${String(index)}`));
  t.strictSame(apply(many, [waiver()]).states, ['broad']);
  t.strictSame(apply(many, [waiver({ match: { checks: ['container.privileged'], subjects: ['c1*'] } })]).states, [
    'used',
  ]);
  t.strictSame(apply(many.slice(0, 9), [waiver()]).states, ['used'], 'of few');
  t.end();
});

void t.test('a waiver without its conditions is refused', (t) => {
  const cases: readonly (readonly [object, RegExp])[] = [
    [{ match: { checks: [] } }, /^spec\.match\.checks: expected at least one/],
    [{ match: { checks: ['container.*'] } }, /^spec\.match\.checks\[0\]: .*without patterns/],
    [{ match: { checks: ['container.privileged'], subject: ['a'] } }, /unknown field; did you mean `subjects`/],
    [
      { match: { checks: ['container.privileged'], imageIds: ['shop/db:16'] } },
      /^spec\.match\.imageIds\[0\]: expected sha256/,
    ],
    [{ match: { checks: ['container.privileged'], labels: { a: 'b' } } }, /labels: unknown field/],
    [{ reason: ' ' }, /^spec\.reason: expected a text/],
    [{ owner: '' }, /^spec\.owner: expected a text/],
    [{ expires: undefined }, /^spec\.expires: expected a string/],
    [{ expires: '2027-02-30' }, /^spec\.expires: expected a date/],
    [{ expires: '2026-12-31T23:59:59+02:00' }, /^spec\.expires: expected a date without a time/],
    [{ expires: '2027-11-30' }, /^spec\.expires: expected a date within 366 days/],
    [{ from: 'now' }, /^spec\.from: expected a date|at most 10/],
  ];
  for (const [spec, problem] of cases) {
    const parsed = parseWaiver(document(spec), NOW);
    t.match(parsed.ok ? '' : parsed.problem, problem);
  }
  t.end();
});

void t.test('a pattern takes time in proportion to its length and that of the name', (t) => {
  const evil = waiver({ match: { checks: ['container.privileged'], subjects: [`${'*a'.repeat(200)}b`] } });
  const started = process.cpuUsage();
  t.strictSame(apply([finding('a'.repeat(4000))], [evil]).names, []);
  const { user } = process.cpuUsage(started);
  t.ok(user < 500_000, `${String(user)} µs`);
  t.end();
});

void t.test('vulnerabilities: the same kind, with the conditions of the list', (t) => {
  const written = (match: object, spec: object = {}): unknown => ({
    apiVersion: 'plimsoll.dev/v1',
    kind: 'Waiver',
    metadata: { name: 'shop-openssl' },
    spec: { match, reason: 'not reachable', owner: 'shop team', expires: '2027-01-31', ...spec },
  });
  const parse = (value: unknown) => parseWaiverDocument(value, { source: 'team.yaml', nowMs: NOW });
  const match = { vulnerabilities: ['CVE-2026-1'], packages: ['libssl*'], images: ['registry.example.com/shop/**'] };
  const listed = parseWaivers(
    [{ ids: match.vulnerabilities, packages: match.packages, images: match.images, ...spec() }],
    'team.yaml',
    IMAGE_PATTERNS,
  );
  t.ok(listed.ok);
  t.strictSame(parse(written(match)), {
    ok: true,
    value: {
      target: 'vulnerabilities',
      waiver: { ...(listed.ok ? listed.waivers[0] : {}), source: 'team.yaml shop-openssl' },
    },
  });
  const wrong: readonly (readonly [unknown, RegExp])[] = [
    [written({ vulnerabilities: [] }), /^spec\.match\.vulnerabilities: expected at least one/],
    [written({ vulnerabilities: ['CVE-*'] }), /^spec\.match\.vulnerabilities\[0\]: .*without patterns/],
    [written({ ...match, images: [] }), /^spec\.match\.images: /],
    [written({ ...match, images: ['shop/a?p'] }), /^spec\.match\.images\[0\]: .*not valid/],
    [written({ ...match, checks: ['a.b'] }), /^spec\.match\.checks: unknown field/],
    [written({ ...match, subjects: ['x'] }), /^spec\.match\.subjects: unknown field/],
    [written({ checks: ['a.b'], packages: ['x'] }), /^spec\.match\.packages: unknown field/],
    [written(match, { reason: ' ' }), /^spec\.reason: /],
    [written(match, { expires: '2027-02-30' }), /^spec\.expires: /],
    [written(match, { expires: '2028-02-20' }), /^spec\.expires: expected a date within 366 days/],
    [written(match, { from: '2026-12-01' }), /^spec\.from: unknown field/],
    [{ ...(written(match) as object), metadata: { name: ' ' } }, /^metadata\.name: /],
  ];
  for (const [value, problem] of wrong) t.match(parse(value), { ok: false, problem }, String(problem));
  t.match(parse(document({})), { ok: true, value: { target: 'findings', waiver: { name: 'legacy' } } });
  t.end();
});

/** What both forms have. */
function spec(): object {
  return { reason: 'not reachable', owner: 'shop team', expires: '2027-01-31' };
}
