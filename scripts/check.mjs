// `npm run check`: types, lint with import limits, format, dead code, and generated pages that went stale.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { NODE, ROOT } from './setup.mjs';

const STEPS = [
  ['types', ['tsc', '--noEmit']],
  ['types of the console', ['tsc', '--noEmit', '--project', 'console']],
  ['lint', ['oxlint', '--type-aware', '--deny-warnings']],
  ['format', ['prettier', '--check', '--log-level', 'warn', '.']],
  ['dead code', ['knip']],
];

let failed = 0;
for (const [name, [program, ...args]] of STEPS) report(name, NODE, [join('node_modules', '.bin', program), ...args]);
report('generated pages', NODE, ['scripts/docs.ts', '--check']);
process.exit(failed > 0 ? 1 : 0);

function report(name, program, args) {
  const started = Date.now();
  const done = spawnSync(program, args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  process.stdout.write(`${done.status === 0 ? 'ok    ' : 'FAILED'}  ${name}  (${seconds} s)\n`);
  if (done.status === 0) return;
  failed += 1;
  process.stdout.write(`${done.stdout ?? ''}${done.stderr ?? ''}${done.error ? String(done.error) : ''}\n`);
}
