import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';

/** What each folder may import of the others, as docs/architecture.md says. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  posture: [],
  vulnerability: ['posture'],
  policy: ['posture', 'vulnerability'],
  proto: ['posture', 'vulnerability'],
  api: ['posture'],
  service: [],
  image: ['posture', 'vulnerability', 'policy', 'service'],
  tailoring: ['posture', 'vulnerability', 'policy', 'service', 'image'],
  agent: ['posture', 'vulnerability', 'proto', 'service', 'image', 'tailoring'],
  kubernetes: ['posture', 'service'],
  collector: ['posture', 'vulnerability', 'policy', 'proto', 'service', 'api', 'image', 'kubernetes', 'tailoring'],
  authz: ['posture', 'policy', 'service', 'image'],
  admission: ['posture', 'vulnerability', 'policy', 'service', 'api', 'image', 'kubernetes'],
  rollout: ['posture', 'vulnerability', 'policy', 'service', 'api', 'image', 'kubernetes'],
  cli: ['posture', 'vulnerability', 'policy', 'service', 'api', 'image', 'tailoring'],
  console: ['posture', 'api'],
};
const LAYERS = Object.keys(ALLOWED);
/** What measures, builds and checks is no layer, but has limits too. */
const TOOLS: Readonly<Record<string, readonly string[]>> = {
  bench: ['posture', 'vulnerability', 'policy', 'proto', 'service', 'image', 'agent', 'collector'],
  scripts: ['posture', 'vulnerability', 'policy', 'service', 'api', 'image', 'collector', 'tailoring'],
};

void t.test('the linter refuses each import between folders that the architecture does not have', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'plimsoll-limits-'));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  cpSync('.oxlintrc.json', join(root, '.oxlintrc.json'));
  const wanted: string[] = [];
  for (const [folder, allowed] of Object.entries({ ...ALLOWED, ...TOOLS })) {
    mkdirSync(join(root, folder, 'inner'), { recursive: true });
    for (const layer of LAYERS.filter((each) => each !== folder)) {
      const file = join(folder, 'inner', `${layer}.ts`);
      writeFileSync(join(root, file), `import { x } from '../../${layer}/x.ts';\nexport const y = x;\n`);
      if (!allowed.includes(layer)) wanted.push(file);
    }
  }
  const args = ['--config', join(root, '.oxlintrc.json'), '--format', 'json', root];
  const program = join('node_modules', 'oxlint', 'bin', 'oxlint');
  // The options that the test runner gives to processes are not for the linter.
  const command = ['-u', 'NODE_OPTIONS', process.execPath, program, ...args];
  const { stdout } = spawnSync('env', command, { encoding: 'utf8' });
  const { diagnostics } = JSON.parse(stdout) as { diagnostics: readonly { code: string; filename: string }[] };
  const refused = diagnostics.filter(({ code }) => code.includes('no-restricted-imports'));
  const files = new Set(refused.map(({ filename }) => filename.replace(`${root}/`, '')));
  t.strictSame([...files].toSorted(), wanted.toSorted());
  t.end();
});
