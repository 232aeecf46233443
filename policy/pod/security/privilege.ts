import { containersOf } from '../pod.ts';
import {
  celExemptWindows,
  celInUserNamespace,
  celList,
  defineControl,
  isExemptWindows,
  isInUserNamespace,
  shown,
} from './control.ts';
import type { PodSecurityControl } from './control.ts';

/** Controls of what a container may do as a process: privileged, capabilities, users. */
const privileged = defineControl({
  id: 'privileged',
  level: 'baseline',
  title: 'No container is privileged',
  since: 0,
  *judge(pod) {
    for (const { path, container } of containersOf(pod))
      if (container.securityContext?.privileged === true)
        yield {
          path: `${path}.securityContext.privileged`,
          actual: 'true',
          expected: 'false or not set',
          action: 'Remove privileged; add the capabilities or devices that the container needs.',
        };
  },
  cel: () => 'variables.containers.all(c, !c.?securityContext.?privileged.orValue(false))',
});

/** Capabilities that the level baseline allows to add. */
const BASELINE_CAPABILITIES = [
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
] as const;

const capabilitiesBaseline = defineControl({
  id: 'capabilities_baseline',
  level: 'baseline',
  title: 'Containers add only capabilities that container runtimes grant by default',
  since: 0,
  *judge(pod) {
    const allowed = new Set<string>(BASELINE_CAPABILITIES);
    for (const { path, container } of containersOf(pod))
      for (const [index, capability] of (container.securityContext?.capabilities?.add ?? []).entries())
        if (!allowed.has(capability))
          yield {
            path: `${path}.securityContext.capabilities.add[${String(index)}]`,
            actual: shown(capability),
            expected: `one of ${BASELINE_CAPABILITIES.join(', ')}`,
            action: 'Remove the capability.',
          };
  },
  cel: () =>
    `variables.containers.all(c, c.?securityContext.?capabilities.?add.orValue([]).all(a, a in ${celList(BASELINE_CAPABILITIES)}))`,
});

const capabilitiesRestricted = defineControl({
  id: 'capabilities_restricted',
  level: 'restricted',
  title: 'Containers drop all capabilities and add NET_BIND_SERVICE at most',
  since: 22,
  replaces: ['capabilities_baseline'],
  *judge(pod, version) {
    if (isExemptWindows(pod, version)) return;
    for (const { path, container } of containersOf(pod)) {
      const place = `${path}.securityContext.capabilities`;
      const { add = [], drop = [] } = container.securityContext?.capabilities ?? {};
      if (!drop.includes('ALL'))
        yield {
          path: `${place}.drop`,
          actual: drop.length === 0 ? 'not set' : drop.slice(0, 3).map(shown).join(', '),
          expected: '["ALL"]',
          action: 'Set capabilities.drop to ["ALL"].',
        };
      for (const [index, capability] of add.entries())
        if (capability !== 'NET_BIND_SERVICE')
          yield {
            path: `${place}.add[${String(index)}]`,
            actual: shown(capability),
            expected: 'NET_BIND_SERVICE or nothing',
            action: 'Remove the capability.',
          };
    }
  },
  cel: (version) =>
    `${celExemptWindows(version)}variables.containers.all(c, 'ALL' in c.?securityContext.?capabilities.?drop.orValue([]) && ` +
    "c.?securityContext.?capabilities.?add.orValue([]).all(a, a == 'NET_BIND_SERVICE'))",
});

const allowPrivilegeEscalation = defineControl({
  id: 'allowPrivilegeEscalation',
  level: 'restricted',
  title: 'Processes of containers cannot gain more privileges than their parent',
  since: 8,
  *judge(pod, version) {
    if (isExemptWindows(pod, version)) return;
    for (const { path, container } of containersOf(pod)) {
      const value = container.securityContext?.allowPrivilegeEscalation ?? null;
      if (value !== false)
        yield {
          path: `${path}.securityContext.allowPrivilegeEscalation`,
          actual: value === null ? 'not set' : 'true',
          expected: 'false',
          action: 'Set allowPrivilegeEscalation to false.',
        };
    }
  },
  cel: (version) =>
    `${celExemptWindows(version)}variables.containers.all(c, !c.?securityContext.?allowPrivilegeEscalation.orValue(true))`,
});

const runAsNonRoot = defineControl({
  id: 'runAsNonRoot',
  level: 'restricted',
  title: 'Containers must run as another user than root',
  since: 0,
  *judge(pod, version) {
    if (isInUserNamespace(pod, version)) return;
    const ofPod = pod.spec.securityContext?.runAsNonRoot ?? null;
    const rest = { expected: 'true', action: 'Set runAsNonRoot to true for the pod or for each container.' };
    if (ofPod === false) yield { path: 'spec.securityContext.runAsNonRoot', actual: 'false', ...rest };
    for (const { path, container } of containersOf(pod)) {
      const own = container.securityContext?.runAsNonRoot ?? null;
      if (own === false || (own === null && ofPod !== true))
        yield {
          path: `${path}.securityContext.runAsNonRoot`,
          actual: own === null ? 'not set' : 'false',
          ...rest,
        };
    }
  },
  cel: (version) =>
    `${celInUserNamespace(version)}(variables.spec.?securityContext.?runAsNonRoot.orValue(true) && ` +
    'variables.containers.all(c, c.?securityContext.?runAsNonRoot.orValue(variables.spec.?securityContext.?runAsNonRoot.orValue(false))))',
});

const runAsUser = defineControl({
  id: 'runAsUser',
  level: 'restricted',
  title: 'Containers do not run as user 0',
  since: 23,
  *judge(pod, version) {
    if (isInUserNamespace(pod, version)) return;
    const rest = {
      actual: '0',
      expected: 'another user or not set',
      action: 'Set runAsUser to another user, or remove it.',
    };
    if (pod.spec.securityContext?.runAsUser === 0) yield { path: 'spec.securityContext.runAsUser', ...rest };
    for (const { path, container } of containersOf(pod))
      if (container.securityContext?.runAsUser === 0) yield { path: `${path}.securityContext.runAsUser`, ...rest };
  },
  cel: (version) => `${celInUserNamespace(version)}variables.contexts.all(x, x.?runAsUser.orValue(1) != 0)`,
});

/** The controls of this file. */
export const PRIVILEGE_CONTROLS: readonly PodSecurityControl[] = [
  allowPrivilegeEscalation,
  capabilitiesBaseline,
  capabilitiesRestricted,
  privileged,
  runAsNonRoot,
  runAsUser,
];
