import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import t from 'tap';
import { COMMAND_NAMES, loadCommand } from '../../cli/command/registry.ts';
import { renderManual } from '../../cli/man.ts';

const page = await renderManual();
t.equal(readFileSync(new URL('../../man/plimsoll.1', import.meta.url), 'utf8'), page, 'man/plimsoll.1 is up to date');
// oxlint-disable-next-line no-control-regex -- all of ASCII
t.match(page, /^[\u0000-\u007f]*$/, 'plain ASCII: every roff reads it');

const has = (program: string): boolean => spawnSync('which', [program]).status === 0;

void t.test('man shows every command and option', { skip: has('man') ? false : 'man is absent' }, async (t) => {
  const shown = spawnSync('man', ['--warnings=w', '-l', '-'], {
    input: page,
    encoding: 'utf8',
    env: { ...process.env, MANWIDTH: '200', MAN_KEEP_FORMATTING: '', LC_ALL: 'C', MANPAGER: 'cat' },
  });
  t.equal(shown.status, 0, shown.stderr);
  t.equal(shown.stderr, '', 'no warning');
  for (const name of COMMAND_NAMES) {
    const command = await loadCommand(name);
    for (const option of command?.options ?? [])
      t.ok(shown.stdout.includes(`--${option.name}`), `${name} ${option.name}`);
    for (const { line } of command?.examples ?? []) t.ok(shown.stdout.includes(line), line);
  }
});

// Formatters of the system, where it has them.
const FORMATTERS = [
  ['groff', ['-man', '-ww', '-z']],
  ['mandoc', ['-Tlint', '-Wwarning']],
] as const;

for (const [program, args] of FORMATTERS.filter(([name]) => has(name)))
  void t.test(program, (t) => {
    const run = spawnSync(program, args, { input: page, encoding: 'utf8' });
    t.equal(`${run.stdout}${run.stderr}`, '');
    t.end();
  });
