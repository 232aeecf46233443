// Bundles the program into dist/: one entry, and chunks that are loaded when a command needs them; and the console, the
// web page that the collector serves, into dist/console/.
import { build } from 'esbuild';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

rmSync(join(root, 'dist'), { recursive: true, force: true });
await build({
  absWorkingDir: root,
  entryPoints: { plimsoll: 'main.ts', 'query-worker': 'agent/query/worker.ts' },
  outdir: 'dist',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'linked',
  metafile: false,
  logLevel: 'warning',
  define: { __PLIMSOLL_VERSION__: JSON.stringify(version) },
  // CommonJS packages inside an ES module bundle still call require for Node's own modules.
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
  // CommonJS packages that are imported dynamically by name: a bundle has only their default export. They are loaded
  // by long-running programs, or once in a life, so they may stay where they are.
  external: ['*.node', '@peculiar/x509', 'pino', 'reflect-metadata', 'yaml'],
  // docker-modem loads ssh2 for ssh:// endpoints; we speak to the local socket only.
  alias: { ssh2: join(root, 'agent', 'runtime', 'no-ssh.ts') },
});

// Names carry a hash of the content, so that browsers may keep the files for ever.
const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: { console: 'console/main.tsx' },
  outdir: 'dist/console/assets',
  entryNames: '[name]-[hash]',
  bundle: true,
  format: 'esm',
  platform: 'browser',
  target: ['chrome120', 'firefox121', 'safari17'],
  minify: true,
  legalComments: 'linked',
  metafile: true,
  logLevel: 'warning',
});
const outputs = Object.keys(metafile.outputs).map((path) => relative('dist/console', path));
const page = readFileSync(join(root, 'console', 'index.html'), 'utf8')
  .replace(
    '{{script}}',
    outputs.find((path) => path.endsWith('.js')),
  )
  .replace(
    '{{style}}',
    outputs.find((path) => path.endsWith('.css')),
  );
writeFileSync(join(root, 'dist', 'console', 'index.html'), page);
