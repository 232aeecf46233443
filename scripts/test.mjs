// `npm test`: set-up, components, one Docker daemon for the whole run, then every test. Arguments after `--` are test
// files. Ends with a line `N passed, N failed[, N skipped]`; skipped are single tests and absent components. The lines
// before it name each reason for a failure, and the assertions that failed once.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { provideComponents } from './components.mjs';
import { startDockerd } from './dockerd.mjs';
import { NODE, ROOT, setUp } from './setup.mjs';

setUp();
// After the set-up, which installs the package that it imports.
const { addFailure, addOutcome, emptyOutcome, fileTimes, readReport, summarize } = await import('./test-report.mjs');

/**
 * Test files that run at the same time. Most files wait for containers, processes and timers for more than half of their
 * time, so two more than there are processors. Folders whose files run alone are `serial` in .taprc.
 */
const JOBS = Math.min(6, availableParallelism() + 2);
/** Folders whose files only compute: they run one at a time beside those that run alone and wait for most of their time. */
const COMPUTING = ['image/inventory', 'image/sbom', 'policy', 'posture', 'vulnerability'].map((name) =>
  join('test', name, '/'),
);
const isWholeRun = process.argv.length === 2;
/** A whole run prints failures only: counts that change with each assertion take more CPU time than most files. */
const REPORTER = isWholeRun ? 'min' : 'terse';
/** Compiled modules, for all processes of a run. */
const COMPILE_CACHE = join(ROOT, '.tap', 'compile-cache');
/** They start a cluster of the machine. */
const CLUSTER_TESTS = join('test', 'cluster');
/** Files that are run once more. Where more fail, the machine or the change is broken. */
const MAX_AGAIN = 40;
/** Files of a whole run that are listed as the slowest. */
const SLOWEST = 15;

const absent = provideComponents();
mountSecurityfs();
const files = isWholeRun ? testFiles(join(ROOT, 'test')).sort() : process.argv.slice(2);
const daemon =
  absent.includes('docker') || absent.includes('busybox') ? { reason: 'docker is absent' } : await startDockerd();
if (daemon.socket === undefined) process.stderr.write(`test: no Docker daemon (${daemon.reason})\n`);

mkdirSync(join(ROOT, '.tap'), { recursive: true });
// Programs that tests write to temporary directories are in it as well: it would grow with every run.
if (isWholeRun) rmSync(COMPILE_CACHE, { recursive: true, force: true });
// In one run, tap would let all other files wait before each serial folder. The cluster comes last, because it stays up.
const onCluster = files.filter((file) => pathOf(file).startsWith(CLUSTER_TESTS));
const alone = files.filter((file) => isSerial(file) && !onCluster.includes(file));
const computing = alone.length === 0 ? [] : files.filter((file) => COMPUTING.some((at) => pathOf(file).startsWith(at)));
const others = files.filter((file) => !isSerial(file) && !computing.includes(file));
const say = (what, { length }) => length > 0 && process.stderr.write(`test: ${what}: ${length} files\n`);
const outcome = emptyOutcome();
say('run alone', alone);
say('compute, and run beside these', computing);
const pair = await Promise.all([
  runTests(alone, 'report-alone.tap'),
  runTests(computing, 'report-computing.tap', '--jobs=1', '--reporter=silent'),
]);
for (const each of pair) addOutcome(outcome, each);
say(`run ${JOBS} at a time`, others);
addOutcome(outcome, await runTests(others, 'report.tap'));
say('on a cluster', onCluster);
addOutcome(outcome, await runTests(onCluster, 'report-cluster.tap'));
const unstable = await runFailedAgain();
await daemon.stop?.();

if (isWholeRun) printSlowest();
const missing = new Set(absent);
if (daemon.socket === undefined) missing.add('docker');
const summary = summarize(outcome, { strict: process.env.CI === 'true', absent: [...missing], unstable });
process.stdout.write(`${summary.lines.join('\n')}\n`);
process.exit(summary.status);

/**
 * Runs each failed file once more, alone: this distinguishes the timing of a busy machine from a defect, and the output
 * names both. Returns the names of assertions that failed first, of files that then passed; they no longer count.
 */
async function runFailedAgain() {
  const failed = outcome.failures.filter(({ file }) => file !== '');
  if (failed.length > MAX_AGAIN) {
    process.stdout.write(`${failed.length} files failed, more than ${MAX_AGAIN}: none is run again\n`);
    return [];
  }
  const passedNow = [];
  for (const failure of failed) {
    process.stdout.write(`failed, is run once more alone: ${failure.file}\n`);
    const again = await runTests([failure.file], 'report-again.tap');
    if (again.failures.length === 0 && again.passed > 0) passedNow.push(failure);
  }
  outcome.failures = outcome.failures.filter((failure) => !passedNow.includes(failure));
  return passedNow.flatMap(({ names }) => names);
}

function printSlowest() {
  const reports = ['report-alone.tap', 'report-computing.tap', 'report.tap', 'report-cluster.tap'];
  const paths = reports.map((name) => join(ROOT, '.tap', name)).filter((path) => existsSync(path));
  const times = fileTimes(paths.map((path) => readFileSync(path, 'utf8')).join('\n'));
  for (const [file, seconds] of times.slice(0, SLOWEST)) process.stdout.write(`${seconds} s ${file}\n`);
}

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

/** Runs these files and counts; a run that fails without a failed assertion counts as one failure of no file. */
async function runTests(testFiles, reportName, ...options) {
  const report = join(ROOT, '.tap', reportName);
  rmSync(report, { force: true });
  // Without files, tap would run all that there are.
  const code = testFiles.length === 0 ? 0 : await runTap(testFiles, report, options);
  const result = readReport(report, testFiles.map(pathOf));
  if (code !== 0 && result.failures.length === 0)
    addFailure(result, '', `the test runner exited with ${code} although every assertion passed`);
  return result;
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
