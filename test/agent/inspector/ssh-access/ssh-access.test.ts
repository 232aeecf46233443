import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import t from 'tap';
import type { Test } from 'tap';
import { sshAccessInspector } from '../../../../agent/inspector/ssh-access/inspect.ts';
import { parseModuli } from '../../../../agent/inspector/ssh-access/moduli.ts';
import { isPublicIpv4, publicIpv4, publicIpv6 } from '../../../../agent/inspector/ssh-access/public-addresses.ts';
import { sshAccessSchema } from '../../../../posture/fact/ssh-access.ts';
import type { SshAccessFact } from '../../../../posture/fact/ssh-access.ts';
import { seen } from '../../../../posture/observed.ts';
import { factsOf, sshdFact } from '../../../fixture/facts.ts';
import { NODE_TREE, processTree } from '../../../fixture/inspector/daemon.ts';
import { SEED } from '../../../fixture/inspector/read.ts';
import { treeHost } from '../../../fixture/inspector/tree.ts';
import type { Tree } from '../../../fixture/inspector/tree.ts';
import { accessTo } from '../../../fixture/inspector/access.ts';

const KEYGEN = '/usr/bin/ssh-keygen';
const SSHD = sshdFact({ present: seen('running', '/proc/9') });

async function inspect(t: Test, tree: Tree, change: (root: string) => void = () => {}): Promise<SshAccessFact> {
  const host = treeHost(t, { ...NODE_TREE, '/etc/machine-id': 'x', ...tree });
  change(host.root);
  const fact = await sshAccessInspector.inspect(await accessTo(t, host), factsOf({ sshd: SSHD }));
  t.ok(sshAccessSchema.parse(fact).ok);
  return fact;
}

t.test('host keys as ssh-keygen reads them', { skip: existsSync(KEYGEN) ? false : 'no ssh-keygen' }, async (t) => {
  const printed: string[] = [];
  const fact = await inspect(t, {}, (root) => {
    mkdirSync(join(root, '/etc/ssh'), { recursive: true });
    for (const words of [['rsa', '-b', '2048', '-m', 'PEM'], ['rsa'], ['ecdsa'], ['ed25519']]) {
      const path = join(root, '/etc/ssh', `ssh_host_${words[0] ?? ''}_key`);
      rmSync(path, { force: true });
      execFileSync(KEYGEN, ['-q', '-N', '', '-t', ...words, '-f', path]);
    }
    for (const type of ['rsa', 'ecdsa', 'ed25519'])
      printed.push(
        execFileSync(KEYGEN, ['-lf', join(root, `/etc/ssh/ssh_host_${type}_key.pub`)], { encoding: 'utf8' }),
      );
    // What the public file says counts only where the private one does not say it.
    rmSync(join(root, '/etc/ssh/ssh_host_ed25519_key.pub'));
  });
  const keys = fact.hostKeys.state === 'seen' ? fact.hostKeys.value : [];
  t.same(
    keys.map(({ bits, fingerprint }) => `${String(bits)} ${fingerprint}`),
    printed.map((line) => line.split(' ').slice(0, 2).join(' ')),
  );
});

t.test('sessions, by the titles that sshd gives its processes', async (t) => {
  const fact = await inspect(t, {
    '/usr/lib/openssh/sshd-session': '',
    ...processTree(50, { comm: 'sshd', cmdline: 'sshd: ada [priv]\0' }),
    ...processTree(51, {
      comm: 'sshd-session',
      exe: '/usr/lib/openssh/sshd-session',
      cmdline: 'sshd-session: root@pts/0\0',
    }),
    ...processTree(52, { comm: 'sshd', cmdline: 'sshd: [accepted]\0' }),
    // OpenSSH 10: a session of root is a monitor and its child.
    ...processTree(54, {
      comm: 'sshd-session',
      exe: '/usr/lib/openssh/sshd-session',
      cmdline: 'sshd-session: root [priv]\0',
    }),
    ...processTree(55, {
      comm: 'sshd-session',
      exe: '/usr/lib/openssh/sshd-session',
      cmdline: 'sshd-session: root@notty\0',
      status: { PPid: '54' },
    }),
    // A process of a user who calls itself so.
    ...processTree(53, { comm: 'sshd', cmdline: 'sshd: root@pts/1\0', status: { Uid: '1000\t1000\t1000\t1000' } }),
  });
  t.match(fact.sessions, {
    value: [
      { user: 'ada', pid: 50 },
      { user: 'root', pid: 51 },
      { user: 'root', pid: 54 },
    ],
  });
  t.equal(fact.sessions.state === 'seen' && fact.sessions.value.length, 3);
  t.ok(
    sshAccessInspector.watches({ sshAccess: fact } as never).includes('/run/systemd/sessions'),
    'a new one is noticed',
  );
});

t.test('what is left out', async (t) => {
  const fact = await inspect(t, { '/etc/hosts.equiv': '+ +\n', '/etc/ssh/shosts.equiv': '' });
  t.match(fact.trustFiles, { value: ['/etc/hosts.equiv'] });
  t.match(fact, {
    hostKeys: { state: 'absent' },
    moduli: { state: 'absent' },
    publicAddresses: { state: 'unreadable' },
  });
});

// moduli(5) and the file of OpenSSH 10: the sixth word is the size less one.
t.test('groups for key exchange', async (t) => {
  const text = '#\tTime\n20240101000000 2 6 100 2047 2 AB\n20240101000000 2 6 100 4095 5 CD\n';
  t.same(parseModuli(text), { count: 2, weak: 1, smallestBits: 2047 });
  t.match((await inspect(t, { '/etc/ssh/moduli': text })).moduli, { value: { weak: 1 } });
  if (!existsSync('/etc/ssh/moduli')) return;
  const real = readFileSync('/etc/ssh/moduli', 'latin1');
  // awk as a second reader.
  const counted = execFileSync('/usr/bin/awk', [
    '!/^#/ && NF==7 {n++; if ($5<3071) w++} END {print n, w+0}',
    '/etc/ssh/moduli',
  ]);
  const { count, weak } = parseModuli(real);
  t.equal(`${String(count)} ${String(weak)}`, counted.toString().trim());
});

// IANA IPv4 and IPv6 Special-Purpose Address Registries.
t.test('public addresses', (t) => {
  const special = [
    '10.1.2.3',
    '100.64.0.1',
    '127.0.0.1',
    '169.254.1.1',
    '172.31.0.1',
    '192.168.1.1',
    '198.18.0.1',
    '203.0.113.9',
  ];
  for (const address of special) t.notOk(isPublicIpv4(address), address);
  for (const address of ['8.8.8.8', '100.128.0.1', '172.32.0.1', '192.169.0.1']) t.ok(isPublicIpv4(address), address);
  const trie =
    'Main:\n  +-- 0.0.0.0/0 3 0 4\n     |-- 8.8.4.4\n        /32 host LOCAL\n     |-- 9.9.9.0\n        /24 link UNICAST\n     |-- 10.0.0.2\n        /32 host LOCAL\n';
  t.same(publicIpv4(trie), ['8.8.4.4']);
  const v6 = `20010db8000000000000000000000001 02 40 00 80 eth0\n2a000000000000000000000000000001 02 40 00 80 eth0\nfe800000000000000000000000000001 02 40 20 80 eth0\n`;
  t.same(publicIpv6(v6), ['2a00:0000:0000:0000:0000:0000:0000:0001']);
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (noise) => {
      parseModuli(noise);
      publicIpv4(noise);
      publicIpv6(noise);
    }),
    SEED,
  );
  t.end();
});
