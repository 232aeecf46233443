import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { array, assert, constantFrom, property, string } from 'fast-check';
import t from 'tap';
import { compileExpression, evaluate } from '../../posture/expression.ts';
import type { Facts } from '../../posture/fact/facts.ts';
import { seen, unreadable } from '../../posture/observed.ts';
import { project } from '../../posture/projection.ts';
import { containerFact } from '../fixture/container.ts';
import { dockerFact, factsOf, kernelFact } from '../fixture/facts.ts';

const FACTS = factsOf({ containers: seen([containerFact({ name: 'shop' })], 'GET /containers/json') });

/** What an expression gives over facts; a string starting with `✗` is why it does not compile or evaluate. */
function answer(expression: string, facts: Facts = FACTS): unknown {
  const compiled = compileExpression(expression);
  const evaluated = compiled.ok ? evaluate(compiled.expression, project(facts)) : compiled;
  return evaluated.ok ? evaluated.value : `✗ ${evaluated.problem}`;
}

await t.test('bounds', async (t) => {
  const problem = (expression: string): string => {
    const compiled = compileExpression(expression);
    return compiled.ok ? 'compiled' : compiled.problem;
  };
  t.equal(problem(`"${'x'.repeat(4094)}"`), 'compiled');
  t.match(problem(`"${'x'.repeat(4095)}"`), /at most 4096 characters/);
  t.match(problem(`1${'+1'.repeat(99)}`), /compiled/);
  t.match(problem(`1${'+1'.repeat(100)}`), /more than 100 levels deep/);
  t.match(problem('!'.repeat(4000)), /^the expression ends too early|levels deep|maxAstNodes/);
  t.match(problem(`${'!'.repeat(4000)}true`), /maxAstNodes|levels deep/);
  t.match(problem(`${'('.repeat(2000)}1${')'.repeat(2000)}`), /maxDepth/);
  t.match(problem(`[${'1,'.repeat(1500)}1]`), /max(ListElements|AstNodes)/);
  const nested = (levels: number): string =>
    levels === 0 ? '1' : `kernel.lsm.map(x${String(levels)}, ${nested(levels - 1)})`;
  t.equal(problem(nested(4)), 'compiled');
  t.match(problem(nested(5)), /more than 4 lists within lists/);
});

await t.test('what grows without end is stopped', async (t) => {
  const text = `["${'a'.repeat(50)}"]`;
  t.match(answer(`${text}${'.map(a, a + a)'.repeat(30)}.map(a, a.size())`), /✗ a (string|list) grows too long/);
  t.match(answer(`[containers]${'.map(a, a + a)'.repeat(40)}.size()`), /✗ a (string|list) grows too long/);
  t.match(answer(`[1]${'.map(a, [a, a])'.repeat(40)}`), /✗ the expression is too expensive/);
  t.match(answer(`[1]${'.map(a, [a, a])'.repeat(30)} == [1]${'.map(a, [a, a])'.repeat(30)}`), /✗ .*too expensive/);
  t.match(answer(`${text}${'.map(a, a + a)'.repeat(12)}.map(a, [a, a, a, a].join(a))`), /✗ a string grows too long/);
  t.match(
    answer(`${text}${'.map(a, a + a)'.repeat(6)}.map(a, "b".matches(a))`),
    /✗ a regular expression has at most 1024 characters/,
  );
  // Two texts of 102,400 characters that differ in the last one.
  const pair = `${text}${'.map(a, a + a)'.repeat(11)}.map(a, [a + "b", a + "c"])`;
  for (const compared of [
    'lists.range(2000).map(i, p[i % 2]).sort()',
    'lists.range(2000).map(i, p[i % 2]).top(3)',
    'lists.range(2000).map(i, p[i % 2]).max()',
    'lists.range(2000).map(i, p[0]).isSorted()',
    'lists.range(2000).sortBy(i, p[i % 2])',
    'lists.range(2000).topBy(i, p[i % 2], 3)',
    'lists.range(2000).map(i, p[0] < p[1])',
    'lists.range(2000).map(i, p[0] == p[1])',
  ])
    t.match(answer(`${pair}.map(p, [${compared}].size())`), /✗ the expression is too expensive/, compared);
  const repeated = `${text}${'.map(a, a + a)'.repeat(10)}.map(a, a.matches("${'a{1000,}'.repeat(60)}"))`;
  t.match(answer(repeated), /✗ the expression is too expensive/, 'a repetition without an upper bound');
  const decided = `[0, 0].all(x, true || [1]${'.map(a, [a, a])'.repeat(40)}.size() == 1)`;
  t.equal(answer(decided), true, 'what decides is not evaluated further');
});

await t.test('odd expressions leave nothing behind', async (t) => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const nested = (seed: number, depth: number): string => {
    if (depth === 0) return '1';
    const inner = nested(Math.floor(seed / 3), depth - 1);
    return [`[${inner}]`, `{1: ${inner}}`, `{"a": ${inner}}`][seed % 3] ?? inner;
  };
  const chained = (seed: number, depth: number): string =>
    depth === 0
      ? '[1]'
      : `${chained(Math.floor(seed / 3), depth - 1)}.map(a, ${['[a]', '{1: a}', '{"a": a}'][seed % 3] ?? 'a'})`;
  const heap = (): number => {
    collect();
    return process.memoryUsage().heapUsed;
  };
  compileExpression(nested(1, 50));
  const before = heap();
  let compiled = 0;
  for (let seed = 0; seed < 500; seed += 1)
    for (const expression of [nested(seed * 7919, 50), chained(seed * 7919, 50)])
      if (compileExpression(expression).ok) compiled += 1;
  t.equal(compiled, 1000);
  t.ok(heap() - before < 5e6, `heap grew by ${String(heap() - before)} bytes`);
});

await t.test('keys from outside stay keys', async (t) => {
  const keys = JSON.parse('{"__proto__": {"polluted": true}, "constructor": 1}') as Record<string, unknown>;
  const facts = factsOf({
    docker: dockerFact({ file: seen({ path: '/etc/docker/daemon.json', modifiedAtMs: 0, keys }, 'daemon.json') }),
  });
  t.equal(answer('docker.file.keys["__proto__"].polluted', facts), true);
  t.equal(answer('docker.file.keys["constructor"] == 1', facts), true);
  t.equal(answer('docker.file.keys["hasOwnProperty"]', facts), null);
  const whole = answer('docker.file.keys', facts) as object;
  t.equal(Object.getPrototypeOf(whole), null);
  t.equal(JSON.stringify(whole), '{"__proto__":{"polluted":true},"constructor":1}');
  t.equal(answer('kernel["__proto__"]'), '✗ kernel has no field `__proto__` (at character 8)');
});

/** What expressions are made of. */
const WORDS = [
  'kernel containers c unread .lockdown .seccomp .name .mode .secureBoot .map(c, .filter(c, .exists(c, .all(c, .size()',
  'has( dyn( string( int( ( ) [ ] { } : , ? == != && || ! - + * / % < "a" 1 0 1.5 null true false 1u',
  '.matches("a+") .join(",") .split("") cel.bind(x, .x',
]
  .flatMap((line) => line.split(' '))
  .concat(' in ');

await t.test('neither compiling nor evaluating ever throws', async () => {
  const view = project(
    factsOf({ kernel: kernelFact({ secureBoot: unreadable('/proc/9/status', 'no such process (ESRCH)') }) }),
  );
  const attempt = (text: string): void => {
    const compiled = compileExpression(text);
    if (!compiled.ok) return;
    const evaluated = evaluate(compiled.expression, view);
    if (evaluated.ok) JSON.stringify(evaluated.value);
  };
  assert(
    property(string({ unit: 'binary', maxLength: 200 }), (text) => attempt(text)),
    { numRuns: 300 },
  );
  const word = constantFrom(...WORDS);
  assert(
    property(array(word, { maxLength: 30 }), (words) => attempt(words.join(''))),
    { numRuns: 1500 },
  );
});
