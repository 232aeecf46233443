import t from 'tap';
import { CONTAINERD_CHECKS } from '../../../../posture/check/containerd/containerd-checks.ts';
import { defaultRuntime } from '../../../../posture/check/containerd/default-runtime.ts';
import { plugins } from '../../../../posture/check/containerd/plugins.ts';
import { knownVulnerabilities } from '../../../../posture/check/containerd/known-vulnerabilities.ts';
import type { ContainerdDaemon, ContainerdsFact } from '../../../../posture/fact/containerd.ts';
import { CONTAINERD_SETTINGS } from '../../../../posture/fact/containerd.ts';
import type { Facts } from '../../../../posture/fact/facts.ts';
import { absent, seen, unreadable } from '../../../../posture/observed.ts';
import type { Verdict } from '../../../../posture/verdict.ts';
import { containerdsFact, dockerApi, dockerFact, factsOf, kernelFact } from '../../../fixture/facts.ts';
import { kubeletFact } from '../../../fixture/kubelet.ts';
import { judgeNodes } from '../../../fixture/node-table.ts';

const CONFIG = '/etc/containerd/config.toml';
const UNREAD = unreadable(CONFIG, 'permission denied (EACCES)');

function daemon(settings: Readonly<Record<string, string>>, change: Partial<ContainerdDaemon> = {}): ContainerdDaemon {
  const all = CONTAINERD_SETTINGS.map((name) => {
    const value = settings[name];
    return [name, value === undefined ? absent(CONFIG) : seen(value, CONFIG)] as const;
  });
  return {
    pid: 7,
    executable: '/usr/bin/containerd',
    package: absent('/var/lib/dpkg/status'),
    config: CONFIG,
    version: 2,
    files: [CONFIG],
    hasCri: true,
    settings: Object.fromEntries(all),
    runtimes: seen([], CONFIG),
    insecureRegistries: seen([], CONFIG),
    proxyPlugins: seen([], CONFIG),
    disabledPlugins: seen([], CONFIG),
    credentialFiles: [],
    ...change,
  };
}
const of = (...daemons: readonly ContainerdDaemon[]): Partial<Facts> => ({
  containerds: containerdsFact({ daemons: seen(daemons, '/proc') }),
  kernel: kernelFact({ apparmor: seen(true, '/sys/a'), selinux: seen('enforcing', '/sys/s') }),
});
const set = (settings: Readonly<Record<string, string>>): Partial<Facts> => of(daemon(settings));
const fact = (change: Partial<ContainerdsFact>): Partial<Facts> => ({ containerds: containerdsFact(change) });
const runtime = (change: object): Partial<Facts> =>
  of(
    daemon(
      {},
      {
        runtimes: seen(
          [
            {
              name: 'runc',
              type: '',
              shim: '',
              binary: '',
              allDevices: false,
              noPivotRoot: false,
              noNewKeyring: false,
              cgroupWritable: false,
              anyAnnotation: false,
              ...change,
            },
          ],
          CONFIG,
        ),
      },
    ),
  );
const chosen = (name: string, change: object): Partial<Facts> => {
  const { containerds } = runtime(change);
  const [first] = containerds?.daemons.state === 'seen' ? containerds.daemons.value : [];
  return of(daemon({ 'cri.default_runtime_name': name }, { runtimes: first?.runtimes ?? UNREAD }));
};
const DOCKER = daemon({ 'cri.disable_apparmor': 'true' }, { hasCri: false });
const unreadSetting = (name: string): Partial<Facts> => {
  const each = daemon({});
  return of({ ...each, settings: { ...each.settings, [name]: UNREAD } });
};

const VALIDATED = Object.fromEntries(
  CONTAINERD_SETTINGS.filter((name) => name.startsWith('nri.default_validator.')).map((name) => [name, 'true']),
);
const nri = (settings: Readonly<Record<string, string>>, plugins: readonly string[] = []): Partial<Facts> => ({
  containerds: containerdsFact({
    daemons: seen([daemon(settings)], '/proc'),
    nriSocket: seen('/var/run/nri/nri.sock', '/var/run/nri/nri.sock'),
    nriPlugins: seen(plugins, '/opt/nri/plugins'),
  }),
});
const installed = nri({}, ['10-logger']).containerds ?? containerdsFact();
const STARGZ = { name: 'stargz', address: '/run/containerd-stargz-grpc/containerd-stargz-grpc.sock' };
const VERIFIER = 'io.containerd.image-verifier.v1.bindir';
const kubelet = (seccompDefault: string): Partial<Facts> => ({
  ...set({}),
  kubelet: kubeletFact({ seccompDefault }),
});

// What is accepted: catalogue of node controls, NODE-TLS-10 to 12 and NODE-CTD-01 to 22.
const ROWS: Readonly<Record<string, readonly (readonly [string, Partial<Facts>, Verdict])[]>> = {
  'containerd.apparmor': [
    ['default', set({}), 'pass'],
    ['off', set({ 'cri.disable_apparmor': 'true' }), 'fail'],
    ['of Docker alone', of(DOCKER), 'notApplicable'],
    ['no AppArmor', { ...set({ 'cri.disable_apparmor': 'true' }), kernel: kernelFact() }, 'notApplicable'],
    ['not read', unreadSetting('cri.disable_apparmor'), 'unknown'],
  ],
  'containerd.debug-level': [
    ['default', set({}), 'pass'],
    ['debug', set({ 'debug.level': 'debug' }), 'fail'],
    ['not read', unreadSetting('debug.level'), 'unknown'],
  ],
  'containerd.default-runtime': [
    ['nothing is configured', set({}), 'pass'],
    ['runc of a package', runtime({ type: 'io.containerd.runc.v2', binary: '/usr/sbin/runc' }), 'pass'],
    ['another program', runtime({ type: 'io.containerd.runc.v2', binary: '/tmp/runc' }), 'manual'],
    ['another shim', runtime({ type: 'io.containerd.runc.v2', shim: '/opt/shim', binary: 'runc' }), 'manual'],
    ['another type with the name', runtime({ type: 'io.containerd.kata.v2' }), 'manual'],
    ['another type before runc', runtime({ type: 'io.containerd.kata.v2', binary: 'runc' }), 'manual'],
    ['a handler beside it', runtime({ name: 'kata', type: 'io.containerd.kata.v2' }), 'pass'],
    ['that of untrusted pods', runtime({ name: 'untrusted', type: 'io.containerd.kata.v2' }), 'manual'],
    ['another handler', chosen('kata', { name: 'kata', type: 'io.containerd.kata.v2' }), 'manual'],
    ['a handler that does not exist', chosen('kata', {}), 'unknown'],
    ['its setting not read', unreadSetting('cri.default_runtime_name'), 'unknown'],
    ['handlers not read', of(daemon({}, { runtimes: UNREAD })), 'unknown'],
    ['that of Docker', of(DOCKER), 'notApplicable'],
  ],
  'containerd.device-ownership': [
    ['default', set({}), 'pass'],
    ['of the user', set({ 'cri.device_ownership_from_security_context': 'true' }), 'fail'],
    ['not read', unreadSetting('cri.device_ownership_from_security_context'), 'unknown'],
  ],
  'containerd.image-volumes': [
    ['default', set({}), 'fail'],
    ['ignored', set({ 'cri.ignore_image_defined_volumes': 'true' }), 'pass'],
    ['not read', unreadSetting('cri.ignore_image_defined_volumes'), 'unknown'],
  ],
  'containerd.metrics-address': [
    ['default', set({}), 'pass'],
    ['loopback', set({ 'metrics.address': '127.0.0.1:1338' }), 'pass'],
    ['every address', set({ 'metrics.address': '0.0.0.0:1338' }), 'fail'],
    ['every address, written short', set({ 'debug.address': ':6060' }), 'fail'],
    ['a socket', set({ 'debug.address': '/run/containerd/debug.sock' }), 'pass'],
    ['not read', unreadSetting('debug.address'), 'unknown'],
  ],
  'containerd.node-resource-interface': [
    ['off', set({}), 'pass'],
    ['on', nri({}), 'manual'],
    ['validated', nri(VALIDATED), 'pass'],
    ['validated in part', nri({ ...VALIDATED, 'nri.default_validator.reject_oci_hook_adjustment': 'false' }), 'manual'],
    ['nobody can connect', nri({ 'nri.disable_connections': 'true' }), 'pass'],
    ['plugins', nri({ 'nri.disable_connections': 'true' }, ['10-x']), 'manual'],
    [
      'not read',
      { ...set({}), containerds: containerdsFact({ daemons: seen([daemon({})], '/proc'), nriSocket: UNREAD }) },
      'unknown',
    ],
  ],
  'containerd.plugin-directories': [
    ['none', set({}), 'pass'],
    [
      'one',
      {
        ...set({}),
        ...fact({
          daemons: seen([daemon({})], '/proc'),
          openDirectories: seen([{ path: '/opt/cni/bin', reason: 'writable by uid 1000' }], 'x'),
        }),
      },
      'fail',
    ],
    ['not read', fact({ openDirectories: UNREAD }), 'unknown'],
  ],
  'containerd.plugins': [
    ['none', set({}), 'pass'],
    ['without the CRI plugin', of(daemon({}, { hasCri: false, disabledPlugins: seen(['cri'], CONFIG) })), 'pass'],
    ['a proxy plugin', of(daemon({}, { proxyPlugins: seen([STARGZ], CONFIG) })), 'manual'],
    ['a disabled one', of(daemon({}, { disabledPlugins: seen([VERIFIER], CONFIG) })), 'manual'],
    ['one of NRI', nri({}, ['10-logger']), 'manual'],
    ['one of NRI, which is off', { containerds: { ...installed, nriSocket: absent('/nri.sock') } }, 'pass'],
    ['the socket of NRI not read', { containerds: { ...installed, nriSocket: UNREAD } }, 'unknown'],
    ['those of NRI not read', { containerds: { ...installed, nriPlugins: UNREAD } }, 'unknown'],
    ['proxy plugins not read', of(daemon({}, { proxyPlugins: UNREAD })), 'unknown'],
    ['disabled ones not read', of(daemon({}, { disabledPlugins: UNREAD })), 'unknown'],
  ],
  'containerd.registries': [
    ['none', set({}), 'pass'],
    [
      'one',
      of(daemon({}, { insecureRegistries: seen([{ registry: 'r', reason: 'http', source: CONFIG }], CONFIG) })),
      'fail',
    ],
    ['not read', of(daemon({}, { insecureRegistries: UNREAD })), 'unknown'],
  ],
  'containerd.registry-credentials': [
    ['none', set({}), 'pass'],
    ['one', of(daemon({}, { credentialFiles: [CONFIG] })), 'fail'],
    ['not read', fact({ daemons: UNREAD }), 'unknown'],
  ],
  'containerd.runtimes': [
    ['plain', runtime({}), 'pass'],
    ['NoPivotRoot', runtime({ noPivotRoot: true }), 'fail'],
    ['NoNewKeyring', runtime({ noNewKeyring: true }), 'fail'],
    ['writable cgroups', runtime({ cgroupWritable: true }), 'fail'],
    ['all devices', runtime({ allDevices: true }), 'fail'],
    ['any annotation', runtime({ anyAnnotation: true }), 'fail'],
    ['not read', of(daemon({}, { runtimes: UNREAD })), 'unknown'],
  ],
  'containerd.sandbox-image': [
    ['default', set({}), 'fail'],
    ['a tag', set({ 'cri.sandbox_image': 'registry.k8s.io/pause:3.10' }), 'fail'],
    ['a digest', set({ 'cri.sandbox_image': `registry.k8s.io/pause@sha256:${'ab'.repeat(32)}` }), 'pass'],
    ['a tag and a digest', set({ 'cri.sandbox_image': `r.test/pause:3@sha256:${'ab'.repeat(32)}` }), 'pass'],
    ['a digest that is cut', set({ 'cri.sandbox_image': `r.test/pause@sha256:${'ab'.repeat(31)}` }), 'fail'],
    ['a digest in the name', set({ 'cri.sandbox_image': `r.test/sha256:${'ab'.repeat(32)}` }), 'fail'],
    ['not read', unreadSetting('cri.sandbox_image'), 'unknown'],
  ],
  'containerd.seccomp-profile': [
    ['neither', kubelet('false'), 'fail'],
    ['of the kubelet', kubelet('true'), 'pass'],
    ['of containerd', set({ 'cri.unset_seccomp_profile': 'runtime/default' }), 'pass'],
    ['no kubelet', set({}), 'notApplicable'],
    ['not read', unreadSetting('cri.unset_seccomp_profile'), 'unknown'],
  ],
  'containerd.selinux': [
    ['default', set({}), 'fail'],
    ['on', set({ 'cri.enable_selinux': 'true' }), 'pass'],
    ['no SELinux', { ...set({}), kernel: kernelFact() }, 'notApplicable'],
    ['not read', unreadSetting('cri.enable_selinux'), 'unknown'],
  ],
  'containerd.streaming-server': [
    ['default', set({}), 'pass'],
    ['every address', set({ 'cri.stream_server_address': '' }), 'fail'],
    ['an address', set({ 'cri.stream_server_address': '10.0.0.5' }), 'fail'],
    ['one of two', of(daemon({}), daemon({ 'cri.stream_server_address': '0.0.0.0' })), 'fail'],
    ['not read', unreadSetting('cri.stream_server_address'), 'unknown'],
  ],
  'containerd.tcp': [
    ['default', set({}), 'pass'],
    ['an address without a service', set({ 'grpc.tcp_address': '0.0.0.0:1' }), 'pass'],
    ['both', set({ 'grpc.tcp_address': '0.0.0.0:1', 'cri.disable_tcp_service': 'false' }), 'fail'],
    [
      'a CA',
      set({ 'grpc.tcp_address': '0.0.0.0:1', 'cri.disable_tcp_service': 'false', 'grpc.tcp_tls_ca': '/ca' }),
      'pass',
    ],
    ['not read', unreadSetting('grpc.tcp_address'), 'unknown'],
  ],
};

const checks = [...CONTAINERD_CHECKS, defaultRuntime, plugins];
t.same(checks.map(({ id }) => id).sort(), Object.keys(ROWS));
for (const check of checks)
  judgeNodes(t, check, [
    ...(ROWS[check.id] ?? []).map(([name, facts, verdict]) => ({ name, facts, verdict })),
    { name: 'no containerd', facts: {}, verdict: 'notApplicable' },
  ]);

t.test('a list of allowed runtimes', (t) => {
  const crun = { type: 'io.containerd.runc.v2', binary: '/usr/bin/crun' };
  const rows: readonly (readonly [allowed: readonly string[], facts: Partial<Facts>, verdict: Verdict])[] = [
    [['/usr/bin/crun'], runtime(crun), 'pass'],
    [['crun'], runtime(crun), 'fail'],
    [['runc'], runtime(crun), 'fail'],
    [['runc'], set({}), 'pass'],
    [['/usr/bin/crun'], set({}), 'fail'],
    [['io.containerd.kata.v2'], chosen('kata', { name: 'kata', type: 'io.containerd.kata.v2' }), 'pass'],
    [['kata'], chosen('kata', { name: 'kata', type: 'io.containerd.kata.v2' }), 'fail'],
    // A name says nothing about the program.
    [['runc'], chosen('x', { name: 'x' }), 'fail'],
  ];
  for (const [allowed, facts, verdict] of rows) {
    const check = defaultRuntime.withParameters?.({ allowed });
    t.match(check?.judges === 'node' && check.judge(factsOf(facts)), { verdict }, JSON.stringify(allowed));
  }
  t.end();
});

t.test('a list of expected plugins', (t) => {
  const both = of(
    daemon({}, { proxyPlugins: seen([STARGZ], CONFIG), disabledPlugins: seen([VERIFIER, 'cri'], CONFIG) }),
  );
  const many = Array.from({ length: 64 }, (_, index) => ({ name: `p${String(index)}`, address: '' }));
  const rows: readonly (readonly [expected: readonly string[], facts: Partial<Facts>, verdict: Verdict])[] = [
    [['stargz', VERIFIER], both, 'pass'],
    [['stargz'], both, 'fail'],
    [[VERIFIER], both, 'fail'],
    [['10-logger'], nri({}, ['10-logger']), 'pass'],
    [['logger'], nri({}, ['10-logger']), 'fail'],
    // What could not be read hides nothing that is wrong.
    [['x'], of(daemon({}, { proxyPlugins: seen([STARGZ], CONFIG), disabledPlugins: UNREAD })), 'fail'],
    [['stargz'], of(daemon({}, { proxyPlugins: seen([STARGZ], CONFIG), disabledPlugins: UNREAD })), 'unknown'],
    [many.slice(1).map(({ name }) => name), of(daemon({}, { proxyPlugins: seen(many, CONFIG) })), 'fail'],
  ];
  for (const [expected, facts, verdict] of rows) {
    const check = plugins.withParameters?.({ expected });
    t.match(check?.judges === 'node' && check.judge(factsOf(facts)), { verdict }, JSON.stringify(expected));
  }
  t.end();
});
const LOCAL = daemon({}, { executable: '/usr/local/bin/containerd' });
const packaged = (name: string): ContainerdDaemon =>
  daemon({}, { package: seen({ name, version: '2.3.7-1~debian.13' }, '/var/lib/dpkg/status') });
const NO_ENGINE = dockerFact({ api: absent('GET /info') });
/** What Docker tells; `daemons` are the containerds that run. */
const docker = (
  containerd: string,
  runc: string,
  daemons: readonly ContainerdDaemon[] = [LOCAL],
  endpoint = 'unix:///run/docker.sock',
): Partial<Facts> => ({
  containerds: containerdsFact({ daemons: seen(daemons, '/proc') }),
  docker: dockerFact({
    endpoint,
    api: dockerApi({
      components: [
        { name: 'containerd', version: containerd },
        { name: 'runc', version: runc },
      ],
    }),
  }),
});
/** What the CRI tells: nothing about runc. */
const cri = (version: string, daemons: readonly ContainerdDaemon[] = [LOCAL]): Partial<Facts> => ({
  containerds: containerdsFact({ daemons: seen(daemons, '/proc') }),
  docker: dockerFact({
    runtime: 'containerd',
    endpoint: 'unix:///run/containerd/containerd.sock',
    api: dockerApi({ components: [{ name: 'containerd', version }] }),
  }),
});

judgeNodes(t, knownVulnerabilities, [
  // Affected and fixed releases by the Go vulnerability database, release notes of runc, and CVE records.
  {
    name: 'newest releases',
    facts: docker('v2.3.7', '1.5.3'),
    verdict: 'pass',
    seen: ['containerd v2.3.7', 'runc 1.5.3'],
  },
  {
    name: 'runc before the fix of restoring',
    facts: docker('v2.3.7', '1.5.2'),
    verdict: 'fail',
    reason: /^fixes of CVE-2026-119101 are missing in runc$/,
  },
  { name: '1.4 has its own fix', facts: docker('2.3.7', '1.4.4'), verdict: 'pass' },
  {
    name: 'masked paths',
    facts: docker('2.3.7', '1.3.2'),
    verdict: 'fail',
    reason: /CVE-2025-31133, CVE-2025-52565, CVE-2025-52881, CVE-2026-41579, CVE-2026-119101 are missing in runc/,
  },
  {
    name: 'a branch of runc that ended, and its leak of a directory',
    facts: docker('2.3.7', '1.1.11'),
    verdict: 'fail',
    reason: /^runc gets no fixes of this branch since 2025-11-28; fixes of CVE-2024-21626, /,
  },
  {
    name: 'containerd before the fix of labels',
    facts: docker('2.0.9', '1.5.3'),
    verdict: 'fail',
    reason: /^fixes of CVE-2026-47262, CVE-2026-53488 are missing in containerd$/,
  },
  { name: 'the long-term branch with it', facts: docker('2.0.10', '1.5.3'), verdict: 'pass' },
  {
    name: 'a branch of containerd that ended',
    facts: docker('1.6.39', '1.5.3'),
    verdict: 'fail',
    reason: /^containerd gets no fixes of this branch since 2025-08-23; fixes of CVE-2024-25621/,
  },
  {
    name: 'a branch that was about to end',
    facts: docker('1.7.34', '1.5.3'),
    verdict: 'unknown',
    reason: /planned to end this branch of containerd on 2026-09-01/,
  },
  {
    name: 'both lack some: both are named',
    facts: docker('2.3.6', '1.5.2'),
    verdict: 'fail',
    reason: /CVE-2026-95839 are missing in containerd\. fixes of CVE-2026-119101 are missing in runc/,
  },
  { name: 'the package of Docker', facts: docker('2.3.6', '1.5.3', [packaged('containerd.io')]), verdict: 'fail' },
  {
    name: 'the package of Ubuntu, which does not mark its build',
    facts: docker('2.3.6', '1.5.3', [packaged('containerd')]),
    verdict: 'unknown',
    reason: /by the release alone, .*CVE-2026-95839.*distribution may have them/,
  },
  {
    name: 'a host with rpm',
    facts: docker('2.3.6', '1.5.3', [daemon({}, { package: unreadable('/var/lib/rpm', 'it is not read') })]),
    verdict: 'unknown',
  },
  {
    name: 'builds of Debian, told by their marks',
    facts: docker('1.7.24~ds1', '1.1.15+ds1'),
    verdict: 'unknown',
    reason: /missing in containerd; .*\. by the release alone, runc gets no fixes/,
  },
  { name: 'k3s', facts: cri('v1.7.23-k3s2'), verdict: 'unknown', reason: /CVE-2024-25621/ },
  {
    name: 'the CRI does not tell the version of runc',
    facts: cri('v2.3.7'),
    verdict: 'manual',
    reason: /runc --version says 1\.3\.7, 1\.4\.4 or 1\.5\.3/,
  },
  { name: 'the CRI, and containerd lacks a fix', facts: cri('v2.3.6'), verdict: 'fail', reason: /CVE-2026-95839/ },
  {
    name: 'Docker and the CRI of one containerd',
    facts: { ...docker('2.3.7', '1.5.3'), engines: [cri('2.3.7').docker ?? NO_ENGINE] },
    verdict: 'pass',
  },
  {
    name: 'a second containerd whose version is not known',
    facts: docker('2.3.7', '1.5.3', [LOCAL, daemon({}, { pid: 8, executable: '/opt/bin/containerd' })]),
    verdict: 'unknown',
    reason: /2 containerd run, and the version of 1 is known/,
  },
  {
    name: 'the engine of a user proves nothing about the node',
    facts: docker('2.3.7', '1.5.3', [LOCAL], 'unix:///run/user/1000/docker.sock'),
    verdict: 'unknown',
    reason: /1 containerd run, and the version of 0 is known/,
  },
  { name: 'no engine answers', facts: { ...of(LOCAL), docker: NO_ENGINE }, verdict: 'unknown' },
  { name: 'a pre-release', facts: docker('2.4.3-rc.1', '1.5.3'), verdict: 'unknown', reason: /pre-release/ },
  ...['', '2.3', 'v2.3.7.1', 'unknown', '1234.5.6'].map((version) => ({
    name: `not a version: ${version}`,
    facts: docker(version, '1.5.3'),
    verdict: 'unknown' as const,
    reason: /version of containerd is not understood/,
  })),
  {
    name: 'a branch that began later, with the date of what is known in the evidence',
    facts: docker('2.5.0', '1.6.0'),
    verdict: 'pass',
  },
  {
    name: 'data of more than a year',
    facts: { ...docker('2.5.0', '1.6.0'), clock: { nowMs: Date.UTC(2028, 0, 1) } },
    verdict: 'unknown',
    reason: /is of 2026-08-21: update Plimsoll/,
  },
  {
    name: 'no containerd',
    facts: { ...fact({ daemons: absent('/proc') }), docker: NO_ENGINE },
    verdict: 'notApplicable',
  },
  { name: 'not for us', facts: fact({ daemons: UNREAD }), verdict: 'unknown' },
]);
