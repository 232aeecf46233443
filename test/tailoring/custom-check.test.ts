import fc from 'fast-check';
import t from 'tap';
import { judgeAll } from '../../posture/judge.ts';
import { absent, seen, unreadable } from '../../posture/observed.ts';
import type { Observed } from '../../posture/observed.ts';
import type { Facts } from '../../posture/fact/facts.ts';
import type { Finding } from '../../posture/finding.ts';
import { parseCheckDocument } from '../../tailoring/check-document.ts';
import { createCheckVariables } from '../../tailoring/check-variables.ts';
import { createCustomCheck } from '../../tailoring/custom-check.ts';
import { containerFact } from '../fixture/container.ts';
import { dockerFact, factsOf, kernelFact, noKubelet, sshdFact } from '../fixture/facts.ts';

/** A document with a condition; other fields of `spec` can be replaced. */
function document(spec: object): object {
  return {
    apiVersion: 'plimsoll.dev/v1',
    kind: 'Check',
    metadata: { name: 'acme.example' },
    spec: {
      subject: 'container',
      title: 'As the policy of Acme asks',
      failTitle: 'Not as the policy of Acme asks',
      severity: 'high',
      rationale: 'Because of the policy.',
      remediation: 'Do what the policy says.',
      ...spec,
    },
  };
}

function checkOf(spec: object) {
  const parsed = parseCheckDocument(document(spec));
  const created = parsed.ok ? createCustomCheck(parsed.value, createCheckVariables()) : parsed;
  if (!created.ok) throw new Error(created.problem);
  return created.value.check;
}

function judge(spec: object, facts: Facts = factsOf()): readonly Finding[] {
  return [...judgeAll([checkOf(spec)], facts).values()];
}

function problemOf(spec: object): string {
  const parsed = parseCheckDocument(document(spec));
  const created = parsed.ok ? createCustomCheck(parsed.value, createCheckVariables()) : parsed;
  return created.ok ? '' : created.problem;
}

const verdictOf = (spec: object, facts?: Facts): string => judge(spec, facts)[0]?.verdict ?? 'none';
const GONE = unreadable('/proc/9/status', 'no such process (ESRCH)');

void t.test('true is a pass, false a failure with its message and what was seen', (t) => {
  const spec = { condition: 'container.image.startsWith("shop/")' };
  t.match(judge(spec), [
    {
      id: /^acme\.example\/container\//,
      verdict: 'pass',
      severity: 'high',
      title: 'As the policy of Acme asks',
      evidence: [{ source: 'container.image', seen: '"shop/worker:1.4"', expected: spec.condition }],
    },
  ]);
  const other = {
    condition: '!container.image.endsWith(":1.4")',
    message: '"it runs " + container.image',
    evidence: '[container.image, container.name]',
  };
  t.match(judge(other), [
    {
      verdict: 'fail',
      title: 'Not as the policy of Acme asks',
      reason: 'it runs shop/worker:1.4',
      evidence: [{ source: '[container.image, container.name]', seen: '["shop/worker:1.4","shop-worker"]' }],
    },
  ]);
  t.match(judge({ condition: 'container.pid == 0' }), [{ reason: 'container.pid == 0 is false' }]);
  t.match(judge({ ...spec, applies: 'container.pod != ""' }), [{ verdict: 'notApplicable', reason: /container\.pod/ }]);
  t.end();
});

void t.test('every kind of subject is judged over the same facts', (t) => {
  t.match(judge({ subject: 'node', condition: 'kernel.lockdown == "integrity"' }), [
    { verdict: 'pass', subject: { kind: 'node' } },
  ]);
  for (const subject of ['docker', 'kubelet', 'sshd'])
    t.match(judge({ subject, condition: 'node.cpus > 0' }), [{ subject: { kind: 'daemon' } }], subject);
  const without = factsOf({
    docker: dockerFact({ present: absent('/usr/bin') }),
    kubelet: noKubelet(),
    sshd: sshdFact({ present: absent('/etc/ssh') }),
  });
  for (const [subject, condition] of [
    ['docker', 'has(docker.api)'],
    ['kubelet', 'kubelet.settings["readOnlyPort"] == "0"'],
    ['kubelet', 'node.cpus > 0'],
    ['sshd', 'sshd.contexts.all(c, false)'],
  ])
    t.match(judge({ subject, condition }, without), [{ verdict: 'notApplicable', reason: /installed|no kubelet/ }]);
  t.match(judge({ subject: 'image', condition: 'image.tags.size() > 0 && node.cpus > 0' }), [
    { verdict: 'pass', subject: { kind: 'image' } },
  ]);
  const stat = {
    realPath: '/etc/ssh/sshd_config',
    kind: 'file',
    uid: 0,
    gid: 0,
    mode: 0o666,
    owner: 'root',
    group: 'root',
  } as const;
  const file = { role: 'sshdConfig', path: '/etc/ssh/sshd_config', expectedGroup: '', expectedMode: null } as const;
  const facts = factsOf({ files: [{ ...file, stat: seen(stat, 'stat') }] });
  t.match(judge({ subject: 'file', role: 'sshdConfig', condition: '!file.stat.worldWritable' }, facts), [
    { verdict: 'fail', subject: { kind: 'file', id: '/etc/ssh/sshd_config' } },
  ]);
  t.end();
});

void t.test('parameters are typed as their defaults', (t) => {
  const parameters = { registries: ['shop/', 'base/'], most: 10, ratio: 0.5, strict: true };
  const condition =
    'parameters.registries.exists(r, container.image.startsWith(r)) && container.pid > parameters.most && parameters.ratio < 1.0 && parameters.strict';
  t.equal(verdictOf({ parameters, condition }), 'pass');
  t.match(problemOf({ parameters, condition: 'parameters.most.startsWith(container.name)' }), /no such overload/);
  t.match(problemOf({ parameters, condition: 'container.pid > parameters.moste' }), /did you mean `most`/);
  t.end();
});

void t.test('what was not read is unknown, however the condition asks for it', (t) => {
  const facts = factsOf({
    containers: seen([containerFact({ seccomp: GONE, noNewPrivs: GONE, uid: GONE, mounts: GONE })], 'list'),
    kernel: { ...kernelFact(), lockdown: unreadable('/sys/kernel/security/lockdown', 'permission denied (EACCES)') },
  });
  for (const condition of [
    'container.seccomp.mode == "filter"',
    'container.seccomp.mode != "disabled"',
    '!has(container.seccomp)',
    'has(container.seccomp.mode)',
    '!has(container.seccomp) || container.seccomp.mode == "filter"',
    'container.seccomp == null',
    'container.seccomp != null',
    'container.seccomp.mode in ["filter", "strict"]',
    '!(container.seccomp.mode in [])  && container.uid == 0',
    'has(container.noNewPrivs) ? container.noNewPrivs : true',
    'container.mounts.filter(m, m.shared).size() == 0',
    'container.mounts.all(m, !m.shared)',
    '!container.mounts.exists(m, m.shared)',
    '[container.uid].filter(u, u == 0).size() == 0',
    '[container.uid].map(u, u).size() == 1',
    '[container.uid].filter(u, has(u)).size() == 0',
    '[container.uid].sortBy(u, u).size() == 1',
    '[1].groupBy(u, container.uid).size() == 1',
    '[[container.uid]].flatten().size() == 1',
    '[container.uid].indexOf(0) == -1',
    '[container.uid].first() != 0',
    'type(container.uid) != int',
    'cel.bind(u, container.uid, !has(u))',
    '{"a": container.uid}.a != 0',
    '{"a": container.uid}.all(k, v, !has(v))',
    '"%s".format([container.uid]) != "0"',
    'string(container.uid) != "0"',
    '1 / (container.uid + 1) == 0',
    'kernel.lockdown != "none"',
  ])
    t.match(
      judge({ condition }, facts),
      [{ verdict: 'unknown', reason: /no such process|permission denied/ }],
      condition,
    );
  // One side decides, whatever the other is: this is known.
  t.equal(verdictOf({ condition: 'container.seccomp.mode == "filter" || container.pid > 0' }, facts), 'pass');
  t.equal(verdictOf({ condition: 'has(container.seccomp) && container.pid == 0' }, facts), 'fail');
  t.equal(verdictOf({ condition: '[1, container.uid].exists(u, u == 1)' }, facts), 'pass');
  t.end();
});

void t.test('an expression that has no value is unknown', (t) => {
  const cases = {
    'int(container.name) > 0': /cannot convert/,
    '1 / (container.pid - container.pid) > 0': /division by zero/,
    'container.declared.seccompSummary.withheld > 1': /absent; test it first with has/,
    'lists.range(500000).all(x, x >= 0) && container.pid > 0': /too expensive|too long/,
  };
  for (const [condition, reason] of Object.entries(cases))
    t.match(judge({ condition }), [{ verdict: 'unknown', reason }], condition);
  t.equal(verdictOf({ condition: '!has(container.declared.seccompSummary)' }), 'pass', 'absent is known');
  t.match(judge({ condition: 'container.pid > 0', applies: 'int(container.name) > 0' }), [{ verdict: 'unknown' }]);
  t.end();
});

void t.test('a container that could not be read, or not whole, lets no check pass that is about it', (t) => {
  const entry = {
    kind: 'container',
    id: 'f00',
    name: 'hidden',
    imageId: '',
    pid: 9,
    engine: '',
    sinceMs: 0,
    reason: 'no answer',
  } as const;
  const hidden = factsOf({ unobserved: seen([entry], 'engine') });
  const blind = factsOf({ unobserved: unreadable('/proc', 'permission denied (EACCES)') });
  const node = (condition: string) => ({ subject: 'node', condition });
  for (const condition of [
    'containers.all(c, !c.declared.privileged)',
    'containers.filter(c, c.declared.privileged).size() == 0',
    'containers.size() < 5',
    'images.all(i, i.user != "")',
  ]) {
    t.equal(verdictOf(node(condition), blind), 'unknown', condition);
    if (condition.startsWith('containers')) t.equal(verdictOf(node(condition), hidden), 'unknown', condition);
    t.not(verdictOf(node(condition)), 'unknown', condition);
  }
  t.equal(
    verdictOf(node('containers.exists(c, c.name == "shop-worker")'), hidden),
    'pass',
    'one of those that were read',
  );
  t.match(judge({ condition: 'container.pid > 0' }, hidden), [
    { verdict: 'pass' },
    { verdict: 'unknown', reason: /no answer/ },
  ]);

  const partial = factsOf({
    containers: seen([containerFact({ complete: false, incompleteReason: 'too many threads' })], 'list'),
  });
  t.match(judge({ condition: 'container.seccomp.mode == "filter"' }, partial), [
    { verdict: 'unknown', reason: /too many threads/ },
  ]);
  t.match(judge(node('containers.all(c, c.seccomp.mode == "filter")'), partial), [{ verdict: 'unknown' }]);
  t.equal(verdictOf({ condition: 'container.image != ""' }, partial), 'pass', 'not about its threads');
  t.equal(
    verdictOf({ condition: 'container.seccomp.mode == "strict"' }, partial),
    'fail',
    'the others cannot repair it',
  );
  t.end();
});

void t.test('what is wrong is said when it is loaded', (t) => {
  const cases: readonly (readonly [object, RegExp])[] = [
    [
      { condition: 'container.seccom.mode == "filter"' },
      /^spec\.condition: .*no field `seccom`; did you mean `seccomp`\?/,
    ],
    [{ condition: 'contianer.pid > 0' }, /did you mean `container`/],
    [{ condition: 'container.seccomp.mode == "filtre"' }, /not a possible value.*did you mean `filter`/],
    [{ condition: 'container.pid' }, /^spec\.condition: a condition must be true or false, not int/],
    [{ condition: 'container.pid ==' }, /^spec\.condition: the expression ends too early/],
    [{ condition: 'true' }, /names no fact/],
    [{ condition: 'container.?uid.orValue(0) == 0' }, /test it with `has\(x\.field\)`/],
    [{ condition: 'container.name.matches("(?<=a)b")' }, /not a regular expression of RE2.*at character 24/],
    [{ condition: 'matches(container.name, "[a-z")' }, /not a regular expression of RE2/],
    [{ condition: 'container.labels["a"] == "b"' }, /no field `labels`/],
    [{ condition: 'unread.size() == 0' }, /unknown fact `unread`/],
    [{ condition: 'kernel.sysctls["net.ipv4.tcp_ecn"] == "0"' }, /not collected/],
    [{ condition: 'kernel.sysctls.filter(k, k == "x").size() == 0' }, /not every key of this map is collected/],
    [{ condition: 'kernel.sysctls.size() == 0' }, /not every key of this map is collected/],
    [
      { condition: `container.pid > 0 && "${'a'.repeat(4100)}" == ""` },
      /^spec\.condition: expected at most 4096 characters/,
    ],
    [{ condition: 'container.pid > 0', message: 'container.pid' }, /^spec\.message: .*text, not int/],
    [{ condition: 'container.pid > 0', severity: 'bad' }, /^spec\.severity: expected one of critical/],
    [{ condition: 'container.pid > 0', conditon: 'true' }, /^spec\.conditon: unknown field; did you mean `condition`/],
    [{ condition: 'container.pid > 0', role: 'sshdConfig' }, /^spec\.role: /],
    [{ subject: 'file', role: 'sshdConfig', condition: 'kernel.lockdown == "none"' }, /unknown fact `kernel`/],
    [{ condition: 'container.pid > 0', references: ['javascript:alert(1)'] }, /^spec\.references\[0\]: expected a URL/],
  ];
  for (const [spec, problem] of cases) t.match(problemOf(spec), problem);
  const named = (name: string): string => {
    const parsed = parseCheckDocument({ ...document({ condition: 'container.pid > 0' }), metadata: { name } });
    const created = parsed.ok ? createCustomCheck(parsed.value, createCheckVariables()) : parsed;
    return created.ok ? '' : created.problem;
  };
  t.match(named('container.privileged'), /is a check of Plimsoll/);
  t.match(named('container.mine'), /is an area of Plimsoll/);
  for (const name of ['mine', 'Acme.mine', 'acme.', 'acme.a/b', '__proto__.x'])
    t.match(named(name), /^metadata\.name: expected/);
  t.end();
});

/** Leaves of the fact: each may be read, absent or not read. */
const LEAVES = {
  'container.uid': [0, 1],
  'container.memoryMaxBytes': [0, 1],
  'container.pidsMax': [0, 1],
} as const;

/** Conditions over the leaves, made of what could turn a value that was not read into an answer. */
const { condition: anyCondition } = fc.letrec<{ condition: string; number: string }>((tie) => ({
  number: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom(...Object.keys(LEAVES), '0', '1'),
    tie('condition').map((c) => `(${c} ? 1 : 0)`),
  ),
  condition: fc.oneof(
    { depthSize: 'small', maxDepth: 4 },
    fc
      .tuple(tie('number'), fc.constantFrom('==', '!=', '<', '>='), tie('number'))
      .map(([a, op, b]) => `${a} ${op} ${b}`),
    tie('number').map((a) => `has(${a})`),
    tie('number').map((a) => `${a} == null`),
    fc
      .tuple(tie('condition'), fc.constantFrom('&&', '||'), tie('condition'))
      .map(([a, op, b]) => `((${a}) ${op} (${b}))`),
    tie('condition').map((a) => `!(${a})`),
    fc.tuple(tie('number'), tie('number')).map(([a, b]) => `${a} in [${b}, 1]`),
    fc
      .tuple(tie('number'), tie('number'), fc.constantFrom('exists', 'all', 'exists_one'))
      .map(([a, b, macro]) => `[${a}, ${b}].${macro}(x, x == 1)`),
    fc.tuple(tie('number'), tie('number')).map(([a, b]) => `[${a}, ${b}].filter(x, x != 0).size() == 1`),
    fc.tuple(tie('number'), tie('number')).map(([a, b]) => `[${a}, ${b}].indexOf(1) == 0`),
    fc.tuple(tie('number'), tie('number')).map(([a, b]) => `[${a}, ${b}].distinct().size() == 1`),
    fc.tuple(tie('number'), tie('number')).map(([a, b]) => `[${a}].sortBy(x, ${b}).first() == 1`),
  ),
}));

void t.test('an answer without a value that was not read is the answer with each value that it may have', (t) => {
  const names = Object.keys(LEAVES) as (keyof typeof LEAVES)[];
  const verdict = (condition: string, leaves: readonly Observed<number>[]): string => {
    const [uid = GONE, memoryMaxBytes = GONE, pidsMax = GONE] = leaves;
    const facts = factsOf({ containers: seen([containerFact({ uid, memoryMaxBytes, pidsMax })], 'list') });
    return verdictOf({ condition: `(${condition}) || container.pid == 0` }, facts);
  };
  fc.assert(
    fc.property(
      anyCondition,
      fc.tuple(...names.map(() => fc.constantFrom('unread', 'absent', 0, 1))),
      (condition, states) => {
        const answer = verdict(condition, states.map(leafOf));
        if (answer === 'unknown') return;
        for (const completed of completions(states)) {
          const whole = verdict(condition, completed.map(leafOf));
          // Where the whole answer has no value (an absent one is compared), nothing was claimed of it either.
          if (whole !== 'unknown' && whole !== answer)
            throw new Error(`${condition}: ${answer}, but ${whole} with ${completed.join()}`);
        }
      },
    ),
    { numRuns: 400 },
  );
  t.end();
});

function leafOf(state: string | number): Observed<number> {
  if (state === 'unread') return GONE;
  return state === 'absent' ? absent('/proc/9/status') : seen(Number(state), '/proc/9/status');
}

/** Each value in place of what was not read. */
function completions(states: readonly (string | number)[]): readonly (readonly (string | number)[])[] {
  return states.reduce<readonly (readonly (string | number)[])[]>(
    (known, state) =>
      known.flatMap((one) => (state === 'unread' ? ['absent', 0, 1] : [state]).map((each) => one.concat(each))),
    [[]],
  );
}
