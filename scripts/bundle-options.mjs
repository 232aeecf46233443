// How the program is bundled, for scripts/build.mjs and for tests that bundle parts of it.

/**
 * dockerode gets its transport from agent/runtime/docker/modem.ts. What it loads for other transports, BuildKit and tar
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

/** Options of esbuild. */
export const BUNDLE_OPTIONS = Object.freeze({
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  logLevel: 'warning',
  plugins: [leanDockerode],
  // CommonJS packages inside an ES module bundle still call require for Node's own modules.
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
  // CommonJS packages that are imported dynamically by name: a bundle has only their default export. They are loaded
  // by long-running programs, or once in a life, so they may stay where they are.
  external: ['*.node', '@peculiar/x509', 'pino', 'reflect-metadata', 'yaml'],
});
