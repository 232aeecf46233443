#!/usr/bin/env node
// Starts the program: with the Node.js that it needs, from the bundle if there is one, otherwise from source.
import { spawn } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import module from 'node:module';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const NEEDED = 24;
const root = dirname(dirname(realpathSync(fileURLToPath(import.meta.url))));

if (Number(process.versions.node.split('.')[0]) >= NEEDED) await start();
else startAgain();

async function start() {
  const bundle = join(root, 'dist', 'plimsoll.js');
  const isBundled = existsSync(bundle) && process.env.PLIMSOLL_SOURCE !== '1';
  keepCompiledCode(isBundled ? join(root, 'dist', 'cache') : join(root, 'node_modules', '.cache', 'plimsoll'));
  const { main } = await import(pathToFileURL(isBundled ? bundle : join(root, 'main.ts')).href);
  await main(fileURLToPath(import.meta.url));
}

/** Compiled code is kept beside the program, or where that is read-only in the user's own cache; never in /tmp. */
function keepCompiledCode(directory) {
  const { enableCompileCache, constants } = module;
  if (enableCompileCache(directory).status !== constants.compileCacheStatus.FAILED) return;
  enableCompileCache(join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'plimsoll'));
}

/** An older Node.js was found on the PATH: the one that came with the packages takes over. */
function startAgain() {
  const node = join(root, 'node_modules', 'node', 'bin', 'node');
  if (!existsSync(node)) {
    process.stderr.write(
      `plimsoll: Node.js ${NEEDED} or newer is needed, this is ${process.version}\n` +
        `  install it, or run npm ci in ${root}, which brings it\n`,
    );
    process.exit(2);
  }
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
