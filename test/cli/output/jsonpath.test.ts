import t from 'tap';
import { parseTemplate } from '../../../cli/output/jsonpath.ts';

/** The document of https://kubernetes.io/docs/reference/kubectl/jsonpath/, shortened. */
const KUBERNETES = {
  kind: 'List',
  items: [
    {
      kind: 'None',
      metadata: { name: '127.0.0.1', labels: { 'kubernetes.io/hostname': '127.0.0.1' } },
      status: { capacity: { cpu: '4' } },
    },
    { kind: 'None', metadata: { name: '127.0.0.2' }, status: { capacity: { cpu: '8' } } },
  ],
  users: [
    { name: 'myself', user: {} },
    { name: 'e2e', user: { username: 'admin', password: 'secret' } },
  ],
};

/** Template and result as that page states them; this program ends its output with a line feed. */
const DOCUMENTED: readonly (readonly [template: string, result: string])[] = [
  ['kind is {.kind}', 'kind is List'],
  ["{['kind']}", 'List'],
  ['{.items[*].metadata.name}', '127.0.0.1 127.0.0.2'],
  ['{.users[0].name}', 'myself'],
  ['{..metadata.name}', '127.0.0.1 127.0.0.2'],
  ['{.users[?(@.name=="e2e")].user.password}', 'secret'],
  ['{range .items[*]}[{.metadata.name}, {.status.capacity.cpu}] {end}', '[127.0.0.1, 4] [127.0.0.2, 8] '],
  ['{.items[0].metadata.labels["kubernetes.io/hostname"]}', '127.0.0.1'],
  ['{range .items[*]}{.metadata.name}{"\\t"}{.kind}{"\\n"}{end}', '127.0.0.1\tNone\n127.0.0.2\tNone\n'],
  ['{$.kind}', 'List'],
  ['{.items[-1:].metadata.name}', '127.0.0.2'],
  ['{range .items[*]}{range .status}{.capacity.cpu};{end}{end}', '4;8;'],
  ['{.absent}', ''],
  ['{"{braces}"}', '{braces}'],
];
for (const [template, result] of DOCUMENTED)
  t.equal(parseTemplate(template)(KUBERNETES), result.endsWith('\n') ? result : `${result}\n`, template);

t.equal(parseTemplate('{.users[0]}')(KUBERNETES), '{"name":"myself","user":{}}\n', 'objects are JSON');

const WRONG: readonly (readonly [template: string, problem: RegExp])[] = [
  ['{.items', /brace at character 1 is not closed/],
  ['{range .items[*]}{.x}', /\{range\} without \{end\}/],
  ['{end}', /\{end\} without \{range\}/],
  ['{items}', /a path starts with a dot/],
  ['{.items[}', /\{\.items\[\}/],
  ['{process.exit(1)}', /a path starts with a dot/],
  ['{.constructor.constructor("return 1")()}', /./],
  ['x'.repeat(5000), /longer than 4096/],
  [`${'{range .a}'.repeat(20)}${'{end}'.repeat(20)}`, /nested/],
];
for (const [template, problem] of WRONG)
  t.throws(() => parseTemplate(template), { message: problem }, template.slice(0, 40));

const HOSTILE = { items: [{ name: 'evil\u001b]0;x\u0007\u202e\n' }, { ['\u009b2J']: '\u2066' }], __proto__: undefined };
// oxlint-disable-next-line no-control-regex -- finding them is the point
const UNSAFE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;
for (const template of ['{.items[*].name}', '{.items[*]}', '{..*}', '{"\u001b[2J"}'])
  t.notMatch(parseTemplate(template)(HOSTILE), UNSAFE, template);
t.equal(parseTemplate('{.__proto__.polluted}{.constructor}')({}), '\n', 'only what the document itself has');
