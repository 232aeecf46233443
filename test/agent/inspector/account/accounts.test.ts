import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, linkSync, readFileSync } from 'node:fs';
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

t.test('what cannot be read is not guessed', async (t) => {
  const many = Array.from({ length: 600 }, (_, index) => `u${String(index)}:x:${String(index)}:1::/:/bin/sh`).join(
    '\n',
  );
  t.match(ada(await inspect(t, { '/etc/passwd': many }), 'u599').authorizedKeys, { state: 'unreadable' });
  t.match((await inspect(t, { '/etc/passwd': `${many}\n${many}\n` })).users, { state: 'unreadable' });
});
