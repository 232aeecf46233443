import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { AUDIT_CHECKS } from '../../../posture/check/audit/audit-checks.ts';
import { BENCHMARKS, controlsOf } from '../../../posture/benchmark/benchmark.ts';
import { findingTitle } from '../../../posture/check/check.ts';
import { FILE_CHECKS } from '../../../posture/check/file/file-checks.ts';
import { CHECKS } from '../../../posture/check/registry.ts';
import { FILE_ROLES } from '../../../posture/fact/file.ts';
import { severityRank } from '../../../posture/verdict.ts';

const AREAS = ['container', 'daemon', 'file', 'image', 'kernel', 'kubelet', 'ssh', 'swarm', 'tls'];
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
  for (const area of AREAS.filter((name) => name !== 'file')) {
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
  t.strictSame(
    CHECKS.filter(({ id }) => id.startsWith('audit.')),
    AUDIT_CHECKS,
  );
  // The checks of files are rows of one table: a mode and an owner for every role.
  t.strictSame(
    CHECKS.filter(({ judges }) => judges === 'file'),
    FILE_CHECKS,
  );
  t.strictSame(
    [...new Set(FILE_CHECKS.map(({ id, role }) => `${role} ${id.replace(/^file\..*-/, '')}`))].sort(),
    FILE_ROLES.flatMap((role) => [`${role} mode`, `${role} owner`]).sort(),
  );
  for (const { id } of FILE_CHECKS) t.match(id, /^file\.[a-z][a-z-]*-(?:mode|owner)$/);
});

void t.test('every check says what it is, why, and what to do', async (t) => {
  for (const check of CHECKS) {
    t.ok(Object.isFrozen(check), `${check.id} is frozen`);
    t.ok(check.rationale.length > 30 && check.remediation.length > 20, check.id);
    for (const reference of check.references) t.match(reference, /^https:\/\//);
  }
});

/** Words of an old style that the titles must not return to. */
const OLD_STYLE =
  /\b(?:is none|stands?|told|is due|that one|the word of|so many|every container|no container(?! engine))\b|\bnode\b/i;

void t.test('two titles a check: short, unique, and different where a list may cut them', async (t) => {
  const all = CHECKS.flatMap(({ title, failTitle }) => [title, failTitle]);
  t.equal(new Set(all).size, all.length, 'each is unique');
  for (const title of all) {
    t.ok(title.length >= 12 && title.length <= 64, `${title}: length`);
    t.notMatch(title, OLD_STYLE, title);
    t.notMatch(title, /[.!?…]$|\s{2}|^\s/, `${title}: no sentence mark`);
  }
  for (const { id, title, failTitle } of CHECKS) t.not(title.slice(0, 40), failTitle.slice(0, 40), id);
});

void t.test('the title of a finding claims what its verdict says', async (t) => {
  for (const check of CHECKS) {
    t.equal(findingTitle(check, 'pass'), check.title);
    t.equal(findingTitle(check, 'fail'), check.failTitle);
    const others = (['unknown', 'manual', 'notApplicable'] as const).map((verdict) => findingTitle(check, verdict));
    t.strictSame(others, [
      `Not verified: ${check.title}`,
      `Needs review: ${check.title}`,
      `Not applicable: ${check.title}`,
    ]);
  }
});

void t.test('severity levels are listed worst first, and the worst is the severity of the check', async (t) => {
  for (const { id, severity, severityLevels } of CHECKS) {
    if (severityLevels === undefined) continue;
    const ranks = severityLevels.map((level) => severityRank(level.severity));
    t.ok(ranks.length > 1 && ranks.every((rank, index) => index === 0 || rank > (ranks[index - 1] ?? rank)), id);
    t.equal(severityLevels[0]?.severity, severity, id);
    for (const { when } of severityLevels) t.match(when, /^\S.{4,}[^.]$/, `${id}: says when`);
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
