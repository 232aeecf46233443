import t from 'tap';
import { parseArguments } from '../../cli/arguments.ts';
import { defineCommand, OUTPUT_OPTION } from '../../cli/command.ts';

const command = defineCommand({
  name: 'scan',
  summary: '',
  usage: ['scan [DIR]'],
  description: [],
  operands: { min: 0, max: 1 },
  options: [
    { name: 'severity', value: 'SEVERITY', choices: ['critical', 'high', 'low'], repeated: true, summary: '' },
    { name: 'watch', summary: '' },
    { name: 'subject', value: 'NAME', summary: '' },
    OUTPUT_OPTION,
  ],
  settings: ['client'],
  examples: [],
  run: () => Promise.resolve(0),
});

const parse = (...argv: readonly string[]) => parseArguments(command, ['data-dir', 'api'], argv);

function problemOf(...argv: readonly string[]): string {
  const parsed = parse(...argv);
  return parsed.ok ? 'none' : parsed.problem;
}

void t.test('what is understood', (t) => {
  const parsed = parse(
    '--severity',
    'critical,high',
    'x',
    '--severity=low',
    '--watch',
    '--data-dir',
    '/d',
    '--output',
    'json',
  );
  if (!parsed.ok) throw new Error(parsed.problem);
  t.strictSame(parsed.args.operands, ['x']);
  t.strictSame(parsed.args.values('severity'), ['critical', 'high', 'low']);
  t.equal(parsed.args.has('watch'), true);
  t.equal(parsed.args.value('output'), 'json');
  t.equal(parsed.args.value('subject'), undefined);
  t.strictSame(parsed.args.values('subject'), []);
  t.strictSame(parsed.settings, { 'data-dir': '/d' });
  t.equal(parsed.help, false);
  t.end();
});

void t.test('--help is answered whatever else is wrong with the operands', (t) => {
  const parsed = parse('a', 'b', '-h');
  t.equal(parsed.ok && parsed.help, true);
  t.end();
});

void t.test('after -- everything is an operand', (t) => {
  const parsed = parse('--', '--watch');
  t.strictSame(parsed.ok && parsed.args.operands, ['--watch']);
  t.end();
});

const PROBLEMS: readonly (readonly [argv: readonly string[], problem: RegExp])[] = [
  [['--severty', 'high'], /scan has no option "--severty"; did you mean --severity\?/],
  [['--data-dri', '/x'], /did you mean --data-dir\?/],
  [['--dir', '/x'], /did you mean --data-dir\?/],
  [['--ever', 'x'], /did you mean --severity\?/],
  [['--e', 'x'], /no option "--e"; see: /],
  [['-x'], /no option "-x"; see: plimsoll scan --help/],
  [
    ['--output', 'jsn'],
    /--output: "jsn" is not one of: table, wide, json, ndjson, csv, name, jsonpath=; did you mean json\?/,
  ],
  [['--severity', ','], /^--severity needs a value: --severity SEVERITY$/],
  [['--severity', 'high,loww'], /"loww" is not one of: critical, high, low; did you mean low\?/],
  [['--severity'], /--severity needs a value: --severity SEVERITY/],
  [['--subject='], /--subject needs a value/],
  [['--watch=yes'], /--watch takes no value/],
  [['--subject', 'a', '--subject', 'b'], /--subject is given twice/],
  [['a', 'b'], /scan does not take "b"; usage: plimsoll scan \[DIR\]/],
];
for (const [argv, problem] of PROBLEMS) t.match(problemOf(...argv), problem, argv.join(' '));

void t.test('a missing operand', (t) => {
  const parsed = parseArguments({ ...command, operands: { min: 1, max: 1 } }, [], []);
  t.match(parsed.ok ? '' : parsed.problem, /scan needs an argument; usage: plimsoll scan \[DIR\]/);
  t.end();
});
