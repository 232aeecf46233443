import { existsSync, readFileSync } from 'node:fs';
import t from 'tap';
import { findBenchmark } from '../../../posture/benchmark/benchmark.ts';
import type { Check } from '../../../posture/check/check.ts';
import { CHECKS } from '../../../posture/check/registry.ts';
import { AUDIT_TARGETS } from '../../../posture/fact/audit.ts';
import type { AuditFact, AuditRule } from '../../../posture/fact/audit.ts';
import type { Facts } from '../../../posture/fact/facts.ts';
import type { FileFact } from '../../../posture/fact/file.ts';
import type { ListenerFact, Probe } from '../../../posture/fact/listener.ts';
import { seen } from '../../../posture/observed.ts';
import type { Verdict } from '../../../posture/verdict.ts';
import { containerFact, DEFAULT_MOUNTS, mountOf, namespaceOf, numbered } from '../../fixture/container.ts';
import type { ContainerOverrides } from '../../fixture/container.ts';
import { api, docker, file as daemonJson, flags, options } from '../../fixture/docker-rows.ts';
import { auditFact, factsOf, imageFact, kernelFact } from '../../fixture/facts.ts';

/**
 * The defects of docker-bench-security that the catalogue of controls lists, each with a state in which that tool answers
 * wrongly, and what is right there by the pass condition of the catalogue.
 */
const catalogue = new URL('../../../../shared/catalogue/docker.json', import.meta.url);
const skip = existsSync(catalogue) ? false : 'no catalogue beside the project';

interface State {
  readonly facts?: Partial<Facts>;
  readonly container?: ContainerOverrides;
  readonly image?: Parameters<typeof imageFact>[0];
  readonly file?: Partial<Extract<FileFact['stat'], { state: 'seen' }>['value']>;
  readonly group?: string;
  readonly probe?: Partial<Probe>;
  readonly audit?: (path: string) => Partial<AuditFact>;
}
/** Controls (empty: all that have this defect), the beginning of the defect, the state, and the right verdict. */
type Row = readonly [controls: string, defect: string, state: State, verdict: Verdict];

const RULE: AuditRule = {
  source: '/etc/audit/rules.d/docker.rules:1',
  text: '-w /x -p wa',
  action: 'always',
  list: 'exit',
  path: '/x',
  namesPath: true,
  recursive: false,
  permissions: 'rwxa',
  architecture: 'all',
  syscalls: [],
  conditions: [],
};
const rules = (change: Partial<AuditRule>, enabled: number | null = 1): AuditFact['rulesFile'] =>
  seen({ enabled, rules: [{ ...RULE, ...change }], notUnderstood: [] }, '/etc/audit/audit.rules');
const UNCONFINED: ContainerOverrides = {
  seccomp: seen({ mode: 'disabled', filters: 0, threads: 1, weakest: '/proc/4121/status' }, '/proc/4121/status'),
};
const ALL_CAPABILITIES = {
  effective: '000001ffffffffff',
  permitted: '000001ffffffffff',
  inheritable: '0000000000000000',
  bounding: '000001ffffffffff',
  ambient: '0000000000000000',
};
const port = (hostIp: string, hostPort: number): ContainerOverrides => ({
  declared: { ports: [{ containerPort: '80/tcp', hostIp, hostPort }] },
});
const mounted = (root: string, mountPoint: string, readOnly = false): ContainerOverrides => ({
  mounts: seen(numbered([...DEFAULT_MOUNTS, mountOf({ root, mountPoint, readOnly })]), '/proc/4121/mountinfo'),
});
const shares = (name: 'net' | 'pid' | 'ipc' | 'uts', mode: string): ContainerOverrides => ({
  declared: { [`${{ net: 'network', pid: 'pid', ipc: 'ipc', uts: 'uts' }[name]}Mode`]: mode },
  namespaces: { [name]: namespaceOf(name, 4026531833, true) },
});
const OPEN: State = { probe: { clientCertificate: 'notRequested', answer: 'HTTP 200 from /_ping' } };
const SELINUX: Partial<Facts> = {
  kernel: kernelFact({
    lsm: seen(['selinux'], '/sys/kernel/security/lsm'),
    selinux: seen('enforcing', '/sys/fs/selinux/enforce'),
  }),
};
const labelled = (label: string): State => ({
  facts: SELINUX,
  container: { lsmLabel: seen(label, '/proc/4121/attr/current') },
});

const ROWS: readonly Row[] = [
  [
    '',
    'substring grep of auditctl output',
    { audit: (path) => ({ rulesFile: rules({ path: `${path}-other` }) }) },
    'fail',
  ],
  ['', 'parent-directory watches', { audit: () => ({ rulesFile: rules({ path: '/', recursive: true }) }) }, 'unknown'],
  [
    '',
    'fallback reads only',
    { audit: (path) => ({ rulesDirectory: rules({ path }), rulesFile: rules({ path }) }) },
    'unknown',
  ],
  ['', 'ignores audit enabled=0', { audit: (path) => ({ rulesFile: rules({ path }, 0) }) }, 'fail'],
  ['1.1.14 1.1.15', 'satisfied by', { audit: (path) => ({ rulesFile: rules({ path: `${path}-runc-v2` }) }) }, 'fail'],
  [
    '1.1.6',
    'a watch on /etc/docker/daemon.json',
    { audit: (path) => ({ rulesFile: rules({ path: `${path}/daemon.json` }) }) },
    'fail',
  ],
  [
    '1.1.4',
    'passes on any rule',
    { audit: (path) => ({ rulesFile: rules({ path: `${path}/containerd.sock` }) }) },
    'fail',
  ],
  ['2.1', 'always a note', { facts: docker(options(['rootless'])) }, 'pass'],
  ['2.3', 'command-line branch', { facts: docker(flags({ 'log-level': ['debug'] })) }, 'fail'],
  ['2.5', 'reads flag/file only', { facts: docker(api({ insecureRegistries: ['registry.test'] })) }, 'fail'],
  ['2.6', 'matches human-readable', { facts: docker(api({ storageDriver: 'aufs' })) }, 'fail'],
  ['2.7@1.8.0', 'not implemented', { facts: docker(api({ storageDriver: 'devicemapper' })) }, 'fail'],
  ['2.7', 'with jq installed', { probe: { clientCertificate: 'required', answer: 'alert 116' } }, 'pass'],
  ['2.7', 'tcp host on its own line', OPEN, 'fail'],
  ['2.7', 'two -H tcp:// flags', OPEN, 'fail'],
  ['2.7', '--tlsverify=false', OPEN, 'fail'],
  ['2.7', 'systemd socket-activated', OPEN, 'fail'],
  [
    '2.12',
    'reads flag/file only',
    { facts: docker(flags({ 'authorization-plugin': ['x'] }), api({ authorizationPlugins: [] })) },
    'fail',
  ],
  ['2.13', 'only json-file', { facts: docker(api({ loggingDriver: 'local' })) }, 'fail'],
  ['2.14', 'presence of the flag', { facts: docker(flags({ 'no-new-privileges': ['false'] })) }, 'fail'],
  [
    '2.15',
    '--live-restore=false',
    { facts: docker(flags({ 'live-restore': ['false'] }), api({ liveRestore: false })) },
    'fail',
  ],
  ['2.17', 'greps profile=default', { facts: docker(options(['seccomp', 'builtin'])) }, 'pass'],
  ['2.18', 'skipped as deprecated', { facts: docker(api({ experimental: true })) }, 'fail'],
  ['', 'modes compared as decimal integers', { file: { mode: 0o577 } }, 'fail'],
  ['3.6', '747 and 677', { file: { mode: 0o747, kind: 'directory' } }, 'fail'],
  ['3.8', 'only *.crt', { file: { realPath: '/etc/docker/certs.d/r.test/client.key', mode: 0o644 } }, 'fail'],
  ['3.14', 'exact equality', { file: { mode: 0o000 } }, 'pass'],
  ['3.15', 'path and group name', { file: { gid: 990, group: 'engine', kind: 'socket' }, group: 'engine' }, 'pass'],
  ['3.16 3.24', '', { file: { mode: 0o626, kind: 'socket' } }, 'fail'],
  ['3.17 3.23', 'path hard-coded', { file: { realPath: '/srv/docker', uid: 1000, owner: 'app' } }, 'fail'],
  ['3.18', 'path hard-coded', { file: { realPath: '/srv/docker/daemon.json', mode: 0o646 } }, 'fail'],
  ['4.1', "only '', 0, root", { container: { declared: { user: '0:0' } } }, 'fail'],
  ['4.6', 'HEALTHCHECK NONE', { image: { healthcheck: ['NONE'] } }, 'fail'],
  ['4.7', "greps 'update'", { image: { history: seen(['/bin/sh -c update-ca-certificates'], 'history') } }, 'pass'],
  ['5.2', 'WARNs on hosts without AppArmor', {}, 'notApplicable'],
  [
    '5.2',
    'does not see complain mode',
    {
      facts: { kernel: kernelFact({ lsm: seen(['apparmor'], '/sys/lsm'), apparmor: seen(true, '/sys/apparmor') }) },
      container: { lsmLabel: seen('docker-default (complain)', '/proc/4121/attr/current') },
    },
    'fail',
  ],
  ['5.3', 'any SecurityOpt', labelled('system_u:system_r:spc_t:s0'), 'fail'],
  ['5.3', 'empty SecurityOpt', labelled('system_u:system_r:container_t:s0:c1,c2'), 'pass'],
  [
    '5.4',
    'looks at CapAdd only',
    { container: { declared: { privileged: true }, capabilities: seen(ALL_CAPABILITIES, '/proc/4121/status') } },
    'fail',
  ],
  ['5.6', 'exact path match only', { container: mounted('/etc/kubernetes', '/x') }, 'fail'],
  ['5.6', 'read-only mounts', { container: mounted('/', '/host', true) }, 'fail'],
  ['5.6', 'also matches', { container: mounted('/srv/shop', '/etc') }, 'pass'],
  ['5.7', '', { container: { programs: seen(['sh', 'sshd'], '/proc/4121/comm') } }, 'fail'],
  ['5.8', 'treats 1024', { container: port('0.0.0.0', 1024) }, 'pass'],
  ['5.8', "IPv6 '[::]", { container: port('::', 80) }, 'fail'],
  ['5.10', 'string compare', { container: shares('net', 'container:4f1d') }, 'fail'],
  ['5.16', 'string compare', { container: shares('pid', 'container:4f1d') }, 'fail'],
  ['5.17', 'string compare', { container: shares('ipc', 'container:4f1d') }, 'fail'],
  ['5.21', 'string compare', { container: shares('uts', 'container:4f1d') }, 'fail'],
  [
    '5.11',
    'HostConfig only',
    { container: { memoryMaxBytes: seen(536_870_912, '/sys/fs/cgroup/memory.max') } },
    'pass',
  ],
  [
    '5.12',
    'CpuQuota',
    {
      container: {
        cpu: {
          maxMillicores: seen(500, '/sys/fs/cgroup/cpu.max'),
          weightPermille: seen(1000, '/sys/x'),
          processors: seen(4, '/sys/y'),
        },
      },
    },
    'pass',
  ],
  ['5.14', 'only 0.0.0.0', { container: port('::', 8080) }, 'fail'],
  ['5.15', 'tests MaximumRetryCount', { container: { declared: { restartPolicy: 'always' } } }, 'fail'],
  ['5.22', 'only the literal', { container: { ...UNCONFINED, declared: { privileged: true } } }, 'fail'],
  ['5.26', 'text match', { container: { declared: { noNewPrivileges: false } } }, 'fail'],
  [
    '5.26',
    'daemon flag presence',
    { facts: docker(flags({ 'no-new-privileges': ['true'] })), container: { declared: { noNewPrivileges: false } } },
    'fail',
  ],
  ['5.27', 'unhealthy containers', { container: { declared: { health: 'unhealthy' } } }, 'fail'],
  ['5.29', 'HostConfig only', { container: { pidsMax: seen(100, '/sys/fs/cgroup/pids.max') } }, 'pass'],
  ['5.30', 'INFO at most', {}, 'fail'],
  ['5.31', 'passes on every daemon', {}, 'notApplicable'],
];
/** A key of daemon.json beside a running daemon that has another value. */
const LIVE_ROWS: readonly Row[] = [
  [
    '2.2',
    'reads flag/file only',
    { facts: docker(daemonJson({ icc: false }), { bridgeInterContainer: seen(true, 'GET /networks/bridge') }) },
    'fail',
  ],
];

/** Defects that no state of one node shows here, with the reason or the test that shows them. */
const ELSEWHERE: readonly (readonly [controls: string, why: string])[] = [
  ['1.1.1 1.1.2', 'mounts and groups are read by inspectors: host-around.test.ts, socket-access'],
  [
    '1.1.3 1.1.4 1.1.5 1.1.7 1.1.8 1.1.9 1.1.11 1.1.12 1.1.18',
    'paths of targets are found by the inspector: test/agent/inspector/audit',
  ],
  ['1.2.1 1.2.2', 'releases: host-around.test.ts'],
  ['2.3 2.8 2.9 2.10 2.16', 'values of flags: isolation.test.ts, logging.test.ts, network.test.ts'],
  ['3.1 3.2 3.3 3.4 3.7 3.9', 'places of files are found by the inspector: test/agent/inspector/file'],
  ['4.1 4.2 4.3 4.4 4.5 4.8 4.9 4.10 4.11 4.12', 'images: test/posture/check/image, image policies'],
  ['5.8 5.9 5.15 5.18 5.19 5.23 5.24 5.28 5.32', 'tests of the check with real containers or mounts'],
  ['6.1 6.2', 'it judges nothing: lifecycle.test.ts'],
  ['7.1 7.2 7.4 7.5 7.6 7.7 7.8 7.9', 'swarms: test/posture/check/swarm'],
];

interface Entry {
  readonly id: string;
  readonly idByVersion: Readonly<Record<string, string | null>>;
  readonly dockerBench?: { readonly defects?: readonly string[] };
}

t.test('states in which docker-bench-security is wrong', { skip }, (t) => {
  const { controls } = JSON.parse(readFileSync(catalogue, 'utf8')) as { readonly controls: readonly Entry[] };
  let covered = 0;
  const open: string[] = [];
  for (const { id, idByVersion, dockerBench } of controls) {
    const number = idByVersion['1.8.0'] ?? '';
    const checks = findBenchmark('cis-docker-1.8.0')?.controls.find((control) => control.id === number)?.checks ?? [];
    for (const defect of dockerBench?.defects ?? []) {
      const row = [...ROWS, ...LIVE_ROWS].find(
        ([named, start]) => (named === '' ? start !== '' : named.split(' ').includes(id)) && defect.startsWith(start),
      );
      if (row === undefined) {
        open.push(id);
        continue;
      }
      const [, , state, verdict] = row;
      const verdicts = CHECKS.filter((check) => checks.includes(check.id)).map((check) => judge(check, state));
      t.ok(
        verdicts.includes(verdict),
        `${id} ${defect}: ${verdicts.join(', ')} of ${checks.join(', ')}, right is ${verdict}`,
      );
      // Of several checks of a control, a failure of one is the answer.
      if (verdict === 'pass') t.notOk(verdicts.includes('fail'), `${id} ${defect}: nothing fails`);
      covered += 1;
    }
  }
  const explained = new Set(ELSEWHERE.flatMap(([ids]) => ids.split(' ')));
  t.same(
    [...new Set(open)].filter((id) => !explained.has(id)),
    [],
    'every other defect has a reason',
  );
  t.equal(covered, 133, `${String(open.length)} defects are shown elsewhere`);
  t.end();
});

function judge(check: Check, state: State): Verdict | undefined {
  const container = containerFact(state.container);
  const image = imageFact(state.image);
  const facts = factsOf({ containers: seen([container], 'list'), images: seen([image], 'list'), ...state.facts });
  switch (check.judges) {
    case 'container':
      return check.judge(container, facts).verdict;
    case 'image':
      return check.judge(image, facts).verdict;
    case 'file':
      return check.judge(fileOf(check.role, state)).verdict;
    case 'listener':
      return check.judge(listenerOf(state.probe ?? {}), facts).verdict;
    case 'node':
    case 'docker':
    case 'kubelet':
    case 'sshd':
      return check.judge(check.id.startsWith('audit.') ? factsOf({ audit: auditOf(state) }) : facts).verdict;
    case 'clusterNode':
    case 'imageTags':
    case 'imageRules':
    case 'cluster':
    case 'admittedContainer':
      return undefined;
  }
}

function fileOf(role: FileFact['role'], { file = {}, group = '' }: State): FileFact {
  const whole = {
    realPath: '/etc/docker/x',
    kind: 'file',
    uid: 0,
    gid: 0,
    mode: 0,
    owner: 'root',
    group: 'root',
  } as const;
  return {
    role,
    path: '/etc/docker/x',
    stat: seen({ ...whole, ...file }, 'stat'),
    expectedGroup: group,
    expectedMode: null,
  };
}

function listenerOf(probe: Partial<Probe>): ListenerFact {
  const found = {
    protocol: 'tls',
    clientCertificate: 'unknown',
    answer: '',
    versions: ['TLSv1.3'],
    weakCipherSuites: null,
    certificate: null,
  } as const;
  return {
    service: 'docker',
    id: 'tcp:0.0.0.0:2376',
    address: '0.0.0.0',
    port: 2376,
    loopback: false,
    pid: 812,
    probe: seen({ ...found, ...probe }, 'probe of tcp://0.0.0.0:2376'),
  };
}

/** Each check of audit rules judges its own target: all of them are at the same path here. */
function auditOf({ audit }: State): AuditFact {
  const path = '/usr/bin/target';
  const targets = AUDIT_TARGETS.map((target) => ({ target, path, real: seen({ path, isDirectory: false }, path) }));
  return auditFact({ ...audit?.(path), targets });
}
