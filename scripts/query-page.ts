import { overloadsOf } from '../posture/query/functions/definition.ts';
import type { FunctionDefinition } from '../posture/query/functions/definition.ts';
import { functionGroups } from '../posture/query/functions/registry.ts';
import { MACROS } from '../posture/query/macros.ts';
import { typeText } from '../posture/query/type.ts';

/** Questions of operators, with the expression that answers each. A test evaluates them. */
export const QUESTIONS: readonly (readonly [string, string])[] = [
  ['Which containers run privileged?', 'containers.filter(c, c.declared.privileged).map(c, c.name)'],
  ['Which hold CAP_SYS_ADMIN?', "containers.filter(c, 'SYS_ADMIN' in c.capabilities.effective).map(c, c.name)"],
  [
    'How many containers does each image have?',
    'containers.groupBy(c, c.image).transformMap(image, list, list.size())',
  ],
  ['Which three containers may use most memory?', 'containers.topBy(c, c.memoryMaxBytes, 3).map(c, c.name)'],
  ['Which images are used, each once?', 'containers.map(c, c.image).distinct().sort()'],
  ['Which files can everyone write to?', 'files.filter(f, f.stat.worldWritable).map(f, f.path + " " + f.stat.mode)'],
  ['Does the node forward packets?', 'kernel.sysctls["net.ipv4.ip_forward"]'],
  ['Which containers have a label?', 'containers.filter(c, c.labels["com.example/tier"] == "web").map(c, c.name)'],
  [
    'Which containers started more than 90 days before the newest?',
    'cel.bind(newest, containers.map(c, timestamp(c.startedAt)).max(), containers.filter(c, newest - timestamp(c.startedAt) > duration("90d")).map(c, c.name))',
  ],
  [
    'Which published ports are bound to an address within 10.0.0.0/8?',
    'containers.map(c, c.declared.ports.filter(p, isIP(p.hostIp) && cidr("10.0.0.0/8").containsIP(p.hostIp)).map(p, p.hostPort)).flatten()',
  ],
  [
    'A line of text for each container',
    'containers.map(c, "%s runs %s with %d processes".format([c.name, c.image, c.processes]))',
  ],
];

/** docs/query.md: what a live query can say. */
export function queryPage(generated: string): string {
  const groups = Object.entries(functionGroups());
  return [
    '# Live queries',
    generated,
    "`plimsoll query 'EXPRESSION'` and the page Query of the console send an expression to all nodes or to chosen ones. It is written in [CEL](https://cel.dev); its variables are the facts of [facts.md](facts.md). The collector refuses an expression that names what is not there, or compares with a word that a field can never hold, and says what was probably meant.",
    '## Questions',
    table(
      ['question', 'expression'],
      QUESTIONS.map(([question, text]) => [question, code(text)]),
    ),
    '## Absent and unreadable values',
    'A value that is absent is `null`. `null` passes through operators and functions: `null + 1` is `null`, and a condition that is `null` is not true. What could not be read behaves in the same way, and the answer lists it under `unread` if it would have mattered. So does a part that has no value: where `int(c.name)` fails for one container, `containers.map(c, int(c.name))` has `null` in its place, `filter` leaves that container out, and `unread` says why. `has(x)` asks whether a value is there; it takes any expression. `x == null` is the opposite.',
    'The variable `unread` lists all that could not be read, by its path.',
    '## How facts look in a query',
    'Capabilities are lists of names without `CAP_`. The mode of a file is octal text, `0644`; beside it are `groupReadable`, `groupWritable`, `worldReadable`, `worldWritable`, `setuid`, `setgid` and `sticky`. `kernel.sysctls["NAME"]` reads any sysctl of the node when the query runs; its name must be written as a constant text, at most 64 in one expression. Keys such as `net.ipv4.tcp_fastopen_key` are redacted. `kernel.sysctls` and `kernel.commandLine` do not hold every key of the node: `filter` and `map` list the collected ones, `exists` and `all` are refused.',
    'The `labels` of a container are read from its engine when a query names them, of at most 1,000 containers. Secrets in them are redacted by name and form, and a value of more than 1,024 characters is `[omitted]`. A container with more than 128 labels, or with more than 8,192 characters of them, has unreadable labels; nothing else is affected. On containerd and CRI-O, labels of a pod are those of its sandbox. Whoever starts a container chooses its labels, so no check reads them.',
    'Integers have 64 bits. In JSON, an integer that a double cannot hold exactly is a decimal text; times are RFC 3339 in UTC, durations are seconds (`90s`). Text is counted in characters (code points of Unicode).',
    '## Limits',
    'An expression has at most 4,096 characters and four macros within each other. An evaluation may do a bounded amount of work and make no text or list longer than 524,288; a query that asks for more ends with an error, and the agent goes on. Each node also stops at the deadline. Regular expressions are those of [RE2](https://github.com/google/re2/wiki/Syntax): backreferences and look-around are not supported.',
    '## Operators',
    '`+ - * / %`, `== != < <= > >=`, `&& || !`, `condition ? yes : no`, `x in list`, `key in map`, `list[0]`, `map["key"]`, `[1, 2]`, `{"key": 1}`, `cel.bind(name, value, expression)`.',
    '## Macros',
    macroTable(),
    ...groups.flatMap(([name, definitions]) => [`## ${name}`, functionTable(definitions)]),
  ].join('\n\n');
}

function macroTable(): string {
  const words: Readonly<Record<string, string>> = { p: 'condition', t: 'expression', n: 'number' };
  const written = (form: string): string => form.replaceAll(/\b[ptn]\b/g, (letter) => words[letter] ?? letter);
  const rows = Object.entries(MACROS).map(([name, { forms, doc, examples }]) => [
    forms.map((form) => code(`${name}(${written(form)})`)).join('<br>'),
    doc,
    exampleText(examples),
  ]);
  return table(['macro', 'what it gives', 'example'], rows);
}

function functionTable(definitions: readonly FunctionDefinition[]): string {
  const rows = definitions.map((definition) => [
    signatures(definition),
    definition.doc,
    exampleText(definition.examples),
  ]);
  return table(['function', 'what it gives', 'example'], rows);
}

function signatures(definition: FunctionDefinition): string {
  const texts = overloadsOf(definition).map(({ parameters, isMethod, isVariadic, result }) => {
    const types = parameters.map(typeText);
    const args = `${(isMethod ? types.slice(1) : types).join(', ')}${isVariadic ? '…' : ''}`;
    return `${isMethod ? `${types[0] ?? ''}.` : ''}${definition.name}(${args}): ${typeText(result)}`;
  });
  return [...new Set(texts)].map(code).join('<br>');
}

function exampleText(examples: FunctionDefinition['examples']): string {
  return examples.map(([expression, value]) => `${code(expression)} is ${code(value)}`).join('<br>');
}

function code(text: string): string {
  return `\`${text}\``;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
