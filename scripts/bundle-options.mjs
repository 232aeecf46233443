// How the program is bundled, for scripts/build.mjs and for tests that bundle parts of it.

/**
 * What packages load and the program never uses; a module without content takes its place. dockerode gets its transport
 * from agent/runtime/docker/modem.ts: other transports, BuildKit, tar archives and compression are for calls that are not
 * made. systeminformation starts processes in functions that are not called; without child_process it cannot.
 */
const UNUSED = Object.freeze([
  {
    importer: /[\\/]dockerode[\\/]lib[\\/]/,
    paths: /^(?:docker-modem|tar-fs|zlib|@balena\/dockerignore|\.\/buildkit|\.\/session)$/,
  },
  { importer: /[\\/]systeminformation[\\/]lib[\\/]/, paths: /^child_process$/ },
]);

const withoutUnused = {
  name: 'without-unused',
  setup({ onResolve, onLoad }) {
    for (const { importer: from, paths } of UNUSED)
      onResolve({ filter: paths }, ({ path, importer }) =>
        from.test(importer) ? { path, namespace: 'unused' } : undefined,
      );
    onLoad({ filter: /./, namespace: 'unused' }, () => ({ contents: 'module.exports = {};', loader: 'js' }));
  },
};

/** What `scan` loads of the commands and programs that main.ts and the commands load when they need them. */
const OF_SCAN =
  /^(?:\.\/scan|\.\/agent\/(?:scan|live-node|record\/recording)|\.\/collector\/event\/(?:finding-events|view\/asff)|\.\/posture\/check\/registry)\.ts$/;

/** Leaves all commands but `scan` out of the bundle that is started for it only. */
const onlyScan = {
  name: 'only-scan',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /\.ts$/ }, ({ path, kind, importer }) => {
      const isChoice = kind === 'dynamic-import' && /[\\/](?:main|cli[\\/]command[\\/]registry)\.ts$/.test(importer);
      return isChoice && !OF_SCAN.test(path) ? { path, namespace: 'not-of-scan' } : undefined;
    });
    onLoad({ filter: /./, namespace: 'not-of-scan' }, ({ path }) => ({
      contents: `throw new Error(${JSON.stringify(`${path} is not in the bundle of scan`)});`,
      loader: 'js',
    }));
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
  plugins: [withoutUnused],
  // Its WebAssembly would be a file beside the bundle; this variant has it in the module.
  alias: { '@platformatic/wasm-utils': '@platformatic/wasm-utils/bundled' },
  // CommonJS packages inside an ES module bundle still call require for Node's own modules.
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
  // CommonJS packages that are imported dynamically by name: a bundle has only their default export. They are loaded
  // by long-running programs, or once in a life, so they may stay where they are.
  external: ['*.node', '@peculiar/x509', 'pino', 'reflect-metadata', 'yaml'],
});

/**
 * Options for the command `scan` in one file: loading the same from chunks is a third of the CPU of a scan of a few
 * containers. The file is a script whose value is a function: bin/plimsoll.js calls it, with the code that it kept.
 */
export const SCAN_BUNDLE_OPTIONS = Object.freeze({
  ...BUNDLE_OPTIONS,
  splitting: false,
  format: 'cjs',
  // A script that imports makes Node.js warn of an experimental feature: it requires instead.
  supported: { 'dynamic-import': false },
  plugins: [onlyScan, withoutUnused],
  banner: { js: '(function (module, require, __importMetaUrl) {' },
  footer: { js: '})' },
});
