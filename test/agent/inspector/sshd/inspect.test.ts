import t from 'tap';
import type { Test } from 'tap';
import { createRecall } from '../../../../agent/inspector/recall.ts';
import { sshdInspector } from '../../../../agent/inspector/sshd/inspect.ts';
import { sshdSchema } from '../../../../posture/fact/sshd.ts';
import type { SshdFact } from '../../../../posture/fact/sshd.ts';
import { factsOf, noAgent, nodeFact } from '../../../fixture/facts.ts';
import { serveDocker } from '../../../fixture/inspector/docker-api.ts';
import { recordedText } from '../../../fixture/inspector/read.ts';
import { statusWith, treeHost } from '../../../fixture/inspector/tree.ts';
import type { Tree } from '../../../fixture/inspector/tree.ts';

async function sshdOf(t: Test, tree: Tree): Promise<SshdFact> {
  const fact = await sshdInspector.inspect(
    {
      host: treeHost(t, { '/proc/1/comm': 'systemd\n', ...tree }),
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
const RUNNING: Tree = {
  '/proc/stat': 'btime 1795602913\n',
  '/proc/40/comm': 'sshd\n',
  '/proc/40/status': statusWith({ Name: 'sshd', NSpid: '40' }),
  '/proc/40/cgroup': '0::/system.slice/ssh.service\n',
  '/proc/40/stat': '40 (sshd) S 1 2 3 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 11 0 9127 1 2',
  '/proc/40/cmdline': recordedText('sshd/listener.cmdline'),
};

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
  const inside = { ...RUNNING, '/proc/40/status': statusWith({ Name: 'sshd', NSpid: '40\t7' }) };
  t.match((await sshdOf(t, inside)).present, { state: 'absent' });
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
  const long = `Banner /${'x'.repeat(4096)}\n`;
  t.match((await sshdOf(t, { '/etc/ssh/sshd_config': long })).contexts, { state: 'unreadable', reason: /too long/ });
  const directories = Object.fromEntries(names.map((name) => [`/etc/ssh/d/${name}/x.conf`, '']));
  const scattered = { ...directories, '/etc/ssh/sshd_config': 'Include /etc/ssh/d/*/x.conf /etc/ssh/d/*/*.conf\n' };
  t.match((await sshdOf(t, scattered)).contexts, { state: 'unreadable' });
});
