import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { parseTcpListeners } from '../../../../agent/inspector/proc/proc-net-tcp.ts';
import { createRecall } from '../../../../agent/inspector/recall.ts';
import { sshdInspector } from '../../../../agent/inspector/sshd/inspect.ts';
import { sshdSchema } from '../../../../posture/fact/sshd.ts';
import type { SshdFact } from '../../../../posture/fact/sshd.ts';
import { factsOf, noAgent, nodeFact } from '../../../fixture/facts.ts';
import { serveDocker } from '../../../fixture/inspector/docker-api.ts';
import { NODE_TREE, processTree } from '../../../fixture/inspector/daemon.ts';
import type { MadeProcess } from '../../../fixture/inspector/daemon.ts';
import { recordedText } from '../../../fixture/inspector/read.ts';
import { treeHost } from '../../../fixture/inspector/tree.ts';
import type { Tree } from '../../../fixture/inspector/tree.ts';

async function sshdOf(t: Test, tree: Tree, change: (root: string) => void = () => {}): Promise<SshdFact> {
  const host = treeHost(t, { ...NODE_TREE, ...tree });
  change(host.root);
  const fact = await sshdInspector.inspect(
    {
      host,
      runtime: await serveDocker(t, {}),
      prober: { probe: () => Promise.resolve({ ok: false, reason: 'no' }) },
      inventory: () => Promise.resolve(nodeFact()),
      agent: noAgent,
      recall: createRecall(),
      now: () => 0,
    },
    {},
  );
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

t.test('an sshd in a container is none of the node', async (t) => {
  t.match((await sshdOf(t, sshd(40, { status: { NSpid: '40\t7' } }))).present, { state: 'absent' });
});

t.test('a file that is included and cannot be read leaves nothing certain', async (t) => {
  const fact = await sshdOf(t, { ...CONFIG, '/etc/ssh/sshd_config.d/50.conf/x': '' });
  t.match(fact.contexts, { state: 'unreadable', source: '/etc/ssh/sshd_config.d/50.conf' });
});

t.test('a file that sshd would refuse is not what runs', async (t) => {
  const fact = await sshdOf(t, { '/etc/ssh/sshd_config': 'UsePAM yes\nPermitRootLogin maybe\n' });
  t.match(fact.contexts, { state: 'unreadable', source: '/etc/ssh/sshd_config:2', reason: /permitrootlogin/ });
});

t.test('a dead link among the included files: sshd stops there (asked of OpenSSH 10.0)', async (t) => {
  const dead = await sshdOf(t, { ...CONFIG, '/etc/ssh/sshd_config.d/50.conf': '-> /nowhere' });
  t.match(dead.contexts, { state: 'unreadable', source: '/etc/ssh/sshd_config.d/50.conf', reason: /link/ });
  const named = await sshdOf(t, { '/etc/ssh/sshd_config': 'Include /etc/ssh/none.conf\nMaxAuthTries 2\n' });
  t.same(value(named, 'maxauthtries'), { values: ['2'], source: '/etc/ssh/sshd_config:2' }, 'no file is none');
});

t.test('more than a fact can hold is not judged by its beginning', async (t) => {
  const names = Array.from({ length: 257 }, (_, index) => `A${String(index)}`);
  const many = `AcceptEnv ${names.slice(0, 256).join(' ')}\n`;
  t.match(await sshdOf(t, { '/etc/ssh/sshd_config': many }), { contexts: { state: 'seen' } });
  // sshd -T shows all of them, also the last.
  t.match((await sshdOf(t, { '/etc/ssh/sshd_config': `${many}AcceptEnv LD_*\n` })).contexts, {
    state: 'unreadable',
    source: '/etc/ssh/sshd_config:2',
    reason: /more than 256 values of acceptenv/,
  });
  const long = `TrustedUserCAKeys /${'x'.repeat(4096)}\n`;
  t.match((await sshdOf(t, { '/etc/ssh/sshd_config': long })).contexts, { state: 'unreadable', reason: /too long/ });
  const directories = Object.fromEntries(names.map((name) => [`/etc/ssh/d/${name}/x.conf`, '']));
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

t.test('two that listen: neither is chosen', async (t) => {
  const second = { ...sshd(41), '/proc/41/fd/9': '-> socket:[1060]' };
  const fact = await sshdOf(t, { ...CONFIG, ...RUNNING, ...second });
  t.match(fact.contexts, { state: 'unreadable', reason: /40, 41/ });
  const child = sshd(39, { startTicks: 9999 });
  t.match((await sshdOf(t, { ...CONFIG, ...RUNNING, ...child })).contexts, { state: 'seen' }, 'a fork is no second');
});

t.test('a program that was replaced while it runs, and a link to it by another name', async (t) => {
  const replaced = await sshdOf(t, { ...CONFIG, ...sshd(40, { exe: '/usr/sbin/sshd (deleted)' }) });
  t.match(replaced.present, { state: 'seen', value: 'running' });
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
