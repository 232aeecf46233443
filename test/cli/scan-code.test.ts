import { spawnSync } from 'node:child_process';
import { hash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { Script } from 'node:vm';
import t from 'tap';
import { temporaryDirectory } from '../agent/record/temporary-directory.ts';
import { cannotRunAsUser, runAsUser } from './as-user.ts';
import { PROGRAM } from './process.ts';

// The bundle, in a place of its own, and the code that is kept of it.
const root = dirname(dirname(PROGRAM));
const directory = temporaryDirectory(t);
for (const path of ['bin', 'package.json', 'dist/scan.js', 'dist/plimsoll.js'])
  cpSync(join(root, path), join(directory, path), { recursive: true });
symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
const cache = join(directory, 'dist', 'cache');
const source = readFileSync(join(directory, 'dist', 'scan.js'), 'latin1');
const name = `scan-${hash('sha256', source).slice(0, 32)}-${process.version}-${process.arch}.code`;

function run(...args: readonly string[]): {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
} {
  const { PLIMSOLL_SOURCE: _source, DOCKER_HOST: _engine, NODE_COMPILE_CACHE: _cache, ...env } = process.env;
  const command = [join(directory, 'bin', 'plimsoll.js'), 'scan', ...args];
  const done = spawnSync(process.execPath, command, {
    encoding: 'utf8',
    env: { ...env, XDG_CACHE_HOME: join(directory, 'own') },
  });
  return done;
}

const TAILORING = {
  Check: `apiVersion: plimsoll.dev/v1
kind: Check
metadata: { name: acme.cpus }
spec:
  subject: node
  title: Node has a processor
  failTitle: Node has no processor
  severity: low
  rationale: It computes.
  remediation: Add one.
  condition: node.cpus > 0
`,
  Waiver: `apiVersion: plimsoll.dev/v1
kind: Waiver
metadata: { name: old }
spec: { match: { checks: [acme.cpus] }, reason: r, owner: o, expires: 2020-01-01 }
`,
  Profile: `apiVersion: plimsoll.dev/v1
kind: Profile
metadata: { name: few }
spec: { include: [acme, kernel] }
`,
} as const;

const kept = (): readonly string[] => readdirSync(cache).filter((file) => file.startsWith('scan-'));

void t.test('a scan keeps the code that it compiled; what compiles only a part of it does not', (t) => {
  t.match(run('--help'), { status: 0, stdout: /judge this machine once/ });
  t.equal(run('--recorded', '/nonexistent').status, 2);
  t.strictSame(kept(), []);
  t.equal(run('--check', 'kernel', '--verdict', 'pass', '-o', 'json').status, 0);
  t.strictSame(kept(), [name]);
  t.equal(statSync(join(cache, name)).mode & 0o777, 0o644);
  t.end();
});

void t.test('the bundle has all that the options of a scan need', (t) => {
  const file = join(directory, 'scan.json');
  const base = ['--check', 'kernel', '--benchmark', 'cis-docker-1.8.0'];
  for (const output of ['sarif', 'junit', 'html', 'ocsf', 'asff']) {
    const account = output === 'asff' ? ['--aws-account', '123456789012', '--aws-region', 'eu-central-1'] : [];
    t.match(run(...base, '-o', output, ...account, '--output-file', file), { status: 0, stderr: '' }, output);
  }
  const [checks = '', waivers = '', profile = ''] = Object.entries(TAILORING).map(([kind, text]) => {
    const path = join(directory, `${kind}.yaml`);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  });
  t.equal(run('--check', 'kernel', '-o', 'json', '--output-file', file).status, 0);
  const tailored = ['--checks-file', checks, '--waivers', waivers, '--profile', profile, '--baseline', file];
  t.match(run('--benchmark', 'cis-docker-1.8.0', ...tailored, '--by', 'control'), { status: 0, stderr: '' });
  t.end();
});

void t.test('kept code that is damaged is compiled again', (t) => {
  writeFileSync(join(cache, name), readFileSync(join(cache, name)).subarray(0, 100_000));
  t.equal(run('--check', 'kernel', '-o', 'json').status, 0);
  t.ok(statSync(join(cache, name)).size > 500_000);
  t.end();
});

void t.test('code that another user can have written is not run', (t) => {
  // V8 accepts code of any source text that has the same length.
  setFlagsFromString('--no-concurrent-sparkplug');
  const hostile = `(function (module) { module.exports.main = (script) => script && console.log('hostile'); })`;
  const script = new Script(hostile.padEnd(source.length), { filename: join(directory, 'dist', 'scan.js') });
  const module = { exports: { main: (): void => undefined } };
  (script.runInThisContext() as (own: typeof module) => void)(module);
  // A function that was never called would be compiled of the source text.
  module.exports.main();
  const code = script.createCachedData();
  const place = (mode: number, uid: number): void => {
    writeFileSync(join(cache, name), code);
    chmodSync(join(cache, name), mode);
    chownSync(join(cache, name), uid, 0);
  };
  const uid = process.getuid?.() ?? 0;
  place(0o644, uid);
  t.match(run('--help').stdout, /hostile/, 'such code is run if it is our own');
  place(0o666, uid);
  t.match(run('--help').stdout, /judge this machine once/, 'all can write it');
  if (uid === 0) {
    place(0o644, 65534);
    t.match(run('--help').stdout, /judge this machine once/, 'it is of another user');
  }
  t.end();
});

void t.test('the cache of another user is not used', { skip: process.getuid?.() !== 0 && 'needs root' }, (t) => {
  rmSync(cache, { recursive: true });
  // No cache beside the program.
  writeFileSync(cache, '');
  const home = join(directory, 'own');
  rmSync(home, { recursive: true, force: true });
  mkdirSync(home);
  chownSync(home, 65534, 65534);
  t.equal(run('--check', 'kernel', '-o', 'json').status, 0);
  t.strictSame(readdirSync(home), []);
  chownSync(home, 0, 0);
  t.equal(run('--check', 'kernel', '-o', 'json').status, 0);
  t.ok(readdirSync(join(home, 'plimsoll')).includes(name), 'that of the own user is');
  t.end();
});

// As systemd runs a service with DynamicUser; homedir() of Node.js throws there.
void t.test('a user without a name and a home', { skip: cannotRunAsUser }, (t) => {
  const done = runAsUser(54_321, ['explain', 'ssh.root-login'], {});
  t.match(done, { status: 0, stdout: /ssh\.root-login/ }, done.stderr);
  t.end();
});
