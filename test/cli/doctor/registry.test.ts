import { readdirSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { brokerDiagnostic } from '../../../agent/diagnostics/broker.ts';
import { NODE_DIAGNOSTICS } from '../../../agent/diagnostics/registry.ts';
import { INSTALLATION_DIAGNOSTICS } from '../../../cli/doctor/registry.ts';

const OF_NODE = [...NODE_DIAGNOSTICS, brokerDiagnostic];
const ALL = [...INSTALLATION_DIAGNOSTICS, ...OF_NODE];

function namesIn(directory: string, others: readonly string[] = []): readonly string[] {
  const path = fileURLToPath(new URL(`../../../${directory}/`, import.meta.url));
  return readdirSync(path)
    .map((name) => basename(name, '.ts'))
    .filter((name) => !others.includes(name))
    .sort();
}

void t.test('the registries list every diagnostic, and its file has its id as name', (t) => {
  const ids = (list: readonly { readonly id: string }[]): readonly string[] => list.map(({ id }) => id).sort();
  const others = ['diagnose-node', 'node-subject', 'port-holders', 'registry'];
  t.strictSame(ids(INSTALLATION_DIAGNOSTICS), namesIn('cli/doctor/diagnostics'));
  t.strictSame(ids(OF_NODE), namesIn('agent/diagnostics', others));
  t.end();
});

void t.test('ids and titles are unique, and titles fit their column', (t) => {
  t.equal(new Set(ALL.map(({ id }) => id)).size, ALL.length);
  t.equal(new Set(ALL.map(({ title }) => title)).size, ALL.length);
  for (const diagnostic of ALL) {
    t.ok(diagnostic.title.length <= 20, diagnostic.title);
    t.ok(Object.isFrozen(diagnostic));
  }
  t.end();
});
