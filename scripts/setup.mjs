// Brings a fresh clone to where everything runs: packages, generated wire code, bundle. Each step is skipped when its
// inputs did not change. Runs on any Node from 20 on and needs no package itself.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** The project's own Node 24, from the dev dependency `node`. */
export const NODE = join(ROOT, 'node_modules', 'node', 'bin', 'node');

/** What the bundle is made of: files and folders. */
export const SOURCES = Object.freeze([
  'package-lock.json',
  'package.json',
  'posture',
  'vulnerability',
  'policy',
  'image',
  'tailoring',
  'api',
  'proto',
  'agent',
  'admission',
  'authz',
  'collector',
  'kubernetes',
  'rollout',
  'service',
  'cli',
  'console',
  'main.ts',
  'scripts/build.mjs',
  'scripts/bundle-options.mjs',
  'scripts/build-console.mjs',
]);

/** Does all that is missing; ends the process with what to do if that fails. */
export function setUp() {
  if (Number(process.versions.node.split('.')[0]) < 20) stop(`Node 20 or newer is needed, this is ${process.version}`);
  process.chdir(ROOT);
  step('packages', 'installing packages (npm ci)', 'node_modules/.plimsoll-packages', hash(['package-lock.json']), () =>
    run(process.platform === 'win32' ? 'npm.cmd' : 'npm', ['ci', '--include=dev', '--no-audit', '--no-fund']),
  );
  if (!existsSync(NODE)) {
    stop('the package `node` did not bring its program: approve install scripts, then run `npm ci` again');
  }
  step(
    'wire',
    'generating wire code from proto/',
    'proto/generated/.plimsoll-wire',
    hash(['proto/plimsoll', 'proto/cri', 'proto/otlp']),
    generate,
  );
  step('bundle', 'bundling', 'dist/.plimsoll-bundle', hash(SOURCES), () => run(NODE, ['scripts/build.mjs']));
}

function generate() {
  generateFrom([join('proto', 'plimsoll', 'v1', 'fleet.proto')], 'fleet');
  generateFrom([join('proto', 'cri', 'runtime.proto'), join('proto', 'cri', 'events.proto')], 'cri');
  generateFrom([join('proto', 'otlp', 'logs.proto')], 'otlp');
}

function generateFrom(sources, name) {
  const target = join('proto', 'generated', `${name}.js`);
  mkdirSync(dirname(target), { recursive: true });
  const bin = (program) => join('node_modules', 'protobufjs-cli', 'bin', program);
  const options = ['--es6', '--no-delimited', '--no-verify', '--no-service', '--force-number'];
  run(NODE, [bin('pbjs'), '-t', 'static-module', '-w', 'es6', '--root', name, ...options, ...sources, '-o', target]);
  run(NODE, [bin('pbts'), '-o', target.replace(/\.js$/, '.d.ts'), target]);
}

function step(name, doing, stamp, wanted, action) {
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  process.stderr.write(`plimsoll: ${doing} …\n`);
  const started = Date.now();
  action();
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(`${stamp}.new`, wanted);
  renameSync(`${stamp}.new`, stamp);
  process.stderr.write(`plimsoll: ${name} ready (${((Date.now() - started) / 1000).toFixed(1)} s)\n`);
}

function run(program, args) {
  // What a set-up step prints is only of interest when it fails; stdout belongs to the command that follows.
  const done = spawnSync(program, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' });
  if (done.status === 0) return;
  process.stderr.write(`${done.stdout ?? ''}${done.stderr ?? ''}`);
  stop(`${program} ${args.join(' ')} failed${done.error ? `: ${done.error.message}` : ''}`);
}

function hash(paths) {
  const digest = createHash('sha256');
  const add = (path) => {
    if (!existsSync(path) || path.startsWith(join('proto', 'generated'))) return;
    const entries = isDirectory(path);
    if (entries) for (const entry of entries.sort()) add(join(path, entry));
    else digest.update(path).update('\0').update(readFileSync(path));
  };
  paths.forEach(add);
  return digest.digest('hex');
}

function isDirectory(path) {
  try {
    return readdirSync(path);
  } catch {
    return undefined;
  }
}

function stop(message) {
  process.stderr.write(`plimsoll: ${message}\n`);
  process.exit(2);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) setUp();
