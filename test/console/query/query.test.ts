import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import t from 'tap';
import { valueTable } from '../../../console/part/value-table.ts';
import { commandLine, shellWord } from '../../../console/query/command-line.ts';
import { EXAMPLES } from '../../../console/query/examples.ts';
import { withRecord } from '../../../console/query/record.ts';
import type { QueryRecord } from '../../../console/query/record.ts';
import { compileExpression } from '../../../posture/expression.ts';

void t.test('every example compiles', async (t) => {
  for (const { title, expression } of EXAMPLES) t.match(compileExpression(expression), { ok: true }, title);
});

void t.test('a list of objects is a table', async (t) => {
  t.strictSame(
    valueTable([
      { name: 'a', uid: 0 },
      { name: 'b', ports: ['80/tcp'] },
    ]),
    {
      columns: ['name', 'uid', 'ports'],
      rows: [
        ['a', 0, undefined],
        ['b', undefined, ['80/tcp']],
      ],
    },
  );
  for (const value of [null, 'x', 1, [], ['a'], [{ a: 1 }, 2], [[]], [{}], { a: 1 }])
    t.equal(valueTable(value), undefined);
  const wide = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`c${String(index)}`, index]));
  t.equal(valueTable([wide]), undefined, 'what is wider is better read as JSON');
  t.strictSame(valueTable([JSON.parse('{"__proto__": 1}')]), { columns: ['__proto__'], rows: [[1]] });
});

void t.test('a shell reads the command as it was meant', async (t) => {
  t.equal(commandLine('kernel.lockdown', [], 5000), 'plimsoll query kernel.lockdown');
  t.equal(
    commandLine(`containers.exists(c, c.name == 'x')`, ['web 1'], 10_000),
    `plimsoll query 'containers.exists(c, c.name == '\\''x'\\'')' --node 'web 1' --deadline 10s`,
  );
  const words = fc.array(
    fc.string({ minLength: 1, maxLength: 20 }).filter((word) => !word.includes('\0')),
    { minLength: 30, maxLength: 30 },
  );
  fc.assert(
    fc.property(words, (words) => {
      const printed = execFileSync('/bin/sh', ['-c', `printf '%s\\0' ${words.map(shellWord).join(' ')}`]);
      t.strictSame(printed.toString().split('\0').slice(0, -1), words);
    }),
    { numRuns: 20 },
  );
});

void t.test('the last queries, each once', async (t) => {
  const answer = {
    outcome: 'ok',
    nodeId: 'n',
    nodeName: 'n',
    value: 1,
    rows: 1,
    truncated: false,
    unread: [],
    error: '',
    deadlineMs: 0,
    sinceMs: 0,
  } as const;
  const record = (expression: string): QueryRecord => ({
    expression,
    nodes: [],
    deadlineMs: 1,
    atMs: 1,
    tookMs: 1,
    answers: [answer],
  });
  let records: readonly QueryRecord[] = [];
  for (let index = 0; index < 30; index += 1) records = withRecord(records, record(String(index % 25)));
  t.equal(records.length, 20);
  t.equal(new Set(records.map(({ expression }) => expression)).size, 20);
  t.strictSame(records.map(({ answers }) => answers.length).slice(0, 2), [1, 0], 'answers of older ones are not kept');
});
