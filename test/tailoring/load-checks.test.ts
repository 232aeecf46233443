import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { BENCHMARKS } from '../../posture/benchmark/benchmark.ts';
import { CHECKS } from '../../posture/check/registry.ts';
import { BUILT_IN_CATALOG, loadCatalog, problemsText } from '../../tailoring/catalog.ts';

const check = (name: string, ...lines: readonly string[]): string => `apiVersion: plimsoll.dev/v1
kind: Check
metadata: { name: ${name} }
spec:
  subject: container
  title: As the policy of Acme asks
  failTitle: Not as the policy of Acme asks
  severity: high
  rationale: Because of the policy.
  remediation: Do what the policy says.
${lines.map((line) => `  ${line}\n`).join('')}`;

function directoryOf(t: Test, files: Readonly<Record<string, string>>): string {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-checks-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text, { mode: 0o600 });
  return directory;
}

const load = async (...checksFile: readonly string[]) => loadCatalog({ checksFile, profile: 'none' });

async function problemsOf(...paths: readonly string[]): Promise<readonly string[]> {
  const loaded = await load(...paths);
  return loaded.ok ? [] : loaded.problems.map(({ source, problem }) => `${source}: ${problem}`);
}

void t.test('files and directories add to the checks of Plimsoll, and to controls', async (t) => {
  const condition = 'condition: container.pid > 0';
  const directory = directoryOf(t, {
    'one.yaml': `${check('acme.b', condition, 'controls: [{ benchmark: cis-docker-1.8, control: "4.1" }]')}---\n${check('acme.a', condition)}`,
    'two.yml': check('aaa.first', condition),
    '.hidden.yaml': 'not: read',
    'notes.txt': 'not read',
  });
  const loaded = await load(directory);
  if (!loaded.ok) throw new Error(problemsText(loaded.problems));
  const { checks, benchmarks } = loaded.catalog;
  t.equal(checks.length, CHECKS.length + 3);
  t.strictSame(
    checks.map(({ id }) => id),
    checks.map(({ id }) => id).toSorted(),
  );
  const controlOf = (all: typeof BENCHMARKS) =>
    all.find(({ id }) => id === 'cis-docker-1.8.0')?.controls.find(({ id }) => id === '4.1')?.checks ?? [];
  t.strictSame(controlOf(benchmarks), [...controlOf(BENCHMARKS), 'acme.b']);
  const none = await load();
  t.equal(none.ok && none.catalog, BUILT_IN_CATALOG);
});

void t.test('problems name the file and the line', async (t) => {
  const directory = directoryOf(t, {
    'typo.yaml': check('acme.typo', 'condition: container.pidd > 0'),
    'second.yaml': `${check('acme.fine', 'condition: container.pid > 0')}---\n${check('acme.bad', 'references:', '- https://example.com', '- nothing', 'condition: container.pid > 0')}`,
    'twice.yaml': `${check('acme.same', 'condition: container.pid > 0')}---\n${check('acme.same', 'condition: container.pid > 0')}`,
    'control.yaml': check(
      'acme.control',
      'condition: container.pid > 0',
      'controls:',
      '- { benchmark: cis-docker-1.8.0, control: "99" }',
    ),
    'benchmark.yaml': check(
      'acme.control',
      'condition: container.pid > 0',
      'controls:',
      '- { benchmark: cis-dokcer-1.8.0, control: "4.1" }',
    ),
    'parameter.yaml': check('acme.p', 'condition: container.pid > 0', 'parameters:', '  fine: 1', '  none: ~'),
    'kind.yaml': 'apiVersion: plimsoll.dev/v1\nkind: Chek\n',
    'broken.yaml': 'a: [1\n',
    'empty.yaml': '# nothing\n',
  });
  const at = (name: string) => join(directory, name);
  t.match(await problemsOf(at('typo.yaml')), [/typo\.yaml:11: spec\.condition: .*did you mean `pid`/]);
  t.match(await problemsOf(at('second.yaml')), [/second\.yaml:25: spec\.references\[1\]: expected a URL/]);
  t.match(await problemsOf(at('twice.yaml')), [
    /twice\.yaml:15: metadata\.name: acme\.same is also the name of a check in /,
  ]);
  t.match(await problemsOf(at('control.yaml')), [
    /control\.yaml:13: spec\.controls\[0\]\.control: cis-docker-1\.8\.0 has no control "99"; see: /,
  ]);
  t.match(await problemsOf(at('benchmark.yaml')), [
    /benchmark\.yaml:13: spec\.controls\[0\]\.benchmark: unknown benchmark; did you mean `cis-docker-1\.8\.0`\?/,
  ]);
  t.match(await problemsOf(at('parameter.yaml')), [
    /parameter\.yaml:14: spec\.parameters\["none"\]: expected a number, a text, true or false, or a list/,
  ]);
  t.match(await problemsOf(at('kind.yaml')), [/kind\.yaml:2: kind: expected Check/]);
  t.match(await problemsOf(at('broken.yaml')), [/broken\.yaml: line \d+, column \d+: not valid YAML/]);
  t.match(await problemsOf(at('empty.yaml')), [/contains no document/]);
  t.match(await problemsOf(at('absent.yaml')), [/absent\.yaml: does not exist/]);
  t.equal((await problemsOf(at('typo.yaml'), at('twice.yaml'))).length, 2, 'all of them');
});

void t.test('a file or directory that every user can write is refused', async (t) => {
  const directory = directoryOf(t, { 'a.yaml': check('acme.a', 'condition: container.pid > 0') });
  t.same(await problemsOf(directory), []);
  chmodSync(join(directory, 'a.yaml'), 0o602);
  t.match(await problemsOf(directory), [/every user can write .*a\.yaml; use: chmod o-w/]);
  chmodSync(join(directory, 'a.yaml'), 0o600);
  chmodSync(directory, 0o777);
  t.match(await problemsOf(directory), [/every user can write to it/]);
  const many = join(directory, 'many');
  mkdirSync(many);
  for (let index = 0; index < 257; index += 1) writeFileSync(join(many, `${String(index)}.yaml`), '');
  t.match(await problemsOf(many), [/more than 256 files/]);
});
