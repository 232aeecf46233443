import t from 'tap';
import { authorizationPlugin } from '../../../../posture/check/daemon/authorization-plugin.ts';
import { baseDeviceSize } from '../../../../posture/check/daemon/base-device-size.ts';
import { cgroupParent } from '../../../../posture/check/daemon/cgroup-parent.ts';
import { defaultUlimits } from '../../../../posture/check/daemon/default-ulimits.ts';
import { experimental } from '../../../../posture/check/daemon/experimental.ts';
import { icc } from '../../../../posture/check/daemon/icc.ts';
import { insecureRegistries } from '../../../../posture/check/daemon/insecure-registries.ts';
import { iptables } from '../../../../posture/check/daemon/iptables.ts';
import { liveRestore } from '../../../../posture/check/daemon/live-restore.ts';
import { logLevel } from '../../../../posture/check/daemon/log-level.ts';
import { noNewPrivileges } from '../../../../posture/check/daemon/no-new-privileges.ts';
import { pendingRestart } from '../../../../posture/check/daemon/pending-restart.ts';
import { remoteLogging } from '../../../../posture/check/daemon/remote-logging.ts';
import { rootless } from '../../../../posture/check/daemon/rootless.ts';
import { seccompProfile } from '../../../../posture/check/daemon/seccomp-profile.ts';
import { storageDriver } from '../../../../posture/check/daemon/storage-driver.ts';
import { swarm } from '../../../../posture/check/daemon/swarm.ts';
import { userlandProxy } from '../../../../posture/check/daemon/userland-proxy.ts';
import { usernsRemap } from '../../../../posture/check/daemon/userns-remap.ts';
import { CHECKS } from '../../../../posture/check/registry.ts';
import type { DockerApi, DockerFact } from '../../../../posture/fact/docker.ts';
import type { Facts } from '../../../../posture/fact/facts.ts';
import { absent, seen, unreadable } from '../../../../posture/observed.ts';
import { dockerApi, dockerFact } from '../../../fixture/facts.ts';
import { judgeNodes } from '../../../fixture/node-table.ts';
import type { NodeRow } from '../../../fixture/node-table.ts';

const FILE = '/etc/docker/daemon.json';
const STARTED = Date.UTC(2026, 10, 25, 8);
const BEFORE = STARTED - 3_600_000;
const AFTER = STARTED + 3_600_000;
const PENDING =
  'pending restart: /etc/docker/daemon.json was modified 2026-11-25T09:00:00Z, dockerd started 2026-11-25T08:00:00Z';
const DENIED = 'permission denied (EACCES)';

type Flags = Readonly<Record<string, readonly string[]>>;
type Keys = Readonly<Record<string, unknown>>;

/** The dockerd process with these flags. */
function flags(values: Flags, uid = 0): Pick<DockerFact, 'process'> {
  return {
    process: seen(
      { pid: 812, uid, startedAtMs: STARTED, executable: '/usr/sbin/dockerd', flags: values, environment: {} },
      '/proc/812',
    ),
  };
}

/** daemon.json with these keys, older than the daemon unless said otherwise. */
function file(keys: Keys, modifiedAtMs = BEFORE): Pick<DockerFact, 'file'> {
  return { file: seen({ path: FILE, modifiedAtMs, keys }, FILE) };
}

function api(changes: Partial<DockerApi>): Pick<DockerFact, 'api'> {
  return { api: dockerApi(changes) };
}

function options(...entries: (readonly [name: string, profile?: string])[]): Pick<DockerFact, 'api'> {
  return api({
    securityOptions: entries.map(([name, profile]) => ({ name, options: profile === undefined ? {} : { profile } })),
  });
}

function docker(...parts: readonly Partial<DockerFact>[]): Partial<Facts> {
  return { docker: dockerFact(Object.assign({}, ...parts) as Partial<DockerFact>) };
}

/** The agent is not in the group of the socket. */
const noApi: Partial<DockerFact> = {
  present: unreadable('unix:///var/run/docker.sock', DENIED),
  api: unreadable('GET /info', DENIED),
  bridgeInterContainer: unreadable('GET /networks/bridge', DENIED),
};
const noProcess: Partial<DockerFact> = { process: unreadable('/proc', 'hidepid') };
const noFile: Partial<DockerFact> = { file: unreadable(FILE, DENIED) };

const ABSENT: NodeRow = {
  name: 'no Docker',
  facts: docker({ present: absent('/var/run/docker.sock'), api: absent('GET /info'), process: absent('/proc') }),
  verdict: 'notApplicable',
  reason: /Docker is not on this node/,
};
/** What every check of a setting answers where nothing can be read. */
const BLIND: NodeRow = {
  name: 'nothing can be read',
  facts: docker(noApi, noProcess, noFile, { userlandProxies: unreadable('/proc', 'hidepid') }),
  verdict: 'unknown',
  reason: /permission denied|hidepid/,
};

judgeNodes(t, icc, [
  { name: 'default', facts: docker(), verdict: 'fail', seen: ['com.docker.network.bridge.enable_icc: true'] },
  { name: 'off', facts: docker({ bridgeInterContainer: seen(false, 'GET /networks/bridge') }), verdict: 'pass' },
  {
    name: 'no default bridge',
    facts: docker({ bridgeInterContainer: absent('GET /networks/bridge') }),
    verdict: 'pass',
  },
  // The network that runs decides: docker-bench believes the file.
  {
    name: 'asked for in the file, not restarted',
    facts: docker(file({ icc: false }, AFTER)),
    verdict: 'fail',
    seen: ['com.docker.network.bridge.enable_icc: true', `"icc": false (${PENDING})`],
  },
  {
    name: 'off, but nobody enforces it',
    facts: docker({ bridgeInterContainer: seen(false, 'GET /networks/bridge') }, flags({ iptables: ['false'] })),
    verdict: 'fail',
    seen: ['com.docker.network.bridge.enable_icc: false', '--iptables=false'],
  },
  { name: 'API for others only, off by nobody', facts: docker(noApi), verdict: 'fail' },
  { name: 'API for others only, off by flag', facts: docker(noApi, flags({ icc: ['false'] })), verdict: 'unknown' },
  ABSENT,
  BLIND,
]);

judgeNodes(t, logLevel, [
  { name: 'default', facts: docker(), verdict: 'pass' },
  { name: 'info by flag', facts: docker(flags({ 'log-level': ['info'] })), verdict: 'pass' },
  // The branch for flags of docker-bench is never reached.
  {
    name: 'debug by flag',
    facts: docker(flags({ 'log-level': ['debug'] })),
    verdict: 'fail',
    seen: ['--log-level=debug'],
    sources: ['/proc/812/cmdline'],
  },
  { name: 'error', facts: docker(file({ 'log-level': 'error' })), verdict: 'fail', seen: ['"log-level": "error"'] },
  // Reloadable, and it beats every level.
  { name: 'debug on', facts: docker(api({ debug: true })), verdict: 'fail', sources: ['GET /info Debug'] },
  { name: 'the last flag counts', facts: docker(flags({ 'log-level': ['debug', 'info'] })), verdict: 'pass' },
  {
    name: 'a file that is newer than the daemon proves nothing right',
    facts: docker(file({ 'log-level': 'info' }, AFTER)),
    verdict: 'unknown',
    reason: /pending restart/,
  },
  ABSENT,
  BLIND,
]);

judgeNodes(t, iptables, [
  { name: 'default', facts: docker(), verdict: 'pass' },
  { name: 'true', facts: docker(file({ iptables: true })), verdict: 'pass' },
  { name: 'false by flag', facts: docker(flags({ iptables: ['false'] })), verdict: 'fail', seen: ['--iptables=false'] },
  { name: '0 is false', facts: docker(flags({ iptables: ['0'] })), verdict: 'fail' },
  { name: 'false in the file', facts: docker(file({ iptables: false })), verdict: 'fail', sources: [FILE] },
  {
    name: 'false in a newer file',
    facts: docker(file({ iptables: false }, AFTER)),
    verdict: 'fail',
    seen: [`"iptables": false (${PENDING})`],
  },
  { name: 'file not readable', facts: docker(noFile), verdict: 'unknown', reason: /daemon\.json: permission denied/ },
  { name: 'file not readable, but a flag', facts: docker(noFile, flags({ iptables: ['true'] })), verdict: 'pass' },
  ABSENT,
  BLIND,
]);

judgeNodes(t, insecureRegistries, [
  { name: 'none', facts: docker(), verdict: 'pass', seen: ['none'] },
  {
    name: 'one',
    facts: docker(api({ insecureRegistries: ['registry.example:5000'] })),
    verdict: 'fail',
    severity: 'high',
    seen: ['registry.example:5000'],
  },
  { name: 'a network', facts: docker(api({ insecureRegistries: ['10.0.0.0/8'] })), verdict: 'fail' },
  { name: 'loopback only', facts: docker(api({ insecureRegistries: ['127.0.0.0/8', '::1/128'] })), verdict: 'pass' },
  { name: 'more than loopback', facts: docker(api({ insecureRegistries: ['127.0.0.0/4'] })), verdict: 'fail' },
  // Reloadable: the file was changed and dockerd told, or not told.
  { name: 'in the file only', facts: docker(file({ 'insecure-registries': ['a.example'] }, AFTER)), verdict: 'pass' },
  {
    name: 'API for others only, proved by the flags',
    facts: docker(noApi, flags({ 'insecure-registry': ['a.example', 'b.example'] })),
    verdict: 'fail',
    seen: ['--insecure-registry=a.example --insecure-registry=b.example'],
  },
  { name: 'API for others only', facts: docker(noApi), verdict: 'unknown', reason: /GET \/info: permission denied/ },
  ABSENT,
  BLIND,
]);

judgeNodes(t, storageDriver, [
  { name: 'overlay2', facts: docker(), verdict: 'pass' },
  { name: 'aufs', facts: docker(api({ storageDriver: 'aufs' })), verdict: 'fail' },
  { name: 'devicemapper', facts: docker(api({ storageDriver: 'devicemapper' })), verdict: 'fail' },
  {
    name: 'API for others only, by flag',
    facts: docker(noApi, flags({ 'storage-driver': ['aufs'] })),
    verdict: 'fail',
  },
  { name: 'API for others only', facts: docker(noApi), verdict: 'unknown', reason: /GET \/info/ },
  ABSENT,
  BLIND,
]);

judgeNodes(t, usernsRemap, [
  { name: 'default', facts: docker(), verdict: 'fail', seen: ['neither name=userns nor name=rootless'] },
  {
    name: 'remapped',
    facts: docker(options(['seccomp', 'builtin'], ['userns'])),
    verdict: 'pass',
    seen: ['name=userns'],
  },
  { name: 'rootless counts', facts: docker(options(['rootless'])), verdict: 'pass', seen: ['name=rootless'] },
  {
    name: 'in the file only',
    facts: docker(file({ 'userns-remap': 'default' }, AFTER)),
    verdict: 'fail',
    seen: ['neither name=userns nor name=rootless', `"userns-remap": "default" (${PENDING})`],
  },
  ABSENT,
  BLIND,
]);

judgeNodes(t, cgroupParent, [
  { name: 'default', facts: docker(), verdict: 'pass' },
  { name: 'another by flag', facts: docker(flags({ 'cgroup-parent': ['/tenant'] })), verdict: 'fail' },
  // docker-bench never sees this one.
  {
    name: 'another in the file',
    facts: docker(file({ 'cgroup-parent': 'tenant.slice' })),
    verdict: 'fail',
    severity: 'low',
  },
  { name: 'the default, said aloud', facts: docker(file({ 'cgroup-parent': 'system.slice' })), verdict: 'pass' },
  ABSENT,
  BLIND,
]);

judgeNodes(t, authorizationPlugin, [
  { name: 'none', facts: docker(), verdict: 'fail', seen: ['none'] },
  { name: 'one', facts: docker(api({ authorizationPlugins: ['opa'] })), verdict: 'pass', seen: ['opa'] },
  // Configured but not loaded: docker-bench lets it pass.
  {
    name: 'in the file, not loaded',
    facts: docker(file({ 'authorization-plugins': ['opa'] })),
    verdict: 'fail',
    seen: ['none', '"authorization-plugins": ["opa"]'],
  },
  ABSENT,
  BLIND,
]);

const driver = (loggingDriver: string): Pick<DockerFact, 'api'> => api({ loggingDriver });
const address = (value: string): Pick<DockerFact, 'file'> => file({ 'log-opts': { 'syslog-address': value } });
judgeNodes(t, remoteLogging, [
  { name: 'json-file', facts: docker(), verdict: 'fail', seen: ['json-file'] },
  { name: 'local', facts: docker(driver('local')), verdict: 'fail' },
  { name: 'none', facts: docker(driver('none')), verdict: 'fail' },
  { name: 'fluentd goes to this node where nobody says anything', facts: docker(driver('fluentd')), verdict: 'manual' },
  ...[
    'localhost:24224',
    '127.0.0.1:24224',
    'tcp://127.1.2.3:24224',
    '[::1]:24224',
    'unix:///run/fluentd.sock',
    '',
    ':24224',
    'LOCALHOST.:1',
    '0.0.0.0:1',
    '::ffff:127.0.0.1',
  ].map((address) => ({
    name: `fluentd at ${address}`,
    facts: docker(driver('fluentd'), file({ 'log-opts': { 'fluentd-address': address } })),
    verdict: 'manual' as const,
  })),
  ...['logs.example:24224', 'tcp://10.0.0.7:24224', 'tls://logs.example:24224', '[2001:db8::1]:24224'].map(
    (address) => ({
      name: `fluentd at ${address}`,
      facts: docker(driver('fluentd'), flags({ 'log-opt': [`fluentd-address=${address}`] })),
      verdict: 'pass' as const,
    }),
  ),
  {
    name: 'gelf at this node',
    facts: docker(driver('gelf'), flags({ 'log-opt': ['gelf-address=udp://localhost:12201'] })),
    verdict: 'manual',
  },
  {
    name: 'gelf elsewhere',
    facts: docker(driver('gelf'), flags({ 'log-opt': ['gelf-address=udp://10.0.0.7:12201'] })),
    verdict: 'pass',
  },
  { name: 'gelf', facts: docker(driver('gelf')), verdict: 'pass' },
  { name: 'journald is here', facts: docker(driver('journald')), verdict: 'manual', reason: /forwards/ },
  { name: 'syslog is here', facts: docker(driver('syslog')), verdict: 'manual' },
  {
    name: 'syslog elsewhere',
    facts: docker(driver('syslog'), address('tcp+tls://logs.example:6514')),
    verdict: 'pass',
  },
  { name: 'syslog by a socket', facts: docker(driver('syslog'), address('unix:///dev/log')), verdict: 'manual' },
  { name: 'syslog on loopback', facts: docker(driver('syslog'), address('udp://127.0.0.1:514')), verdict: 'manual' },
  {
    name: 'tokens of other drivers are not shown',
    facts: docker(
      driver('syslog'),
      file({ 'log-opts': { 'syslog-address': 'udp://logs:514', 'splunk-token': 'S3CRET' } }),
    ),
    verdict: 'pass',
    seen: ['syslog', 'syslog-address=udp://logs:514'],
  },
  ABSENT,
  BLIND,
]);

judgeNodes(t, noNewPrivileges, [
  { name: 'default', facts: docker(), verdict: 'fail' },
  { name: 'listed', facts: docker(options(['no-new-privileges'])), verdict: 'pass' },
  {
    name: 'by flag, on an engine that does not list it',
    facts: docker(flags({ 'no-new-privileges': ['true'] })),
    verdict: 'pass',
  },
  // The text of the flag is enough for docker-bench.
  { name: 'false by flag', facts: docker(flags({ 'no-new-privileges': ['false'] })), verdict: 'fail' },
  { name: 'in the file', facts: docker(file({ 'no-new-privileges': true })), verdict: 'pass' },
  {
    name: 'in a newer file',
    facts: docker(file({ 'no-new-privileges': true }, AFTER)),
    verdict: 'unknown',
    reason: /pending restart/,
  },
  ABSENT,
  BLIND,
]);

judgeNodes(t, liveRestore, [
  { name: 'default', facts: docker(), verdict: 'fail', seen: ['false'] },
  { name: 'on', facts: docker(api({ liveRestore: true })), verdict: 'pass', seen: ['true'] },
  { name: 'in a swarm', facts: docker(api({ swarm: 'active' })), verdict: 'notApplicable' },
  // --live-restore=false passes with docker-bench.
  { name: 'false by flag', facts: docker(flags({ 'live-restore': ['false'] })), verdict: 'fail' },
  {
    name: 'changed, not reloaded',
    facts: docker(file({ 'live-restore': true }, AFTER)),
    verdict: 'fail',
    seen: ['false', `"live-restore": true (${PENDING})`],
  },
  {
    name: 'on, and taken out of a newer file',
    facts: docker(api({ liveRestore: true }), file({}, AFTER)),
    verdict: 'pass',
  },
  ABSENT,
  BLIND,
]);

judgeNodes(t, userlandProxy, [
  { name: 'default', facts: docker(), verdict: 'fail' },
  { name: 'off', facts: docker(file({ 'userland-proxy': false })), verdict: 'pass' },
  // docker-bench matches the one spelling only.
  { name: 'off in another spelling', facts: docker(flags({ 'userland-proxy': ['F'] })), verdict: 'pass' },
  {
    name: 'off in the file, but proxies run',
    facts: docker(file({ 'userland-proxy': false }, AFTER), { userlandProxies: seen(3, '/proc/*/comm docker-proxy') }),
    verdict: 'fail',
    seen: ['docker-proxy processes: 3', `"userland-proxy": false (${PENDING})`],
  },
  ABSENT,
  BLIND,
]);

judgeNodes(t, seccompProfile, [
  { name: 'builtin', facts: docker(), verdict: 'pass', seen: ['name=seccomp,profile=builtin'] },
  // What engines before 23 call it; docker-bench knows nothing else.
  { name: 'default', facts: docker(options(['seccomp', 'default'])), verdict: 'pass' },
  { name: 'unconfined', facts: docker(options(['seccomp', 'unconfined'])), verdict: 'fail', severity: 'high' },
  { name: 'no seccomp at all', facts: docker(options(['apparmor'])), verdict: 'fail', seen: ['no name=seccomp'] },
  {
    name: 'its own',
    facts: docker(options(['seccomp', '/etc/docker/s.json'])),
    verdict: 'manual',
    seen: ['name=seccomp,profile=/etc/docker/s.json'],
  },
  {
    name: 'API for others only, proved by the flags',
    facts: docker(noApi, flags({ 'seccomp-profile': ['unconfined'] })),
    verdict: 'fail',
    seen: ['--seccomp-profile=unconfined'],
    sources: ['/proc/812/cmdline'],
  },
  {
    name: 'API for others only, proved by the file',
    facts: docker(noApi, file({ 'seccomp-profile': 'unconfined' })),
    verdict: 'fail',
  },
  { name: 'API for others only', facts: docker(noApi), verdict: 'unknown', reason: /GET \/info: permission denied/ },
  {
    name: 'unconfined after the next restart',
    facts: docker(file({ 'seccomp-profile': 'unconfined' }, AFTER)),
    verdict: 'pass',
    seen: ['name=seccomp,profile=builtin', `"seccomp-profile": "unconfined" (${PENDING})`],
  },
  ABSENT,
  BLIND,
]);

judgeNodes(t, experimental, [
  { name: 'off', facts: docker(), verdict: 'pass' },
  { name: 'on', facts: docker(api({ experimental: true })), verdict: 'fail', seen: ['true'] },
  { name: 'API for others only', facts: docker(noApi), verdict: 'unknown' },
  ABSENT,
  BLIND,
]);

judgeNodes(t, rootless, [
  { name: 'root', facts: docker(), verdict: 'manual', seen: ['Uid: 0', 'no name=rootless'] },
  { name: 'listed', facts: docker(options(['rootless'])), verdict: 'pass' },
  { name: 'another user', facts: docker(flags({}, 1000)), verdict: 'pass', seen: ['Uid: 1000'] },
  // userns-remap is something else.
  { name: 'remapped', facts: docker(options(['userns'])), verdict: 'manual' },
  { name: 'API for others only, another user', facts: docker(noApi, flags({}, 1000)), verdict: 'pass' },
  ABSENT,
  BLIND,
]);

const limits = (nofile: number, nproc: number): Pick<DockerFact, 'file'> =>
  file({
    'default-ulimits': {
      nofile: { Name: 'nofile', Soft: 1024, Hard: nofile },
      nproc: { Name: 'nproc', Soft: 512, Hard: nproc },
    },
  });
judgeNodes(t, defaultUlimits, [
  { name: 'unset', facts: docker(), verdict: 'manual', reason: /limits/ },
  { name: 'both', facts: docker(limits(65_536, 4096)), verdict: 'pass' },
  {
    name: 'by flags',
    facts: docker(flags({ 'default-ulimit': ['nofile=1024:65536', 'nproc=4096'] })),
    verdict: 'pass',
  },
  // The value is not looked at by docker-bench.
  { name: 'infinite', facts: docker(limits(65_536, -1)), verdict: 'fail' },
  { name: 'one only', facts: docker(flags({ 'default-ulimit': ['nofile=1024:2048'] })), verdict: 'manual' },
  { name: 'not a map', facts: docker(file({ 'default-ulimits': 'nofile=1' })), verdict: 'manual' },
  ABSENT,
  BLIND,
]);

judgeNodes(t, swarm, [
  { name: 'inactive', facts: docker(), verdict: 'pass' },
  ...['active', 'pending', 'locked', 'error'].map((state) => ({
    name: state,
    facts: docker(api({ swarm: state })),
    verdict: 'fail' as const,
    seen: [state],
  })),
  { name: 'API for others only', facts: docker(noApi), verdict: 'unknown' },
  ABSENT,
  BLIND,
]);

const mapper = api({ storageDriver: 'devicemapper' });
judgeNodes(t, baseDeviceSize, [
  { name: 'overlay2', facts: docker(), verdict: 'notApplicable', reason: /overlay2/ },
  { name: 'default', facts: docker(mapper), verdict: 'pass' },
  {
    name: 'larger',
    facts: docker(mapper, flags({ 'storage-opt': ['dm.fs=xfs', 'dm.basesize=40G'] })),
    verdict: 'fail',
  },
  { name: 'larger in the file', facts: docker(mapper, file({ 'storage-opts': ['dm.basesize=40G'] })), verdict: 'fail' },
  ABSENT,
  BLIND,
]);

judgeNodes(t, pendingRestart, [
  { name: 'no file', facts: docker(), verdict: 'notApplicable' },
  {
    name: 'older file',
    facts: docker(file({ icc: true })),
    verdict: 'pass',
    seen: ['modified 2026-11-25T07:00:00Z, dockerd started 2026-11-25T08:00:00Z'],
  },
  {
    name: 'newer, and it differs',
    facts: docker(file({ 'live-restore': true }, AFTER)),
    verdict: 'fail',
    seen: [
      'false',
      `"live-restore": true (${PENDING})`,
      'modified 2026-11-25T09:00:00Z, dockerd started 2026-11-25T08:00:00Z',
    ],
  },
  {
    name: 'taken out of the file',
    facts: docker(api({ liveRestore: true }), file({}, AFTER)),
    verdict: 'fail',
    sources: ['GET /info LiveRestoreEnabled'],
  },
  { name: 'newer, and nothing that shows differs', facts: docker(file({ iptables: true }, AFTER)), verdict: 'manual' },
  { name: 'written while dockerd started', facts: docker(file({ iptables: true }, STARTED + 900)), verdict: 'pass' },
  // Such a file, and dockerd does not come up again.
  {
    name: 'said twice',
    facts: docker(flags({ host: ['fd://'] }), file({ hosts: ['unix:///var/run/docker.sock'] }, AFTER)),
    verdict: 'fail',
    sources: [FILE],
  },
  {
    name: 'runtimes may be said twice',
    facts: docker(flags({ runtimes: ['a=b'] }), file({ runtimes: {} })),
    verdict: 'pass',
  },
  {
    name: 'a profile of the old name',
    facts: docker(options(['seccomp', 'default']), file({ 'seccomp-profile': 'builtin' })),
    verdict: 'pass',
  },
  {
    name: 'insecure registries that the daemon writes another way',
    facts: docker(api({ insecureRegistries: ['10.0.0.0/8'] }), file({ 'insecure-registries': ['10.1.2.3/8'] })),
    verdict: 'pass',
  },
  {
    name: 'a loopback registry is not listed',
    facts: docker(file({ 'insecure-registries': ['localhost:5000'] })),
    verdict: 'pass',
  },
  {
    name: 'rootless was never told',
    facts: docker(options(['rootless'], ['seccomp', 'builtin']), file({})),
    verdict: 'pass',
  },
  { name: 'no start time', facts: docker(noProcess, file({})), verdict: 'unknown', reason: /hidepid/ },
  { name: 'unreadable', facts: docker(noFile), verdict: 'unknown', reason: /daemon\.json/ },
  ABSENT,
  BLIND,
]);

void t.test('every daemon check is tested here', (t) => {
  const tested = [
    authorizationPlugin,
    baseDeviceSize,
    cgroupParent,
    defaultUlimits,
    experimental,
    icc,
    insecureRegistries,
    iptables,
    liveRestore,
    logLevel,
    noNewPrivileges,
    pendingRestart,
    remoteLogging,
    rootless,
    seccompProfile,
    storageDriver,
    swarm,
    userlandProxy,
    usernsRemap,
  ].map(({ id }) => id);
  t.strictSame(
    CHECKS.filter(({ judges }) => judges === 'docker').map(({ id }) => id),
    tested.sort(),
  );
  t.end();
});
