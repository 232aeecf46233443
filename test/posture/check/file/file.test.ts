import t from 'tap';
import { absent, seen, unreadable } from '../../../../posture/observed.ts';
import type { FileCheck } from '../../../../posture/check/check.ts';
import { KUBERNETES_FILES } from '../../../../posture/check/file/kubernetes-files.ts';
import { CHECKS } from '../../../../posture/check/registry.ts';
import type { Verdict } from '../../../../posture/verdict.ts';
import type { FileFact } from '../../../../posture/fact/file.ts';
import { judgeFileRows } from '../../../fixture/node-table.ts';

type Stat = Extract<FileFact['stat'], { state: 'seen' }>['value'];

function fileOf(
  role: FileFact['role'],
  path: string,
  stat: Partial<Stat>,
  expectedGroup: string | null = '',
): FileFact {
  const whole = { realPath: path, kind: 'file', uid: 0, gid: 0, mode: 0, owner: 'root', group: 'root' } as const;
  return { role, path, stat: seen({ ...whole, ...stat }, `stat ${path}`), expectedGroup, expectedMode: null };
}

// Ids, modes and severities of CIS Docker 1.6.0, section 3, and of the host controls for SSH and containerd. Modes are
// octal bit sets: 0577, 0622, 0646 and 0466 are not "at most 0644" although the decimal numbers are smaller.
const MODES: readonly (readonly [id: string, allowed: number, tight: readonly number[], wide: readonly number[]])[] = [
  ['file.containerd-binary-mode', 0o755, [0o755, 0o555], [0o775, 0o757, 0o4755]],
  ['file.containerd-config-mode', 0o644, [0o600], [0o666, 0o645]],
  ['file.containerd-socket-mode', 0o660, [0o600], [0o666, 0o626, 0o646, 0o606]],
  ['file.daemon-json-mode', 0o644, [0o600, 0o444], [0o577, 0o622, 0o646, 0o466, 0o1644, 0o2644, 0o4644]],
  ['file.default-docker-mode', 0o644, [0o640], [0o577, 0o622, 0o646, 0o466]],
  ['file.docker-ca-certificate-mode', 0o444, [0o400], [0o644, 0o424, 0o442]],
  ['file.docker-config-directory-mode', 0o755, [0o700], [0o747, 0o677, 0o777, 0o1755]],
  ['file.docker-server-certificate-mode', 0o444, [0o440], [0o644]],
  ['file.docker-server-key-mode', 0o400, [0o000], [0o440, 0o404, 0o644]],
  ['file.docker-service-mode', 0o644, [0o600], [0o577, 0o622, 0o646, 0o466]],
  ['file.docker-socket-mode', 0o660, [0o600, 0o000], [0o666, 0o661, 0o626, 0o606, 0o1660]],
  ['file.docker-socket-unit-mode', 0o644, [0o600], [0o577, 0o622, 0o646, 0o466]],
  ['file.dockerd-binary-mode', 0o755, [0o755], [0o6755, 0o777]],
  ['file.registry-certificate-mode', 0o444, [0o400], [0o644]],
  ['file.runc-binary-mode', 0o755, [0o755], [0o775, 0o4755]],
  ['file.ssh-host-key-mode', 0o600, [0o400], [0o640, 0o604, 0o644]],
  ['file.sshd-config-mode', 0o644, [0o600], [0o664, 0o646]],
  ['file.sysconfig-docker-mode', 0o644, [0o600], [0o577, 0o622]],
];

const OWNERS = [
  'file.containerd-binary-owner',
  'file.containerd-config-owner',
  'file.containerd-socket-owner',
  'file.daemon-json-owner',
  'file.default-docker-owner',
  'file.docker-ca-certificate-owner',
  'file.docker-config-directory-owner',
  'file.docker-server-certificate-owner',
  'file.docker-server-key-owner',
  'file.docker-service-owner',
  'file.docker-socket-owner',
  'file.docker-socket-unit-owner',
  'file.dockerd-binary-owner',
  'file.registry-certificate-owner',
  'file.runc-binary-owner',
  'file.ssh-host-key-owner',
  'file.sshd-config-owner',
  'file.sysconfig-docker-owner',
];

/** Those of Kubernetes have a table of their own. */
const KUBERNETES = new Set(KUBERNETES_FILES.map(({ role }) => role));
const checks = new Map(
  CHECKS.filter((check): check is FileCheck => check.judges === 'file' && !KUBERNETES.has(check.role)).map((check) => [
    check.id,
    check,
  ]),
);

function checkOf(id: string): FileCheck {
  const check = checks.get(id);
  if (check === undefined) throw new Error(`${id} is not registered`);
  return check;
}

void t.test('every file check has a row here', (t) => {
  t.strictSame([...checks.keys()].sort(), [...MODES.map(([id]) => id), ...OWNERS].sort());
  t.end();
});

for (const [id, allowed, tight, wide] of MODES) {
  const check = checkOf(id);
  const octal = (mode: number): string => mode.toString(8).padStart(4, '0');
  // Where the group may do more than others: acl.test.ts compares this with the kernel.
  const seenOf = (mode: number): string => {
    const [group, others] = [Number(octal(mode)[2]), Number(octal(mode)[3])];
    return `${octal(mode)} root:root${(group | others) === others ? '' : ', access control list not read'}`;
  };
  judgeFileRows(t, check, [
    ...[allowed, ...tight].map((mode) => ({
      name: octal(mode),
      file: fileOf(check.role, '/file', { mode }),
      verdict: 'pass' as const,
      seen: [seenOf(mode)],
    })),
    ...wide.map((mode) => ({
      name: octal(mode),
      file: fileOf(check.role, '/file', { mode }),
      verdict: 'fail' as const,
      seen: [seenOf(mode)],
    })),
    ...unjudged(check),
  ]);
}

for (const id of OWNERS) {
  const check = checkOf(id);
  judgeFileRows(t, check, [
    { name: 'root:root', file: fileOf(check.role, '/file', {}), verdict: 'pass', seen: ['root:root (0:0)'] },
    {
      name: 'another owner',
      file: fileOf(check.role, '/file', { uid: 1000, owner: 'deploy' }),
      verdict: 'fail',
      seen: ['deploy:root (1000:0)'],
    },
    // The peers look at the uid only, or at both joined into one text.
    {
      name: 'another group',
      file: fileOf(check.role, '/file', { gid: 1000, group: 'deploy' }),
      verdict: 'fail',
      seen: ['root:deploy (0:1000)'],
    },
    ...unjudged(check),
  ]);
}

function unjudged({ role }: FileCheck): Parameters<typeof judgeFileRows>[2] {
  const base = { role, path: '/file', expectedGroup: '', expectedMode: null };
  return [
    {
      name: 'absent',
      file: { ...base, stat: absent('stat /file') },
      verdict: 'notApplicable',
      reason: /\/file does not exist/,
    },
    {
      name: 'unreadable',
      file: { ...base, stat: unreadable('stat /file', 'permission denied (EACCES)') },
      verdict: 'unknown',
      reason: /stat \/file: permission denied \(EACCES\)/,
    },
  ];
}

const socket = '/var/run/docker.sock';
judgeFileRows(t, checkOf('file.docker-socket-mode'), [
  {
    name: 'open to everybody is critical',
    file: fileOf('dockerSocket', socket, { kind: 'socket', mode: 0o666, realPath: '/run/docker.sock' }),
    verdict: 'fail',
    severity: 'critical',
    reason: /^\/var\/run\/docker\.sock: others can read and write$/,
  },
  {
    name: 'each excess right is named',
    file: fileOf('dockerSocket', socket, { kind: 'socket', mode: 0o7773 }),
    verdict: 'fail',
    reason:
      /: others can write and execute, its group can execute, its owner can execute, set-user-ID is set, set-group-ID is set, the sticky bit is set$/,
  },
]);

const groups: readonly (readonly [name: string, group: string, expected: string | null, verdict: Verdict])[] = [
  ['the usual group', 'docker', 'docker', 'pass'],
  ['nobody named a group', 'docker', '', 'pass'],
  ['the configured group', 'operators', 'operators', 'pass'],
  ['the usual group where another is configured', 'docker', 'operators', 'fail'],
  ['a group that nobody chose', 'users', 'docker', 'fail'],
  ['a group that an unreadable configuration may name', 'users', null, 'unknown'],
];
judgeFileRows(t, checkOf('file.docker-socket-owner'), [
  ...groups.map(([name, group, expectedGroup, verdict]) => ({
    name,
    file: fileOf('dockerSocket', socket, { kind: 'socket', mode: 0o660, gid: 106, group }, expectedGroup),
    verdict,
  })),
  { name: 'group root, whatever is configured', file: fileOf('dockerSocket', socket, {}, null), verdict: 'pass' },
  {
    name: 'another owner, whatever is configured',
    file: fileOf('dockerSocket', socket, { uid: 1000, gid: 106, group: 'users' }, null),
    verdict: 'fail',
  },
  // dockerd falls back to its own group where the configured one does not exist.
  { name: 'group root', file: fileOf('dockerSocket', socket, { kind: 'socket' }, 'operators'), verdict: 'pass' },
  {
    name: 'the socket of a rootless daemon belongs to its user',
    file: fileOf('dockerSocket', '/run/user/1000/docker.sock', { uid: 1000, gid: 1000, owner: 'me', group: 'me' }),
    verdict: 'pass',
  },
  {
    name: 'or to another user, which is wrong',
    file: fileOf('dockerSocket', '/run/user/1000/docker.sock', { uid: 1001, gid: 1001, owner: 'you', group: 'you' }),
    verdict: 'fail',
    reason: /^\/run\/user\/1000\/docker\.sock belongs to user you and group you$/,
  },
]);

judgeFileRows(t, checkOf('file.docker-server-key-mode'), [
  {
    name: '0600 is milder: the benchmark wants 0400, but nobody else can read it',
    file: fileOf('dockerServerKey', '/etc/docker/key.pem', { mode: 0o600 }),
    verdict: 'fail',
    severity: 'low',
  },
]);

const certificates = '/etc/docker/certs.d/registry.example:5000';
judgeFileRows(t, checkOf('file.registry-certificate-mode'), [
  {
    name: 'a client key that everybody can read',
    file: fileOf('dockerRegistryCertificate', `${certificates}/client.key`, { mode: 0o444 }),
    verdict: 'fail',
  },
  {
    name: 'a private client key',
    file: fileOf('dockerRegistryCertificate', `${certificates}/client.key`, { mode: 0o400 }),
    verdict: 'pass',
  },
  {
    name: 'a CA',
    file: fileOf('dockerRegistryCertificate', `${certificates}/ca.crt`, { mode: 0o444 }),
    verdict: 'pass',
  },
]);

judgeFileRows(t, checkOf('file.docker-service-mode'), [
  {
    name: 'a masked unit leads to /dev/null',
    file: fileOf('dockerServiceUnit', '/etc/systemd/system/docker.service', {
      kind: 'device',
      mode: 0o666,
      realPath: '/dev/null',
    }),
    verdict: 'notApplicable',
    reason: /masked/,
  },
]);

const hostKey = '/etc/ssh/ssh_host_ed25519_key';
judgeFileRows(t, checkOf('file.ssh-host-key-mode'), [
  {
    name: 'Red Hat 8: readable for the signing helper',
    file: fileOf('sshHostKey', hostKey, { mode: 0o640, gid: 996, group: 'ssh_keys' }),
    verdict: 'pass',
  },
  {
    name: 'but for no other group',
    file: fileOf('sshHostKey', hostKey, { mode: 0o640, gid: 100, group: 'users' }),
    verdict: 'fail',
  },
]);
judgeFileRows(t, checkOf('file.ssh-host-key-owner'), [
  {
    name: 'Red Hat 8: group ssh_keys',
    file: fileOf('sshHostKey', hostKey, { gid: 996, group: 'ssh_keys' }),
    verdict: 'pass',
  },
]);

void t.test('evidence names where a link leads', (t) => {
  const file = fileOf('dockerSocket', socket, { kind: 'socket', mode: 0o660, realPath: '/run/docker.sock' });
  t.equal(
    checkOf('file.docker-socket-mode').judge(file).evidence[0]?.source,
    'stat /var/run/docker.sock -> /run/docker.sock',
  );
  t.end();
});

// CIS Docker 1.8.0 severities as the catalogue has them.
void t.test('severities', (t) => {
  const critical = ['file.containerd-socket-mode', 'file.docker-socket-mode'];
  const low = ['file.docker-ca-certificate-mode', 'file.docker-server-certificate-mode'];
  for (const id of critical) t.equal(checkOf(id).severity, 'critical', id);
  for (const id of low) t.equal(checkOf(id).severity, 'low', id);
  t.end();
});
