import t from 'tap';
import { CRIO_CHECKS } from '../../../../posture/check/crio/crio-checks.ts';
import type { Crio } from '../../../../posture/fact/crio.ts';
import { CRIO_SETTINGS } from '../../../../posture/fact/crio.ts';
import type { Facts } from '../../../../posture/fact/facts.ts';
import { absent, seen, unreadable } from '../../../../posture/observed.ts';
import type { Verdict } from '../../../../posture/verdict.ts';
import { kernelFact } from '../../../fixture/facts.ts';
import { judgeNodes } from '../../../fixture/node-table.ts';

const CONFIG = '/etc/crio/crio.conf';
const UNREAD = unreadable(CONFIG, 'permission denied (EACCES)');

/** The reference node: a new CRI-O without a line of configuration. */
function crio(settings: Readonly<Record<string, string>> = {}, change: Partial<Crio> = {}): Crio {
  const all = CRIO_SETTINGS.map((name) => {
    const value = settings[name];
    return [name, value === undefined ? absent(CONFIG) : seen(value, CONFIG)] as const;
  });
  return {
    pid: 7,
    config: CONFIG,
    files: [CONFIG],
    settings: Object.fromEntries(all),
    runtimes: seen([{ name: 'crun', path: '', annotations: [] }], CONFIG),
    workloadAnnotations: seen([], CONFIG),
    seccompProfiles: [],
    socket: seen({ path: '/run/crio/crio.sock', mode: 0o660, uid: 0, gid: 0 }, '/run/crio/crio.sock'),
    hooks: seen([], 'hooks'),
    defaultMounts: seen([], 'mounts'),
    nriPlugins: seen([], '/opt/nri/plugins'),
    criu: absent('/usr/sbin/criu'),
    imagePolicies: seen([{ path: '/etc/containers/policy.json', remote: 'verified' }], '/etc/containers/policy.json'),
    insecureRegistries: seen([], '/etc/containers/registries.conf'),
    credentialFiles: seen([], '/x'),
    openFiles: seen([], '/x'),
    ...change,
  };
}
const of = (settings: Readonly<Record<string, string>> = {}, change: Partial<Crio> = {}): Partial<Facts> => ({
  crio: seen(crio(settings, change), '/proc'),
  kernel: kernelFact({
    apparmor: seen(true, '/sys/a'),
    apparmorProfiles: seen([{ name: 'mine', mode: 'enforce' }], '/sys/p'),
    selinux: seen('enforcing', '/sys/s'),
  }),
});
const unset = (name: string): Partial<Facts> => of({}, { settings: { ...crio().settings, [name]: UNREAD } });
const handler = (...annotations: readonly string[]): Partial<Facts> =>
  of({}, { runtimes: seen([{ name: 'crun', path: '', annotations }], CONFIG) });
const profile = (usedBy: string, action: string): Partial<Facts> =>
  of({}, { seccompProfiles: [{ usedBy, path: '/s.json', defaultAction: seen(action, '/s.json') }] });
const socket = (mode: number, uid = 0, gid = 0): Partial<Facts> =>
  of({}, { socket: seen({ path: '/s', mode, uid, gid }, '/s') });
const VALIDATOR = Object.fromEntries(
  CRIO_SETTINGS.filter((name) => name.startsWith('nri.default_validator.')).map((name) => [name, 'true']),
);
const without = (facts: Partial<Facts>): Partial<Facts> => ({ ...facts, kernel: kernelFact() });

// What is accepted: NODE-CRIO-01 to NODE-CRIO-20 of the catalogue of node controls, and crio.conf(5) for defaults.
const ROWS: Readonly<Record<string, readonly (readonly [string, Partial<Facts>, Verdict])[]>> = {
  'crio.apparmor-profile': [
    ['default', of(), 'pass'],
    ['loaded', of({ 'runtime.apparmor_profile': 'mine' }), 'pass'],
    ['not loaded', of({ 'runtime.apparmor_profile': 'other' }), 'fail'],
    ['off', of({ 'runtime.apparmor_profile': 'unconfined' }), 'fail'],
    ['no AppArmor', without(of({ 'runtime.apparmor_profile': 'unconfined' })), 'notApplicable'],
    ['not read', unset('runtime.apparmor_profile'), 'unknown'],
  ],
  'crio.capabilities': [
    ['default', of(), 'pass'],
    ['fewer', of({ 'runtime.default_capabilities': 'CHOWN,KILL' }), 'pass'],
    ['NET_RAW', of({ 'runtime.default_capabilities': 'CHOWN, NET_RAW' }), 'fail'],
    ['written long', of({ 'runtime.default_capabilities': 'CAP_SYS_ADMIN' }), 'fail'],
    ['inheritable', of({ 'runtime.add_inheritable_capabilities': 'true' }), 'fail'],
    ['not read', unset('runtime.default_capabilities'), 'unknown'],
  ],
  'crio.checkpoints': [
    ['not installed', of(), 'pass'],
    ['installed', of({}, { criu: seen('/usr/sbin/criu', '/x') }), 'fail'],
    [
      'off',
      of({ 'checkpoint_restore.container_level_enabled': 'none' }, { criu: seen('/usr/sbin/criu', '/x') }),
      'pass',
    ],
    [
      'off in old releases',
      of({ 'runtime.enable_criu_support': 'false' }, { criu: seen('/usr/sbin/criu', '/x') }),
      'pass',
    ],
    ['not read', of({}, { criu: UNREAD }), 'unknown'],
  ],
  'crio.credentials': [
    ['none', of(), 'pass'],
    ['closed', of({}, { credentialFiles: seen([{ path: '/a', mode: 0o600, uid: 0 }], '/x') }), 'pass'],
    ['readable', of({}, { credentialFiles: seen([{ path: '/a', mode: 0o644, uid: 0 }], '/x') }), 'fail'],
    ['of a user', of({}, { credentialFiles: seen([{ path: '/a', mode: 0o600, uid: 7 }], '/x') }), 'fail'],
    ['not read', of({}, { credentialFiles: UNREAD }), 'unknown'],
  ],
  'crio.default-mounts': [
    ['none', of(), 'pass'],
    ['of Red Hat', of({}, { defaultMounts: seen(['/usr/share/rhel/secrets:/run/secrets'], '/x') }), 'pass'],
    ['another', of({}, { defaultMounts: seen(['/usr/share/rhel/secrets2:/x'], '/x') }), 'manual'],
    ['not read', of({}, { defaultMounts: UNREAD }), 'unknown'],
  ],
  'crio.devices': [
    ['default', of(), 'pass'],
    ['a disk', of({ 'runtime.additional_devices': '/dev/sda:/dev/xvda:rwm' }), 'fail'],
    ['memory', of({ 'runtime.allowed_devices': '/dev/fuse,/dev/mem' }), 'fail'],
    ['a graphics card', of({ 'runtime.additional_devices': '/dev/dri/card0' }), 'pass'],
    ['not read', unset('runtime.allowed_devices'), 'unknown'],
  ],
  'crio.hooks': [
    ['none', of(), 'pass'],
    ['one', of({}, { hooks: seen(['/h.json'], '/x') }), 'manual'],
    ['not read', of({}, { hooks: UNREAD }), 'unknown'],
  ],
  'crio.host-network-selinux': [
    ['default', of(), 'fail'],
    ['kept', of({ 'runtime.hostnetwork_disable_selinux': 'false' }), 'pass'],
    ['no SELinux', without(of()), 'notApplicable'],
    ['not read', unset('runtime.hostnetwork_disable_selinux'), 'unknown'],
  ],
  'crio.image-policy': [
    ['verified', of(), 'pass'],
    ['anything', of({}, { imagePolicies: seen([{ path: '/p', remote: 'anything' }], '/p') }), 'fail'],
    [
      'anything in a namespace',
      of(
        {},
        {
          imagePolicies: seen(
            [
              { path: '/p', remote: 'rejected' },
              { path: '/q', remote: 'anything' },
            ],
            '/p',
          ),
        },
      ),
      'fail',
    ],
    ['no file', of({}, { imagePolicies: absent('/p') }), 'notApplicable'],
    ['not read', of({}, { imagePolicies: UNREAD }), 'unknown'],
  ],
  'crio.log-level': [
    ['default', of(), 'pass'],
    ['trace', of({ 'runtime.log_level': 'trace' }), 'fail'],
    ['not read', unset('runtime.log_level'), 'unknown'],
  ],
  'crio.metrics-address': [
    ['default', of(), 'pass'],
    ['local', of({ 'metrics.enable_metrics': 'true' }), 'pass'],
    ['an address without metrics', of({ 'metrics.metrics_host': '0.0.0.0' }), 'pass'],
    ['open', of({ 'metrics.enable_metrics': 'true', 'metrics.metrics_host': '0.0.0.0' }), 'fail'],
    ['empty is every address', of({ 'metrics.enable_metrics': 'true', 'metrics.metrics_host': '' }), 'fail'],
    [
      'with TLS',
      of({ 'metrics.enable_metrics': 'true', 'metrics.metrics_host': '', 'metrics.metrics_cert': '/c' }),
      'pass',
    ],
    ['profiler', of({ profile: 'true' }), 'fail'],
    ['not read', unset('metrics.enable_metrics'), 'unknown'],
  ],
  'crio.node-resource-interface': [
    ['default', of(), 'manual'],
    ['off', of({ 'nri.enable_nri': 'false' }), 'pass'],
    ['validated', of(VALIDATOR), 'pass'],
    [
      'validated in part',
      of({ ...VALIDATOR, 'nri.default_validator.nri_validator_reject_oci_hook_adjustment': 'false' }),
      'manual',
    ],
    ['nobody can connect', of({ 'nri.nri_disable_connections': 'true' }), 'pass'],
    ['plugins', of({ 'nri.nri_disable_connections': 'true' }, { nriPlugins: seen(['x'], '/x') }), 'manual'],
    ['not read', unset('nri.enable_nri'), 'unknown'],
  ],
  'crio.open-files': [
    ['none', of(), 'pass'],
    ['one', of({}, { openFiles: seen([{ path: '/p', reason: 'writable by uid 7' }], '/x') }), 'fail'],
    ['not read', of({}, { openFiles: UNREAD }), 'unknown'],
  ],
  'crio.pids-limit': [
    ['default', of(), 'fail'],
    ['here', of({ 'runtime.pids_limit': '1024' }), 'pass'],
    ['zero', of({ 'runtime.pids_limit': '0' }), 'fail'],
    ['not read', unset('runtime.pids_limit'), 'unknown'],
  ],
  'crio.pivot-root': [
    ['default', of(), 'pass'],
    ['off', of({ 'runtime.no_pivot': 'true' }), 'fail'],
    ['not read', unset('runtime.no_pivot'), 'unknown'],
  ],
  'crio.registries': [
    ['none', of(), 'pass'],
    ['one', of({}, { insecureRegistries: seen([{ registry: 'r', reason: 'x', source: '/r' }], '/x') }), 'fail'],
    ['a setting that new releases ignore', of({ 'image.insecure_registries': 'r.test' }), 'manual'],
    ['not read', of({}, { insecureRegistries: UNREAD }), 'unknown'],
  ],
  'crio.runtimes': [
    ['plain', of(), 'pass'],
    ['devices', handler('devices.crio.io'), 'fail'],
    ['its old name', handler('io.kubernetes.cri-o.Devices'), 'fail'],
    ['seccomp of a container', handler('seccomp-profile.crio.io/web'), 'fail'],
    ['harmless', handler('shm-size.crio.io'), 'pass'],
    [
      'of another handler',
      of(
        { 'runtime.default_runtime': 'runc' },
        { runtimes: seen([{ name: 'crun', path: '', annotations: ['devices.crio.io'] }], CONFIG) },
      ),
      'pass',
    ],
    ['of a workload', of({}, { workloadAnnotations: seen(['devices.crio.io'], CONFIG) }), 'fail'],
    ['not read', of({}, { runtimes: UNREAD }), 'unknown'],
  ],
  'crio.seccomp-profile': [
    ['default', of(), 'pass'],
    ['off', of({ 'runtime.seccomp_profile': 'unconfined' }), 'fail'],
    ['off where a pod has none', of({ 'runtime.seccomp_use_default_when_empty': 'false' }), 'fail'],
    ['a good profile', profile('default', 'SCMP_ACT_ERRNO'), 'pass'],
    ['one that allows', profile('default', 'SCMP_ACT_ALLOW'), 'fail'],
    ['of a handler', profile('kata', 'SCMP_ACT_LOG'), 'fail'],
    ['of privileged containers', profile('privileged', 'SCMP_ACT_ALLOW'), 'pass'],
    ['not read', unset('runtime.seccomp_profile'), 'unknown'],
  ],
  'crio.selinux': [
    ['default', of(), 'pass'],
    ['off', of({ 'runtime.selinux': 'false' }), 'fail'],
    ['no SELinux', without(of({ 'runtime.selinux': 'false' })), 'notApplicable'],
    ['not read', unset('runtime.selinux'), 'unknown'],
  ],
  'crio.short-names': [
    ['default', of(), 'pass'],
    ['off', of({ 'image.short_name_mode': 'disabled' }), 'fail'],
    ['not read', unset('image.short_name_mode'), 'unknown'],
  ],
  'crio.socket': [
    ['as made', socket(0o660), 'pass'],
    ['everybody', socket(0o666), 'fail'],
    ['a group', socket(0o660, 0, 999), 'fail'],
    ['a user', socket(0o600, 1000), 'fail'],
    ['not there', of({}, { socket: absent('/s') }), 'unknown'],
    ['not read', of({}, { socket: UNREAD }), 'unknown'],
  ],
  'crio.streaming-server': [
    ['default', of(), 'pass'],
    ['every address', of({ 'api.stream_address': '' }), 'fail'],
    ['TLS alone', of({ 'api.stream_address': '10.0.0.1', 'api.stream_enable_tls': 'true' }), 'fail'],
    [
      'client certificates',
      of({ 'api.stream_address': '10.0.0.1', 'api.stream_enable_tls': 'true', 'api.stream_tls_ca': '/ca' }),
      'pass',
    ],
    ['not read', unset('api.stream_address'), 'unknown'],
  ],
  'crio.user-mappings': [
    ['not used', of(), 'notApplicable'],
    ['allowed without a minimum', handler('userns-mode.crio.io'), 'fail'],
    [
      'with a minimum',
      of({
        'runtime.uid_mappings': '0:100000:65536',
        'runtime.minimum_mappable_uid': '100000',
        'runtime.minimum_mappable_gid': '100000',
      }),
      'pass',
    ],
    [
      'a minimum for user ids only',
      of({
        'runtime.uid_mappings': '0:100000:65536',
        'runtime.minimum_mappable_uid': '100000',
        'runtime.minimum_mappable_gid': '1',
      }),
      'fail',
    ],
    ['a low minimum', of({ 'runtime.uid_mappings': '0:1:9', 'runtime.minimum_mappable_uid': '1' }), 'fail'],
    ['not read', unset('runtime.uid_mappings'), 'unknown'],
  ],
};

t.same(
  CRIO_CHECKS.map(({ id }) => id),
  Object.keys(ROWS),
);
for (const check of CRIO_CHECKS)
  judgeNodes(t, check, [
    ...(ROWS[check.id] ?? []).map(([name, facts, verdict]) => ({ name, facts, verdict })),
    { name: 'no CRI-O', facts: {}, verdict: 'notApplicable' },
    { name: 'not read at all', facts: { crio: UNREAD }, verdict: 'unknown' },
  ]);
