import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { NODE_DIAGNOSTICS } from '../../../agent/diagnostics/registry.ts';
import { INSTALLATION_DIAGNOSTICS } from '../../../cli/doctor/registry.ts';
import { DIAGNOSTIC_GROUPS } from '../../../service/diagnostic.ts';

interface Described {
  readonly id: string;
  readonly group: string;
  readonly title: string;
}

/** Everything that the files of a directory export and that looks like an examination. */
async function examinationsIn(directory: string, other: readonly string[]): Promise<readonly Described[]> {
  const path = fileURLToPath(new URL(`../../../${directory}/`, import.meta.url));
  const files = readdirSync(path).filter((name) => !other.includes(name));
  const found: Described[] = [];
  for (const file of files) {
    const exported = Object.values((await import(path + file)) as Record<string, unknown>);
    const here = exported.filter((value): value is Described => {
      return typeof value === 'object' && value !== null && 'run' in value && 'id' in value;
    });
    t.ok(here.length > 0, `${file} has an examination`);
    found.push(...here);
  }
  return found;
}

void t.test('the registries have every examination that there is a file for', async (t) => {
  const others = ['diagnose-node.ts', 'node-subject.ts', 'port-holders.ts', 'registry.ts'];
  const ids = (list: readonly Described[]): readonly string[] => list.map(({ id }) => id).sort();
  t.strictSame(ids(await examinationsIn('cli/doctor/diagnostics', [])), ids(INSTALLATION_DIAGNOSTICS));
  t.strictSame(ids(await examinationsIn('agent/diagnostics', others)), ids(NODE_DIAGNOSTICS));
});

void t.test('each is one of its kind, in a known group, with a title that fits its column', (t) => {
  const all: readonly Described[] = [...INSTALLATION_DIAGNOSTICS, ...NODE_DIAGNOSTICS];
  t.equal(new Set(all.map(({ id }) => id)).size, all.length);
  t.equal(new Set(all.map(({ group, title }) => `${group}/${title}`)).size, all.length);
  for (const examination of all) {
    t.match(examination.id, /^[a-z]+\.[a-z-]+$/);
    t.ok(examination.title.length <= 20, examination.title);
    t.ok((DIAGNOSTIC_GROUPS as readonly string[]).includes(examination.group), examination.group);
    t.ok(Object.isFrozen(examination));
  }
  for (const group of DIAGNOSTIC_GROUPS)
    t.ok(
      all.some((one) => one.group === group),
      group,
    );
  t.end();
});
