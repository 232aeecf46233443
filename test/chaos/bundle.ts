import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

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
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    logLevel: 'warning',
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
    external: ['*.node', '@peculiar/x509', 'pino', 'reflect-metadata', 'yaml'],
  });
  return { script: join(directory, 'child.js'), remove: () => rmSync(directory, { recursive: true, force: true }) };
}
