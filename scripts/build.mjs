// Bundles the program: one entry, and chunks that are loaded when a command needs them; the command `scan` once more in
// one file; and the console, the web page that the collector serves, into console/.
import { build } from 'esbuild';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { buildConsole } from './build-console.mjs';
import { BUNDLE_OPTIONS, SCAN_BUNDLE_OPTIONS } from './bundle-options.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Bundles the program into `directory`, which is emptied first. Returns the source files, relative to the root. */
export async function buildProgram(directory) {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  // A program that runs may add compiled code to the directory meanwhile: then it is tried again.
  rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
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
    build({
      ...common,
      define: { ...common.define, 'import.meta.url': '__importMetaUrl' },
      entryPoints: { scan: 'main.ts' },
      ...SCAN_BUNDLE_OPTIONS,
    }),
  ]);
  for (const name of readdirSync(directory).filter((file) => file.endsWith('.js'))) toAscii(join(directory, name));
  return [...Object.keys(metafile.inputs), ...(await buildConsole(join(directory, 'console')))];
}

/**
 * Escapes what esbuild leaves as it is: characters beyond ASCII in regular expressions. One of them makes Node keep the
 * whole source text in memory with two bytes for each character, and parse it more slowly.
 */
function toAscii(file) {
  const text = readFileSync(file, 'utf8');
  const escaped = text.replaceAll(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  if (escaped !== text) writeFileSync(file, escaped);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await buildProgram(join(root, 'dist'));
