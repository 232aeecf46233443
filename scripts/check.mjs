// `npm run check`: types, lint with import limits, format, dead code, and generated pages that went stale.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { NODE, ROOT } from './setup.mjs';

const STEPS = [
  ['types', ['tsc', '--noEmit']],
  ['types of the console', ['tsc', '--noEmit', '--project', 'console']],
  ['lint', ['oxlint', '--type-aware', '--deny-warnings']],
  ['format', ['prettier', '--check', '--log-level', 'warn', '.']],
  ['dead code', ['knip']],
].map(([name, [program, ...args]]) => [name, [join('node_modules', '.bin', program), ...args]]);
STEPS.push(['generated pages', ['scripts/docs.ts', '--check']]);

let failed = 0;
// Two at a time: most of them use one processor.
const steps = STEPS.values();
const work = async () => {
  for (const [name, args] of steps) await report(name, args);
};
await Promise.all([work(), work()]);
process.exit(failed > 0 ? 1 : 0);

async function report(name, args) {
  const started = Date.now();
  const { error, output } = await run(args);
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  process.stdout.write(`${error === null ? 'ok    ' : 'FAILED'}  ${name}  (${seconds} s)\n`);
  if (error === null) return;
  failed += 1;
  process.stdout.write(`${output || String(error)}\n`);
}

function run(args) {
  return new Promise((resolve) => {
    execFile(NODE, args, { cwd: ROOT, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) =>
      resolve({ error, output: `${stdout}${stderr}` }),
    );
  });
}
