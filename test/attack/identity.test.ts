import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { createLinuxHost } from '../../agent/host/linux.ts';
import { findDaemons } from '../../agent/inspector/proc/daemon-identity.ts';
import type { RefusedProcess } from '../../agent/inspector/proc/daemon-identity.ts';
import { createParseCache } from '../../agent/inspector/parse-cache.ts';
import { sshdInspector } from '../../agent/inspector/sshd/inspect.ts';
import { findSshdListeners } from '../../agent/inspector/sshd/listeners.ts';
import { servedEndpoints } from '../../agent/runtime/docker/served-endpoints.ts';
import { scanOnce } from '../../agent/scan.ts';
import { CHECKS } from '../../posture/check/registry.ts';
import { liveNode } from '../agent/inspector/live-node.ts';
import { serveDocker } from '../fixture/inspector/docker-api.ts';
import { recordedJson } from '../fixture/inspector/read.ts';
import { freePort } from '../fixture/free-port.ts';

const NOBODY = 65534;
const MARKER = 'marker-4f1c';
const PERL = '/usr/bin/perl';
const AS_NOBODY = ['setpriv', '--reuid', String(NOBODY), '--regid', String(NOBODY), '--clear-groups'];

const skip =
  process.getuid?.() !== 0
    ? 'needs root to run processes of others'
    : !existsSync(PERL) || spawnSync('unshare', ['-Urm', 'true']).status !== 0
      ? 'needs perl and user namespaces'
      : false;

/** A program that calls itself what it likes, listens on a socket, and says so. */
const IMPOSTOR = `
  use IO::Socket::INET; use IO::Socket::UNIX;
  my ($comm, $title, $path) = splice @ARGV, 0, 3;
  my $socket = $path eq '' ? IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1')
                           : IO::Socket::UNIX->new(Local => $path, Listen => 1);
  die "no socket: $!" unless $socket;
  $0 = $title if $title ne '';
  if ($comm ne '') { open my $file, '>', '/proc/self/comm'; print $file $comm; close $file; }
  $| = 1; print "$$\\n"; sleep 600;`;

interface Impostor {
  readonly comm?: string;
  readonly title?: string;
  /** Path of a unix socket that it binds; otherwise it listens on TCP. */
  readonly socket?: string;
  readonly program?: string;
  readonly wrapper?: readonly string[];
}

/** Starts the program and answers its pid on the node. */
async function start(t: Test, made: Impostor): Promise<number> {
  const { comm = '', title = '', socket = '', program = PERL, wrapper = [] } = made;
  const [command, ...args] = [...wrapper, program, '-e', IMPOSTOR, comm, title, socket, 'x'.repeat(300)] as const;
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => {
    child.kill('SIGKILL');
    child.stdout.destroy();
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve());
    child.once('exit', (code) => reject(new Error(`the impostor ended with ${String(code)}`)));
  });
  return wrapper.includes('--fork') ? Number(spawnSync('pgrep', ['-P', String(child.pid)]).stdout) : (child.pid ?? 0);
}

/** A directory that everybody may enter; only root can write there. */
function place(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'plimsoll-identity-'));
  chmodSync(path, 0o755);
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

function write(path: string, text: string, mode = 0o600): string {
  writeFileSync(path, text, { mode });
  return path;
}

const title = (config: string): string => `sshd: /usr/sbin/sshd -D -f ${config} [listener] 0 of 10-100 startups`;

/** Programs that have the name of a daemon and are not one. */
function programs(t: Test, name: string): Readonly<Record<'safe' | 'open' | 'nobodys', string>> {
  const directory = place(t);
  const made = (kind: string, mode: number, uid: number): string => {
    const below = join(directory, kind);
    mkdirSync(below);
    copyFileSync(PERL, join(below, name));
    chmodSync(join(below, name), 0o755);
    chownSync(below, uid, uid);
    chmodSync(below, mode);
    return join(below, name);
  };
  return { safe: made('safe', 0o755, 0), open: made('open', 0o777, 0), nobodys: made('nobodys', 0o755, NOBODY) };
}

async function refusalOf(name: 'sshd' | 'dockerd', pid: number): Promise<RefusedProcess | undefined> {
  const found = await findDaemons({ host: createLinuxHost(), cache: createParseCache() }, name);
  if (!found.ok) throw new Error(found.reason);
  const { genuine, refused } = found.value;
  return genuine.some((daemon) => daemon.pid === pid) ? undefined : refused.find((process) => process.pid === pid);
}

void t.test('a process that calls itself sshd', { skip }, async (t) => {
  const secret = write(join(place(t), 'secret'), `MaxAuthTries 1\ndb_password ${MARKER}\n`);
  const { safe, open, nobodys } = programs(t, 'sshd');
  const named = { comm: 'sshd', title: title(secret) };
  const attacks: Readonly<Record<string, readonly [Impostor, RefusedProcess['kind'], RegExp]>> = {
    'of a user, by comm': [{ ...named, wrapper: AS_NOBODY }, 'foreign', /uid 65534/],
    'of a user, by its program': [{ title: title(secret), program: safe, wrapper: AS_NOBODY }, 'foreign', /uid 65534/],
    'with a real uid of a user': [
      { ...named, program: safe, wrapper: ['setpriv', '--ruid', String(NOBODY)] },
      'foreign',
      /user ids/,
    ],
    'as root of a user namespace': [
      { ...named, program: safe, wrapper: [...AS_NOBODY, 'unshare', '-Urm'] },
      'foreign',
      /uid 65534/,
    ],
    'as root of a user namespace of root': [
      { ...named, program: safe, wrapper: ['unshare', '-Ur'] },
      'foreign',
      /user/,
    ],
    'in a mount namespace': [{ ...named, program: safe, wrapper: ['unshare', '-m'] }, 'foreign', /mount namespace/],
    'in a pid namespace': [
      { ...named, program: safe, wrapper: ['unshare', '-p', '--fork', '--kill-child'] },
      'container',
      /container/,
    ],
    'of root, by comm alone': [named, 'foreign', /it runs \/usr\/bin\/perl/],
    'of root, in a directory of everybody': [{ ...named, program: open }, 'doubtful', /open is writable by everybody/],
    'of root, in a directory of a user': [
      { ...named, program: nobodys },
      'doubtful',
      /nobodys is writable by uid 65534/,
    ],
  };
  for (const [name, [impostor, kind, reason]] of Object.entries(attacks))
    await t.test(name, async (t) => {
      const pid = await start(t, impostor);
      t.match(await refusalOf('sshd', pid), { kind, reason });
      const fact = await sshdInspector.inspect(liveNode('unix:///nowhere.sock'), {});
      t.notMatch(JSON.stringify(fact), MARKER);
      t.notMatch(JSON.stringify(fact), secret);
      t.not(fact.present.source, `/proc/${String(pid)}`);
      // Unless this machine has a server, that is why it is not known whether one runs.
      if (fact.present.state !== 'seen' && kind !== 'container') t.equal(fact.present.state, 'unreadable');
    });
});

void t.test('a process that calls itself dockerd', { skip }, async (t) => {
  const directory = place(t);
  const socket = join(directory, 'run/docker.sock');
  mkdirSync(join(directory, 'run'));
  chownSync(join(directory, 'run'), NOBODY, NOBODY);
  const { safe, open } = programs(t, 'dockerd');
  const flags = `dockerd -H unix://${socket} --icc=false --userland-proxy=false --no-new-privileges --live-restore`;
  const named = { comm: 'dockerd', title: flags };
  const attacks: Readonly<Record<string, readonly [Impostor, RefusedProcess['kind']]>> = {
    'of a user in namespaces of its own, at a path of its own': [
      { ...named, socket, program: safe, wrapper: [...AS_NOBODY, 'unshare', '-Urmn'] },
      'foreign',
    ],
    'of a user, a copy of the program': [{ ...named, socket, program: safe, wrapper: AS_NOBODY }, 'foreign'],
    'of root, from a directory of everybody': [{ ...named, socket: join(directory, 'x'), program: open }, 'doubtful'],
  };
  for (const [name, [impostor, kind]] of Object.entries(attacks))
    await t.test(name, async (t) => {
      const pid = await start(t, impostor);
      t.match(await refusalOf('dockerd', pid), { kind });
      const endpoints = await servedEndpoints({ host: createLinuxHost(), cache: createParseCache() });
      t.notOk(endpoints?.some((endpoint) => endpoint.includes(directory)));
      rmSync(socket, { force: true });
    });

  await t.test('nothing of the daemon passes, although its API answers', async (t) => {
    await start(t, { ...named, socket: join(directory, 'run/y'), program: safe, wrapper: AS_NOBODY });
    const answers = { '/info': recordedJson('docker/info.json'), '/version': recordedJson('docker/version.json') };
    const runtime = await serveDocker(t, answers, socket);
    chownSync(socket, NOBODY, NOBODY);
    const { findings } = await scanOnce({ access: { ...liveNode(runtime.endpoint), runtime }, checks: CHECKS });
    const ofDaemon = findings.filter(({ check }) => check.startsWith('daemon.'));
    t.ok(ofDaemon.length > 15);
    t.same(
      ofDaemon.filter(({ verdict }) => verdict === 'pass').map(({ check }) => check),
      [],
    );
    t.match(
      ofDaemon.find(({ check }) => check === 'daemon.live-restore'),
      { verdict: 'unknown', reason: /writable by uid 65534/ },
    );
  });
});

const noSshd = skip !== false ? skip : existsSync('/usr/sbin/sshd') ? false : 'sshd is not installed';

/** A real sshd with a configuration of its own that waits for connections. */
async function startSshd(
  t: Test,
  directory: string,
  lines: readonly string[],
): Promise<{ pid: number; config: string }> {
  const port = await freePort();
  const key = join(directory, `key-${String(port)}`);
  spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
  const config = write(
    join(directory, `config-${String(port)}`),
    [`Port ${String(port)}`, 'ListenAddress 127.0.0.1', `HostKey ${key}`, 'PidFile none', ...lines, ''].join('\n'),
  );
  mkdirSync('/run/sshd', { recursive: true });
  const child = spawn('/usr/sbin/sshd', ['-D', '-f', config], { stdio: 'ignore' });
  t.teardown(() => child.kill('SIGKILL'));
  for (let attempt = 0; !(await accepts(port)); attempt += 1) {
    if (attempt > 600 || child.exitCode !== null) throw new Error('sshd did not start');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return { pid: child.pid ?? 0, config };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port }, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

void t.test('real servers', { skip: noSshd }, async (t) => {
  const directory = place(t);
  await t.test('each is found with its configuration, whatever has a lower pid', async (t) => {
    await start(t, { comm: 'sshd', title: title(join(directory, 'none')), wrapper: AS_NOBODY });
    const first = await startSshd(t, directory, ['MaxAuthTries 3']);
    const second = await startSshd(t, directory, ['MaxAuthTries 4']);
    const found = await findSshdListeners({ host: createLinuxHost(), cache: createParseCache() });
    const listeners = found.ok ? found.value.listeners : [];
    const own = listeners.filter(({ pid }) => [first.pid, second.pid].includes(pid));
    t.same(
      own.map(({ pid, options }) => [pid, options.configPath]),
      [
        [first.pid, first.config],
        [second.pid, second.config],
      ],
    );
    // One that serves a connection is not a second one that listens.
    t.equal(new Set(listeners.map(({ pid }) => pid)).size, listeners.length);
  });

  const files: Readonly<Record<string, (config: string) => void>> = {
    'a keyword that is none of sshd': (config) => void write(config, `MaxAuthTries 3\ndb_password ${MARKER}\n`),
    'a line that is none': (config) => void write(config, `MaxAuthTries 3\n${MARKER}\n`),
    'a quotation mark that is missing': (config) => void write(config, `MaxAuthTries "${MARKER}\n`),
    'a value that sshd does not know': (config) => void write(config, `PermitRootLogin ${MARKER}\n`),
    'a link to a file of hashes': (config) => {
      rmSync(config);
      symlinkSync(write(join(directory, 'shadow'), `root:$y$${MARKER}:20000:0:99999:7:::\n`), config);
    },
    'a file that everybody can write': (config) => {
      write(config, `MaxAuthTries 3\nBanner ${MARKER}\n`);
      chmodSync(config, 0o666);
    },
  };
  for (const [name, change] of Object.entries(files))
    await t.test(`the configuration becomes ${name}`, async (t) => {
      const { config } = await startSshd(t, directory, []);
      change(config);
      const { facts, findings } = await scanOnce({ access: liveNode('unix:///nowhere.sock'), checks: CHECKS });
      t.notMatch(JSON.stringify(facts), MARKER);
      t.notMatch(JSON.stringify(findings), MARKER);
    });
});
