// `npm test`: set-up, components, one Docker daemon for the whole run, then every test. Arguments after `--` are test
// files. Ends with a line `N passed, N failed[, N skipped]`; skipped are single tests and absent components.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { provideComponents } from './components.mjs';
import { startDockerd } from './dockerd.mjs';
import { NODE, ROOT, setUp } from './setup.mjs';

setUp();
const strict = process.env.CI === 'true';
const absent = provideComponents();
mountSecurityfs();
const files = process.argv.length > 2 ? process.argv.slice(2) : testFiles(join(ROOT, 'test')).sort();
const daemon =
  absent.includes('docker') || absent.includes('busybox') ? { reason: 'docker is absent' } : await startDockerd();
if (daemon.socket === undefined) process.stderr.write(`test: no Docker daemon (${daemon.reason})\n`);

const report = join(ROOT, '.tap', 'report.tap');
mkdirSync(join(ROOT, '.tap'), { recursive: true });
const code = await runTap(files, report);
await daemon.stop?.();

const counts = await count(report);
const withoutComponent = new Set(absent);
if (daemon.socket === undefined) withoutComponent.add('docker');
for (const [reason, times] of counts.reasons) process.stdout.write(`skipped ${times} × ${reason}\n`);
for (const name of withoutComponent)
  process.stdout.write(`skipped component ${name}${strict ? ': a failure with CI=true' : ''}\n`);
const failed =
  counts.failed + (strict ? withoutComponent.size + counts.skipped : 0) + (code !== 0 && counts.failed === 0 ? 1 : 0);
const skipped = strict ? 0 : counts.skipped + withoutComponent.size;
process.stdout.write(`${counts.passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
process.exit(failed > 0 || counts.passed === 0 ? 1 : 0);

function runTap(testFiles, output) {
  const environment = { ...process.env, PLIMSOLL_TEST_ABSENT: absent.join(',') };
  delete environment.DOCKER_HOST;
  if (daemon.socket !== undefined) environment.PLIMSOLL_TEST_DOCKER = daemon.socket;
  else environment.PLIMSOLL_TEST_DOCKER = 'none';
  environment.PATH = `${join(ROOT, 'node_modules', '.bin')}:${environment.PATH}:/usr/sbin:/sbin`;
  const tap = join(ROOT, 'node_modules', '.bin', 'tap');
  const args = [tap, 'run', '--reporter=terse', `--output-file=${output}`, ...testFiles];
  const child = spawn(NODE, args, { cwd: ROOT, stdio: 'inherit', env: environment });
  process.on('SIGINT', () => child.kill('SIGINT'));
  return new Promise((resolve) => child.on('exit', (status) => resolve(status ?? 1)));
}

/** Counts assertions, not files and not the lines that close a subtest. */
async function count(path) {
  const totals = { passed: 0, failed: 0, skipped: 0, reasons: new Map() };
  if (!existsSync(path)) return totals;
  const { Parser } = await import('tap-parser');
  for (const [kind, assertion] of Parser.parse(readFileSync(path, 'utf8'), { flat: true })) {
    if (kind === 'assert') tally(totals, assertion);
  }
  return totals;
}

function tally(totals, assertion) {
  if (assertion.skip || assertion.todo) {
    totals.skipped += 1;
    const reason = typeof assertion.skip === 'string' ? assertion.skip : assertion.name;
    totals.reasons.set(reason, (totals.reasons.get(reason) ?? 0) + 1);
  } else if (assertion.ok) totals.passed += 1;
  else totals.failed += 1;
}

function testFiles(directory) {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return testFiles(path);
    return entry.name.endsWith('.test.ts') ? [path] : [];
  });
}

/** The kernel's module list and lockdown stand in securityfs, which a machine without an init may not have mounted. */
function mountSecurityfs() {
  if (process.getuid?.() !== 0 || existsSync('/sys/kernel/security/lsm')) return;
  spawnSync('mount', ['-t', 'securityfs', 'securityfs', '/sys/kernel/security']);
}
