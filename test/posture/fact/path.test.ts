import { readFileSync } from 'node:fs';
import t from 'tap';
import { compileExpression } from '../../../posture/expression.ts';
import { FACT_SCHEMAS } from '../../../posture/fact/facts.ts';
import { factPaths } from '../../../posture/fact/path.ts';

const paths = factPaths();
const byPath = new Map(paths.map((entry) => [entry.path, entry]));

await t.test('types and words for people', async (t) => {
  t.same(byPath.get('kernel.lockdown'), {
    path: 'kernel.lockdown',
    type: '"none" | "integrity" | "confidentiality" | null',
    doc: 'lockdown level, `/sys/kernel/security/lockdown`',
  });
  t.equal(byPath.get('containers')?.type, 'list<object> | null');
  t.match(byPath.get('containers')?.doc, /^containers, running or not/);
  t.equal(byPath.get('containers[].pid')?.type, 'int');
  t.equal(byPath.get('containers[].seccomp.filters')?.type, 'int');
  t.equal(byPath.get('containers[].declared.noNewPrivileges')?.type, 'bool | null');
  t.equal(byPath.get('kernel.sysctls')?.type, 'map<string, string>');
  t.equal(byPath.get('sshd.contexts[].settings["…"].values')?.type, 'list<string>');
  t.equal(byPath.get('docker.file.keys')?.type, 'map<string, dyn>');
  t.equal(byPath.get('unread')?.type, 'map<string, string>');
});

await t.test('every fact is there, and every path once', async (t) => {
  for (const name of Object.keys(FACT_SCHEMAS)) t.ok(byPath.has(name), name);
  t.equal(byPath.size, paths.length);
});

await t.test('every path is an expression that compiles', async (t) => {
  for (const { path } of paths) {
    const expression = path.replaceAll('[]', '[0]').replaceAll('["…"]', '["x"]');
    t.match(compileExpression(expression), { ok: true }, expression);
  }
});

await t.test('every path has a description', async (t) => {
  for (const { path, doc } of paths) t.match(doc, /\S/, path);
});

await t.test('the page has one well-formed row for each path', async (t) => {
  const page = readFileSync(new URL('../../../docs/facts.md', import.meta.url), 'utf8');
  const rows = page.split('\n').filter((line) => line.startsWith('|'));
  t.equal(rows.length, paths.length + 2, 'a row a path, the head and the line below it');
  for (const row of rows) {
    // GFM, section Tables: a bar ends a cell unless a backslash precedes it.
    const cells = row.slice(1, -1).split(/(?<!\\)\|/);
    t.equal(cells.length, 3, row);
    for (const cell of cells) t.match(cell, /\S/, row);
  }
});
