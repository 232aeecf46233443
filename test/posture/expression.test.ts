import t from 'tap';
import { compileExpression, evaluate } from '../../posture/expression.ts';
import type { Evaluated } from '../../posture/expression.ts';
import type { Facts } from '../../posture/fact/facts.ts';
import { absent, seen, unreadable } from '../../posture/observed.ts';
import { project } from '../../posture/projection.ts';
import { containerFact, namespaceOf } from '../fixture/container.ts';
import { factsOf, kernelFact } from '../fixture/facts.ts';

const gone = unreadable('/proc/9/status', 'no such process (ESRCH)');
const NOTE = '/proc/9/status: no such process (ESRCH)';

/** Three containers: one without seccomp, one that died while it was read, one on the network of the node. */
const FACTS = factsOf({
  containers: seen(
    [
      containerFact({
        name: 'open',
        seccomp: seen({ mode: 'disabled', filters: 0, threads: 1, weakest: '/proc/7/task/7/status' }, '/proc/7'),
        noNewPrivs: seen(true, '/proc/7/status'),
      }),
      containerFact({
        name: 'dead',
        seccomp: gone,
        noNewPrivs: gone,
        uid: gone,
        mounts: gone,
        namespaces: { net: gone },
      }),
      containerFact({ name: 'host', namespaces: { net: namespaceOf('net', 4026531992, true) } }),
    ],
    'GET /containers/json',
  ),
});

/** What an expression gives over facts; a string starting with `✗` is why it does not compile or evaluate. */
function answer(expression: string, facts: Facts = FACTS): unknown {
  const evaluated = run(expression, facts);
  return evaluated.ok ? evaluated.value : `✗ ${evaluated.problem}`;
}

function run(expression: string, facts: Facts = FACTS): Evaluated {
  const compiled = compileExpression(expression);
  return compiled.ok ? evaluate(compiled.expression, project(facts)) : compiled;
}

function notes(expression: string): readonly string[] {
  const evaluated = run(expression);
  return evaluated.ok ? evaluated.unread : [`✗ ${evaluated.problem}`];
}

await t.test('what people ask', async (t) => {
  t.equal(answer('kernel.lockdown'), 'integrity');
  t.same(answer('containers.filter(c, c.seccomp.mode == "disabled").map(c, c.name)'), ['open']);
  t.equal(answer('containers.size() > 2'), true);
  t.equal(answer('containers.size() > 3'), false);
  t.same(answer('containers.filter(c, c.pid > 100).size()'), 3);
  t.equal(answer('node.cpus == 2'), true);
  t.same(answer('containers.filter(c, c.namespaces.net.host).map(c, c.name)'), ['host']);
  t.same(answer('containers.map(c, {"name": c.name, "mode": c.seccomp.mode})'), [
    { name: 'open', mode: 'disabled' },
    { name: 'dead', mode: null },
    { name: 'host', mode: 'filter' },
  ]);
  t.equal(answer('kernel.sysctls["kernel.kptr_restrict"]'), '0');
  t.equal(answer('"bpf" in kernel.lsm'), true);
  t.same(answer('kernel.lsm.filter(m, m.startsWith("l"))'), ['lockdown', 'landlock']);
  t.equal(answer('docker.process.flags.host[0]'), 'fd://');
});

// The language definition and conformance tests of the CEL specification (github.com/google/cel-spec).
const SPECIFICATION: readonly (readonly [string, unknown])[] = [
  // Literals and numbers.
  ['42', 42],
  ['-1', -1],
  ['0x55555555', 0x55555555],
  ['42u', 42],
  ['-2.3e+1', -23],
  ["'''x''x'''", "x''x"],
  [String.raw`r'\n'`, String.raw`\n`],
  ['40 + 2 * 3 - 9', 37],
  ['43 % 5', 3],
  ['-5 / 2', -2],
  ['9223372036854775807', '9223372036854775807'],
  ['-9223372036854775808', '-9223372036854775808'],
  ['9007199254740991', 9007199254740991],
  ['9007199254740992', '9007199254740992'],
  // Comparison. Numbers of different types are on one number line; that of unlike types is false.
  ['1 < 2 && 2.0 > 1', true],
  ['dyn(1) == 1.0', true],
  ['dyn(1) == "1"', false],
  ['[1, 2] == [1, 2]', true],
  ['{"a": 1} == {"a": 1}', true],
  ['{"a": 1} == {"a": 2}', false],
  ['"a" < "b"', true],
  ['null == null', true],
  // Strings count code points.
  ["size('πέντε')", 5],
  ["'hello'.contains('ell') && 'hello'.startsWith('he') && 'hello'.endsWith('lo')", true],
  ["'hubba'.matches('ubb')", true],
  // Lists and maps.
  ['[7, 8, 9][1]', 8],
  ['[1] + [2, 3]', [1, 2, 3]],
  ['2 in [1, 2]', true],
  ['"k" in {"k": 1}', true],
  ['{1: "one"}[1]', 'one'],
  ['{"a": {"b": 2}}.a.b', 2],
  ['[[1], [2, 3]].map(l, l.size())', [1, 2]],
  // An error on one side of a logical operator does not matter if the other decides.
  ['true || 1 / 0 == 1', true],
  ['1 / 0 == 1 || true', true],
  ['false && 1 / 0 == 1', false],
  ['1 / 0 == 1 && false', false],
  ['true ? 1 : 1 / 0', 1],
  // Macros.
  ['[1, 2, 3].all(e, e > 0)', true],
  ['[].all(e, e > 0)', true],
  ['[1, 2, 3].exists(e, e > 2)', true],
  ['[].exists(e, e > 2)', false],
  ['[1, 2, 3].exists_one(e, e > 1)', false],
  ['[1, 2, 3].exists_one(e, e > 2)', true],
  ['[1, 2, 3].map(e, e * e)', [1, 4, 9]],
  ['[1, 2, 3].map(e, e > 1, e * e)', [4, 9]],
  ['[1, 2, 3].filter(e, e % 2 == 1)', [1, 3]],
  ['{"a": 1, "b": 2}.filter(k, k != "a")', ['b']],
  ['[1, 2, 3].all(e, 6 / (2 - e) == 6)', false],
  ['[1, 2, 3].exists(e, 6 / (2 - e) == -6)', true],
  ['cel.bind(x, 3, x * x)', 9],
  // Conversions and types.
  ['int(1.9)', 1],
  ['string(42)', '42'],
  ['double("1.5")', 1.5],
  ['type(1) == int', true],
  ['type("") == type("a")', true],
  // 1234567890 seconds after 1970.
  ["timestamp('2009-02-13T23:31:30Z').getFullYear()", 2009],
  ["timestamp('2009-02-13T23:31:30Z').getMonth()", 1],
  ["timestamp('2009-02-13T23:31:30Z').getDate()", 13],
  ["duration('1h').getMinutes()", 60],
  // To JSON: "JSON Data Conversion".
  ["timestamp('2009-02-13T23:31:30Z')", '2009-02-13T23:31:30Z'],
  ["duration('90s')", '90s'],
  ["double('NaN')", 'NaN'],
  ["-double('inf')", '-Infinity'],
  ['{1: true}', { 1: true }],
];

await t.test('the words of the specification', async (t) => {
  for (const [expression, expected] of SPECIFICATION) t.same(answer(expression), expected, expression);
});

await t.test('errors of the specification', async (t) => {
  t.match(answer('1 / 0'), /^✗ division by zero \(at character 1\)/);
  t.match(answer('5 % 0'), /^✗ modulo by zero/);
  t.match(answer('9223372036854775807 + 1'), /^✗ integer overflow/);
  t.match(answer('9223372036854775808'), /^✗ an integer has at most 64 bits/);
  t.match(answer('{"a": 1, "a": 2}'), /^✗ the key a is twice in a map/);
  t.match(answer('[1, 2, 3].all(e, 6 / (2 - e) != 17)'), /^✗ division by zero/);
  t.match(answer('1 / 0 == 1 || false'), /^✗ division by zero/);
  t.match(answer('dyn(1) > "a"'), /^✗ no such overload: int > string/);
  t.match(answer('dyn("a") ? 1 : 2'), /^✗ a condition must be true or false/);
  t.match(answer('"a".matches("(")'), /^✗ `\(` is not a regular expression of RE2/);
  t.match(answer('int("x")'), /^✗ int\(\) cannot convert `x`/);
  t.match(answer('int(1e300)'), /^✗ integer overflow/);
});

await t.test('what is not there is null', async (t) => {
  t.equal(answer('kernel.apparmor'), null);
  t.equal(answer('kernel.apparmor == null'), true);
  t.equal(answer('null != kernel.apparmor'), false);
  t.equal(answer('docker.file.path'), null, 'a field of null is null');
  t.equal(answer('has(docker.file)'), false);
  t.equal(answer('has(kernel.lockdown)'), true);
  t.equal(answer('kernel.sysctls["kernel.unheard_of"]'), null, 'a key that is not there');
  t.equal(answer('kernel.lsm[99]'), null, 'an item that is not there');
  t.equal(answer('!kernel.apparmor'), null, 'null passes through');
  t.equal(answer('kernel.selinux != "enforcing"'), true, 'absent is known: it is not enforcing');
  t.same(answer('sshd.contexts'), [], 'a list of which nothing is there is empty');
  t.equal(answer('containers.map(c, c.lsmLabel).join(",")'), null);
  t.same(notes('kernel.apparmor'), [], 'absent is not unread');
});

await t.test('what could not be read passes for nothing', async (t) => {
  t.same(answer('containers.filter(c, c.seccomp.mode != "filter").map(c, c.name)'), ['open']);
  t.same(answer('containers.filter(c, !c.noNewPrivs).map(c, c.name)'), ['host']);
  t.same(answer('containers.filter(c, c.noNewPrivs).map(c, c.name)'), ['open']);
  t.equal(answer('containers.all(c, c.seccomp.mode != "strict")'), null, 'unknown');
  t.equal(answer('containers.exists(c, c.seccomp.mode == "disabled")'), true, 'one decides');
  t.equal(answer('containers.all(c, c.seccomp.mode != "disabled")'), false, 'one decides');
  t.equal(answer('containers.exists(c, c.seccomp.mode == "strict")'), null);
  t.equal(answer('containers.exists_one(c, c.seccomp.mode == "disabled")'), null);
  t.equal(answer('containers.exists_one(c, c.name == "dead")'), true);
  t.same(answer('containers.filter(c, c.name == "dead" || c.uid == 5).map(c, c.name)'), ['dead']);
  t.same(answer('containers.filter(c, c.mounts.exists(m, m.mountPoint == "/")).map(c, c.name)'), ['open', 'host']);
  t.equal(answer('0 in containers.map(c, c.uid)'), true);
  t.equal(answer('7 in containers.map(c, c.uid)'), null);
  t.equal(answer('{"uid": containers[1].uid} == {"uid": 0}'), null);
  t.same(answer('containers.filter(c, c.seccomp == null).map(c, c.name)'), ['dead'], 'unless asked for');
  t.same(answer('containers.filter(c, !has(c.seccomp)).map(c, c.name)'), ['dead']);
  t.equal(answer('containers.map(c, c.uid).size()'), 3);
  t.same(answer('containers[1].uid > 0 ? "user" : "root"'), null);
});

await t.test('what could not be read and would have mattered is named', async (t) => {
  const seccomp = [`containers[dead].seccomp: ${NOTE}`];
  t.same(notes('containers.filter(c, c.seccomp.mode == "disabled").map(c, c.name)'), seccomp);
  t.same(notes('containers.all(c, c.seccomp.mode != "strict")'), seccomp);
  t.same(notes('containers.map(c, {"mode": c.seccomp.mode})'), seccomp);
  t.same(notes('containers.exists(c, c.seccomp.mode == "disabled")'), [], 'decided by another');
  t.same(notes('containers.filter(c, c.name == "open" && c.seccomp.mode == "disabled")'), [], 'decided before');
  t.same(notes('containers.filter(c, c.seccomp == null).map(c, c.name)'), [], 'asked for');
  t.same(notes('kernel.lockdown'), []);
  t.equal(answer('unread["containers[dead].uid"]'), NOTE);
  t.equal(answer('"containers[dead].mounts" in unread'), true);
  t.equal(answer('"kernel.lockdown" in unread'), false);
  const many = factsOf({
    containers: seen(
      Array.from({ length: 150 }, (_, index) => containerFact({ name: `c${String(index)}`, uid: gone })),
      'x',
    ),
  });
  const evaluated = run('containers.map(c, c.uid)', many);
  t.equal(evaluated.ok && evaluated.unread.length, 100, 'bounded');
});

await t.test('a whole fact that could not be read', async (t) => {
  const facts = factsOf({ containers: unreadable('unix:///var/run/docker.sock', 'permission denied (EACCES)') });
  const evaluated = run('containers.filter(c, c.declared.privileged).map(c, c.name)', facts);
  t.same(evaluated, {
    ok: true,
    value: null,
    rows: 1,
    truncated: false,
    unread: ['containers: unix:///var/run/docker.sock: permission denied (EACCES)'],
  });
  t.equal(answer('containers.size()', facts), null);
});

await t.test('`in` on a map that does not hold every key of the node', async (t) => {
  const facts = factsOf({
    kernel: kernelFact({
      sysctls: {
        'kernel.kptr_restrict': seen('0', '/proc/sys/kernel/kptr_restrict'),
        'net.ipv4.ip_forward': unreadable('/proc/sys/net/ipv4/ip_forward', 'permission denied (EACCES)'),
        'kernel.unheard_of': absent('/proc/sys/kernel/unheard_of'),
      },
    }),
  });
  t.match(run('"kernel.kptr_restrict" in kernel.sysctls', facts), { value: true, unread: [] });
  t.match(run('"kernel.unheard_of" in kernel.sysctls', facts), { value: false, unread: [] });
  t.match(run('"net.ipv4.ip_forward" in kernel.sysctls', facts), {
    value: null,
    unread: [/^kernel\.sysctls\[net\.ipv4\.ip_forward\]: .*permission denied/],
  });
  const compiled = compileExpression('"net.ipv6.conf.all.forwarding" in kernel.sysctls');
  t.same(compiled.ok && [...compiled.expression.sysctls], ['net.ipv6.conf.all.forwarding'], 'is read for the query');
});

await t.test('slips are found before anything is evaluated', async (t) => {
  const slips: readonly (readonly [string, string])[] = [
    ['kernel.lockdwn', 'kernel has no field `lockdwn`; did you mean `lockdown`? (at character 8)'],
    ['contaners', 'unknown fact `contaners`; did you mean `containers`? (at character 1)'],
    [
      'containers.filter(c, c.secomp.mode == "x")',
      'c has no field `secomp`; did you mean `seccomp`? (at character 24)',
    ],
    ['containers.filter(c, has(c.secomp))', 'c has no field `secomp`; did you mean `seccomp`? (at character 28)'],
    ['containers.filtr(c, true)', 'unknown function `filtr`; did you mean `filter`? (at character 12)'],
    [
      'containers.filter(c, c.seccomp.mode == "disable")',
      '`disable` is not a possible value (disabled, strict, filter); did you mean `disabled`? (at character 40)',
    ],
    [
      'containers.exists(c, "of" == c.seccomp.mode)',
      '`of` is not a possible value (disabled, strict, filter) (at character 22)',
    ],
    [
      'kernel.lockdown in ["off"]',
      '`off` is not a possible value (none, integrity, confidentiality) (at character 21)',
    ],
    [
      'containers.name',
      'containers is a list and has no field `name`: use filter, map, exists, all or an index (at character 12)',
    ],
    ['kernel.lockdown.level', 'kernel.lockdown is a string and has no fields (at character 17)'],
    ['containers.filter(c, c.name > 5)', 'no such overload: string > int (at character 22)'],
    ['containers.filter(c)', 'filter takes a name and an expression: `list.filter(x, …)` (at character 1)'],
    ['kernel.lockdown ==', 'the expression ends too early (at character 19)'],
    ['"integrity', 'unterminated string (at character 1)'],
    ['', 'the expression ends too early (at character 1)'],
    ['foo(1)', 'unknown function `foo` (at character 1)'],
    ['cel', 'unknown fact `cel` (at character 1)'],
    ['b"x"', 'bytes cannot be used in a query (at character 1)'],
    ['bytes("x")', 'bytes cannot be used in a query (at character 1)'],
    [
      'containers.filter(c, "CAP_SYS_ADMIN" in c.capabilities.effective)',
      '`CAP_SYS_ADMIN` is not a possible value; did you mean `SYS_ADMIN`? (at character 22)',
    ],
    ['"typo" in kernel', 'kernel has no field `typo` (at character 1)'],
    ['"lockdwn" in kernel', 'kernel has no field `lockdwn`; did you mean `lockdown`? (at character 1)'],
    [
      'kernel.sysctls.exists(k, k == "net.ipv4.ip_forward")',
      'not every key of this map is collected, so this has no answer: name the key, or list the collected ones with filter (at character 1)',
    ],
    ['kernel["lockdwn"]', 'kernel has no field `lockdwn`; did you mean `lockdown`? (at character 8)'],
    [
      'kernel.sysctls["kptr_restrict"]',
      '`kptr_restrict` is not the name of a sysctl; did you mean `kernel.kptr_restrict`? (at character 16)',
    ],
    [
      'kernel.commandLine["mitigation"]',
      '`mitigation` is not collected, so it is not known; did you mean `mitigations`? (at character 20)',
    ],
    ['"quiet" in kernel.commandLine', `\`quiet\` is not collected, so it is not known (at character 1)`],
    [
      '"ip_forward" in kernel.sysctls',
      '`ip_forward` is not the name of a sysctl: write it as in `kernel.sysctls["net.ipv4.ip_forward"]` (at character 1)',
    ],
    [
      '["a"].exists(k, k in kernel.sysctls)',
      'not every key of this map is collected: write the key before `in` as a constant text (at character 17)',
    ],
    // As other languages write it.
    ['node.cpus = 2', 'unexpected `=`: use `==` to compare (at character 11)'],
    ['true and false', 'unexpected `and`: use `&&` for and (at character 6)'],
    ['true or false', 'unexpected `or`: use `||` for or (at character 6)'],
    ['not true', 'unexpected `true`: use `!` for not (at character 5)'],
    [
      'containers.filter(c => true)',
      'unexpected `=`: a macro takes a name and an expression: `list.filter(x, x > 1)` (at character 21)',
    ],
    ['1 <> 2', 'unexpected token: GT: use `!=` to compare (at character 4)'],
    ['kernel.lockdown is null', 'unexpected `is`: use `==` to compare: `x == null` (at character 17)'],
  ];
  for (const [expression, problem] of slips) t.same(compileExpression(expression), { ok: false, problem }, expression);
});

await t.test('one part that fails does not fail the whole answer', async (t) => {
  t.equal(answer('int("x")'), '✗ int() cannot convert `x` (at character 1)', 'unless it is the whole answer');
  t.same(answer('["1", "x", "3"].map(s, int(s))'), [1, null, 3]);
  t.same(notes('["1", "x", "3"].map(s, int(s))'), ['int(s): int() cannot convert `x`']);
  t.same(answer('["1", "x", "3"].filter(s, int(s) > 1)'), ['3']);
  t.same(notes('["1", "x", "3"].filter(s, int(s) > 1)'), ['int(s): int() cannot convert `x`']);
  t.equal(answer('["1", "x", "3"].exists(s, int(s) > 2)'), true, 'one decides');
  t.match(answer('["1", "x", "3"].all(s, int(s) > 0)'), /^✗ int\(\) cannot convert/, 'nothing decides');
  t.match(answer('["1", "x"].map(s, int(s)).sum()'), /^✗ int\(\) cannot convert/, 'no sum without it');
  t.same(answer('{"a": int("x"), "b": 1}'), { a: null, b: 1 });
  t.match(answer('has(int("x"))'), /^✗ int/);
  t.match(answer('int("x") == null'), /^✗ int/, 'a failure is not absent');
  const secret = 's'.repeat(2000);
  for (const note of notes(`["${secret}"].map(s, int(s))`)) t.ok(note.length <= 512);
});

await t.test('has() of any expression', async (t) => {
  t.equal(answer('has(docker.file.path)'), false);
  t.equal(answer('has(kernel.lsm[0])'), true);
  t.equal(answer('has(kernel.lsm[99])'), false);
  t.equal(answer('has(kernel.sysctls["kernel.kptr_restrict"])'), true);
  t.equal(answer('has(containers)'), true);
  t.equal(answer('has(containers.filter(c, c.name == "dead")[0].uid)'), false);
  t.match(answer('has()'), /^✗ has takes one expression/);
});

await t.test('aggregates know what was not read', async (t) => {
  t.equal(answer('containers.map(c, c.uid).sum()'), null);
  t.same(notes('containers.map(c, c.uid).max()'), [`containers[dead].uid: ${NOTE}`]);
  t.same(answer('containers.sortBy(c, c.uid).map(c, c.name).last()'), 'dead', 'what is not known comes last');
  t.same(notes('containers.sortBy(c, c.uid).map(c, c.name)'), [`containers[dead].uid: ${NOTE}`]);
  t.equal(answer('containers.topBy(c, c.uid, 5).size()'), 2);
  t.same(answer('containers.groupBy(c, c.seccomp.mode).transformMap(k, v, v.map(c, c.name))'), {
    disabled: ['open'],
    filter: ['host'],
  });
  t.same(notes('containers.groupBy(c, c.seccomp.mode).size()'), [`containers[dead].seccomp: ${NOTE}`]);
  t.equal(answer('"%d".format([containers[1].uid])'), null, 'a text is not made of what is not known');
  t.same(notes('"%d".format([containers[1].uid])'), [`containers[dead].uid: ${NOTE}`]);
  t.equal(answer('"%s %s".format([kernel.apparmor, 1])'), 'null 1', 'what is absent is written');
  t.equal(answer('[1, null, 2].sum()'), 3, 'what is absent does not count');
  t.equal(answer('[].min()'), null);
});

await t.test('integers are exact and text counts in code points', async (t) => {
  t.equal(answer('9007199254740993 + 0'), '9007199254740993');
  t.equal(answer('9007199254740993 == 9007199254740992.0'), false);
  t.equal(answer('"😀a".size()'), 2);
  t.equal(answer('"😀a".charAt(1)'), 'a');
  t.equal(answer('"😀a".reverse()'), 'a😀');
  t.equal(answer('"😀a".indexOf("a")'), 1);
  t.equal(answer('"😀".matches("^.$")'), true);
  t.equal(answer('"\\uFFFD" < "😀"'), true, 'in the order of code points');
});

await t.test('rows are cut', async (t) => {
  const compiled = compileExpression('containers.map(c, c.seccomp.mode)');
  if (!compiled.ok) throw new Error(compiled.problem);
  const view = project(FACTS);
  t.same(evaluate(compiled.expression, view, 1), {
    ok: true,
    value: ['disabled'],
    rows: 1,
    truncated: true,
    unread: [],
  });
  t.match(evaluate(compiled.expression, view, 3), { rows: 3, truncated: false });
});

await t.test('which facts an expression names', async (t) => {
  const named = (expression: string): readonly string[] => {
    const compiled = compileExpression(expression);
    return compiled.ok ? [...compiled.expression.variables].sort() : [compiled.problem];
  };
  t.same(named('kernel.lsm.filter(m, m in containers.map(c, c.name))'), ['containers', 'kernel']);
  t.same(named('kernel.lsm.map(kernel, kernel)'), ['kernel']);
  t.same(named('[1].map(containers, containers)'), []);
  t.same(named('unread'), ['unread']);
});
