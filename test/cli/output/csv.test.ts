import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import t from 'tap';
import { toCsv } from '../../../cli/output/csv.ts';

t.equal(
  toCsv([
    ['node', 'evidence'],
    ['web-1', 'a "quoted", text'],
    [3, -4],
  ]),
  'node,evidence\r\nweb-1,"a ""quoted"", text"\r\n3,-4\r\n',
  'RFC 4180, section 2',
);

// OWASP, CSV Injection: cells that start with one of these are taken for formulas.
for (const text of ['=1+1', '+1', '-1', '@SUM(A1)', ' =1', '＝1'])
  t.match(toCsv([[text]]), /^"?'/, JSON.stringify(text));
t.equal(toCsv([['a=b', 'x-1', 'a@b']]), 'a=b,x-1,a@b\r\n');
t.equal(toCsv([['evil\u001b[2J\u202e\nx']]), String.raw`evil\x1b[2J\u202e\nx` + '\r\n');

const hasPython = spawnSync('python3', ['--version']).status === 0;
void t.test('another parser reads back what was written', { skip: hasPython ? false : 'python3 is absent' }, (t) => {
  const cell = fc
    .string({ unit: fc.constantFrom('a', 'b', ' ', '"', ',', ';', "'", '=', 'x') })
    .filter((text) => !/^\s*[=]/.test(text));
  const tables = fc.sample(fc.array(fc.array(cell, { minLength: 2, maxLength: 3 }), { minLength: 1 }), { numRuns: 50 });
  const script =
    'import csv, io, json, sys\nprint(json.dumps([list(csv.reader(io.StringIO(text, newline=""), strict=True)) for text in json.load(sys.stdin)]))';
  const run = spawnSync('python3', ['-c', script], { input: JSON.stringify(tables.map(toCsv)), encoding: 'utf8' });
  t.strictSame(JSON.parse(run.stdout), tables);
  t.end();
});
