import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { BUNDLE_OPTIONS } from '../../scripts/bundle-options.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Bundles child.ts as scripts/build.mjs bundles the program: it starts in a quarter of the time, and that is how it is
 * shipped. Beside node_modules, where its external packages are found.
 */
export async function bundleChild(): Promise<{ readonly script: string; readonly remove: () => void }> {
  mkdirSync(join(ROOT, '.tap'), { recursive: true });
  const directory = mkdtempSync(join(ROOT, '.tap', 'chaos-'));
  await build({
    absWorkingDir: ROOT,
    entryPoints: { child: 'test/chaos/child.ts' },
    outdir: directory,
    ...BUNDLE_OPTIONS,
  });
  return { script: join(directory, 'child.js'), remove: () => rmSync(directory, { recursive: true, force: true }) };
}
