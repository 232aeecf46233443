import { containersOf, contextsOf } from '../pod.ts';
import { defineControl, shown } from './control.ts';
import type { Breach, PodSecurityControl } from './control.ts';

/** Controls that keep a pod from sharing the node: namespaces, paths, ports, probes of other hosts. */
const hostNamespaces = defineControl({
  id: 'hostNamespaces',
  level: 'baseline',
  title: 'The pod shares no network, process or IPC namespace with its node',
  since: 0,
  *judge({ spec }) {
    for (const field of ['hostNetwork', 'hostPID', 'hostIPC'] as const)
      if (spec[field] === true)
        yield {
          path: `spec.${field}`,
          actual: 'true',
          expected: 'false or not set',
          action: `Remove ${field}.`,
        };
  },
  cel: () =>
    ['hostNetwork', 'hostPID', 'hostIPC'].map((field) => `!variables.spec.?${field}.orValue(false)`).join(' && '),
});

const hostPathVolumes = defineControl({
  id: 'hostPathVolumes',
  level: 'baseline',
  title: 'No volume is a path of the node',
  since: 0,
  *judge({ spec }) {
    for (const [index, volume] of spec.volumes.entries())
      if (isPresent(volume['hostPath']))
        yield {
          path: `spec.volumes[${String(index)}].hostPath`,
          actual: 'a path of the node',
          expected: 'not set',
          action: 'Use another kind of volume, such as emptyDir, configMap or persistentVolumeClaim.',
        };
  },
  cel: () => 'variables.spec.?volumes.orValue([]).all(v, !has(v.hostPath))',
});

/** Kinds of volumes that the level restricted allows. */
const RESTRICTED_VOLUMES = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'image',
  'persistentVolumeClaim',
  'projected',
  'secret',
] as const;

const restrictedVolumes = defineControl({
  id: 'restrictedVolumes',
  level: 'restricted',
  title: 'Volumes are of kinds that do not reach the node',
  since: 0,
  replaces: ['hostPathVolumes'],
  *judge({ spec }) {
    const allowed = new Set<string>(RESTRICTED_VOLUMES);
    for (const [index, volume] of spec.volumes.entries()) {
      const sources = Object.keys(volume).filter((name) => name !== 'name' && isPresent(volume[name]));
      // The API server makes a volume without a source an emptyDir, and refuses two sources.
      const forbidden = sources.filter((source) => !allowed.has(source));
      if (forbidden.length === 0) continue;
      yield {
        path: `spec.volumes[${String(index)}]`,
        actual: forbidden.slice(0, 3).map(shown).join(', '),
        expected: `one of ${RESTRICTED_VOLUMES.join(', ')}`,
        action: 'Use a kind of volume that is allowed; for storage, a persistentVolumeClaim.',
      };
    }
  },
  cel: () => {
    const any = RESTRICTED_VOLUMES.map((source) => `has(v.${source})`).join(' || ');
    return `variables.spec.?volumes.orValue([]).all(v, ${any})`;
  },
});

const hostPorts = defineControl({
  id: 'hostPorts',
  level: 'baseline',
  title: 'No container takes a port of the node',
  since: 0,
  *judge(pod) {
    for (const { path, container } of containersOf(pod))
      for (const [index, { hostPort }] of container.ports.entries())
        if (hostPort !== null && hostPort !== 0)
          yield {
            path: `${path}.ports[${String(index)}].hostPort`,
            actual: String(hostPort),
            expected: '0 or not set',
            action: 'Remove hostPort; use a Service to reach the container.',
          };
  },
  cel: () => 'variables.containers.all(c, c.?ports.orValue([]).all(p, p.?hostPort.orValue(0) == 0))',
});

const PROBES = ['livenessProbe', 'readinessProbe', 'startupProbe'] as const;
const HOOKS = ['postStart', 'preStop'] as const;
const TARGETS = ['httpGet', 'tcpSocket'] as const;

const hostProbesAndHostLifecycle = defineControl({
  id: 'hostProbesAndHostLifecycle',
  level: 'baseline',
  title: 'Probes and lifecycle handlers connect to the pod only',
  since: 34,
  *judge(pod) {
    for (const { path, container } of containersOf(pod)) {
      const handlers = [
        ...PROBES.map((name) => [name, container[name]] as const),
        ...HOOKS.map((name) => [`lifecycle.${name}`, container.lifecycle?.[name] ?? null] as const),
      ];
      for (const [name, handler] of handlers)
        for (const target of TARGETS) {
          const host = handler?.[target]?.host ?? '';
          if (host !== '') yield hostBreach(`${path}.${name}.${target}.host`, host);
        }
    }
  },
  cel: () => {
    const places = [...PROBES.map((name) => `?${name}`), ...HOOKS.map((name) => `?lifecycle.?${name}`)];
    const each = places.flatMap((place) => TARGETS.map((target) => `c.${place}.?${target}.?host.orValue('') == ''`));
    return `variables.containers.all(c, ${each.join(' && ')})`;
  },
});

function hostBreach(path: string, host: string): Breach {
  return {
    path,
    actual: shown(host),
    expected: 'not set',
    action: 'Remove host: the kubelet then connects to the address of the pod.',
  };
}

const windowsHostProcess = defineControl({
  id: 'windowsHostProcess',
  level: 'baseline',
  title: 'No container is a HostProcess container of Windows',
  since: 0,
  *judge(pod) {
    for (const { path, context } of contextsOf(pod))
      if (context.windowsOptions?.hostProcess === true)
        yield {
          path: `${path}.windowsOptions.hostProcess`,
          actual: 'true',
          expected: 'false or not set',
          action: 'Remove hostProcess.',
        };
  },
  cel: () => 'variables.contexts.all(x, !x.?windowsOptions.?hostProcess.orValue(false))',
});

function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null;
}

/** The controls of this file. */
export const HOST_CONTROLS: readonly PodSecurityControl[] = [
  hostNamespaces,
  hostPathVolumes,
  hostPorts,
  hostProbesAndHostLifecycle,
  restrictedVolumes,
  windowsHostProcess,
];
