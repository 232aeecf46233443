import fc from 'fast-check';
import t from 'tap';
import { parsePod } from '../../../policy/pod/pod.ts';
import {
  controlsFor,
  judgePodSecurity,
  LATEST_POD_SECURITY_VERSION,
  POD_SECURITY_CONTROLS,
} from '../../../policy/pod/security/pod-security.ts';
import type { PodSecurityLevel } from '../../../policy/pod/security/control.ts';
import { cpuMs } from '../../fixture/cpu-time.ts';
import { pods, restrictedPod } from '../../fixture/pods.ts';

/** What pods violate: `control path`, sorted. */
function violationsOf(pod: unknown, level: PodSecurityLevel, version = LATEST_POD_SECURITY_VERSION): readonly string[] {
  const parsed = parsePod(pod);
  if (!parsed.ok) return [`malformed ${parsed.problem}`];
  const { violations } = judgePodSecurity(parsed.value, { level, version, exempt: [] });
  return violations.map(({ control, path }) => `${control} ${path}`).toSorted();
}

interface Parts {
  readonly spec?: object;
  readonly container?: object;
  readonly context?: object;
  readonly podContext?: object;
  readonly annotations?: object;
}

/** A restricted pod with these fields set in place of its own. */
function podWith({ spec = {}, container = {}, context = {}, podContext = {}, annotations = {} }: Parts): unknown {
  const ownContext = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] }, ...context };
  return {
    metadata: { annotations },
    spec: {
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' }, ...podContext },
      containers: [{ name: 'a', image: 'x', securityContext: ownContext, ...container }],
      ...spec,
    },
  };
}

const C = 'spec.containers[0]';
const S = `${C}.securityContext`;

/*
 * https://kubernetes.io/docs/concepts/security/pod-security-standards/ lists the restricted fields and the allowed
 * values of each control; the versions are those of the checks of k8s.io/pod-security-admission.
 */
const CASES: readonly (readonly [
  what: string,
  parts: Parts,
  level: PodSecurityLevel,
  version: number,
  wanted: readonly string[],
])[] = [
  ['a pod of the level restricted', {}, 'restricted', 37, []],
  ['hostNetwork', { spec: { hostNetwork: true } }, 'baseline', 0, ['hostNamespaces spec.hostNetwork']],
  [
    'hostPID and hostIPC',
    { spec: { hostPID: true, hostIPC: true, hostNetwork: false } },
    'baseline',
    37,
    ['hostNamespaces spec.hostIPC', 'hostNamespaces spec.hostPID'],
  ],
  ['privileged', { context: { privileged: true } }, 'baseline', 37, [`privileged ${S}.privileged`]],
  [
    'an init container',
    { spec: { initContainers: [{ name: 'i', securityContext: { privileged: true } }] } },
    'baseline',
    37,
    ['privileged spec.initContainers[0].securityContext.privileged'],
  ],
  [
    'an ephemeral container',
    { spec: { ephemeralContainers: [{ name: 'e', securityContext: { privileged: true } }] } },
    'baseline',
    37,
    ['privileged spec.ephemeralContainers[0].securityContext.privileged'],
  ],
  ['a capability that runtimes grant', { context: { capabilities: { add: ['CHOWN', 'MKNOD'] } } }, 'baseline', 37, []],
  [
    'NET_RAW, which is not on the list',
    { context: { capabilities: { add: ['CHOWN', 'NET_RAW'] } } },
    'baseline',
    37,
    [`capabilities_baseline ${S}.capabilities.add[1]`],
  ],
  [
    'lower case is another word',
    { context: { capabilities: { add: ['chown'] } } },
    'baseline',
    37,
    [`capabilities_baseline ${S}.capabilities.add[0]`],
  ],
  [
    'CHOWN at restricted',
    { context: { capabilities: { drop: ['ALL'], add: ['CHOWN', 'NET_BIND_SERVICE'] } } },
    'restricted',
    37,
    [`capabilities_restricted ${S}.capabilities.add[0]`],
  ],
  [
    'drop in lower case',
    { context: { capabilities: { drop: ['all'] } } },
    'restricted',
    37,
    [`capabilities_restricted ${S}.capabilities.drop`],
  ],
  ['no drop before 1.22', { context: { capabilities: {} } }, 'restricted', 21, []],
  ['no drop on Windows', { context: { capabilities: {} }, spec: { os: { name: 'windows' } } }, 'restricted', 25, []],
  [
    'no drop on Windows before 1.25',
    { context: { capabilities: {} }, spec: { os: { name: 'windows' } } },
    'restricted',
    24,
    [`capabilities_restricted ${S}.capabilities.drop`],
  ],
  [
    'hostPath',
    { spec: { volumes: [{ name: 'v', hostPath: { path: '/' } }] } },
    'baseline',
    37,
    ['hostPathVolumes spec.volumes[0].hostPath'],
  ],
  [
    'hostPath at restricted',
    { spec: { volumes: [{ name: 'v', hostPath: { path: '/' } }] } },
    'restricted',
    37,
    ['restrictedVolumes spec.volumes[0]'],
  ],
  ['nfs at baseline', { spec: { volumes: [{ name: 'v', nfs: {} }] } }, 'baseline', 37, []],
  [
    'a kind of volume that nobody knows',
    { spec: { volumes: [{ name: 'v', newThing: {} }] } },
    'restricted',
    37,
    ['restrictedVolumes spec.volumes[0]'],
  ],
  [
    'a second source beside an allowed one',
    { spec: { volumes: [{ name: 'v', emptyDir: {}, hostPath: { path: '/' } }] } },
    'restricted',
    37,
    ['restrictedVolumes spec.volumes[0]'],
  ],
  [
    'hostPort',
    { container: { ports: [{ hostPort: 0 }, { hostPort: 80 }] } },
    'baseline',
    37,
    [`hostPorts ${C}.ports[1].hostPort`],
  ],
  [
    'AppArmor unconfined',
    { context: { appArmorProfile: { type: 'Unconfined' } } },
    'baseline',
    37,
    [`appArmorProfile ${S}.appArmorProfile.type`],
  ],
  [
    'AppArmor annotation',
    { annotations: { 'container.apparmor.security.beta.kubernetes.io/a': 'unconfined' } },
    'baseline',
    37,
    ['appArmorProfile metadata.annotations["container.apparmor.security.beta.kubernetes.io/a"]'],
  ],
  [
    'AppArmor annotation with a local profile',
    { annotations: { 'container.apparmor.security.beta.kubernetes.io/a': 'localhost/x' } },
    'baseline',
    37,
    [],
  ],
  ['SELinux engine type', { podContext: { seLinuxOptions: { type: 'container_engine_t' } } }, 'baseline', 31, []],
  [
    'SELinux engine type before 1.31',
    { podContext: { seLinuxOptions: { type: 'container_engine_t' } } },
    'baseline',
    30,
    ['seLinuxOptions spec.securityContext.seLinuxOptions.type'],
  ],
  [
    'SELinux user and role',
    { context: { seLinuxOptions: { type: 'container_t', user: 'u', role: 'r' } } },
    'baseline',
    37,
    [`seLinuxOptions ${S}.seLinuxOptions.role`, `seLinuxOptions ${S}.seLinuxOptions.user`],
  ],
  ['procMount', { context: { procMount: 'Unmasked' } }, 'baseline', 37, [`procMount ${S}.procMount`]],
  [
    'procMount in a user namespace',
    { context: { procMount: 'Unmasked' }, spec: { hostUsers: false } },
    'baseline',
    35,
    [],
  ],
  [
    'procMount in a user namespace before 1.35',
    { context: { procMount: 'Unmasked' }, spec: { hostUsers: false } },
    'baseline',
    34,
    [`procMount ${S}.procMount`],
  ],
  [
    'procMount in a user namespace, restricted',
    { context: { procMount: 'Unmasked' }, spec: { hostUsers: false } },
    'restricted',
    35,
    [`procMount_restricted ${S}.procMount`],
  ],
  [
    'seccomp unconfined',
    { podContext: { seccompProfile: { type: 'Unconfined' } } },
    'baseline',
    19,
    ['seccompProfile_baseline spec.securityContext.seccompProfile.type'],
  ],
  [
    'seccomp annotation before 1.19',
    { annotations: { 'seccomp.security.alpha.kubernetes.io/pod': 'unconfined' } },
    'baseline',
    18,
    ['seccompProfile_baseline metadata.annotations["seccomp.security.alpha.kubernetes.io/pod"]'],
  ],
  [
    'no seccomp',
    { podContext: { seccompProfile: null } },
    'restricted',
    37,
    [`seccompProfile_restricted ${S}.seccompProfile`],
  ],
  [
    'seccomp of the container only',
    { podContext: { seccompProfile: null }, context: { seccompProfile: { type: 'Localhost' } } },
    'restricted',
    37,
    [],
  ],
  ['a safe sysctl of 1.32', { podContext: { sysctls: [{ name: 'net.ipv4.tcp_rmem' }] } }, 'baseline', 32, []],
  [
    'a safe sysctl of 1.32 before',
    { podContext: { sysctls: [{ name: 'net.ipv4.tcp_rmem' }] } },
    'baseline',
    31,
    ['sysctls spec.securityContext.sysctls[0].name'],
  ],
  [
    'HostProcess',
    { podContext: { windowsOptions: { hostProcess: true } } },
    'baseline',
    37,
    ['windowsHostProcess spec.securityContext.windowsOptions.hostProcess'],
  ],
  [
    'host of a probe',
    { container: { startupProbe: { tcpSocket: { host: '10.0.0.1' } } } },
    'baseline',
    34,
    [`hostProbesAndHostLifecycle ${C}.startupProbe.tcpSocket.host`],
  ],
  [
    'host of a handler',
    { container: { lifecycle: { preStop: { httpGet: { host: '169.254.169.254' } } } } },
    'baseline',
    34,
    [`hostProbesAndHostLifecycle ${C}.lifecycle.preStop.httpGet.host`],
  ],
  [
    'host of a probe before 1.34',
    { container: { startupProbe: { tcpSocket: { host: '10.0.0.1' } } } },
    'baseline',
    33,
    [],
  ],
  [
    'privilege escalation not set',
    { context: { allowPrivilegeEscalation: null } },
    'restricted',
    37,
    [`allowPrivilegeEscalation ${S}.allowPrivilegeEscalation`],
  ],
  ['root allowed', { podContext: { runAsNonRoot: null } }, 'restricted', 37, [`runAsNonRoot ${S}.runAsNonRoot`]],
  [
    'root allowed by the pod, forbidden by the container',
    { podContext: { runAsNonRoot: false }, context: { runAsNonRoot: true } },
    'restricted',
    37,
    ['runAsNonRoot spec.securityContext.runAsNonRoot'],
  ],
  [
    'root in a user namespace',
    { podContext: { runAsNonRoot: null, runAsUser: 0 }, spec: { hostUsers: false } },
    'restricted',
    35,
    [],
  ],
  ['user 0', { context: { runAsUser: 0 } }, 'restricted', 23, [`runAsUser ${S}.runAsUser`]],
  ['user 0 before 1.23', { context: { runAsUser: 0 } }, 'restricted', 22, []],
];

void t.test('each control of the Pod Security Standards', (t) => {
  for (const [what, parts, level, version, wanted] of CASES)
    t.strictSame(violationsOf(podWith(parts), level, version), wanted, `${what} (${level} 1.${String(version)})`);
  const covered = new Set(CASES.flatMap(([, , , , wanted]) => wanted.map((each) => each.split(' ')[0])));
  t.strictSame(
    POD_SECURITY_CONTROLS.map(({ id }) => id).filter((id) => !covered.has(id)),
    [],
    'every control fails in one case at least',
  );
  t.end();
});

void t.test('a level contains the milder one', (t) => {
  t.strictSame(violationsOf(restrictedPod(), 'restricted', 0), []);
  fc.assert(
    fc.property(pods, fc.integer({ min: 0, max: 37 }), (pod, version) => {
      // Pods of Windows are exempt from some controls of restricted that replace one of baseline.
      const { os } = (pod as { spec: { os?: { name: string } } }).spec;
      if (os?.name === 'windows' || violationsOf(pod, 'baseline', version).length === 0) return true;
      return violationsOf(pod, 'restricted', version).length > 0;
    }),
    { numRuns: 300 },
  );
  t.end();
});

void t.test('without a control of restricted, the one of baseline that it replaces applies', (t) => {
  const requirement = { level: 'restricted', version: 37, exempt: ['capabilities_restricted'] } as const;
  const ids = new Set(controlsFor(requirement).map(({ id }) => id));
  t.ok(ids.has('capabilities_baseline'));
  t.notOk(ids.has('capabilities_restricted'));
  t.notOk(ids.has('hostPathVolumes'), 'replaced by restrictedVolumes');
  t.end();
});

void t.test('a field of another type refuses the pod, and no value makes the judge throw', (t) => {
  for (const [spec, place] of [
    [{ containers: 'x' }, 'spec.containers'],
    [{ containers: [{ securityContext: [] }] }, 'spec.containers[0].securityContext'],
    [{ containers: [{ securityContext: { privileged: 'true' } }] }, 'spec.containers[0].securityContext.privileged'],
    [{ hostPID: 1 }, 'spec.hostPID'],
    [{ volumes: [null] }, 'spec.volumes[0]'],
    [{ containers: Array.from({ length: 1001 }, () => ({})) }, 'spec.containers'],
  ] as const)
    t.match(violationsOf({ spec }, 'baseline'), [new RegExp(`^malformed ${place.replaceAll(/[[\].]/g, '\\$&')}: `)]);
  t.match(violationsOf(undefined, 'baseline'), [/^malformed/]);
  const hostile = fc.object({
    key: fc.constantFrom(
      'metadata',
      'annotations',
      'spec',
      'containers',
      'volumes',
      'securityContext',
      'privileged',
      'ports',
      'hostPort',
      '__proto__',
      'image',
      'capabilities',
      'add',
    ),
    maxDepth: 6,
    withNullPrototype: true,
  });
  fc.assert(
    fc.property(hostile, fc.integer({ min: 0, max: 37 }), (pod, version) => {
      violationsOf(pod, 'restricted', version);
      violationsOf({ spec: pod }, 'restricted', version);
    }),
    { numRuns: 500 },
  );
  t.end();
});

void t.test('a large pod costs little, and its answer is short', (t) => {
  const container = {
    securityContext: {
      privileged: true,
      capabilities: { add: Array.from({ length: 300 }, () => `X${'y'.repeat(20)}`) },
    },
  };
  const pod = {
    spec: {
      containers: Array.from({ length: 1000 }, () => container),
      volumes: Array.from({ length: 1000 }, () => ({ hostPath: {} })),
    },
  };
  t.ok(JSON.stringify(pod).length > 7_000_000, 'about 8 MiB, the limit of a request');
  const started = cpuMs();
  const violations = violationsOf(pod, 'restricted');
  t.ok(cpuMs() - started < 1500, `${String(cpuMs() - started)} ms`);
  t.ok(violations.length < 100);
  t.end();
});

void t.test('values of a pod are shortened and escaped', (t) => {
  const parsed = parsePod(podWith({ context: { procMount: `\u001B[31m"\n${'x'.repeat(4000)}` } }));
  if (!parsed.ok) throw new Error(parsed.problem);
  const [first] = judgePodSecurity(parsed.value, { level: 'baseline', version: 37, exempt: [] }).violations;
  t.ok((first?.actual.length ?? 0) < 120);
  t.match(first?.actual, /^[ -~…]+$/);
  t.end();
});
