import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, linkSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import t from 'tap';
import type { Test } from 'tap';
import { accountsInspector } from '../../../../agent/inspector/account/inspect.ts';
import { parsePasswd, systemUidMax } from '../../../../agent/inspector/account/password-files.ts';
import { privateKeyFormat } from '../../../../agent/inspector/account/private-key.ts';
import { parseAuthorizedKeys, parsePublicKey } from '../../../../agent/inspector/account/public-key.ts';
import { accountsSchema } from '../../../../posture/fact/accounts.ts';
import type { Account, AccountsFact } from '../../../../posture/fact/accounts.ts';
import { seen } from '../../../../posture/observed.ts';
import { factsOf, sshdFact } from '../../../fixture/facts.ts';
import { SEED } from '../../../fixture/inspector/read.ts';
import { temporaryDirectory, treeHost } from '../../../fixture/inspector/tree.ts';
import type { Tree } from '../../../fixture/inspector/tree.ts';
import { accessTo } from '../../../fixture/inspector/access.ts';

const isRoot = process.getuid?.() === 0;
const CAN_CHOWN = isRoot ? {} : { skip: 'only root can give files to other accounts' };
const hasSshKeygen = ((): boolean => {
  try {
    execFileSync('ssh-keygen', ['-?'], { stdio: 'ignore' });
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOENT';
  }
})();
const WITH_KEYGEN = hasSshKeygen ? {} : { skip: 'no ssh-keygen' };

function makeKey(t: Test, type: string, bits: string, passphrase = '', format: readonly string[] = []): string {
  const path = join(temporaryDirectory(t), 'key');
  const words = [
    '-q',
    '-t',
    type,
    ...(bits === '' ? [] : ['-b', bits]),
    ...format,
    '-N',
    passphrase,
    '-C',
    'secret comment',
  ];
  execFileSync('ssh-keygen', [...words, '-f', path]);
  return path;
}

t.test('keys as ssh-keygen reads them', WITH_KEYGEN, (t) => {
  for (const [type, bits] of [
    ['rsa', '1024'],
    ['rsa', '3072'],
    ['ecdsa', '256'],
    ['ecdsa', '521'],
    ['ed25519', ''],
  ] as const) {
    const path = makeKey(t, type, bits);
    const line = readFileSync(`${path}.pub`, 'utf8');
    const [size, fingerprint] = execFileSync('ssh-keygen', ['-lf', `${path}.pub`], { encoding: 'utf8' }).split(' ');
    const [found] = parseAuthorizedKeys(`# x\n\nfrom="10.0.0.0/8,\\"x y",no-pty ${line}`);
    t.match(found, { bits: Number(size), fingerprint, options: ['from', 'no-pty'] });
    t.same(parsePublicKey(line.trim()), { type: found?.type, bits: Number(size), fingerprint });
    t.notMatch(JSON.stringify(found), /secret|10\.0/, 'neither comments nor values of options');
  }
  t.end();
});

t.test('lines that are no keys', (t) => {
  const good = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHVCDwRWVIAPMiqVnDKoMnR0dVh4Ke9j3bHc0EJpsd3N';
  t.equal(parseAuthorizedKeys(good).length, 1);
  for (const line of [
    'root:$y$j9T$abc:19000:0:99999:7:::',
    good.replace('ssh-ed25519', 'ssh-rsa'),
    `unknown-option ${good}`,
    `command="x ${good}`,
    good.slice(0, 40),
    'ssh-rsa AAAAB3NzaC1yc2EAAAADAQAB',
  ])
    t.same(parseAuthorizedKeys(line), [], line);
  t.end();
});

t.test('private keys with and without a passphrase', WITH_KEYGEN, (t) => {
  const of = (...made: Parameters<typeof makeKey> extends [unknown, ...infer R] ? R : never): string | undefined =>
    privateKeyFormat(readFileSync(makeKey(t, ...made)));
  t.equal(of('ed25519', ''), 'plain');
  t.equal(of('ed25519', '', 'geheim123'), 'encrypted');
  for (const format of ['PEM', 'PKCS8']) {
    t.equal(of('rsa', '2048', '', ['-m', format]), 'plain', format);
    t.equal(of('rsa', '2048', 'geheim123', ['-m', format]), 'encrypted', format);
  }
  t.equal(privateKeyFormat(Buffer.from('ssh-ed25519 AAAA')), undefined);
  t.end();
});

t.test('lines of passwd and login.defs', (t) => {
  t.equal(parsePasswd('root:x:0:0:r:/root:/bin/sh\n+::0:0:::\n#x:x:0:0::/:/\nbad\n').length, 1);
  t.equal(systemUidMax('#SYS_UID_MAX 1\nUID_MIN\t\t 1000\n'), 999);
  t.equal(systemUidMax(''), 999);
  t.end();
});

// The reference is ssh-keygen: it shows the public key of a private one that it can use without a passphrase.
t.test('what ssh-keygen takes for a private key', WITH_KEYGEN, (t) => {
  const plain = readFileSync(makeKey(t, 'rsa', '2048', '', ['-m', 'PEM']), 'utf8');
  const locked = readFileSync(makeKey(t, 'rsa', '2048', 'geheim123', ['-m', 'PEM']), 'utf8');
  const own = readFileSync(makeKey(t, 'ed25519', ''), 'utf8');
  const rows: Readonly<Record<string, string>> = {
    plain,
    locked,
    own,
    'text before PEM': `Bag Attributes\n    friendlyName: x\n${plain}`,
    'a certificate before PEM': `-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n${plain}`,
    'text before a key of OpenSSH': `x\n${own}`,
    'text after a key of OpenSSH': `${own}\nssh-ed25519 AAAA\n`,
    'many lines after it': `${own}${'x'.repeat(70)}\n`.padEnd(900_000, 'y\n'),
    'windows line ends': plain.replaceAll('\n', '\r\n'),
    'known hosts': 'example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHVCDwRWVIAPMiqVnDKoMnR0dVh4Ke9j3bHc0EJpsd3N\n',
  };
  for (const [name, content] of Object.entries(rows)) {
    const path = join(temporaryDirectory(t), 'key');
    writeFileSync(path, content, { mode: 0o600 });
    const { status } = spawnSync('ssh-keygen', ['-y', '-P', '', '-f', path], { stdio: 'ignore' });
    t.equal(privateKeyFormat(Buffer.from(content)) === 'plain', status === 0, name);
  }
  t.end();
});

// PROTOCOL.key and PROTOCOL.u2f: the file of a key in a token holds a handle, not the key.
t.test('a key in a token', (t) => {
  const text = (...parts: readonly (string | Buffer)[]): Buffer =>
    Buffer.concat(
      parts.flatMap((part) => [Buffer.from(Uint32Array.of(part.length).buffer).swap32(), Buffer.from(part)]),
    );
  const key = (type: string): Buffer => {
    const one = Buffer.from([0, 0, 0, 1]);
    const head = Buffer.concat([
      Buffer.from('openssh-key-v1\0'),
      text('none', 'none', ''),
      one,
      text(text(type, 'x'), ''),
    ]);
    return Buffer.from(
      `-----BEGIN OPENSSH PRIVATE KEY-----\n${head.toString('base64')}\n-----END OPENSSH PRIVATE KEY-----\n`,
    );
  };
  t.equal(privateKeyFormat(key('sk-ssh-ed25519@openssh.com')), undefined);
  t.equal(privateKeyFormat(key('ssh-ed25519')), 'plain');
  t.end();
});

t.test('no input makes them throw', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (noise) => {
      parseAuthorizedKeys(noise);
      parseAuthorizedKeys(`ssh-rsa ${Buffer.from(noise).toString('base64')}`);
      privateKeyFormat(Buffer.from(noise));
      privateKeyFormat(Buffer.from(`-----BEGIN OPENSSH PRIVATE KEY-----\n${Buffer.from(noise).toString('base64')}`));
      parsePasswd(noise);
    }),
    SEED,
  );
  t.end();
});

const KEY_LINE = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHVCDwRWVIAPMiqVnDKoMnR0dVh4Ke9j3bHc0EJpsd3N ada@x\n';
const NODE: Tree = {
  '/proc/1/mountinfo':
    '1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 0:9 / /home/nfs rw - nfs4 server:/ rw\n3 1 0:7 / /home/fuse/.ssh rw - fuse.sshfs x rw\n4 1 0:6 / /dev rw - devtmpfs dev rw\n',
  '/etc/passwd': 'root:x:0:0:r:/root:/bin/bash\nada:x:1000:1000::/home/ada:/bin/bash\n',
  '/etc/shadow': 'root:*:1:::::\nada:$6$a$b:1:::::\n',
  '/etc/group': 'root:x:0:\nada:x:1000:\n',
  '/etc/ssh/sshd_config': '',
};
const SSHD = sshdFact({
  present: seen('running', '/proc/9'),
  contexts: seen(
    [
      {
        condition: '',
        settings: { authorizedkeysfile: { values: ['.ssh/authorized_keys', '/etc/keys/%u'], source: 'default' } },
      },
    ],
    '/etc/ssh/sshd_config',
  ),
});

async function inspect(t: Test, tree: Tree, change: (root: string) => void = () => {}): Promise<AccountsFact> {
  const host = treeHost(t, { ...NODE, ...tree });
  change(host.root);
  const fact = await accountsInspector.inspect(await accessTo(t, host), factsOf({ sshd: SSHD }));
  t.ok(accountsSchema.parse(fact).ok);
  return fact;
}

function ada(fact: AccountsFact, name = 'ada'): Account {
  const users = fact.users.state === 'seen' ? fact.users.value : [];
  const found = users.find((user) => user.name === name);
  if (found === undefined) throw new Error(`no account ${name}`);
  return found;
}

t.test('an account with keys below its home and in a directory of root', async (t) => {
  const fact = await inspect(t, {
    '/home/ada/.ssh/authorized_keys': KEY_LINE,
    '/home/ada/.ssh/id_rsa': '-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n',
    '/home/ada/.rhosts': '+ +\n',
    '/etc/keys/ada': KEY_LINE,
  });
  t.match(ada(fact), {
    canLogin: true,
    authorizedKeys: { value: [{ path: '/home/ada/.ssh/authorized_keys' }, { path: '/etc/keys/ada' }] },
    privateKeys: { value: [{ path: '/home/ada/.ssh/id_rsa', encrypted: false }] },
    trustFiles: { value: ['/home/ada/.rhosts'] },
    openPaths: [],
  });
});

t.test('what another account can change', CAN_CHOWN, async (t) => {
  const fact = await inspect(t, { '/home/ada/.ssh/authorized_keys': KEY_LINE }, (root) => {
    chmodSync(join(root, '/home/ada/.ssh'), 0o777);
    chmodSync(join(root, '/home/ada'), 0o775);
    chownSync(join(root, '/home/ada'), 1000, 50);
  });
  t.same(ada(fact).openPaths, [
    { path: '/home/ada', reason: 'writable by gid 50' },
    { path: '/home/ada/.ssh', reason: 'writable by everybody' },
  ]);
  const own = await inspect(t, { '/home/ada/.ssh/authorized_keys': KEY_LINE }, (root) => {
    chmodSync(join(root, '/home/ada'), 0o775);
    chownSync(join(root, '/home/ada'), 1000, 1000);
  });
  t.same(ada(own).openPaths, [], 'the group of the account alone');
});

t.test('an account cannot make us read a file of another one', CAN_CHOWN, async (t) => {
  const of = async (tree: Tree, change: (root: string) => void = () => {}): Promise<Account['authorizedKeys']> =>
    ada(
      await inspect(t, { '/home/ada/x': '', ...tree }, (root) => {
        chownSync(join(root, '/home/ada'), 1000, 1000);
        change(root);
      }),
    ).authorizedKeys;
  const link = '/home/ada/.ssh/authorized_keys';
  t.match(await of({ [link]: '-> /etc/shadow' }), { state: 'unreadable', reason: /symbolic link/ });
  t.match(await of({ '/home/ada/.ssh': '-> /root/.ssh', '/root/.ssh/authorized_keys': KEY_LINE }), {
    state: 'unreadable',
  });
  const hard = await of({ '/home/ada/.ssh/x': '' }, (root) => {
    linkSync(join(root, '/etc/shadow'), join(root, link));
  });
  t.match(hard, { state: 'unreadable', reason: /hard link/ });
  const foreign = await of({ [link]: KEY_LINE }, (root) => {
    chownSync(join(root, link), 1001, 1001);
  });
  t.match(foreign, { state: 'unreadable', reason: /another account/ });
  const pipe = await of({ '/home/ada/.ssh/x': '' }, (root) => {
    execFileSync('mkfifo', [join(root, link)]);
  });
  t.match(pipe, { state: 'unreadable', reason: /fifo/ });
  t.match(await of({ [link]: 'x'.repeat(300 * 1024) }), { state: 'unreadable' });
  t.match(await of({ [link]: KEY_LINE.repeat(300) }), { state: 'unreadable', reason: /256 keys/ });
});

t.test('file systems that may not answer are not touched', async (t) => {
  const fact = await inspect(t, {
    '/etc/passwd': 'nfs:x:1:1::/home/nfs/n:/bin/sh\nlink:x:2:2::/home/link:/bin/sh\nfuse:x:3:3::/home/fuse:/bin/sh\n',
    '/home/nfs/n/.ssh/authorized_keys': KEY_LINE,
    '/home/link': '-> /home/nfs/n',
    '/home/fuse/.ssh/authorized_keys': KEY_LINE,
  });
  for (const name of ['nfs', 'link', 'fuse'])
    t.match(ada(fact, name).authorizedKeys, { state: 'unreadable', reason: /may not answer/ }, name);
  // The account sys of Debian.
  const sys = await inspect(t, { '/etc/passwd': 'sys:x:3:3:sys:/dev:/usr/sbin/nologin\n', '/dev/null': '' });
  t.match(ada(sys, 'sys'), { authorizedKeys: { state: 'absent' }, privateKeys: { state: 'absent' } });
});

t.test('private keys wherever `.ssh` holds them', async (t) => {
  const PLAIN = '-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n';
  const LOCKED = PLAIN.replace('\n', '\nProc-Type: 4,ENCRYPTED\n');
  const of = async (tree: Tree): Promise<Account['privateKeys']> =>
    ada(await inspect(t, { '/home/ada/.ssh/authorized_keys': KEY_LINE, ...tree })).privateKeys;
  const ssh = '/home/ada/.ssh';
  for (const name of [
    'keys/id',
    'known_hosts_key',
    'known_hosts',
    'config',
    'id.pub',
    'a/b/c/d/e',
    '.hidden',
    'authorized_keys2',
  ])
    t.match(await of({ [`${ssh}/${name}`]: PLAIN }), { value: [{ path: `${ssh}/${name}`, encrypted: false }] }, name);
  t.match(await of({}), { state: 'seen', value: [] });
  // ssh takes no key from a file of more than 1 MiB.
  t.match(await of({ [`${ssh}/known_hosts`]: 'x'.repeat(1024 * 1024 + 1) }), { state: 'seen', value: [] });
  t.match(await of({ [`${ssh}/id`]: '-> /etc/shadow' }), { state: 'unreadable', reason: /symbolic link/ });
  t.match(await of({ [`${ssh}/config`]: '-> /home/ada/dotfiles/config' }), { state: 'seen', value: [] });
  t.match(await of({ [`${ssh}/keys`]: '-> /root/.ssh', '/root/.ssh/id': PLAIN }), { state: 'unreadable' });
  const many = Object.fromEntries(
    Array.from({ length: 300 }, (_, index) => [`${ssh}/k/${String(index)}`, LOCKED]),
  ) as Tree;
  t.match(await of(many), { state: 'unreadable' });
  const first = await of({ ...many, [`${ssh}/id`]: PLAIN });
  t.match(first, { value: [{ path: `${ssh}/id`, encrypted: false }] }, 'many others hide none');
});

t.test('what cannot be read is not guessed', async (t) => {
  const many = Array.from({ length: 600 }, (_, index) => `u${String(index)}:x:${String(index)}:1::/:/bin/sh`).join(
    '\n',
  );
  t.match(ada(await inspect(t, { '/etc/passwd': many }), 'u599').authorizedKeys, { state: 'unreadable' });
  t.match((await inspect(t, { '/etc/passwd': `${many}\n${many}\n` })).users, { state: 'unreadable' });
});
