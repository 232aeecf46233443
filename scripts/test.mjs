// `npm test`: set-up, components, one Docker daemon for the whole run, then every test. Arguments after `--` are test
// files. Ends with a line `N passed, N failed[, N skipped]`; skipped are single tests and absent components.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { provideComponents } from './components.mjs';
import { startDockerd } from './dockerd.mjs';
import { NODE, ROOT, setUp } from './setup.mjs';

/**
 * Test files that run at the same time. Most files wait for containers, processes and timers for more than half of their
 * time, so two more than there are processors. Folders whose files run alone are `serial` in .taprc.
 */
const JOBS = Math.min(6, availableParallelism() + 2);
/** Folders whose files only compute: they run one at a time beside those that run alone and wait for most of their time. */
const COMPUTING = ['image/inventory', 'image/sbom', 'policy', 'posture', 'vulnerability'].map((name) =>
  join('test', name, '/'),
);
/** A whole run prints failures only: counts that change with each assertion take more CPU time than most files. */
const REPORTER = process.argv.length === 2 ? 'min' : 'terse';
/** Compiled modules, for all processes of a run. */
const COMPILE_CACHE = join(ROOT, '.tap', 'compile-cache');
/** They start a cluster of the machine. */
const CLUSTER_TESTS = join('test', 'cluster');
/** Files that are run once more. */
const MAX_AGAIN = 10;

setUp();
const strict = process.env.CI === 'true';
const absent = provideComponents();
mountSecurityfs();
const files = process.argv.length > 2 ? process.argv.slice(2) : testFiles(join(ROOT, 'test')).sort();
const daemon =
  absent.includes('docker') || absent.includes('busybox') ? { reason: 'docker is absent' } : await startDockerd();
if (daemon.socket === undefined) process.stderr.write(`test: no Docker daemon (${daemon.reason})\n`);

mkdirSync(join(ROOT, '.tap'), { recursive: true });
// Programs that tests write to temporary directories are in it as well: it would grow with every run.
if (process.argv.length === 2) rmSync(COMPILE_CACHE, { recursive: true, force: true });
// In one run, tap would let all other files wait before each serial folder. The cluster comes last, because it stays up.
const onCluster = files.filter((file) => pathOf(file).startsWith(CLUSTER_TESTS));
const alone = files.filter((file) => isSerial(file) && !onCluster.includes(file));
const computing = alone.length === 0 ? [] : files.filter((file) => COMPUTING.some((at) => pathOf(file).startsWith(at)));
const others = files.filter((file) => !isSerial(file) && !computing.includes(file));
const say = (what, { length }) => length > 0 && process.stderr.write(`test: ${what}: ${length} files\n`);
say('run alone', alone);
say('compute, and run beside these', computing);
const [counts, computed] = await Promise.all([
  runTests(alone, 'report-alone.tap'),
  runTests(computing, 'report-computing.tap', '--jobs=1', '--reporter=silent'),
]);
add(counts, computed);
say(`run ${JOBS} at a time`, others);
add(counts, await runTests(others, 'report.tap'));
say('on a cluster', onCluster);
add(counts, await runTests(onCluster, 'report-cluster.tap'));
// A file that fails beside others is run once more alone, and the output names it: this distinguishes the timing of a
// busy machine from a defect, and hides neither. Where many fail, the machine is not the reason.
for (const { file, names } of counts.failures.length > MAX_AGAIN ? [] : [...counts.failures]) {
  if (file === '') continue;
  process.stdout.write(`failed, is run once more alone: ${file}\n`);
  const again = await runTests([file], 'report-again.tap');
  if (again.failed > 0 || again.passed === 0) continue;
  process.stdout.write(`unstable, passed when it ran alone: ${names.join('; ')}\n`);
  counts.failed -= names.length;
  counts.failures = counts.failures.filter((failure) => failure.file !== file);
}
for (const { names } of counts.failures) for (const name of names) process.stdout.write(`not ok: ${name}\n`);
await daemon.stop?.();

if (process.argv.length === 2)
  for (const [file, seconds] of slowest([
    'report-alone.tap',
    'report-computing.tap',
    'report.tap',
    'report-cluster.tap',
  ]))
    process.stdout.write(`${seconds} s ${file}\n`);
const withoutComponent = new Set(absent);
if (daemon.socket === undefined) withoutComponent.add('docker');
for (const [reason, times] of counts.reasons) process.stdout.write(`skipped ${times} × ${reason}\n`);
for (const name of withoutComponent)
  process.stdout.write(`skipped component ${name}${strict ? ': a failure with CI=true' : ''}\n`);
const failed = counts.failed + (strict ? withoutComponent.size + counts.skipped : 0);
const skipped = strict ? 0 : counts.skipped + withoutComponent.size;
process.stdout.write(`${counts.passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
process.exit(failed > 0 || counts.passed === 0 ? 1 : 0);

/** The path of a test file below the root. */
function pathOf(file) {
  return relative(ROOT, resolve(file));
}

/** Is the file, or its folder, `serial` in .taprc? */
function isSerial(file) {
  const path = pathOf(file);
  const serial = [...readFileSync(join(ROOT, '.taprc'), 'utf8').matchAll(/^ {2}- (test\/\S+)$/gm)];
  return serial.some(([, folder]) => `${path}/`.startsWith(`${folder}/`));
}

/** Adds the counts of a run to those of the runs before. */
function add(totals, { passed, failed, skipped, reasons, failures }) {
  totals.passed += passed;
  totals.failed += failed;
  totals.skipped += skipped;
  totals.failures.push(...failures);
  for (const [reason, times] of reasons) totals.reasons.set(reason, (totals.reasons.get(reason) ?? 0) + times);
}

/** Runs these files and counts; a run that fails without a failed assertion counts as one failure of no file. */
async function runTests(testFiles, reportName, ...options) {
  const report = join(ROOT, '.tap', reportName);
  rmSync(report, { force: true });
  // Without files, tap would run all that there are.
  const code = testFiles.length === 0 ? 0 : await runTap(testFiles, report, options);
  const totals = await count(report);
  if (code !== 0 && totals.failed === 0) {
    totals.failed = 1;
    totals.failures.push({ file: '', names: [`the test runner exited with ${code} although every assertion passed`] });
  }
  return totals;
}

function runTap(testFiles, output, options) {
  const environment = { ...process.env, PLIMSOLL_TEST_ABSENT: absent.join(',') };
  delete environment.DOCKER_HOST;
  if (daemon.socket !== undefined) environment.PLIMSOLL_TEST_DOCKER = daemon.socket;
  else environment.PLIMSOLL_TEST_DOCKER = 'none';
  // Each file is a process that loads the same modules: compiled once, they load in about half the CPU time.
  environment.NODE_COMPILE_CACHE = COMPILE_CACHE;
  environment.PATH = `${join(ROOT, 'node_modules', '.bin')}:${environment.PATH}:/usr/sbin:/sbin`;
  const tap = join(ROOT, 'node_modules', '.bin', 'tap');
  const chosen = [`--reporter=${REPORTER}`, `--jobs=${JOBS}`, `--output-file=${output}`, ...options];
  const args = [tap, 'run', ...chosen, ...testFiles];
  const child = spawn(NODE, args, { cwd: ROOT, stdio: 'inherit', env: environment });
  process.on('SIGINT', () => child.kill('SIGINT'));
  return new Promise((resolve) => child.on('exit', (status) => resolve(status ?? 1)));
}

/** Counts assertions, not files and not the lines that close a subtest. */
async function count(path) {
  const totals = {
    passed: 0,
    failed: 0,
    skipped: 0,
    reasons: new Map(),
    /** @type {{ file: string, names: string[] }[]} A file and the names of its failed assertions. */
    failures: [],
  };
  if (!existsSync(path)) return totals;
  const text = nameTimeouts(readFileSync(path, 'utf8'));
  const { Parser } = await import('tap-parser');
  for (const [kind, assertion] of Parser.parse(text, { flat: true })) {
    if (kind === 'assert') tally(totals, assertion);
  }
  return totals;
}

/**
 * tap reports a file that it ended at its time limit as `timeout!`, without the name of the file: it is one whose result is
 * missing, or where none is, the one that tap says has expired.
 */
function nameTimeouts(report) {
  const ended = new Set([...report.matchAll(/^(?:not )?ok \d+ - (test\/\S+)/gm)].map(([, file]) => file));
  const open = [...report.matchAll(/^# Subtest: (test\/\S+)/gm)].flatMap(([, file]) => (ended.has(file) ? [] : [file]));
  return report.replaceAll(
    /^(not ok \d+ - )(timeout!\n(?: {2}---\n {2}expired: (\S+))?)/gm,
    (_, head, rest, expired) => `${head}${open.shift() ?? expired ?? ''} > ${rest}`,
  );
}

/** The files that took longest, with whole seconds. */
function slowest(reports) {
  const text = reports
    .map((name) => join(ROOT, '.tap', name))
    .filter((path) => existsSync(path))
    .map((path) => readFileSync(path, 'utf8'))
    .join('\n');
  return [...text.matchAll(/^(?:not )?ok \d+ - (test\/\S+) # time=([\d.]+)(m?)s/gm)]
    .map(([, file, time, milli]) => [file, Math.round(Number(time) / (milli === 'm' ? 1000 : 1))])
    .sort(([, one], [, other]) => other - one)
    .slice(0, 15);
}

function tally(totals, assertion) {
  if (assertion.skip || assertion.todo) {
    totals.skipped += 1;
    const reason = typeof assertion.skip === 'string' ? assertion.skip : assertion.name;
    totals.reasons.set(reason, (totals.reasons.get(reason) ?? 0) + 1);
  } else if (assertion.ok) totals.passed += 1;
  else {
    totals.failed += 1;
    const [file] = assertion.name.split(' > ');
    const failure = totals.failures.find((each) => each.file === file);
    if (failure === undefined) totals.failures.push({ file, names: [assertion.name] });
    else failure.names.push(assertion.name);
  }
}

function testFiles(directory) {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return testFiles(path);
    return entry.name.endsWith('.test.ts') ? [path] : [];
  });
}

/** The list of security modules and lockdown are in securityfs, which a machine without an init may not have mounted. */
function mountSecurityfs() {
  if (process.getuid?.() !== 0 || existsSync('/sys/kernel/security/lsm')) return;
  spawnSync('mount', ['-t', 'securityfs', 'securityfs', '/sys/kernel/security']);
}
