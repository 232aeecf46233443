import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { CHECKS } from '../../../posture/check/registry.ts';
import { commandsFor, FAMILIES, familyOf } from '../../../posture/remediation/commands.ts';

const TABLE = JSON.parse(
  readFileSync(new URL('../../../posture/remediation/commands.json', import.meta.url), 'utf8'),
) as Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;

// What the distributions have in /etc/os-release: their ID, ID_LIKE and names.
t.test('families by os-release and by name', (t) => {
  for (const [text, family] of [
    ['PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\n', 'debian'],
    ['NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\n', 'debian'],
    ['ID="almalinux"\nID_LIKE="rhel centos fedora"\n', 'redhat'],
    ['ID="amzn"\nID_LIKE="fedora"\n', 'redhat'],
    ['ID="sle-micro"\nID_LIKE="suse"\n', 'suse'],
    ['ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', 'suse'],
    ['ID=alpine\nPRETTY_NAME="Alpine Linux v3.22"\n', 'alpine'],
    ['ID=flatcar\nID_LIKE=coreos\n', 'flatcar'],
    ['ID=bottlerocket\nVARIANT_ID=aws-k8s-1.33\n', 'bottlerocket'],
    ['ID=talos\n', 'talos'],
    ['ID=nixos\n', undefined],
    ['Debian GNU/Linux 13', 'debian'],
    ['Red Hat Enterprise Linux 9.6 (Plow)', 'redhat'],
    ['Bottlerocket OS 1.40.0 (aws-k8s-1.33)', 'bottlerocket'],
    ['', undefined],
  ] as const)
    t.equal(familyOf(text), family, text);
  t.end();
});

/** Programs that only one family has. */
const OWN: Readonly<Record<string, RegExp>> = {
  alpine: /\b(?:apk|rc-update|rc-service|update-extlinux)\b/,
  debian: /\b(?:apt-get|dpkg|dpkg-reconfigure|update-grub)\b/,
  redhat: /\b(?:dnf|grubby|grub2-setpassword)\b/,
  suse: /\bzypper\b/,
};

t.test('the table: known checks, known families, and programs that the family has', (t) => {
  const ids = new Set(CHECKS.map(({ id }) => id));
  const areas = new Set(CHECKS.map(({ id }) => `${id.split('.', 1)[0] ?? ''}.*`));
  for (const [key, families] of Object.entries(TABLE)) {
    t.ok(key === '*' || ids.has(key) || areas.has(key), key);
    for (const [family, lines] of Object.entries(families)) {
      t.ok(FAMILIES.includes(family as never), `${key} ${family}`);
      t.not(lines.length, 0, `${key} ${family}`);
      for (const [other, pattern] of Object.entries(OWN))
        if (other !== family) t.notMatch(lines.join('\n'), pattern, `${key} ${family}: nothing of ${other}`);
    }
  }
  t.end();
});

t.test('the most specific entry counts', (t) => {
  t.match(commandsFor('host.runtime-labels', 'redhat'), [/^dnf install container-selinux$/]);
  t.same(commandsFor('ssh.root-login', 'debian'), ['sshd -t && systemctl reload ssh']);
  t.same(commandsFor('ssh.root-login', 'redhat'), ['sshd -t && systemctl reload sshd']);
  t.match(commandsFor('ssh.root-login', 'talos'), [/talosctl/]);
  t.same(commandsFor('container.privileged', 'debian'), []);
  t.end();
});

/** `KEYWORD VALUE` in the remediations of checks of sshd, and `"KEY": VALUE` for daemon.json. */
const SSHD_LINE =
  /\b(?!IdentitiesOnly)[A-Z][A-Za-z0-9]+[a-z] (?:yes|no|\d[\d:]*|publickey(?:,[a-z-]+)?|VERBOSE|INFO|-\*\S+\*|LANG LC_\*)(?=[\s,.)]|$)/g;
const DAEMON_KEY = /"[a-z][a-z-]+": (?:true|false|"[^"]*")/g;

function written(area: RegExp, pattern: RegExp): readonly string[] {
  const texts = CHECKS.filter(({ id }) => area.test(id)).flatMap(({ remediation }) => remediation.match(pattern) ?? []);
  return [...new Set(texts)];
}

function accepts(t: Test, program: string, args: readonly string[], text: string): boolean {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-remediation-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, 'file');
  writeFileSync(file, text);
  const done = spawnSync(program, [...args, file], { encoding: 'utf8' });
  if (done.status !== 0) t.comment(done.stderr);
  return done.status === 0;
}

const [SSHD, DOCKERD] = ['/usr/sbin/sshd', ['/usr/sbin/dockerd', '/usr/bin/dockerd'].find(existsSync)];

const noSshd = spawnSync(SSHD, ['-G', '-f', '/dev/null']).status === 0 ? false : 'no sshd with the option -G';

t.test('sshd accepts each line of a remediation', { skip: noSshd }, (t) => {
  const lines = written(/^(?:ssh|account)\./, SSHD_LINE);
  t.ok(lines.length > 15);
  const sshd = (line: string): boolean => accepts(t, SSHD, ['-G', '-f'], `${line}\n`);
  for (const line of lines) t.ok(sshd(line), line);
  t.notOk(sshd('PermitRootLogn no'), 'what it does not know is refused');
  t.end();
});

t.test('dockerd accepts each key of a remediation', { skip: DOCKERD === undefined && 'no dockerd' }, (t) => {
  const keys = written(/^(?:daemon|container)\./, DAEMON_KEY);
  const [, ulimits = ''] =
    /"default-ulimits" in daemon\.json, for example (\{.*?\}\})/.exec(
      written(/^daemon\.default-ulimits$/, /.+/g)[0] ?? '',
    ) ?? [];
  t.ok(keys.length > 8 && ulimits !== '');
  const dockerd = (text: string): boolean => accepts(t, DOCKERD ?? '', ['--validate', '--config-file'], `{${text}}`);
  for (const key of [...keys, `"default-ulimits": ${ulimits}`]) t.ok(dockerd(key), key);
  t.notOk(dockerd('"live-restor": true'), 'what it does not know is refused');
  t.end();
});
