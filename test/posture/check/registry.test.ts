import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { BENCHMARKS, controlsOf } from '../../../posture/benchmark/benchmark.ts';
import { CHECKS } from '../../../posture/check/registry.ts';

const AREAS = ['container', 'daemon', 'file', 'image', 'kernel', 'ssh', 'tls'];
const checkDirectory = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..', 'posture', 'check');
const testDirectory = dirname(fileURLToPath(import.meta.url));
const ids = CHECKS.map((check) => check.id);

void t.test('the registry is sorted and has each id once', async (t) => {
  t.strictSame(ids, [...new Set(ids)].sort());
});

void t.test('every area is used, by at least as many checks as were promised', async (t) => {
  const least = { container: 14, daemon: 8, file: 5, image: 2, kernel: 8, ssh: 5, tls: 3 };
  for (const [area, count] of Object.entries(least))
    t.ok(ids.filter((id) => id.startsWith(`${area}.`)).length >= count, area);
  t.ok(ids.length >= 45);
});

void t.test('every file of an area that names a check is registered, and its path is the id', async (t) => {
  for (const area of AREAS) {
    for (const file of readdirSync(join(checkDirectory, area))) {
      const module: Record<string, unknown> = await import(join(checkDirectory, area, file));
      const checks = Object.values(module).filter((value) => typeof value === 'object' && value !== null);
      for (const check of checks as { id?: string }[])
        if (check.id !== undefined) {
          t.equal(check.id, `${area}.${file.replace(/\.ts$/, '')}`);
          t.ok(CHECKS.includes(check as never), `${check.id} is registered`);
        }
    }
  }
});

void t.test('every check says what it is, why, and what to do', async (t) => {
  for (const check of CHECKS) {
    t.ok(Object.isFrozen(check), `${check.id} is frozen`);
    t.ok(check.title.length > 10 && check.rationale.length > 30 && check.remediation.length > 20, check.id);
    for (const reference of check.references) t.match(reference, /^https:\/\//);
  }
});

void t.test('every check has a test, which imports it or names its id', async (t) => {
  const tests = readdirSync(testDirectory, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  const text = tests.map((name) => readFileSync(join(testDirectory, name), 'utf8')).join('');
  for (const id of ids) t.ok(text.includes(`/check/${id.replace('.', '/')}.ts'`) || text.includes(`'${id}'`), id);
});

void t.test('every check that a benchmark names exists', async (t) => {
  const known = new Set(ids);
  for (const benchmark of BENCHMARKS)
    for (const control of benchmark.controls)
      for (const id of control.checks) t.ok(known.has(id), `${benchmark.id} ${control.id} names ${id}`);
  t.ok(controlsOf('container.privileged').some(({ control }) => control === '5.5'));
});
