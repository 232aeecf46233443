import t from 'tap';
import { inventoryOf } from '../../agent/transport/inventory.ts';
import { renderFindings } from '../../cli/render/finding-list.ts';
import { compareByName } from '../../api/finding-list.ts';
import { createPaint } from '../../cli/render/paint.ts';
import { displayWidth } from '../../cli/render/width.ts';
import { describeNode } from '../../cli/scan/node.ts';
import { hintLines, reportHead } from '../../cli/scan/report.ts';
import type { Finding } from '../../posture/finding.ts';
import { absent, seen, unreadable } from '../../posture/observed.ts';
import { finding } from '../collector/store/fleet.ts';
import { containerFact } from '../fixture/container.ts';
import { factsOf, kernelFact, nodeFact } from '../fixture/facts.ts';

const paint = createPaint({ color: 'never', isTerminal: false, terminal: undefined });
const at = (width: number) => ({ width, paint });

/** A failing finding about a container. */
const about = (check: string, name: string, severity: Finding['severity'], seenText: string, declared = 'default') =>
  finding({
    check,
    severity,
    subject: { kind: 'container', id: name, name },
    evidence: [
      { source: '/proc/4121/status', seen: seenText, expected: '' },
      { source: 'inspect HostConfig.SecurityOpt', seen: declared, expected: '' },
    ],
  });

const FINDINGS: readonly Finding[] = [
  about('container.privileged', 'shop-worker', 'critical', 'CapEff: 000001ffffffffff', 'declared privileged'),
  about('container.seccomp-filter', 'shop-db', 'high', 'Seccomp: 0', 'declared default'),
  ...['a', 'b', 'c', 'd', 'e'].map((name) =>
    about('container.memory-limit', `shop-${name}`, 'medium', 'memory.max: max'),
  ),
  finding({
    check: 'kernel.lockdown',
    verdict: 'unknown',
    severity: 'medium',
    subject: { kind: 'node', id: 'n', name: 'web-3' },
    evidence: [],
    reason: '/sys/kernel/security/lockdown: permission denied (EACCES)',
  }),
  finding({ check: 'ssh.root-login', verdict: 'pass', severity: 'high', kind: 'daemon', on: 'sshd' }),
];

t.strictSame(
  reportHead(describeNode(factsOf()), FINDINGS, 2_149, at(80)),
  [
    'web-3 · Debian 13 · kernel 6.12.9 · docker 26.1.5 · 1 container            2.1 s',
    'kernel  LSM lockdown,capability,landlock,bpf · SELinux off · AppArmor off',
    '        lockdown integrity',
    'critical 1   high 1   medium 5   low 0   passed 1   not applicable 0   unknown 1',
  ],
  'the head at 80 columns',
);

t.strictSame(
  reportHead(describeNode(factsOf()), [], 90, at(120)).slice(0, 2),
  [
    `web-3 · Debian 13 · kernel 6.12.9 · docker 26.1.5 · 1 container${' '.repeat(120 - 63 - 5)}0.1 s`,
    'kernel  LSM lockdown,capability,landlock,bpf · SELinux off · AppArmor off · lockdown integrity',
  ],
  'and where there is room',
);

void t.test('what could not be read differs from what is absent', (t) => {
  const kernel = kernelFact({
    lsm: unreadable('/sys/kernel/security/lsm', 'permission denied (EACCES)'),
    lockdown: absent('/sys/kernel/security/lockdown'),
    selinux: seen('enforcing', '/sys/fs/selinux/enforce'),
  });
  const base = factsOf();
  const none = {
    ...base,
    kernel,
    docker: { ...base.docker, present: absent('/var/run/docker.sock') },
    containers: absent(''),
  };
  t.strictSame(reportHead(describeNode(none), [], 0, at(80)).slice(0, 2), [
    `web-3 · Debian 13 · kernel 6.12.9 · no container engine${' '.repeat(80 - 55 - 5)}0.0 s`,
    'kernel  LSM unknown · SELinux enforcing · AppArmor off · lockdown unsupported',
  ]);
  const denied = unreadable('unix:///var/run/docker.sock', 'permission denied (EACCES)');
  const blind = { ...base, docker: { ...base.docker, present: denied, api: denied }, containers: denied };
  t.match(reportHead(describeNode(blind), [], 0, at(120))[0], /container engine unknown · containers unknown/);
  // It is there, and did not answer.
  const silent = { ...base, docker: { ...base.docker, api: denied } };
  t.equal(describeNode(silent).runtime, null);
  t.equal(inventoryOf(silent).runtime, 'docker (not read)');
  t.equal(inventoryOf(none).runtime, '');
  const other = { ...base.docker, runtime: 'containerd', endpoint: 'unix:///run/containerd/containerd.sock' };
  t.match(inventoryOf({ ...none, engines: [other] }).runtime, /^containerd /, 'another engine than Docker');
  const ofUser = { ...other, endpoint: 'unix:///run/user/1000/docker.sock' };
  t.equal(inventoryOf({ ...none, engines: [ofUser] }).runtime, '', 'what a user says is not of the node');
  const two = { ...base, containers: seen([containerFact(), containerFact()], '') };
  t.match(reportHead(describeNode(two), [], 0, at(120))[0], /docker 26\.1\.5 · 2 containers/);
  t.end();
});

t.strictSame(
  renderFindings(FINDINGS.toSorted(compareByName), { ...at(80), joined: true }),
  [
    'RESULT    CHECK                     SUBJECT',
    'CRITICAL  container.privileged      shop-worker',
    '          CapEff: 000001ffffffffff in /proc/4121/status, inspect HostConfig.Sec…',
    'HIGH      container.seccomp-filter  shop-db',
    '          Seccomp: 0 in /proc/4121/status, inspect HostConfig.SecurityOpt: decl…',
    'MEDIUM    container.memory-limit    5 containers',
    '          shop-a, shop-b, shop-c, shop-d, shop-e',
    'UNKNOWN   kernel.lockdown           web-3',
    '          /sys/kernel/security/lockdown: permission denied (EACCES)',
    'PASSED    ssh.root-login            name-of-sshd',
    '          CapEff: 000001ffffffffff in /proc/4121/status',
  ],
  'the list at 80 columns: evidence on a line of its own',
);

t.strictSame(
  renderFindings(FINDINGS.slice(0, 3), { ...at(120), joined: true }),
  [
    'RESULT    CHECK                     SUBJECT      EVIDENCE',
    'CRITICAL  container.privileged      shop-worker  CapEff: 000001ffffffffff in /proc/4121/status, inspect HostConfig.Secu…',
    'HIGH      container.seccomp-filter  shop-db      Seccomp: 0 in /proc/4121/status, inspect HostConfig.SecurityOpt: decla…',
    'MEDIUM    container.memory-limit    shop-a       memory.max: max in /proc/4121/status, inspect HostConfig.SecurityOpt:…',
  ],
  'the list at 120 columns: one line each',
);

t.equal(
  renderFindings(FINDINGS.slice(2, 7), { ...at(80), joined: false }).filter((line) => line.startsWith('MEDIUM')).length,
  5,
  'every subject where they are not joined',
);

t.equal(
  renderFindings(
    ['a', 'b', 'c', 'd', 'e'].map((name) => about('container.privileged', name, 'critical', 'x')),
    { ...at(80), joined: true },
  ).filter((line) => line.startsWith('CRITICAL')).length,
  5,
  'what is critical is never joined',
);

void t.test('names that are hostile, wide or long', (t) => {
  const names = ['evil\u001b[2J\u202e', '日本語の名前のとても長いコンテナ', 'x'.repeat(500), ''];
  for (const width of [40, 80, 120]) {
    const lines = renderFindings(
      names.map((name) => about('file.docker-server-certificate-owner', name, 'high', 'y'.repeat(300))),
      { ...at(width), joined: true },
    );
    for (const line of lines) {
      t.ok(displayWidth(line) <= width, `${String(displayWidth(line))} of ${String(width)}`);
      t.notMatch(line, /[\p{Cc}\u202e]/u);
    }
  }
  t.strictSame(hintLines('plimsoll scan --recorded ./a\u001bb', at(80)), [
    String.raw`plimsoll scan --recorded ./a\x1bb`,
  ]);
  const evil = describeNode(factsOf({ node: nodeFact({ name: 'evil\u001b]0;x\u0007' }) }));
  t.match(reportHead(evil, [], 0, at(80))[0], String.raw`evil\x1b]0;x\x07 · Debian 13`);
  t.end();
});
