import t from 'tap';
import { BENCHMARKS, findBenchmark } from '../../posture/benchmark/benchmark.ts';
import { assessBenchmark } from '../../posture/benchmark/compliance.ts';
import { parameterProblem } from '../../posture/check/parameter.ts';
import { CHECKS } from '../../posture/check/registry.ts';
import type { Facts } from '../../posture/fact/facts.ts';
import { judgeAll } from '../../posture/judge.ts';
import { seen } from '../../posture/observed.ts';
import { applyProfile, parseProfile } from '../../tailoring/profile.ts';
import { containerFact } from '../fixture/container.ts';
import { dockerFact, factsOf } from '../fixture/facts.ts';

const document = (spec: object): object => ({
  apiVersion: 'plimsoll.dev/v1',
  kind: 'Profile',
  metadata: { name: 'production' },
  spec,
});

function apply(spec: object) {
  const parsed = parseProfile(document(spec));
  return parsed.ok ? applyProfile(parsed.value, CHECKS, BENCHMARKS) : parsed;
}

function applied(spec: object) {
  const result = apply(spec);
  if (!result.ok) throw new Error(result.problem);
  return result.value;
}

const problemOf = (spec: object): string => {
  const result = apply(spec);
  return result.ok ? '' : result.problem;
};

void t.test('a profile chooses by benchmark and level, adds and leaves out', (t) => {
  const all = applied({});
  t.equal(all.checks.length, CHECKS.length);
  const chosen = applied({
    benchmarks: [{ id: 'cis-docker-1.8.0', level: 1 }],
    include: ['ssh', 'kernel.aslr'],
    exclude: [{ check: 'ssh.root-login', reason: 'accounts are managed elsewhere' }],
  });
  const expected = new Set(
    findBenchmark('cis-docker-1.8.0')
      ?.controls.filter(({ level }) => level === 1)
      .flatMap(({ checks }) => checks),
  );
  const ids = CHECKS.map(({ id }) => id);
  t.strictSame(
    chosen.checks.map(({ id }) => id),
    ids.filter((id) => (expected.has(id) || id.startsWith('ssh.') || id === 'kernel.aslr') && id !== 'ssh.root-login'),
  );
  const reasons = new Map(chosen.excluded.map(({ check, reason }) => [check.id, reason]));
  t.equal(chosen.checks.length + reasons.size, CHECKS.length);
  t.equal(reasons.get('ssh.root-login'), 'accounts are managed elsewhere');
  t.equal(reasons.get('agent.enrollment'), 'not chosen by the profile production');
  t.end();
});

void t.test('an excluded check is never a pass of its control', (t) => {
  const benchmark = findBenchmark('cis-docker-1.8.0');
  const control = benchmark?.controls.find(({ checks }) => checks.length > 1);
  if (benchmark === undefined || control === undefined) throw new Error('there is no such control');
  const [first = '', ...others] = control.checks;
  const excluded = new Map([[first, 'not here']]);
  const assess = (verdict: 'pass' | 'fail' | 'unknown') =>
    assessBenchmark(
      benchmark,
      others.map((check) => ({ check, verdict })),
      { excluded },
    ).controls.find((one) => one.control.id === control.id);
  t.match(assess('pass'), { verdict: 'notJudged', missing: [], control: { why: `${first} is excluded (not here)` } });
  t.match(assess('fail'), { verdict: 'fail' });
  t.match(assess('unknown'), { verdict: 'unknown' });
  t.end();
});

void t.test('what names nothing is an error with its place', (t) => {
  const cases: readonly (readonly [object, RegExp])[] = [
    [{ benchmarks: [{ id: 'cis-dokcer-1.8.0' }] }, /^spec\.benchmarks\[0\]\.id: .*did you mean `cis-docker-1\.8\.0`/],
    [{ include: ['contianer'] }, /^spec\.include\[0\]: .*did you mean `container`/],
    [
      { exclude: [{ check: 'ssh.root-logn', reason: 'x' }] },
      /^spec\.exclude\[0\]\.check: .*did you mean `ssh\.root-login`/,
    ],
    [{ exclude: [{ check: 'ssh.root-login', reason: ' ' }] }, /^spec\.exclude\[0\]\.reason: expected a text/],
    [{ exclude: [{ check: 'ssh.root-login' }] }, /^spec\.exclude\[0\]\.reason: expected a string/],
    [{ severities: { 'daemon.ic': 'high' } }, /^spec\.severities: .*did you mean `daemon\.icc`/],
    [{ severities: { 'daemon.icc': 'bad' } }, /^spec\.severities\{0\}: expected one of critical/],
    [{ parameters: { 'container.capabilities': { alowed: ['A'] } } }, /unknown parameter; did you mean `allowed`/],
    [{ parameters: { 'container.capabilities': { allowed: 3 } } }, /allowed: expected a list of texts/],
    [
      { parameters: { 'container.capabilities': { allowed: ['SYS_TIME', 'cap_net_admn'] } } },
      /allowed: unknown value "cap_net_admn"; did you mean `NET_ADMIN`/,
    ],
    [
      { parameters: { 'host.open-ports': { expected: ['22', '70000'] } } },
      /unknown value "70000": expected a list of te/,
    ],
    [
      { parameters: { 'host.open-ports': { expected: [22] } } },
      /expected a list of texts, such as \["22", "30000-32767"\]/,
    ],
    [{ parameters: { 'ssh.max-auth-tries': { maxTries: 0 } } }, /maxTries: expected a number from 1 to 100/],
    [{ parameters: { 'container.privileged': { x: 1 } } }, /unknown parameter/],
    [{ parameter: {} }, /^spec\.parameter: unknown field; did you mean `parameters`/],
  ];
  for (const [spec, problem] of cases) t.match(problemOf(spec), problem);
  t.end();
});

void t.test('severities of failures are those of the profile', (t) => {
  const facts = factsOf({ containers: seen([containerFact({ declared: { privileged: true } })], 'list') });
  const { checks } = applied({ include: ['container'], severities: { 'container.privileged': 'low' } });
  const found = [...judgeAll(checks, facts).values()].find(({ check }) => check === 'container.privileged');
  t.match(found, { verdict: 'fail', severity: 'low' });
  t.end();
});

/** Facts that fail with the defaults, values that let them pass, and values that do not. */
const CASES: Readonly<Record<string, readonly [facts: Facts, passing: object, failing: object]>> = {
  'container.capabilities': [
    factsOf({
      containers: seen([containerFact({ declared: { capAdd: ['NET_ADMIN'] } })], 'list'),
    }),
    { allowed: ['CAP_NET_ADMIN'] },
    { allowed: ['SYS_TIME'] },
  ],
  'container.restart-policy': [
    factsOf({
      containers: seen([containerFact({ declared: { restartPolicy: 'on-failure', restartMaximum: 8 } })], 'list'),
    }),
    { maxAttempts: 8 },
    { maxAttempts: 7 },
  ],
  'daemon.stopped-containers': [
    factsOf({
      containers: seen([containerFact({ state: 'exited', pid: 0, endedAt: '2026-10-01T00:00:00Z' })], 'list'),
    }),
    { maxDays: 60 },
    { maxDays: 50 },
  ],
  'daemon.socket-members': [
    factsOf({
      docker: dockerFact({
        socketAccess: seen(
          { uid: 0, group: 'docker', gid: 998, members: ['deploy'], everybody: false, otherServices: [] },
          'stat',
        ),
      }),
    }),
    { approved: ['deploy'] },
    { approved: ['somebody'] },
  ],
};

void t.test('parameters move the line that a check draws, and only as far as they say', (t) => {
  for (const [id, [facts, passing, failing]] of Object.entries(CASES)) {
    const verdictWith = (values: object): string | undefined =>
      judgeAll(applied({ include: [id], parameters: { [id]: values } }).checks, facts)
        .values()
        .next().value?.verdict;
    t.match(verdictWith({}), /fail|manual/, `${id}: the default`);
    t.equal(verdictWith(passing), 'pass', id);
    t.equal(verdictWith(failing), 'fail', id);
  }
  t.end();
});

void t.test('every parameter is documented, and its default is valid and judges as without a profile', (t) => {
  const parameterized = CHECKS.filter(({ parameters }) => parameters !== undefined);
  t.ok(parameterized.length >= 10);
  for (const check of parameterized)
    for (const [name, parameter] of Object.entries(check.parameters ?? {})) {
      t.match(name, /^[a-z][A-Za-z]+$/);
      t.ok(parameter.doc.length > 5, `${check.id} ${name}`);
      t.equal(parameterProblem(parameter, parameter.default), undefined);
      t.equal(check.withParameters?.({ [name]: parameter.default }).title, check.title);
      t.strictSame(check.parameterValues?.[name], parameter.default);
    }
  t.end();
});
