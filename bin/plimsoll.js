#!/usr/bin/env node
// Starts the program: with the Node.js that it needs, from the bundle if there is one, otherwise from source.
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import module from 'node:module';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { setFlagsFromString } from 'node:v8';

const NEEDED = 24;
const root = dirname(dirname(realpathSync(fileURLToPath(import.meta.url))));
const BUNDLE_CACHE = join(root, 'dist', 'cache');
const USER_CACHE = userCache();

/**
 * Node.js waits at its exit for the threads that compile. One of them may wait for a garbage collection, which the main
 * thread does not run any more: the process hangs (https://github.com/nodejs/node/issues/54918). The baseline compiler,
 * which every process uses, therefore runs in the main thread.
 */
const NO_BACKGROUND_BASELINE = '--no-concurrent-sparkplug';

/**
 * How agent and broker are run: they stay for months beside what the node is for, so they are to be small rather than fast. A young
 * generation of 2 MiB, a heap that grows by less than half before it is collected, no optimising compilers, one arena of
 * malloc. bench/README.md has what each saves and costs.
 */
const FRUGAL = Object.freeze({
  flags: Object.freeze([
    '--max-semi-space-size=2',
    '--optimize-for-size',
    '--heap-growing-percent=40',
    '--no-maglev',
    '--no-turbofan',
    NO_BACKGROUND_BASELINE,
  ]),
  environment: Object.freeze({ MALLOC_ARENA_MAX: '1' }),
});

/**
 * How a collector is run: with a young generation of 8 MiB. After the first transfer of a fleet it would keep 128 MiB;
 * bench/README.md has the measurement.
 */
const COLLECTOR = Object.freeze({
  flags: Object.freeze(['--max-semi-space-size=8', NO_BACKGROUND_BASELINE]),
  environment: Object.freeze({}),
});

/**
 * How the admission webhook is run: a young generation of 2 MiB and a heap that grows by less than half before it is
 * collected, but with the optimising compilers, since users wait for its answers.
 */
const ADMISSION = Object.freeze({
  flags: Object.freeze(['--max-semi-space-size=2', '--heap-growing-percent=40', NO_BACKGROUND_BASELINE]),
  environment: Object.freeze({ MALLOC_ARENA_MAX: '1' }),
});

const TUNING = new Map([
  ['admission', ADMISSION],
  ['agent', FRUGAL],
  ['broker', FRUGAL],
  ['collector', COLLECTOR],
]);

if (Number(process.versions.node.split('.')[0]) < NEEDED) await startAgain();
else {
  tune();
  await start();
}

/** Flags of V8 count from the start of a process only: a program that has some takes its own place once. */
function tune() {
  const tuning = TUNING.get(process.argv[2]);
  // A channel to the parent would be lost; a parent that has one gives the flags itself.
  if (tuning === undefined || process.send !== undefined || process.execve === undefined) return;
  if (tuning.flags.every((flag) => process.execArgv.includes(flag))) return;
  const [, script = '', ...args] = process.argv;
  const words = [process.execPath, ...tuning.flags, ...process.execArgv, script, ...args];
  process.execve(process.execPath, words, { ...process.env, ...tuning.environment });
}

async function start() {
  setFlagsFromString(NO_BACKGROUND_BASELINE);
  const bundle = join(root, 'dist', 'plimsoll.js');
  const isBundled = existsSync(bundle) && process.env.PLIMSOLL_SOURCE !== '1';
  keepCompiledCode(isBundled ? BUNDLE_CACHE : join(root, 'node_modules', '.cache', 'plimsoll'));
  const { main } =
    isBundled && process.argv[2] === 'scan'
      ? loadScan(join(root, 'dist', 'scan.js'))
      : await import(pathToFileURL(isBundled ? bundle : join(root, 'main.ts')).href);
  await main(fileURLToPath(import.meta.url), TUNING);
}

/** Compiled code is kept beside the program, or where that is read-only in the user's own cache; never in /tmp. */
function keepCompiledCode(directory) {
  const { enableCompileCache, constants: states } = module;
  if (enableCompileCache(directory).status !== states.compileCacheStatus.FAILED) return;
  if (USER_CACHE !== undefined) enableCompileCache(USER_CACHE);
}

/** The cache of this user: what it holds is run. None where HOME is that of another user, as after some calls of sudo. */
function userCache() {
  const home = process.env.XDG_CACHE_HOME || homeCache();
  if (home === undefined) return undefined;
  return (ownerOf(home) ?? ownerOf(dirname(home))) === process.geteuid?.() ? join(home, 'plimsoll') : undefined;
}

/** A user without a home, such as one that systemd makes up for a service, has no cache. */
function homeCache() {
  try {
    return join(homedir(), '.cache');
  } catch {
    return undefined;
  }
}

function ownerOf(path) {
  try {
    return statSync(path).uid;
  } catch {
    return undefined;
  }
}

/**
 * The program of the command `scan`, with the code of all functions that an earlier scan compiled. The compile cache of
 * Node.js has only those that are compiled at once, and compiling the others is a sixth of the CPU time of a scan.
 */
function loadScan(path) {
  const [{ hash }, vm] = [process.getBuiltinModule('node:crypto'), process.getBuiltinModule('node:vm')];
  const source = readFileSync(path, 'latin1');
  // V8 compares the length of the source text only.
  const name = `scan-${hash('sha256', source).slice(0, 32)}-${process.version}-${process.arch}.code`;
  const kept = [BUNDLE_CACHE, USER_CACHE].filter(Boolean).map((directory) => join(directory, name));
  const cachedData = kept.map(readOwn).find((bytes) => bytes !== undefined);
  const script = new vm.Script(source, { filename: path, cachedData });
  if (script.cachedDataRejected !== false && !process.argv.includes('--help'))
    process.once('exit', (code) => {
      // What was compiled until an error is not what a scan needs.
      if (code !== 2) kept.some((file) => keepFile(file, script.createCachedData()));
    });
  const exported = { exports: {} };
  script.runInThisContext()(exported, module.createRequire(path), pathToFileURL(path).href);
  return exported.exports;
}

/** The bytes of a file that only this user or root can write: they are run. */
function readOwn(file) {
  let descriptor;
  try {
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW);
    // Of the file that is read, not of one that was exchanged for it.
    const { uid, mode } = fstatSync(descriptor);
    return [0, process.geteuid?.()].includes(uid) && (mode & 0o022) === 0 ? readFileSync(descriptor) : undefined;
  } catch {
    return undefined;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** Was the whole file written? Another process may write it at the same time. */
function keepFile(file, bytes) {
  const unfinished = `${file}.${process.pid}`;
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(unfinished, bytes, { flag: 'wx', mode: 0o644 });
    renameSync(unfinished, file);
    return true;
  } catch {
    return false;
  }
}

/** An older Node.js was found on the PATH: the one that came with the packages takes over. */
async function startAgain() {
  const node = join(root, 'node_modules', 'node', 'bin', 'node');
  if (!existsSync(node)) {
    process.stderr.write(
      `plimsoll: Node.js ${NEEDED} or newer is needed, this is ${process.version}\n` +
        `  install it, or run npm ci in ${root}, which brings it\n`,
    );
    process.exit(2);
  }
  const { spawn } = await import('node:child_process');
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.on(signal, () => {
      // A terminal sends Ctrl-C to both; a second one would mean impatience.
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    });
  child.on('error', (error) => {
    process.stderr.write(`plimsoll: ${node} could not be started: ${error.message}\n`);
    process.exit(2);
  });
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 2);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}
