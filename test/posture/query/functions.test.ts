import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { query } from '../../../cli/command/query.ts';
import { compileExpression, evaluate } from '../../../posture/expression.ts';
import { project } from '../../../posture/projection.ts';
import { functionGroups } from '../../../posture/query/functions/registry.ts';
import { MACROS } from '../../../posture/query/macros.ts';
import { QUESTIONS } from '../../../scripts/query-page.ts';
import { factsOf } from '../../fixture/facts.ts';

const VIEW = project(factsOf());

function answer(expression: string): unknown {
  const compiled = compileExpression(expression);
  if (!compiled.ok) return `✗ ${compiled.problem}`;
  const evaluated = evaluate(compiled.expression, VIEW);
  return evaluated.ok ? evaluated.value : `✗ ${evaluated.problem}`;
}

await t.test('every function and macro has an example, and it is right', async (t) => {
  const documented = [...Object.values(functionGroups()).flat(), ...Object.values(MACROS)];
  for (const { doc, examples } of documented) {
    t.ok(doc !== '' && examples.length > 0);
    for (const [expression, value] of examples) {
      t.equal(answer(`type(${expression}) == type(${value})`), true, `${expression}: type`);
      t.equal(answer(`${expression} == ${value}`), true, `${expression} is ${JSON.stringify(answer(expression))}`);
    }
  }
});

await t.test('durations', async (t) => {
  // Go, time.ParseDuration.
  for (const [text, seconds] of [
    ['1h30m', '5400s'],
    ['.5s', '0.5s'],
    ['1.s', '1s'],
    ['-1.5s', '-1.5s'],
    ['5ms', '0.005s'],
    ['0', '0s'],
  ] as const)
    t.equal(answer(`duration("${text}")`), seconds, text);
  for (const text of ['1.2.3s', '..5s', '.s', '5', '', '1h ', 's'])
    t.match(answer(`duration("${text}")`), /^✗ a duration is written as/, text);
});

await t.test('the fields of a time before 1970 and in other zones', async (t) => {
  const time = 'timestamp("1969-12-31T23:59:59.500Z")';
  t.equal(answer(`${time}.getSeconds()`), 59);
  t.equal(answer(`${time}.getMilliseconds()`), 500);
  t.equal(answer(`${time}.getFullYear()`), 1969);
  for (const zone of ['UTC', '+02:00', 'Europe/Berlin', 'America/New_York'])
    t.same(answer(`[${time}.getSeconds("${zone}"), ${time}.getMilliseconds("${zone}")]`), [59, 500], zone);
  t.equal(answer(`${time}.getHours("Europe/Berlin")`), 0);
  t.equal(answer('timestamp("2026-07-04T10:30:15.250Z").getMilliseconds("Europe/Berlin")'), 250);
});

await t.test('the questions of the documentation', async (t) => {
  for (const [question, expression] of QUESTIONS) t.notMatch(JSON.stringify(answer(expression)), /^"✗/, question);
});

await t.test('every query that the documentation and the help show compiles', async (t) => {
  const root = new URL('../../../', import.meta.url);
  const pages = ['README.md', ...readdirSync(new URL('docs', root)).map((name) => `docs/${name}`)];
  const text = pages.filter((page) => page.endsWith('.md')).map((page) => readFileSync(new URL(page, root), 'utf8'));
  const all = [...text, ...query.examples.map(({ line }) => line)].join('\n');
  const shown = [...all.matchAll(/plimsoll query (['"])(.+?)\1(?= |`|$)/gm)];
  const expressions = shown.map(([, , expression]) => expression ?? '').filter((each) => each !== 'EXPRESSION');
  t.ok(expressions.length >= 6);
  for (const expression of expressions) t.match(compileExpression(expression), { ok: true }, expression);
});
