import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { createLinuxHost } from '../../../../agent/host/linux.ts';
import { createParseCache } from '../../../../agent/inspector/parse-cache.ts';
import { readPackagedRelease } from '../../../../agent/inspector/sshd/packaged-release.ts';
import { readProgram } from '../../../../agent/inspector/sshd/release.ts';
import { treeHost } from '../../../fixture/inspector/tree.ts';
import type { Tree } from '../../../fixture/inspector/tree.ts';

const SSHD = '/usr/sbin/sshd';
const STATUS = '/var/lib/dpkg/status';
const LIST = '/var/lib/dpkg/info/openssh-server.list';

// As dpkg writes them: a stanza a package, an empty line between two.
const stanza = (status: string, version: string): string =>
  `Package: openssh-server\nStatus: ${status}\nArchitecture: amd64\nVersion: ${version}\n`;
const dpkg = (text: string): Tree => ({
  [STATUS]: `Package: openssh-client\nStatus: install ok installed\nVersion: 1:7.4p1-1\n\n${text}\nPackage: zlib1g\nVersion: 1:1.3\n`,
  [LIST]: '/.\n/usr/sbin\n/usr/sbin/sshd\n',
});
const DEBIAN = dpkg(stanza('install ok installed', '1:9.2p1-2+deb12u3'));

// As apk writes it: `F:` a directory, `R:` files in it.
const apk = (version: string, file = 'sshd'): string =>
  `C:Q1a=\nP:musl\nV:1.2.5-r0\n\nC:Q1b=\nP:openssh-server\nV:${version}\nF:etc\nR:passwd\nF:usr/sbin\nR:${file}\na:0:0:755\n\nP:zlib\nV:1.3-r0\n`;

const installed = existsSync(STATUS) && existsSync(LIST);

void t.test('this machine, against dpkg-query', { skip: installed ? false : 'no package of Debian' }, async (t) => {
  const version = execFileSync('dpkg-query', ['-W', '-f', '${Version}', 'openssh-server']).toString();
  const found = await readPackagedRelease(createLinuxHost(), SSHD);
  t.equal(found?.version, `openssh-server ${version.replace(/^\d+:/, '')}`);
  const [, major, minor] = /(\d+)\.(\d+)p/.exec(version) ?? [];
  t.equal(found?.release, Number(major) * 100 + Number(minor));
  t.equal(await readPackagedRelease(createLinuxHost(), '/usr/sbin/none'), undefined);
});

void t.test('databases', async (t) => {
  const cases: readonly (readonly [string, Tree, number | undefined])[] = [
    ['dpkg', DEBIAN, 902],
    ['dpkg, a removed package', dpkg(stanza('deinstall ok config-files', '1:9.2p1-2')), undefined],
    ['dpkg, another program', { ...DEBIAN, [LIST]: '/usr/local/sbin/sshd\n' }, undefined],
    ['dpkg, a diverted program', { ...DEBIAN, '/var/lib/dpkg/diversions': `${SSHD}\n${SSHD}.old\n:\n` }, undefined],
    ['dpkg, no stanza', dpkg(''), undefined],
    ['dpkg, a version of another form', dpkg(stanza('install ok installed', '2026.1')), undefined],
    ['apk', { '/lib/apk/db/installed': apk('9.9_p2-r0') }, 909],
    ['apk 3', { '/usr/lib/apk/db/installed': apk('10.0_p1-r7') }, 1000],
    ['apk, another program', { '/lib/apk/db/installed': apk('9.9_p2-r0', 'sshd.pam') }, undefined],
    ['none', {}, undefined],
  ];
  for (const [name, tree, release] of cases)
    t.equal((await readPackagedRelease(treeHost(t, tree), SSHD))?.release, release, name);
});

void t.test('a program that cannot be read has the release of its package', async (t) => {
  const unread = treeHost(t, { ...DEBIAN, [SSHD]: Buffer.alloc(9 * 1024 * 1024) });
  const program = await readProgram(unread, createParseCache(), undefined);
  t.match(program, { release: 902, version: undefined, packaged: { source: STATUS } });
  t.equal(program.holds('PermitRootLogin'), undefined);

  const foreign = await readProgram(treeHost(t, { ...DEBIAN, [SSHD]: 'no version' }), createParseCache(), undefined);
  t.equal(foreign.release, undefined, 'a program without a version is not the one of the package');
});

void t.test('what others can write is not believed', async (t) => {
  const program = treeHost(t, { ...DEBIAN, [SSHD]: Buffer.alloc(9 * 1024 * 1024) });
  chmodSync(join(program.root, SSHD), 0o777);
  t.equal((await readProgram(program, createParseCache(), undefined)).release, undefined, 'the program');
  const database = treeHost(t, DEBIAN);
  chmodSync(join(database.root, STATUS), 0o666);
  t.equal(await readPackagedRelease(database, SSHD), undefined, 'the database');
});
