import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { auditInspector } from '../../../../agent/inspector/audit/inspect.ts';
import { AUDIT_CHECKS } from '../../../../posture/check/audit/audit-checks.ts';
import { auditSchema } from '../../../../posture/fact/audit.ts';
import type { AuditFact } from '../../../../posture/fact/audit.ts';
import type { Facts } from '../../../../posture/fact/facts.ts';
import { absent, seen } from '../../../../posture/observed.ts';
import type { Judgement } from '../../../../posture/verdict.ts';
import { dockerFact, factsOf, kernelFact } from '../../../fixture/facts.ts';
import { treeHost } from '../../../fixture/inspector/tree.ts';
import type { Tree, TreeHost } from '../../../fixture/inspector/tree.ts';

/** Debian's default, which watches nothing. */
const DEFAULT_RULES = '-D\n-b 8192\n--backlog_wait_time 60000\n-f 1\n';
const NODE: Tree = {
  '/proc/1/loginuid': '4294967295',
  '/usr/bin/dockerd': '',
  '/usr/sbin': '-> bin',
  '/usr/bin/containerd-shim-runc-v2': '',
  '/etc/docker/daemon.json': '{}',
  '/srv/docker/containers/x': '',
};

async function inspect(host: TreeHost): Promise<AuditFact> {
  const file = (role: 'dockerdBinary' | 'daemonJson' | 'dockerConfigDirectory', path: string) => ({
    role,
    path,
    expectedGroup: '',
    expectedMode: null,
    stat: seen(
      {
        realPath: path.replace('/usr/sbin/', '/usr/bin/'),
        kind: role === 'dockerConfigDirectory' ? ('directory' as const) : ('file' as const),
        uid: 0,
        gid: 0,
        mode: 0,
        owner: 'root',
        group: 'root',
      },
      path,
    ),
  });
  const docker = dockerFact();
  const known: Partial<Facts> = {
    docker:
      docker.api.state === 'seen'
        ? { ...docker, api: seen({ ...docker.api.value, dataRoot: '/srv/docker' }, 'GET /info') }
        : docker,
    files: [
      file('dockerdBinary', '/usr/sbin/dockerd'),
      file('daemonJson', '/etc/docker/daemon.json'),
      file('dockerConfigDirectory', '/etc/docker'),
    ],
  };
  // The inspector reads nothing but files.
  const fact = await auditInspector.inspect({ host } as never, known);
  t.ok(auditSchema.parse(JSON.parse(JSON.stringify(fact))).ok, 'the schema accepts it');
  return fact;
}

function judge(audit: AuditFact, id: string, facts: Partial<Facts> = {}): Judgement {
  const check = AUDIT_CHECKS.find((candidate) => candidate.id === id);
  if (check === undefined) throw new Error(id);
  return check.judge(factsOf({ audit, ...facts }));
}

/** The verdict with these lines in both places. */
async function judged(t: Parameters<typeof treeHost>[0], id: string, rules: string): Promise<Judgement> {
  const host = treeHost(t, { ...NODE, '/etc/audit/rules.d/docker.rules': rules, '/etc/audit/audit.rules': rules });
  return judge(await inspect(host), id);
}

const DOCKERD = 'audit.dockerd-program';
const CONFIG = 'audit.docker-config-directory';
const DATA = 'audit.docker-data-root';

t.test('what covers a target, and what only seems to', async (t) => {
  // Where docker-bench-security passes or fails for a text that contains the path; the verdict is that of auditctl(8).
  const cases: readonly (readonly [check: string, rules: string, verdict: string, reason: RegExp])[] = [
    [DOCKERD, '-w /usr/bin/dockerd -p wa -k docker', 'unknown', /a rule on disk watches.*auditctl -l/],
    [DOCKERD, '-w /usr/sbin/dockerd -p wa', 'unknown', /on disk/],
    [DOCKERD, '-w /usr/bin -p wa', 'unknown', /on disk/],
    [DOCKERD, '-w /usr/bin/dockerd', 'unknown', /on disk/],
    [DOCKERD, '-a always,exit -F path=/usr/bin/dockerd -F perm=wa', 'unknown', /on disk/],
    [
      DOCKERD,
      '-a always,exit -F arch=b64 -F path=/usr/bin/dockerd -F perm=wa\n-a always,exit -F arch=b32 -F path=/usr/bin/dockerd -F perm=wa',
      'unknown',
      /on disk/,
    ],
    [DOCKERD, '-a always,exit -F arch=b64 -F path=/usr/bin/dockerd -F perm=wa', 'fail', /32-bit system calls/],
    [DOCKERD, '-w /usr/bin/dockerd-rootless.sh -p wa', 'fail', /no audit rule watches/],
    [DOCKERD, '# -w /usr/bin/dockerd -p wa', 'fail', /no audit rule watches/],
    [DOCKERD, '-w /usr/bin/dockerd -p x', 'fail', /kinds of access x/],
    [DOCKERD, '-w /usr/bin/dockerd -p w', 'fail', /kinds of access w/],
    [DOCKERD, '-a always,exit -F path=/usr/bin/dockerd -F perm=wa -F auid>=1000', 'fail', /only where auid>=1000/],
    [
      DOCKERD,
      '-a never,exit -F path=/usr/bin/dockerd\n-w /usr/bin/dockerd -p wa',
      'fail',
      /exempts \/usr\/sbin\/dockerd/,
    ],
    [DOCKERD, '-w /usr/bin/dockerd -p wa\n-a never,exit -F dir=/usr', 'unknown', /on disk/],
    [DOCKERD, '-w /usr/bin/dockerd -p wa\n-a task,never', 'fail', /exempts all processes/],
    [DOCKERD, '-w /usr/bin/dockerd -p wa\n-e 0', 'fail', /switch audit off/],
    [DOCKERD, '-d always,exit -F path=/usr/bin/dockerd', 'unknown', /docker\.rules:5 is not understood/],
    [CONFIG, '-w /etc/docker -p wa', 'unknown', /on disk/],
    [CONFIG, '-w /etc -p wa', 'unknown', /on disk/],
    [CONFIG, '-w /etc/docker/daemon.json -p wa', 'fail', /no audit rule watches/],
    [CONFIG, '-a always,exit -F path=/etc/docker -F perm=wa', 'fail', /no audit rule watches/],
    ['audit.daemon-json', '-w /etc/docker -p wa', 'unknown', /on disk/],
    [DATA, '-w /var/lib/docker -p wa', 'fail', /no audit rule watches \/srv\/docker/],
    [DATA, '-a always,exit -F dir=/srv/docker -F perm=wa', 'unknown', /on disk/],
    [DATA, '-w /srv/docker/containers -p wa', 'fail', /no audit rule watches/],
    ['audit.containerd-shim-runc-v2', '-w /usr/bin/containerd-shim-runc-v2 -p wa', 'unknown', /on disk/],
    ['audit.containerd-shim', '-w /usr/bin/containerd-shim -p wa', 'notApplicable', /does not exist/],
    ['audit.sysconfig-docker', '', 'notApplicable', /does not exist/],
  ];
  for (const [id, rules, verdict, reason] of cases) {
    const judgement = await judged(t, id, `${DEFAULT_RULES}${rules}\n`);
    t.equal(judgement.verdict, verdict, `${id}: ${rules}`);
    t.match(judgement.reason, reason, `${id}: ${rules}`);
  }
});

t.test('rules.d and audit.rules must agree: augenrules writes one from the other', async (t) => {
  const rule = '-w /usr/bin/dockerd -p wa\n';
  const audit = async (tree: Tree): Promise<Judgement> =>
    judge(await inspect(treeHost(t, { ...NODE, ...tree })), DOCKERD);
  const directory = '/etc/audit/rules.d/10-docker.rules';
  const file = '/etc/audit/audit.rules';
  t.match(await audit({ [directory]: rule }), { verdict: 'fail', evidence: [{ source: file }] }, 'not loaded at start');
  t.match(await audit({ [directory]: rule, [file]: '-D\n' }), { verdict: 'fail', evidence: [{ source: file }] });
  t.match(await audit({ [directory]: '-D\n', [file]: rule }), { verdict: 'fail', evidence: [{ source: /rules\.d/ }] });
  t.match(await audit({ [file]: rule }), { verdict: 'unknown', evidence: [{ source: `${file}:1` }] });
  t.match(await audit({ [directory]: rule, [file]: rule }), { verdict: 'unknown' });
  t.match(await audit({}), { verdict: 'fail', evidence: [{ source: file, seen: 'does not exist' }] });
});

t.test('a kernel that does not audit fails whatever the files say', async (t) => {
  const rules = '-w /usr/bin/dockerd -p wa\n';
  const fact = await inspect(treeHost(t, { ...NODE, '/etc/audit/audit.rules': rules }));
  for (const value of ['0', 'off'])
    t.match(judge(fact, DOCKERD, { kernel: kernelFact({ commandLine: seen({ audit: value }, '/proc/cmdline') }) }), {
      verdict: 'fail',
      evidence: [{ source: '/proc/cmdline', seen: `audit=${value}` }],
    });
  t.match(judge({ ...fact, supported: absent('/proc/1/loginuid') }, DOCKERD), { verdict: 'fail' });
});

t.test('files that others can write, cannot be read or are too many are unknown', async (t) => {
  const rules = '-w /usr/bin/dockerd -p wa\n';
  const path = '/etc/audit/rules.d/docker.rules';
  const writable = treeHost(t, { ...NODE, [path]: rules, '/etc/audit/audit.rules': rules });
  chmodSync(join(writable.root, path), 0o666);
  t.match(judge(await inspect(writable), DOCKERD), { verdict: 'unknown', reason: /writable by everybody/ });
  const directory = treeHost(t, { ...NODE, '/etc/audit/audit.rules/x': '' });
  t.match(judge(await inspect(directory), DOCKERD), { verdict: 'unknown', reason: /not a regular file/ });
  const many = Object.fromEntries(
    Array.from({ length: 300 }, (_, index) => [`/etc/audit/rules.d/${String(index)}.rules`, '-D\n']),
  );
  t.match(
    judge(await inspect(treeHost(t, { ...NODE, ...many })), DOCKERD),
    { verdict: 'fail' },
    'audit.rules does not exist',
  );
  t.equal((await inspect(treeHost(t, { ...NODE, ...many }))).rulesDirectory.state, 'unreadable');
});

t.test('a link as last name is not followed, as in the kernel', async (t) => {
  const rules = '-w /etc/alternatives/dockerd -p wa\n';
  const tree = { ...NODE, '/etc/alternatives/dockerd': '-> /usr/bin/dockerd', '/etc/audit/audit.rules': rules };
  t.match(judge(await inspect(treeHost(t, tree)), DOCKERD), { verdict: 'fail' });
});
