// Bundles the program: one entry, and chunks that are loaded when a command needs them; the command `scan` once more in
// one file; and the console, the web page that the collector serves, into console/.
import { build } from 'esbuild';
import { readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { buildConsole } from './build-console.mjs';
import { BUNDLE_OPTIONS, SCAN_BUNDLE_OPTIONS } from './bundle-options.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Bundles the program into `directory`, which is emptied first. Returns the source files, relative to the root. */
export async function buildProgram(directory) {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  rmSync(directory, { recursive: true, force: true });
  const common = {
    absWorkingDir: root,
    outdir: directory,
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'linked',
    metafile: true,
    define: { __PLIMSOLL_VERSION__: JSON.stringify(version) },
  };
  const [{ metafile }] = await Promise.all([
    build({
      ...common,
      entryPoints: {
        plimsoll: 'main.ts',
        'query-worker': 'agent/query/worker.ts',
        'inventory-worker': 'image/inventory/worker.ts',
        'vulndb-worker': 'image/vulndb/verify-worker.ts',
      },
      ...BUNDLE_OPTIONS,
    }),
    build({ ...common, entryPoints: { scan: 'main.ts' }, ...SCAN_BUNDLE_OPTIONS }),
  ]);
  return [...Object.keys(metafile.inputs), ...(await buildConsole(join(directory, 'console')))];
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await buildProgram(join(root, 'dist'));
