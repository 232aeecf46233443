// Bundles the program into dist/: one entry, and chunks that are loaded when a command needs them; and the console, the
// web page that the collector serves, into dist/console/.
import { build } from 'esbuild';
import { readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildConsole } from './build-console.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/**
 * dockerode gets its transport from agent/runtime/docker-modem.ts. What it loads for other transports, BuildKit and tar
 * archives is left out of the bundle: a module without content takes its place.
 */
const leanDockerode = {
  name: 'lean-dockerode',
  setup({ onResolve, onLoad }) {
    onResolve(
      { filter: /^(?:docker-modem|tar-fs|@balena\/dockerignore|\.\/buildkit|\.\/session)$/ },
      ({ path, importer }) =>
        /[\\/]dockerode[\\/]lib[\\/]/.test(importer) ? { path, namespace: 'left-out' } : undefined,
    );
    onLoad({ filter: /./, namespace: 'left-out' }, () => ({ contents: 'module.exports = {};', loader: 'js' }));
  },
};

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
  plugins: [leanDockerode],
  define: { __PLIMSOLL_VERSION__: JSON.stringify(version) },
  // CommonJS packages inside an ES module bundle still call require for Node's own modules.
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
  // CommonJS packages that are imported dynamically by name: a bundle has only their default export. They are loaded
  // by long-running programs, or once in a life, so they may stay where they are.
  external: ['*.node', '@peculiar/x509', 'pino', 'reflect-metadata', 'yaml'],
});

await buildConsole(join(root, 'dist', 'console'));
