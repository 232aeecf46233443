import fc from 'fast-check';
import t from 'tap';
import { mergeRuleFiles, naturalOrder, parseRuleFile } from '../../../../agent/inspector/audit/rules.ts';

const FILE = '/etc/audit/audit.rules';

t.test('rules as auditctl(8) and audit.rules(7) write them', (t) => {
  const cases: readonly (readonly [line: string, expected: object])[] = [
    ['-w /etc/docker -p wa -k docker', { kind: 'watch', path: '/etc/docker', permissions: 'wa', list: 'exit' }],
    ['-w /etc/docker/', { path: '/etc/docker', permissions: '' }],
    ['-w/usr/bin/runc -pwa', { kind: 'watch', path: '/usr/bin/runc', permissions: 'wa' }],
    ['-a always,exit -F path=/usr/bin/runc -F perm=wa', { kind: 'file', path: '/usr/bin/runc', permissions: 'wa' }],
    ['-a exit,always -F dir=/etc/docker -F key=x', { kind: 'tree', path: '/etc/docker', action: 'always' }],
    ['-a never,task', { action: 'never', list: 'task', kind: 'none' }],
    ['-a task,never', { action: 'never', list: 'task' }],
    ['-a always,user', { list: 'other' }],
    [
      '-a always,exit -F arch=b64 -S openat,open -S write -F path=/x',
      { architecture: 'b64', syscalls: ['openat', 'open', 'write'] },
    ],
    ['-a always,exit -F arch=i386 -S all -F path=/x', { architecture: 'b32', syscalls: [] }],
    ['-a always,exit -F path=/x -F auid>=1000 -F auid!=unset', { conditions: ['auid>=1000', 'auid!=unset'] }],
    ['-a always,exit -F path=/x -C uid!=euid', { conditions: ['uid!=euid'] }],
  ];
  for (const [text, expected] of cases) {
    const { rules, notUnderstood } = parseRuleFile({ path: FILE, text });
    t.same(notUnderstood, [], text);
    t.match(rules, [{ source: `${FILE}:1`, text, ...expected }], text);
  }
  t.end();
});

t.test('settings are no rules; lines that are not understood are named', (t) => {
  const settings = '## x\n-D\n-b 8192\n--backlog_wait_time 60000\n-f 1\n\n-i\n-c\n-r 100\n-e 2\n';
  t.same(parseRuleFile({ path: FILE, text: settings }), { enabled: 2, rules: [], notUnderstood: [] });
  for (const text of [
    '-w relative',
    '-w /x -p q',
    '-a always',
    '-W /x -p wa',
    '-d always,exit',
    'word',
    '-F path=/x',
    '-e 7',
    '-D -k x',
  ])
    t.same(parseRuleFile({ path: FILE, text }), { enabled: null, rules: [], notUnderstood: [`${FILE}:1`] }, text);
  t.end();
});

t.test('-D deletes what was before it in a file; augenrules puts it first', (t) => {
  const text = '-w /a\n-D\n-w /b\n-A always,exit -F path=/c\n';
  const paths = ({ rules }: ReturnType<typeof parseRuleFile>): readonly string[] => rules.map(({ path }) => path);
  t.same(paths(parseRuleFile({ path: FILE, text })), ['/c', '/b'], '-A puts its rule before the others');
  const merged = mergeRuleFiles([
    { path: 'a', text: '-w /a\n-e 1' },
    { path: 'b', text: '-D\r\n-w /b\n-e 2\n#-w /c' },
  ]);
  t.same([paths(merged), merged.enabled], [['/a', '/b'], 2]);
  t.equal(merged.rules[1]?.source, 'b:2');
  t.end();
});

t.test('files come in the order of ls -v', (t) => {
  // The output of: printf '…' | sort -V; augenrules(8) names ls -v.
  const sorted = [
    '1-first.rules',
    '9-a.rules',
    '10-b.rules',
    '10-c.rules',
    '100-d.rules',
    'audit.rules',
    'x2.rules',
    'x10.rules',
  ];
  t.same([...sorted].toReversed().sort(naturalOrder), sorted);
  t.end();
});

t.test('no text makes the parser throw, and rules are bounded', (t) => {
  const word = fc.constantFrom(
    '-w',
    '-a',
    '-F',
    '-S',
    '-p',
    '-k',
    '-D',
    '-e',
    '/x',
    'path=/x',
    'always,exit',
    'wa',
    '-C',
    '--',
    '=',
    '\0',
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ maxLength: 200 }),
        fc.array(word).map((words) => words.join(' ')),
      ),
      (text) => {
        const { rules, notUnderstood } = parseRuleFile({ path: FILE, text });
        return rules.length + notUnderstood.length <= text.split('\n').length;
      },
    ),
  );
  const { rules, notUnderstood } = parseRuleFile({ path: FILE, text: '-w /x\n'.repeat(20_000) });
  t.same([rules.length, notUnderstood.length], [4096, 64], 'what is left out makes the set incomplete');
  t.end();
});
