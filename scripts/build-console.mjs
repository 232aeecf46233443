// Bundles the console, the web page that the collector serves: index.html, and under assets/ what it loads.
import { build } from 'esbuild';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Writes the page into `directory`. Returns the source files, relative to the root. */
export async function buildConsole(directory) {
  const outdir = join(directory, 'assets');
  // Names carry a hash of the content, so that browsers may keep the files for ever. What the first view does not need
  // is loaded on demand.
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: { console: 'console/main.tsx' },
    outdir,
    entryNames: '[name]-[hash]',
    chunkNames: '[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'browser',
    // The first of each that know `light-dark()`, and everything else that is used.
    target: ['chrome123', 'firefox121', 'safari17.5'],
    minify: true,
    legalComments: 'linked',
    metafile: true,
    logLevel: 'warning',
  });
  const outputs = Object.entries(metafile.outputs);
  const nameOf = (path) => relative(directory, resolve(root, path));
  const [script, { cssBundle }] = outputs.find(([, { entryPoint }]) => entryPoint === 'console/main.tsx');
  const page = readFileSync(join(root, 'console', 'index.html'), 'utf8')
    .replace('{{script}}', nameOf(script))
    .replace('{{style}}', nameOf(cssBundle));
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'index.html'), page);
  return Object.keys(metafile.inputs);
}
