import t from 'tap';
import { createPaint } from '../../../cli/render/paint.ts';
import { renderTable } from '../../../cli/render/table.ts';
import { displayWidth } from '../../../cli/render/width.ts';

const cells = (...texts: readonly string[]) => texts.map((text) => ({ text }));

t.strictSame(
  renderTable(
    [{ title: 'NODE' }, { title: 'CONTAINERS', align: 'right' }, { title: 'STATE' }],
    [cells('web-3', '14', 'connected'), cells('db', '2', 'offline 3 min')],
    80,
  ),
  [
    'NODE   CONTAINERS  STATE', //
    'web-3          14  connected',
    'db              2  offline 3 min',
  ],
  'columns are as wide as they must be, numbers are aligned right, no line ends in spaces',
);

t.strictSame(
  renderTable([{ min: 4 }, { min: 10 }], [cells('HIGH', 'Seccomp: 0 in /proc/4121/status')], 20),
  ['HIGH  Seccomp: 0 in…'],
  'the widest column gives first, down to its minimum',
);

t.strictSame(
  renderTable([{}, {}], [cells('日本', 'x'), cells('ab', 'y')], 80),
  ['日本  x', 'ab    y'],
  'wide characters are counted as two cells',
);

t.strictSame(
  renderTable([{}, {}], [cells('evil\u001b[2J\nname', 'x')], 80),
  [String.raw`evil\x1b[2J\nname  x`],
  'control characters are shown, and a line stays a line',
);

t.strictSame(
  renderTable([{ max: 5 }, {}], [cells('abcdefgh', 'x')], 80),
  ['abcdefgh  x'],
  'a maximum binds only where room is short',
);
t.strictSame(renderTable([{ max: 5, min: 5 }, { min: 2 }], [cells('abcdefgh', 'xyzxyz')], 13), ['abcd…  xyzxyz']);

void t.test('every line stays within its width', (t) => {
  for (const width of [40, 60, 80, 120]) {
    const lines = renderTable(
      [{ min: 8 }, { min: 20 }, { min: 8 }, { min: 4 }],
      [cells('CRITICAL', 'container.no-new-privileges', 'a'.repeat(90), '日'.repeat(70))],
      width,
    );
    for (const line of lines) t.ok(displayWidth(line) <= width, `${String(displayWidth(line))} of ${String(width)}`);
  }
  t.end();
});

void t.test('colour', (t) => {
  const red = '\u001b[31mfail\u001b[0m';
  const cell = (on: boolean) => {
    const paint = createPaint({ color: on ? 'always' : 'never', isTerminal: true, terminal: 'xterm' });
    return [{ text: 'fail', paint: (text: string) => paint.verdict('fail', text) }, { text: 'x' }];
  };
  t.strictSame(renderTable([{}, {}], [cell(true), cells('longer', 'y')], 80), [`${red}    x`, 'longer  y']);
  t.strictSame(renderTable([{}, {}], [cell(false)], 80), ['fail  x']);
  const auto = (isTerminal: boolean, terminal: string | undefined) =>
    createPaint({ color: 'auto', isTerminal, terminal }).bold('x') !== 'x';
  t.equal(auto(true, 'xterm-256color'), true);
  t.equal(auto(false, 'xterm-256color'), false, 'not into a pipe');
  t.equal(auto(true, 'dumb'), false);
  t.end();
});
