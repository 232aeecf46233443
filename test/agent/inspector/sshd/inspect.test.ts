import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { parseTcpListeners } from '../../../../agent/inspector/proc/proc-net-tcp.ts';
import { sshdInspector } from '../../../../agent/inspector/sshd/inspect.ts';
import { sshdSchema } from '../../../../posture/fact/sshd.ts';
import type { SshdFact } from '../../../../posture/fact/sshd.ts';
import { factsOf } from '../../../fixture/facts.ts';
import { NODE_TREE, processTree } from '../../../fixture/inspector/daemon.ts';
import type { MadeProcess } from '../../../fixture/inspector/daemon.ts';
import { recordedText } from '../../../fixture/inspector/read.ts';
import { treeHost } from '../../../fixture/inspector/tree.ts';
import type { Tree } from '../../../fixture/inspector/tree.ts';
import { accessTo } from '../../../fixture/inspector/access.ts';

async function sshdOf(t: Test, tree: Tree, change: (root: string) => void = () => {}): Promise<SshdFact> {
  const host = treeHost(t, { ...NODE_TREE, ...tree });
  change(host.root);
  const fact = await sshdInspector.inspect(await accessTo(t, host), {});
  t.ok(sshdSchema.parse(fact).ok);
  return fact;
}

const value = (fact: SshdFact, keyword: string): unknown =>
  fact.contexts.state === 'seen' ? fact.contexts.value[0]?.settings[keyword] : fact.contexts;

const CONFIG: Tree = { '/etc/ssh/sshd_config': 'Include /etc/ssh/sshd_config.d/*.conf\nPermitRootLogin yes\n' };
const PORT_22 = parseTcpListeners(recordedText('net/tcp'))[0]?.inode ?? 0;
/** An sshd that listens. */
const sshd = (pid: number, made: MadeProcess = {}): Tree => ({
  ...processTree(pid, { comm: 'sshd', cmdline: recordedText('sshd/listener.cmdline'), sockets: [3, PORT_22], ...made }),
  [`/proc/${String(pid)}/net/tcp`]: recordedText('net/tcp'),
});
const RUNNING: Tree = sshd(40);

t.test('no SSH server', async (t) => {
  const fact = await sshdOf(t, {});
  t.match(fact, { present: { state: 'absent' }, contexts: { state: 'absent' }, files: [], startedAtMs: 0 });
});

t.test('installed, and the drop-in beats the main file', async (t) => {
  const fact = await sshdOf(t, { ...CONFIG, '/etc/ssh/sshd_config.d/50.conf': 'PermitRootLogin no\n' });
  t.match(fact.present, { state: 'seen', value: 'installed' });
  t.same(value(fact, 'permitrootlogin'), { values: ['no'], source: '/etc/ssh/sshd_config.d/50.conf:1' });
  t.same(value(fact, 'maxauthtries'), { values: ['6'], source: 'default' });
  t.same(fact.files, ['/etc/ssh/sshd_config', '/etc/ssh/sshd_config.d/50.conf']);
  t.ok(fact.modifiedAtMs > 0);
  const watched = sshdInspector.watches(factsOf({ sshd: fact }));
  for (const path of ['/etc/ssh/sshd_config', '/etc/ssh/sshd_config.d', '/etc/ssh/sshd_config.d/50.conf'])
    t.ok(watched.includes(path), path);
});

t.test('running: options on its command line win', async (t) => {
  const fact = await sshdOf(t, { ...CONFIG, ...RUNNING });
  t.match(fact.present, { state: 'seen', value: 'running', source: '/proc/40' });
  t.same(value(fact, 'permitrootlogin'), { values: ['no'], source: '-o on the command line' });
  t.equal(fact.startedAtMs, 1795603004270);
});

t.test('activated by its socket', async (t) => {
  const link = '/etc/systemd/system/sockets.target.wants/ssh.socket';
  const fact = await sshdOf(t, { ...CONFIG, [link]: '-> /usr/lib/systemd/system/ssh.socket' });
  t.match(fact.present, { state: 'seen', value: 'socketActivated', source: link });
});

t.test('enabled, and does not run', async (t) => {
  const link = '/etc/systemd/system/multi-user.target.wants/sshd.service';
  const enabled = { ...CONFIG, [link]: '-> /usr/lib/systemd/system/sshd.service' };
  t.match((await sshdOf(t, enabled)).present, { state: 'seen', value: 'enabled', source: link });
  const masked = { ...enabled, '/etc/systemd/system/sshd.service': '-> /dev/null' };
  t.match((await sshdOf(t, masked)).present, { state: 'seen', value: 'installed' });
});

t.test('enabled where no init system follows the link', async (t) => {
  const link = '/etc/systemd/system/multi-user.target.wants/ssh.service';
  const enabled = { ...CONFIG, [link]: '-> /usr/lib/systemd/system/ssh.service' };
  const presentWith = async (tree: Tree): Promise<unknown> => (await sshdOf(t, { ...enabled, ...tree })).present;
  t.match(await presentWith({ '/proc/1/comm': 'tini\n' }), { state: 'seen', value: 'installed' });
  for (const comm of ['init', 'systemd', 'openrc-init'])
    t.match(await presentWith({ '/proc/1/comm': `${comm}\n` }), { value: 'enabled' }, comm);
  const booted = { '/proc/1/comm': 'tini\n', '/run/systemd/system/x': '' };
  t.match(await presentWith(booted), { value: 'enabled' }, 'systemd under another name');
});

t.test('an sshd in a container is none of the node', async (t) => {
  t.match((await sshdOf(t, sshd(40, { status: { NSpid: '40\t7' } }))).present, { state: 'absent' });
});

t.test('a directory that is included has no lines', async (t) => {
  const fact = await sshdOf(t, { ...CONFIG, '/etc/ssh/sshd_config.d/50.conf/x': '' });
  t.match(value(fact, 'permitrootlogin'), { values: ['yes'] });
});

t.test('a file that sshd refuses is not what runs', async (t) => {
  const fact = await sshdOf(t, { '/etc/ssh/sshd_config': 'UsePAM yes\nPermitRootLogin maybe\n' });
  const source = '/etc/ssh/sshd_config:2';
  t.match(fact.contexts, { state: 'unreadable', source, reason: /permitrootlogin/ });
  t.match(fact.loads, { state: 'seen', source, value: { accepted: false, reason: /permitrootlogin/ } });
  t.match((await sshdOf(t, CONFIG)).loads, { state: 'seen', value: { accepted: true } });
});

/** The program of one release, as far as it is looked at. */
const program = (version: string, ...words: readonly string[]): Tree => ({
  '/usr/sbin/sshd': ['\x7fELF', 'OpenSSH_6.6.1*', ...words, `OpenSSH_${version}`, ''].join('\0'),
});

t.test('a keyword that the program does not have', async (t) => {
  const config = { '/etc/ssh/sshd_config': 'MaxAuthTries 2\nSecretWord hunter2\nGSSAPIKeyExchange no\n' };
  const fact = await sshdOf(t, { ...config, ...program('10.0p2 Debian-7', 'gssapikeyexchange') });
  t.match(fact.loads, { state: 'seen', source: '/etc/ssh/sshd_config:2', value: { accepted: false } });
  t.notMatch(JSON.stringify(fact), /secretword|hunter2/i);
  const patched = await sshdOf(t, { ...config, ...program('10.0p1', 'gssapikeyexchange', 'secretword') });
  t.match(patched.loads, { state: 'unreadable', source: '/etc/ssh/sshd_config:2' }, 'a keyword that we do not know');
  const newer = await sshdOf(t, { ...config, ...program('11.3p1', 'gssapikeyexchange') });
  t.match(newer.loads, { state: 'unreadable', source: '/etc/ssh/sshd_config:2' });
  const unknown = await sshdOf(t, config);
  t.match(unknown.loads, { state: 'unreadable' }, 'no program, no version');
  const plain = { '/etc/ssh/sshd_config': 'GSSAPIKeyExchange no\n', ...program('9.6p1') };
  t.match((await sshdOf(t, plain)).loads, { state: 'seen', value: { accepted: false } });
});

t.test('defaults are those of the release', async (t) => {
  const of = async (version: string, config: string): Promise<SshdFact> =>
    sshdOf(t, { '/etc/ssh/sshd_config': config, ...program(version) });
  // myproposal.h and servconf.c of each release.
  const old = await of('8.4p1 Debian-5', '');
  t.match(old.version, { state: 'seen', value: 'OpenSSH_8.4p1 Debian-5' });
  t.match(value(old, 'pubkeyacceptedalgorithms'), { values: [/,ssh-rsa$/] });
  t.match(value(old, 'kexalgorithms'), { values: [/^curve25519-sha256,.*,diffie-hellman-group14-sha256$/] });
  t.match(value(await of('7.4p1', ''), 'kexalgorithms'), { values: [/diffie-hellman-group14-sha1$/] });
  t.notMatch(value(await of('8.8p1', ''), 'pubkeyacceptedalgorithms'), { values: [/ssh-rsa$/] });
  t.match(value(await of('9.9p2', ''), 'kexalgorithms'), { values: [/^sntrup761x25519-sha512,/] });
  t.match(value(await of('10.5p1', ''), 'casignaturealgorithms'), { values: [/webauthn/] });
  // Before 8.7 an option of its own, `yes` by default, which turns the other on.
  const interactive = 'KbdInteractiveAuthentication no\n';
  t.match(value(await of('8.4p1', interactive), 'kbdinteractiveauthentication'), { values: ['yes'] });
  t.match(value(await of('8.7p1', interactive), 'kbdinteractiveauthentication'), { values: ['no'] });
  const both = `${interactive}ChallengeResponseAuthentication no\n`;
  t.match(value(await of('8.4p1', both), 'kbdinteractiveauthentication'), { values: ['no'] });
  // Keywords and forms that came later.
  for (const [version, line] of [
    ['8.1p1', 'Include /etc/ssh/x\n'],
    ['8.4p1', 'PubkeyAcceptedAlgorithms ssh-ed25519\n'],
    ['8.6p1', "X11Forwarding 'no'\n"],
    ['9.6p1', 'LogLevel SILENT\n'],
    ['9.0p1', 'RequiredRSASize 2048\n'],
    ['9.8p1', 'Match User=x\n'],
    ['9.8p1', 'Match invalid-user\n'],
    ['7.5p1', 'Match User x\nLogLevel VERBOSE\n'],
  ] as const)
    t.match((await of(version, line)).loads, { state: 'seen', value: { accepted: false } }, `${version}: ${line}`);
});

t.test('without a version, what depends on it is left out', async (t) => {
  const fact = await sshdOf(t, { '/etc/ssh/sshd_config': 'Ciphers aes128-ctr\nMACs -hmac-sha1\n' });
  t.match(fact.version, { state: 'unreadable' });
  t.match(value(fact, 'ciphers'), { values: ['aes128-ctr'] });
  for (const name of ['macs', 'kexalgorithms', 'casignaturealgorithms']) t.equal(value(fact, name), undefined, name);
  t.match(value(fact, 'maxauthtries'), { values: ['6'] });
  const interactive = await sshdOf(t, { '/etc/ssh/sshd_config': 'KbdInteractiveAuthentication no\n' });
  t.equal(value(interactive, 'kbdinteractiveauthentication'), undefined);
});

t.test('Match blocks that hold together are one more context', async (t) => {
  const config = 'Match User deploy\nPasswordAuthentication no\nMatch Address 10.0.0.0/8\nPermitEmptyPasswords yes\n';
  const fact = await sshdOf(t, { '/etc/ssh/sshd_config': config });
  const contexts = fact.contexts.state === 'seen' ? fact.contexts.value : [];
  t.same(
    contexts.map(({ condition }) => condition),
    ['', 'User deploy', 'Address 10.0.0.0/8', 'User deploy and Match Address 10.0.0.0/8'],
  );
  const groups = Array.from(
    { length: 20 },
    (_, index) => `Match Group g${String(index)}\nMaxAuthTries ${String(index)}\n`,
  );
  const many = await sshdOf(t, { '/etc/ssh/sshd_config': groups.join('') });
  t.match(many.contexts, { state: 'unreadable', reason: /more combinations/ });
});

t.test('a password on a command line, and variables', async (t) => {
  const config = 'ForceCommand mysql --password=hunter2\nSetEnv TOKEN=hunter2\n';
  t.notMatch(JSON.stringify(await sshdOf(t, { '/etc/ssh/sshd_config': config })), /hunter2/);
});

t.test('a dead link among the included files: sshd stops there (asked of OpenSSH 10.0)', async (t) => {
  const dead = await sshdOf(t, { ...CONFIG, '/etc/ssh/sshd_config.d/50.conf': '-> /nowhere' });
  t.match(dead.contexts, { state: 'unreadable', source: '/etc/ssh/sshd_config.d/50.conf', reason: /link/ });
  const named = await sshdOf(t, { '/etc/ssh/sshd_config': 'Include /etc/ssh/none.conf\nMaxAuthTries 2\n' });
  t.same(value(named, 'maxauthtries'), { values: ['2'], source: '/etc/ssh/sshd_config:2' }, 'no file is none');
});

t.test('more than a fact can hold is not judged by its beginning', async (t) => {
  const names = Array.from({ length: 4097 }, (_, index) => `A${String(index)}`);
  const many = `AcceptEnv ${names.slice(0, 4096).join(' ')}\n`;
  const full = await sshdOf(t, { '/etc/ssh/sshd_config': many });
  t.match(value(full, 'acceptenv'), { values: { length: 4096 } });
  // sshd -T shows all of them, also the last.
  const over = await sshdOf(t, { '/etc/ssh/sshd_config': `${many}AcceptEnv LD_*\n` });
  t.equal(value(over, 'acceptenv'), undefined);
  t.match(value(over, 'maxauthtries'), { values: ['6'] }, 'others are judged');
  const long = await sshdOf(t, { '/etc/ssh/sshd_config': `TrustedUserCAKeys /${'x'.repeat(4096)}\n` });
  t.equal(value(long, 'trustedusercakeys'), undefined);
  const directories = Object.fromEntries(names.slice(0, 257).map((name) => [`/etc/ssh/d/${name}/x.conf`, '']));
  const scattered = { ...directories, '/etc/ssh/sshd_config': 'Include /etc/ssh/d/*/x.conf /etc/ssh/d/*/*.conf\n' };
  t.match((await sshdOf(t, scattered)).contexts, { state: 'unreadable' });
});

t.test('a process that only calls itself sshd says nothing, whatever its pid', async (t) => {
  const named = 'sshd\0-D\0-f\0/etc/secret\0';
  const secret: Tree = { '/etc/secret': 'MaxAuthTries 1\nPassword hunter2\n' };
  const impostors: Readonly<Record<string, MadeProcess>> = {
    'uid 1000': { status: { Uid: '1000\t1000\t1000\t1000' } },
    'a saved uid of 0 alone': { status: { Uid: '1000\t1000\t0\t1000' } },
    'a real uid of 1000': { status: { Uid: '1000\t0\t0\t0' } },
    'its own user namespace': { namespaces: { user: 1 } },
    'its own mount namespace': { namespaces: { mnt: 1 } },
    'another program': { exe: '/usr/bin/sudo' },
    'a program in memory': { exe: '/memfd:sshd (deleted)' },
  };
  for (const [name, made] of Object.entries(impostors)) {
    const tree = { ...CONFIG, ...secret, ...sshd(30, { ...made, cmdline: named }) };
    const alone = await sshdOf(t, tree);
    t.notMatch(JSON.stringify(alone), /hunter2/, name);
    t.match(alone.present, { state: 'unreadable', reason: /pid 30 is not the node's sshd/ }, name);
    const beside = await sshdOf(t, { ...tree, ...RUNNING });
    t.match(beside.present, { state: 'seen', source: '/proc/40' }, `${name}, beside the real one`);
    t.match(beside.contexts, { state: 'seen' }, name);
  }
});

t.test('an sshd whose program is not to be relied on, or not visible, leaves nothing certain', async (t) => {
  for (const [exe, reason] of [
    [null, /executable/],
    ['/srv/sshd', /\/srv\/sshd is writable by everybody/],
  ] as const) {
    const host = { ...CONFIG, '/srv/sshd': '', ...sshd(40, { exe }) };
    const fact = await sshdOf(t, host, (root) => {
      chmodSync(join(root, 'srv/sshd'), 0o777);
    });
    t.match(fact, { present: { state: 'unreadable', reason }, contexts: { state: 'unreadable', reason } });
  }
});

t.test('two that listen: both are judged', async (t) => {
  const cmdline = '/usr/sbin/sshd\0-f\0/etc/ssh/other\0';
  const second = { ...sshd(41, { cmdline }), '/proc/41/fd/9': '-> socket:[1060]' };
  const other = { '/etc/ssh/other': 'PermitEmptyPasswords yes\n' };
  const fact = await sshdOf(t, { ...CONFIG, ...RUNNING, ...second, ...other });
  const contexts = fact.contexts.state === 'seen' ? fact.contexts.value : [];
  t.same(
    contexts.map(({ settings }) => settings['permitemptypasswords']?.values),
    [['no'], ['yes']],
  );
  t.same(fact.files, ['/etc/ssh/sshd_config', '/etc/ssh/other']);
  const local = '/usr/local/sbin/sshd';
  const two = { ...CONFIG, ...RUNNING, ...program('10.6p2'), ...sshd(41, { exe: local, cmdline: `${local}\0` }) };
  const versions = async (second: string): Promise<SshdFact['version']> =>
    (await sshdOf(t, { ...two, '/proc/41/fd/9': '-> socket:[1060]', [local]: `\0OpenSSH_${second}\0` })).version;
  t.match(await versions('10.6p2'), { state: 'seen', value: 'OpenSSH_10.6p2' });
  t.match(await versions('9.7p1'), {
    state: 'unreadable',
    reason: /different versions run: OpenSSH_10.6p2, OpenSSH_9.7p1/,
  });
  const gone = await sshdOf(t, { ...CONFIG, ...RUNNING, ...second });
  t.match(gone, { loads: { state: 'absent', source: '/etc/ssh/other' }, contexts: { state: 'absent' } });
  const child = sshd(39, { startTicks: 9999 });
  t.match((await sshdOf(t, { ...CONFIG, ...RUNNING, ...child })).contexts, { state: 'seen' }, 'a fork is no second');
});

t.test('a program that was replaced while it runs, and a link to it by another name', async (t) => {
  const replaced = await sshdOf(t, { ...CONFIG, ...sshd(40, { exe: '/usr/sbin/sshd (deleted)' }) });
  t.match(replaced.present, { state: 'seen', value: 'running' });
  const updated = { ...sshd(40, { exe: '/usr/sbin/sshd (deleted)' }), ...program('10.6p2') };
  const reason = /replaced after sshd started/;
  t.match(
    (await sshdOf(t, updated)).version,
    { state: 'unreadable', source: '/proc/40/exe', reason },
    'the old one runs',
  );
  const cmdline = 'sshd-sftp: /usr/sbin/sshd-sftp -f /etc/ssh/sftp [listener] 0 of 10-100 startups\0';
  const renamed = { ...sshd(40, { cmdline }), '/proc/40/comm': 'sshd-sftp\n', '/etc/ssh/sftp': 'MaxAuthTries 2\n' };
  t.same(value(await sshdOf(t, renamed), 'maxauthtries'), { values: ['2'], source: '/etc/ssh/sftp:1' });
});

t.test('files that others can write are not read', async (t) => {
  const open = (mode: number) => (root: string) => {
    chmodSync(join(root, 'etc/ssh/sshd_config'), mode);
  };
  t.match((await sshdOf(t, CONFIG, open(0o664))).contexts, {
    state: 'unreadable',
    reason: /sshd_config is writable by gid/,
  });
  t.match((await sshdOf(t, CONFIG, open(0o602))).contexts, { state: 'unreadable', reason: /by everybody/ });
  const linked = { '/etc/ssh/sshd_config': '-> /srv/config', '/srv/config': 'MaxAuthTries 2\n' };
  const fact = await sshdOf(t, linked, (root) => {
    chmodSync(join(root, 'srv'), 0o777);
  });
  t.match(fact.contexts, { state: 'unreadable', reason: /^\/srv is writable by everybody$/ });
});

t.test('what is not judged is not kept', async (t) => {
  const fact = await sshdOf(t, { '/etc/ssh/sshd_config': 'db_password hunter2\nMaxAuthTries 2\n' });
  t.notMatch(JSON.stringify(fact), /hunter2|db_password/);
});
