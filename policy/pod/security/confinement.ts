import { containersOf, contextsOf } from '../pod.ts';
import type { Pod } from '../pod.ts';
import {
  celExemptWindows,
  celInUserNamespace,
  celList,
  defineControl,
  isExemptWindows,
  isInUserNamespace,
  shown,
} from './control.ts';
import type { Breach, PodSecurityControl } from './control.ts';

/** Controls of what the kernel confines a container with: AppArmor, SELinux, seccomp, the masks of /proc, sysctls. */
const PROFILE_TYPES = ['RuntimeDefault', 'Localhost'] as const;
const PROFILES = new Set<string>(PROFILE_TYPES);
const APPARMOR_ANNOTATION = 'container.apparmor.security.beta.kubernetes.io/';
const SECCOMP_POD_ANNOTATION = 'seccomp.security.alpha.kubernetes.io/pod';
const SECCOMP_CONTAINER_ANNOTATION = 'container.seccomp.security.alpha.kubernetes.io/';

function profileBreach(path: string, type: string): Breach {
  return {
    path: `${path}.type`,
    actual: shown(type),
    expected: PROFILE_TYPES.join(' or '),
    action: 'Set the type to RuntimeDefault.',
  };
}

function annotationBreach(key: string, value: string, expected: string): Breach {
  return {
    path: `metadata.annotations[${shown(key)}]`,
    actual: shown(value),
    expected,
    action: 'Remove the annotation.',
  };
}

const appArmorProfile = defineControl({
  id: 'appArmorProfile',
  level: 'baseline',
  title: 'AppArmor is not turned off',
  since: 0,
  *judge(pod) {
    for (const { path, context } of contextsOf(pod))
      if (context.appArmorProfile !== null && !PROFILES.has(context.appArmorProfile.type ?? ''))
        yield profileBreach(`${path}.appArmorProfile`, context.appArmorProfile.type ?? '');
    for (const [key, value] of Object.entries(pod.metadata.annotations))
      if (key.startsWith(APPARMOR_ANNOTATION) && !/^(?:|runtime\/default|localhost\/.*)$/s.test(value))
        yield annotationBreach(key, value, 'runtime/default or localhost/…');
  },
  cel: () =>
    `variables.contexts.all(x, !has(x.appArmorProfile) || x.appArmorProfile.?type.orValue('') in ${celList(PROFILE_TYPES)}) && ` +
    `variables.annotations.all(k, !k.startsWith('${APPARMOR_ANNOTATION}') || variables.annotations[k] in ['', 'runtime/default'] || ` +
    "variables.annotations[k].startsWith('localhost/'))",
});

function seLinuxTypes(version: number): readonly string[] {
  const engine = version >= 31 ? ['container_engine_t'] : [];
  return ['container_t', 'container_init_t', 'container_kvm_t', ...engine];
}

const seLinuxOptions = defineControl({
  id: 'seLinuxOptions',
  level: 'baseline',
  title: 'The SELinux type is one of containers, and user and role are not set',
  since: 0,
  *judge(pod, version) {
    const types = seLinuxTypes(version);
    for (const { path, context } of contextsOf(pod)) {
      const place = `${path}.seLinuxOptions`;
      const { type, user, role } = context.seLinuxOptions ?? { type: null, user: null, role: null };
      if (type !== null && type !== '' && !types.includes(type))
        yield {
          path: `${place}.type`,
          actual: shown(type),
          expected: types.join(', '),
          action: 'Remove the type, or use one of containers.',
        };
      for (const [name, value] of [['user', user] as const, ['role', role] as const])
        if (value !== null && value !== '')
          yield { path: `${place}.${name}`, actual: shown(value), expected: 'not set', action: `Remove ${name}.` };
    }
  },
  cel: (version) =>
    `variables.contexts.all(x, x.?seLinuxOptions.?type.orValue('') in ${celList(['', ...seLinuxTypes(version)])} && ` +
    "x.?seLinuxOptions.?user.orValue('') == '' && x.?seLinuxOptions.?role.orValue('') == '')",
});

function* unmaskedProc(pod: Pod): Generator<Breach> {
  for (const { path, container } of containersOf(pod)) {
    const value = container.securityContext?.procMount ?? null;
    if (value !== null && value !== 'Default')
      yield {
        path: `${path}.securityContext.procMount`,
        actual: shown(value),
        expected: 'Default or not set',
        action: 'Remove procMount.',
      };
  }
}

const CEL_MASKED_PROC = "variables.containers.all(c, c.?securityContext.?procMount.orValue('Default') == 'Default')";

const procMount = defineControl({
  id: 'procMount',
  level: 'baseline',
  title: 'Paths in /proc are masked',
  since: 0,
  judge: (pod, version) => (isInUserNamespace(pod, version) ? [] : unmaskedProc(pod)),
  cel: (version) => `${celInUserNamespace(version)}${CEL_MASKED_PROC}`,
});

const procMountRestricted = defineControl({
  id: 'procMount_restricted',
  level: 'restricted',
  title: 'Paths in /proc are masked, also in a user namespace',
  since: 35,
  replaces: ['procMount'],
  judge: unmaskedProc,
  cel: () => CEL_MASKED_PROC,
});

const seccompProfileBaseline = defineControl({
  id: 'seccompProfile_baseline',
  level: 'baseline',
  title: 'Seccomp is not turned off',
  since: 0,
  judge: (pod, version) => (version < 19 ? seccompAnnotations(pod) : seccompTypes(pod)),
  cel: (version) => {
    if (version >= 19)
      return `variables.contexts.all(x, !has(x.seccompProfile) || x.seccompProfile.?type.orValue('') in ${celList(PROFILE_TYPES)})`;
    const isAllowed = (key: string): string =>
      `(!(${key} in variables.annotations) || variables.annotations[${key}] in ['runtime/default', 'docker/default'] || ` +
      `variables.annotations[${key}].startsWith('localhost/'))`;
    return (
      `${isAllowed(`'${SECCOMP_POD_ANNOTATION}'`)} && ` +
      `variables.containers.all(c, ${isAllowed(`('${SECCOMP_CONTAINER_ANNOTATION}' + c.?name.orValue(''))`)})`
    );
  },
});

/** Before 1.19 annotations named the profiles. */
function* seccompAnnotations(pod: Pod): Generator<Breach> {
  const keys = [SECCOMP_POD_ANNOTATION];
  for (const { container } of containersOf(pod)) keys.push(`${SECCOMP_CONTAINER_ANNOTATION}${container.name ?? ''}`);
  for (const key of keys) {
    const value = pod.metadata.annotations[key];
    if (value !== undefined && !/^(?:(?:runtime|docker)\/default|localhost\/.*)$/s.test(value))
      yield annotationBreach(key, value, 'runtime/default or localhost/…');
  }
}

function* seccompTypes(pod: Pod): Generator<Breach> {
  for (const { path, context } of contextsOf(pod))
    if (context.seccompProfile !== null && !PROFILES.has(context.seccompProfile.type ?? ''))
      yield profileBreach(`${path}.seccompProfile`, context.seccompProfile.type ?? '');
}

const seccompProfileRestricted = defineControl({
  id: 'seccompProfile_restricted',
  level: 'restricted',
  title: 'Every container has a seccomp profile',
  since: 19,
  replaces: ['seccompProfile_baseline'],
  *judge(pod, version) {
    if (isExemptWindows(pod, version)) return;
    yield* seccompTypes(pod);
    if (PROFILES.has(pod.spec.securityContext?.seccompProfile?.type ?? '')) return;
    for (const { path, container } of containersOf(pod))
      if ((container.securityContext?.seccompProfile ?? null) === null)
        yield {
          path: `${path}.securityContext.seccompProfile`,
          actual: 'not set',
          expected: PROFILE_TYPES.join(' or '),
          action: 'Set seccompProfile.type to RuntimeDefault for the pod or for each container.',
        };
  },
  cel: (version) =>
    `${celExemptWindows(version)}(variables.contexts.all(x, !has(x.seccompProfile) || x.seccompProfile.?type.orValue('') in ${celList(PROFILE_TYPES)}) && ` +
    '(variables.spec.?securityContext.?seccompProfile.hasValue() || variables.containers.all(c, c.?securityContext.?seccompProfile.hasValue())))',
});

/** Sysctls that are namespaced and isolated, by the version of the standards that added them. */
const SAFE_SYSCTLS: readonly (readonly [number, readonly string[]])[] = [
  [
    0,
    [
      'kernel.shm_rmid_forced',
      'net.ipv4.ip_local_port_range',
      'net.ipv4.tcp_syncookies',
      'net.ipv4.ping_group_range',
      'net.ipv4.ip_unprivileged_port_start',
    ],
  ],
  [27, ['net.ipv4.ip_local_reserved_ports']],
  [
    29,
    [
      'net.ipv4.tcp_keepalive_time',
      'net.ipv4.tcp_fin_timeout',
      'net.ipv4.tcp_keepalive_intvl',
      'net.ipv4.tcp_keepalive_probes',
    ],
  ],
  [32, ['net.ipv4.tcp_rmem', 'net.ipv4.tcp_wmem']],
  [37, ['net.ipv4.tcp_slow_start_after_idle', 'net.ipv4.tcp_notsent_lowat']],
];

/** Names of the sysctls that baseline allows, up to the minor version of Kubernetes. */
export function safeSysctls(version: number): readonly string[] {
  return SAFE_SYSCTLS.filter(([since]) => since <= version).flatMap(([, names]) => names);
}

const sysctls = defineControl({
  id: 'sysctls',
  level: 'baseline',
  title: 'Only safe sysctls are set',
  since: 0,
  *judge({ spec }, version) {
    const safe = safeSysctls(version);
    for (const [index, { name }] of (spec.securityContext?.sysctls ?? []).entries())
      if (!safe.includes(name ?? ''))
        yield {
          path: `spec.securityContext.sysctls[${String(index)}].name`,
          actual: shown(name ?? ''),
          expected: 'a safe sysctl',
          action: `Remove the sysctl. Safe are ${safe.join(', ')}.`,
        };
  },
  cel: (version) =>
    `variables.spec.?securityContext.?sysctls.orValue([]).all(s, s.?name.orValue('') in ${celList(safeSysctls(version))})`,
});

/** The controls of this file. */
export const CONFINEMENT_CONTROLS: readonly PodSecurityControl[] = [
  appArmorProfile,
  procMount,
  procMountRestricted,
  seccompProfileBaseline,
  seccompProfileRestricted,
  seLinuxOptions,
  sysctls,
];
