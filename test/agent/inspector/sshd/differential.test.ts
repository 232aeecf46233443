import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import t from 'tap';
import { createLinuxHost } from '../../../../agent/host/linux.ts';
import { ALGORITHMS } from '../../../../agent/inspector/sshd/algorithms.ts';
import { evaluate } from '../../../../agent/inspector/sshd/evaluate.ts';
import { expandConfig } from '../../../../agent/inspector/sshd/expand-config.ts';
import { KEYWORDS } from '../../../../agent/inspector/sshd/keywords.ts';
import { SEED } from '../../../fixture/inspector/read.ts';
import { temporaryDirectory } from '../../../fixture/inspector/tree.ts';

/** The real sshd says what it makes of the same files: `sshd -T`. */
const SSHD = '/usr/sbin/sshd';
const skip = skipReason();
const isOlder = skip === false && majorVersion() < 10;

/** Main file, drop-ins below `d/`, the connection, and the condition of the context that is to be the same. */
interface Case {
  readonly main: string;
  readonly dropIns?: Readonly<Record<string, string>>;
  readonly user?: string;
  readonly condition?: string;
}

const CASES: Readonly<Record<string, Case>> = {
  'an empty file': { main: '' },
  'first value wins, in any spelling': {
    main: 'PermitRootLogin=yes\npermitrootlogin no\n  "PasswordAuthentication"   no # hi\nX11Forwarding = yes\n',
  },
  'lists add up': {
    main: 'AllowUsers a b\nAllowUsers c\nAcceptEnv LANG\nAcceptEnv LC_*\nPort 22\nPort 2222\nDenyGroups x\n',
  },
  'drop-ins where the Include stands': {
    main: 'MaxAuthTries 9\nInclude DIR/d/*.conf\nMaxAuthTries 5\nLogLevel QUIET\nX11Forwarding yes\n',
    dropIns: { 'b.conf': 'X11Forwarding no\nLogLevel verbose\n', 'a.conf': 'LogLevel debug\nMaxAuthTries 1\n' },
  },
  'a Match in a drop-in ends with its file': {
    main: 'Include DIR/d/*.conf\nPermitRootLogin yes\nPasswordAuthentication no\n',
    dropIns: { 'a.conf': 'Match User deploy\nPasswordAuthentication yes\n', 'b.conf': 'X11Forwarding yes\n' },
    user: 'deploy',
    condition: 'User deploy',
  },
  'the same for another user': {
    main: 'Include DIR/d/*.conf\nPermitRootLogin yes\nPasswordAuthentication no\n',
    dropIns: { 'a.conf': 'Match User deploy\nPasswordAuthentication yes\n', 'b.conf': 'X11Forwarding yes\n' },
  },
  'an Include within a Match': {
    main: 'PermitRootLogin no\nMatch User deploy\nInclude DIR/d/*.conf\nMaxSessions 3\nMatch User other\nMaxSessions 4\n',
    dropIns: { 'a.conf': 'PermitRootLogin yes\nMatch Host nowhere\nMaxSessions 9\n' },
    user: 'deploy',
    condition: 'User deploy',
  },
  'the first Match that holds wins, also a wider one': {
    main: 'Match User *\nPasswordAuthentication no\nMatch User deploy\nPasswordAuthentication yes\nX11Forwarding yes\n',
    user: 'deploy',
    condition: 'User deploy',
  },
  'two blocks of the same condition': {
    main: 'Match User deploy\nMaxSessions 2\nMatch User deploy\nMaxSessions 3\nPermitTunnel point-to-point\n',
    user: 'deploy',
    condition: 'User deploy',
  },
  'Match all': { main: 'PermitRootLogin yes\nMatch all\nPermitRootLogin no\nUsePAM no\n' },
  'lists in a Match replace those outside': {
    main: 'AllowUsers a\nMatch User deploy\nAllowUsers b\nAllowUsers deploy\n',
    user: 'deploy',
    condition: 'User deploy',
  },
  'times, levels and words': {
    main:
      'LoginGraceTime 1h30m\nClientAliveInterval 5M\nLogLevel debug3\nAllowTcpForwarding ALL\nGatewayPorts ClientSpecified\n' +
      'IgnoreRhosts shosts-only\nPermitRootLogin prohibit-password\nSyslogFacility authpriv\nClientAliveCountMax 007\n',
  },
  'algorithms added, removed and put first': {
    main:
      'Ciphers +3des-cbc\nMACs -*sha1*,umac-64*\nKexAlgorithms ^diffie-hellman-group14-sha256\n' +
      'PubkeyAcceptedAlgorithms +ssh-rsa\nHostKeyAlgorithms -*nistp*\nCASignatureAlgorithms ssh-ed25519,rsa-sha2-*\n',
  },
  'old names': { main: 'ChallengeResponseAuthentication no\nPubkeyAcceptedKeyTypes ssh-ed25519\n' },
  'the file of Debian': {
    main:
      'Include DIR/d/*.conf\nKbdInteractiveAuthentication no\nUsePAM yes\nX11Forwarding yes\nPrintMotd no\n' +
      'AcceptEnv LANG LC_* COLORTERM NO_COLOR\nSubsystem\tsftp\t/usr/lib/openssh/sftp-server\n',
    dropIns: { '50-cloud-init.conf': 'PasswordAuthentication yes\n' },
  },
};

for (const [name, each] of Object.entries(CASES))
  t.test(name, { skip }, async (t) => {
    const file = write(t, each);
    const told = tell(file, each.user ?? 'nobody-else');
    const config = await expandConfig(createLinuxHost(), file);
    const evaluation = 'directives' in config ? evaluate(config.directives, config.blocks) : config;
    t.match(evaluation, { ok: true });
    const contexts = 'contexts' in evaluation ? evaluation.contexts : [];
    const context = contexts.find(({ condition }) => condition === (each.condition ?? ''));
    for (const keyword of Object.keys(KEYWORDS)) {
      // sshd resolves the addresses, and lists default keys by what it could load.
      if (keyword === 'listenaddress' || keyword === 'hostkey') continue;
      // Which algorithms are known, and offered unasked, is that of OpenSSH 10.
      if (isOlder && Object.hasOwn(ALGORITHMS, keyword)) continue;
      const ours = context?.settings[keyword]?.values.join(' ');
      t.equal(ours, (told.get(keyword) ?? []).join(' ').replace('without-password', 'prohibit-password'), keyword);
    }
  });

/** Lines that may stand anywhere, each twice with values that differ. */
const LINES = [
  'PermitRootLogin yes',
  'permitrootlogin=forced-commands-only',
  'PasswordAuthentication no',
  'PasswordAuthentication "yes"',
  'MaxAuthTries 2 # few',
  'MaxAuthTries = 4',
  'X11Forwarding yes',
  'X11Forwarding no',
  'AllowUsers deploy a*',
  'AllowUsers b',
  'AcceptEnv LC_*',
  'AcceptEnv LANG',
  'AuthenticationMethods publickey,password publickey',
  'ClientAliveInterval 3m',
  'LogLevel Verbose',
  'PubkeyAcceptedAlgorithms -*nistp*',
  'Include DIR/d/a.conf',
  'Include DIR/d/*.conf',
];
const MATCHES = ['Match User deploy', 'Match User *', 'Match User de*,!root', 'Match User root', 'Match all'];

t.test('any mixture of lines, matches and includes', { skip }, async (t) => {
  const block = fc.tuple(fc.constantFrom(...MATCHES), fc.array(fc.constantFrom(...LINES), { maxLength: 4 }));
  const file = fc
    .tuple(fc.array(fc.constantFrom(...LINES), { maxLength: 6 }), fc.array(block, { maxLength: 4 }))
    .map(([lines, blocks]) => [...lines, ...blocks.flatMap(([match, inner]) => [match, ...inner])].join('\n'));
  const leaf = file.map((text) => text.replaceAll(/^Include.*$/gm, ''));
  await fc.assert(
    fc.asyncProperty(file, leaf, leaf, async (main, a, b) => {
      const path = write(t, { main: `${main}\nMatch User deploy\n`, dropIns: { 'a.conf': a, 'b.conf': b } });
      const told = tell(path, 'deploy');
      const config = await expandConfig(createLinuxHost(), path);
      const evaluation = 'directives' in config ? evaluate(config.directives, config.blocks) : config;
      const contexts = 'contexts' in evaluation ? evaluation.contexts : [];
      const context = contexts.find(({ condition }) => condition === 'User deploy');
      for (const line of LINES) {
        const keyword = (/^\w+/.exec(line)?.[0] ?? '').toLowerCase();
        if (keyword === 'include' || (isOlder && Object.hasOwn(ALGORITHMS, keyword))) continue;
        const ours = context?.settings[keyword]?.values.join(' ');
        if (ours !== (told.get(keyword) ?? []).join(' ').replace('without-password', 'prohibit-password')) return false;
      }
      return true;
    }),
    { seed: SEED.seed, numRuns: 60 },
  );
});

/** What sshd refuses is not what runs, so it must not be taken for settings. */
const REFUSED: Readonly<Record<string, string>> = {
  'a word that is none': 'PermitRootLogin maybe\n',
  'a value too many': 'PasswordAuthentication no yes\n',
  'a keyword without value': 'UsePAM\n',
  'a global keyword in a Match': 'Match User x\nUsePAM yes\n',
  'an open quotation': 'Banner "x\n',
  'a wrong time': 'LoginGraceTime 5x\n',
  'a condition without value': 'Match User\n',
  'a file that includes itself': 'Include DIR/main\n',
};

for (const [name, main] of Object.entries(REFUSED))
  t.test(`refused: ${name}`, { skip }, async (t) => {
    const file = write(t, { main });
    t.throws(() => tell(file, 'x'), 'sshd refuses it');
    const config = await expandConfig(createLinuxHost(), file);
    t.ok('problem' in config || !evaluate(config.directives, config.blocks).ok, 'and so do we');
  });

function write(t: Parameters<typeof temporaryDirectory>[0], { main, dropIns = {} }: Case): string {
  const directory = temporaryDirectory(t);
  mkdirSync(join(directory, 'd'));
  const place = (text: string): string => text.replaceAll('DIR', directory);
  writeFileSync(join(directory, 'main'), place(main));
  for (const [name, text] of Object.entries(dropIns)) writeFileSync(join(directory, 'd', name), place(text));
  return join(directory, 'main');
}

/** Each keyword of `sshd -T` with its lines. */
function tell(file: string, user: string): ReadonlyMap<string, readonly string[]> {
  const connection = `user=${user},host=client.example,addr=192.0.2.1,laddr=192.0.2.2,lport=22`;
  const output = execFileSync(SSHD, ['-T', '-f', file, '-C', connection], { encoding: 'utf8', stdio: 'pipe' });
  const told = new Map<string, string[]>();
  for (const line of output.trimEnd().split('\n')) {
    const space = line.indexOf(' ');
    const keyword = line.slice(0, space);
    told.set(keyword, [...(told.get(keyword) ?? []), line.slice(space + 1)]);
  }
  return told;
}

function skipReason(): string | false {
  if (!existsSync(SSHD)) return 'no sshd is installed';
  // Debian makes it when the service starts; without it not even -T works.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true });
  const { status, stderr } = spawnSync(SSHD, ['-T', '-f', '/dev/null'], { encoding: 'utf8' });
  return status === 0 ? false : `sshd -T does not work here: ${stderr.trim().slice(0, 100)}`;
}

function majorVersion(): number {
  const { stderr } = spawnSync(SSHD, ['-V'], { encoding: 'utf8' });
  return Number(/OpenSSH_(\d+)\./.exec(stderr)?.[1] ?? 0);
}
