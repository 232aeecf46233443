// Bundles the program into dist/: one entry, and chunks that are loaded when a command needs them; and the console, the
// web page that the collector serves, into dist/console/.
import { build } from 'esbuild';
import { readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildConsole } from './build-console.mjs';
import { BUNDLE_OPTIONS } from './bundle-options.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

rmSync(join(root, 'dist'), { recursive: true, force: true });
await build({
  absWorkingDir: root,
  entryPoints: { plimsoll: 'main.ts', 'query-worker': 'agent/query/worker.ts' },
  outdir: 'dist',
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'linked',
  metafile: false,
  define: { __PLIMSOLL_VERSION__: JSON.stringify(version) },
  ...BUNDLE_OPTIONS,
});

await buildConsole(join(root, 'dist', 'console'));
