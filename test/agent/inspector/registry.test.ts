import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { INSPECTORS, inspectorOf, watchedPaths } from '../../../agent/inspector/registry.ts';
import { FACT_SCHEMAS } from '../../../posture/fact/facts.ts';
import type { FactName } from '../../../posture/fact/facts.ts';
import { factsOf } from '../../fixture/facts.ts';

const DIRECTORY = fileURLToPath(new URL('../../../agent/inspector', import.meta.url));

t.test('every fact has one inspector, and every inspector is listed', (t) => {
  t.same(INSPECTORS.map(({ fact }) => fact).sort(), Object.keys(FACT_SCHEMAS).sort());
  const folders = readdirSync(DIRECTORY).filter((name) => existsSync(`${DIRECTORY}/${name}/inspect.ts`));
  t.equal(folders.length, INSPECTORS.length);
  for (const name of Object.keys(FACT_SCHEMAS) as FactName[]) t.equal(inspectorOf(name).fact, name);
  t.end();
});

t.test('each stands after those that it needs', (t) => {
  const before = new Set<string>();
  for (const { fact, needs } of INSPECTORS) {
    for (const needed of needs) t.ok(before.has(needed), `${fact} after ${needed}`);
    before.add(fact);
  }
  t.end();
});

t.test('what is watched are absolute paths that can tell of a change', (t) => {
  const watched = watchedPaths(factsOf());
  t.ok(watched.size > 5);
  for (const [path, facts] of watched) {
    t.match(path, /^\//, facts.join());
    t.notMatch(path, /^\/(?:proc|sys)\//, 'procfs and sysfs send no events');
  }
  t.same(watched.get('/etc/docker/daemon.json'), ['docker', 'listeners']);
  t.end();
});
