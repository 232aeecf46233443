import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { temporaryDirectory } from '../../../fixture/inspector/tree.ts';
import { differences, evaluateFile, isAmong, SSHD, tell } from '../../../fixture/sshd/compare.ts';
import { CONFIGURATIONS } from '../../../fixture/sshd/configurations.ts';
import { compareFile } from '../../../fixture/sshd/run.ts';

/** The real sshd says what it makes of the same files: `sshd -T`. */
const skip = skipReason();

/** Main file, drop-ins below `d/`, and the user of the connection. */
interface Case {
  readonly main: string;
  readonly dropIns?: Readonly<Record<string, string>>;
  readonly user?: string;
}

const CASES: Readonly<Record<string, Case>> = {
  'an empty file': { main: '' },
  'first value wins, in any spelling': {
    main: 'PermitRootLogin=yes\npermitrootlogin no\n  "PasswordAuthentication"   no # hi\nX11Forwarding = yes\n',
  },
  'lists add up': {
    main: 'AllowUsers a b\nAllowUsers c\nAcceptEnv LANG\nAcceptEnv LC_*\nPort 22\nPort 2222\nDenyGroups x\n',
  },
  'drop-ins at the place of the Include': {
    main: 'MaxAuthTries 9\nInclude DIR/d/*.conf\nMaxAuthTries 5\nLogLevel QUIET\nX11Forwarding yes\n',
    dropIns: { 'b.conf': 'X11Forwarding no\nLogLevel verbose\n', 'a.conf': 'LogLevel debug\nMaxAuthTries 1\n' },
  },
  'a Match in a drop-in ends with its file': {
    main: 'Include DIR/d/*.conf\nPermitRootLogin yes\nPasswordAuthentication no\n',
    dropIns: { 'a.conf': 'Match User deploy\nPasswordAuthentication yes\n', 'b.conf': 'X11Forwarding yes\n' },
    user: 'deploy',
  },
  'the same for another user': {
    main: 'Include DIR/d/*.conf\nPermitRootLogin yes\nPasswordAuthentication no\n',
    dropIns: { 'a.conf': 'Match User deploy\nPasswordAuthentication yes\n', 'b.conf': 'X11Forwarding yes\n' },
  },
  'an Include within a Match': {
    main: 'PermitRootLogin no\nMatch User deploy\nInclude DIR/d/*.conf\nMaxSessions 3\nMatch User other\nMaxSessions 4\n',
    dropIns: { 'a.conf': 'PermitRootLogin yes\nMatch Host nowhere\nMaxSessions 9\n' },
    user: 'deploy',
  },
  'the first Match that holds wins, also a wider one': {
    main: 'Match User *\nPasswordAuthentication no\nMatch User deploy\nPasswordAuthentication yes\nX11Forwarding yes\n',
    user: 'deploy',
  },
  'two blocks of the same condition': {
    main: 'Match User deploy\nMaxSessions 2\nMatch User deploy\nMaxSessions 3\nPermitTunnel point-to-point\n',
    user: 'deploy',
  },
  'Match all': { main: 'PermitRootLogin yes\nMatch all\nPermitRootLogin no\nUsePAM no\n' },
  'lists in a Match replace those outside': {
    main: 'AllowUsers a\nMatch User deploy\nAllowUsers b\nAllowUsers deploy\n',
    user: 'deploy',
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
    const connection = { user: each.user ?? 'nobody-else', host: 'client.example', addr: '192.0.2.1', lport: '22' };
    const told = await tell(file, connection);
    const ours = await evaluateFile(file);
    const settings = ours.state === 'read' ? ours.under(connection) : undefined;
    t.ok(told !== undefined && settings !== undefined, JSON.stringify(ours));
    t.same(settings === undefined || told === undefined ? [] : differences(settings, told), []);
    t.ok(ours.state === 'read' && isAmong(settings ?? {}, ours.contexts ?? []), 'it is one of the contexts');
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
  'a typo': 'PermitRootLogon no\n',
  'a keyword of ssh': 'ForwardAgent yes\n',
  'bits beyond the mask': 'Match Address 10.0.0.1/8\n',
  'no such mask': 'Match LocalAddress 10.0.0.0/33\n',
  'no such criterion': 'Match Usr root\n',
  'all and another criterion': 'Match all User x\n',
  'wildcards among ciphers': 'Ciphers aes*\n',
  'an unknown MAC': 'MACs hmac-sha2-256,hmac-sha3\n',
  'an unknown signature': 'PubkeyAcceptedAlgorithms ssh-ed25519,ssh-ed448\n',
  'a pattern with an exclamation mark': 'PubkeyAcceptedAlgorithms *,!ssh-rsa\n',
  'a certificate of an authority': 'CASignatureAlgorithms ssh-ed25519-cert-v01@openssh.com\n',
  'another case': 'PermitTunnel Yes\n',
  'methods that are none': 'AuthenticationMethods publickey,secret\n',
  'methods that are off': 'AuthenticationMethods hostbased\n',
  'a relative command': 'AuthorizedKeysCommand keys\nAuthorizedKeysCommandUser nobody\n',
  'a command without user': 'AuthorizedKeysCommand /bin/keys\n',
  'a number of ten digits': 'MaxAuthTries 9999999999\n',
  'a port beyond all': 'Port 65536\n',
  'a rate beyond all': 'MaxStartups 10:101:100\n',
  'a rate without limit': 'MaxStartups 10:30\n',
  'a mask that is not octal': 'StreamLocalBindMask 999\n',
  'a user at a wrong network': 'AllowUsers x@10.0.0.1/8\n',
  'a variable with a value': 'AcceptEnv A=B\n',
  'a keyword that a NUL hides': 'UsePAM\0 yes\n no\n',
  'a routing domain': 'RDomain none\n',
  'an address of another family': 'AddressFamily inet\nListenAddress ::1\n',
  'a global keyword in an inner Match all': 'Match User x\nInclude DIR/d/*.conf\n',
};

for (const [name, main] of Object.entries(REFUSED))
  t.test(`refused: ${name}`, { skip }, async (t) => {
    const file = write(t, { main, dropIns: { 'a.conf': 'Match all\nUsePAM yes\n' } });
    t.equal(await tell(file, undefined), undefined, 'sshd refuses it');
    const ours = await evaluateFile(file);
    t.match(ours, { state: 'refused' }, 'and so do we');
    t.notMatch(JSON.stringify(ours), /maybe|PermitRootLogon|10\.0\.0\.1|ssh-ed448|secret/, 'no text of the file');
  });

/** What sshd accepts must be judged. */
const ACCEPTED: Readonly<Record<string, string>> = {
  'a command with arguments': 'AuthorizedKeysCommand /opt/keys %u %f\nAuthorizedKeysCommandUser nobody\n',
  'the size of keys in a Match': 'Match User x\nRequiredRSASize 2048\n',
  'an Include of a directory': 'Include DIR/d\nMaxAuthTries 2\n',
  'many users': `AllowUsers ${Array.from({ length: 1000 }, (_, index) => `user${String(index)}`).join(' ')}\n`,
  'a long value': `ForceCommand /bin/x ${'y'.repeat(10_000)}\n`,
  'a sign before a number': 'MaxAuthTries +4\n',
  'LogLevel SILENT': 'LogLevel SILENT\n',
  'MaxStartups, of which the last line counts': 'MaxStartups 5:50:50\nMaxStartups 10\n',
  'no cipher left': 'Ciphers -*\n',
  'a path in the home of root': 'Banner ~/banner\nAuthorizedKeysFile ~root/keys\n',
  'a relative path': 'Banner banner\nPidFile run/x\n',
  'quotation marks within a keyword': 'X11"Forwarding" yes\nMaxAuth"Tries" 3\n',
  'a pattern that looks like no': 'PermitUserEnvironment No\n',
  'a comment with a NUL': '# x\0\nPermitRootLogin no\nMaxAuthTries 3\n',
  'a global keyword in Match all': 'UsePAM yes\nMatch all\nUsePAM no\nPermitRootLogin no\n',
  'the name of a service': 'Port ssh\n',
};

for (const [name, main] of Object.entries({ ...ACCEPTED, ...CONFIGURATIONS }))
  t.test(`accepted: ${name}`, { skip }, async (t) => {
    const file = write(t, { main: main.replaceAll('/etc/ssh/sshd_config.d', 'DIR/d'), dropIns: { 'a.conf': '' } });
    const connection = { lport: '65001' };
    const told = await tell(file, connection);
    const ours = await evaluateFile(file);
    const settings = ours.state === 'read' ? ours.under(connection) : undefined;
    t.ok(told !== undefined && settings !== undefined, JSON.stringify(ours));
    if (told !== undefined && settings !== undefined) t.same(differences(settings, told), []);
  });

/**
 * Each is generated from its number: a failure is repeated with `compareFile(directory, seed, '-G', 1)`.
 * PLIMSOLL_TEST_SSHD_FILES: how many; each starts an sshd, so a change to the evaluation of sshd_config deserves 10,000 once.
 */
const FILES = Number(process.env['PLIMSOLL_TEST_SSHD_FILES'] ?? 1000);
const AT_ONCE = 4;

t.test('files that are generated and mutated', { skip, timeout: 300_000 }, async (t) => {
  const directory = temporaryDirectory(t);
  let accepted = 0;
  let values = 0;
  const work = async (worker: number): Promise<void> => {
    for (let seed = worker; seed < FILES; seed += AT_ONCE) {
      const result = await compareFile(join(directory, String(worker)), seed, '-G', 1);
      if (result.problems.length > 0) t.fail(`seed ${String(seed)}`, { problems: result.problems, text: result.text });
      if (result.accepted) accepted += 1;
      values += result.values;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, (_, worker) => work(worker)));
  t.ok(accepted > FILES / 5 && accepted < (FILES * 4) / 5, `${String(accepted)} accepted, ${String(values)} values`);
});

function write(t: Parameters<typeof temporaryDirectory>[0], { main, dropIns = {} }: Case): string {
  const directory = temporaryDirectory(t);
  mkdirSync(join(directory, 'd'));
  const place = (text: string): string => text.replaceAll('DIR', directory);
  writeFileSync(join(directory, 'main'), place(main));
  for (const [name, text] of Object.entries(dropIns)) writeFileSync(join(directory, 'd', name), place(text));
  return join(directory, 'main');
}

/** The lists of what sshd refuses and accepts are those of OpenSSH 10.0. */
function skipReason(): string | false {
  if (!existsSync(SSHD)) return 'no sshd is installed';
  if (process.getuid?.() !== 0) return 'sshd -T needs root';
  // Debian makes it when the service starts; without it not even -T works.
  mkdirSync('/run/sshd', { recursive: true });
  const { status, stderr } = spawnSync(SSHD, ['-T', '-f', '/dev/null'], { encoding: 'utf8' });
  if (status !== 0) return `sshd -T does not work here: ${stderr.trim().slice(0, 100)}`;
  const version = spawnSync(SSHD, ['-V'], { encoding: 'utf8' }).stderr;
  return version.startsWith('OpenSSH_10.0') ? false : 'the sshd that is installed is not OpenSSH 10.0';
}
