import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import t from 'tap';
import type { Outcome } from '../../scripts/test-report.mjs';
import { fileTimes, parseReport, summarize } from '../../scripts/test-report.mjs';

/*
 * Reports are written by tap itself, from small test files in a directory of this test: the names and forms of its output
 * are not assumed.
 */
const HANGS = 'hangs.test.ts';
const ROOT = join(import.meta.dirname, '..', '..');
const FILES: Readonly<Record<string, string>> = {
  'passes.test.ts': "t.test('part', (t) => { t.pass('one'); t.pass('two'); t.end(); });",
  'fails.test.ts': "t.test('part', (t) => { t.pass('one'); t.equal(1, 2, 'a (name) > with\\na break'); t.end(); });",
  'skips.test.ts': "t.pass('one'); for (const n of ['a', 'b']) t.test(n, { skip: 'no such part' }, (t) => t.end());",
  'throws.test.ts': "t.test('part', async (t) => { t.pass('one'); throw new Error('thrown'); });",
  'exits.test.ts': "t.pass('one'); t.teardown(() => process.exit(3));",
  'killed.test.ts':
    "t.test('part', async () => { process.kill(process.pid, 'SIGKILL'); await new Promise(() => {}); });",
  'does-not-load.test.ts': "import './nothing.ts';",
  'hangs.test.ts': "t.test('part', async (t) => { t.pass('one'); await new Promise((r) => setTimeout(r, 600_000)); });",
};

/** Runs tap on these files: its report, and the path of each file. */
function run(names: readonly string[]): { readonly text: string; readonly files: readonly string[] } {
  // Below the root, since tap finds its modules from there.
  const directory = mkdtempSync(join(import.meta.dirname, 'plimsoll-report-'));
  try {
    const paths = names.map((name) => join(directory, name));
    for (const path of paths) writeFileSync(path, `import t from 'tap';\n${FILES[basename(path)] ?? ''}\n`);
    const output = join(directory, 'report.tap');
    const tap = join(ROOT, 'node_modules', '.bin', 'tap');
    const options = ['run', '--reporter=silent', '--timeout=5', '--jobs=2', `--output-file=${output}`];
    spawnSync(process.execPath, [tap, ...options, ...paths], { cwd: ROOT, stdio: 'ignore' });
    return { text: readFileSync(output, 'utf8'), files: paths.map((path) => relative(ROOT, path)) };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Names of failed assertions by file, without directories. */
function failuresOf({ failures }: Outcome): Readonly<Record<string, readonly string[]>> {
  const named = failures.map(({ file, names }) => [basename(file), names.map((name) => name.slice(file.length))]);
  return Object.fromEntries(named) as Record<string, readonly string[]>;
}

t.test('each failure has the name of its file, and assertions are counted', (t) => {
  const { text, files } = run(Object.keys(FILES).filter((name) => name !== HANGS));
  const outcome = parseReport(text, files);
  const { 'fails.test.ts': fails, ...others } = failuresOf(outcome);
  t.match(fails, [/^ > part > a \(name\) > with\s+a break$/]);
  t.strictSame(others, {
    'throws.test.ts': [' > part > thrown'],
    'exits.test.ts': [''],
    'killed.test.ts': [''],
    'does-not-load.test.ts': [''],
  });
  const passed = { passes: 2, fails: 1, skips: 1, throws: 1, exits: 1 };
  t.equal(
    outcome.passed,
    Object.values(passed).reduce((sum, count) => sum + count),
  );
  const file = files.find((path) => basename(path) === 'skips.test.ts');
  const skip = { reason: 'no such part', file };
  t.strictSame(outcome.skips, [skip, skip]);
  t.strictSame(new Set(fileTimes(text).map(([path]) => path)), new Set(files));
  t.end();
});

t.test('after a file that hangs, tap leaves out others: they are failures', (t) => {
  const { text, files } = run([HANGS, 'passes.test.ts', 'throws.test.ts']);
  const failures = failuresOf(parseReport(text, files));
  t.strictSame(Object.keys(failures).sort(), [HANGS, 'throws.test.ts']);
  t.match(failures[HANGS]?.[0], /timeout/);
  t.match(failures['throws.test.ts']?.[0], /^ > (part > thrown|no result)$/);
  t.end();
});

t.test('the last lines say why the status is 1', (t) => {
  const one = parseReport('ok 1 - one\n1..1\n', []);
  const nothing = { strict: true, absent: [], unstable: [] };
  t.strictSame(summarize(one, nothing), { lines: ['1 passed, 0 failed'], status: 0 });
  t.strictSame(summarize({ ...one, passed: 0 }, nothing), { lines: ['0 passed, 0 failed'], status: 1 });
  const full = {
    passed: 5,
    skips: ['a', 'a'].map((name) => ({ reason: 'no such part', file: `test/${name}.test.ts` })),
    failures: [{ file: 'a', names: ['a > b\n c', 'a > d'] }],
  };
  const skip = `skipped: no such part (test/a.test.ts), 2 times`;
  t.strictSame(summarize(full, { strict: true, absent: ['docker'], unstable: ['e > f'] }), {
    lines: [
      'unstable: e > f',
      'not ok: a > b c',
      'not ok: a > d',
      `not ok: ${skip}`,
      'not ok: skipped: component docker is absent',
      '5 passed, 5 failed',
    ],
    status: 1,
  });
  t.strictSame(summarize({ ...full, failures: [] }, { strict: false, absent: ['docker'], unstable: ['e > f'] }), {
    lines: ['unstable: e > f', skip, 'skipped: component docker is absent', '5 passed, 0 failed, 3 skipped'],
    status: 0,
  });
  t.end();
});
