import type { ContainerdDaemon, ContainerdSettingName } from '../../fact/containerd.ts';
import type { Facts } from '../../fact/facts.ts';
import { fail, manual, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence, Judgement, Severity } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import type { NodeCheck, RuleText } from '../check.ts';
import { allOf } from '../combine.ts';
import { quote, quoteList } from '../evidence-text.ts';
import { judgeList } from '../judge-list.ts';
import { isLocal, judgeRuntimeSetting } from '../runtime-setting.ts';

const CONFIG_MANUAL = 'https://github.com/containerd/containerd/blob/main/docs/cri/config.md';
const REGISTRY_MANUAL = 'https://github.com/containerd/containerd/blob/main/docs/hosts.md';

type Known = Pick<Facts, 'containerds' | 'kernel' | 'kubelet'>;

/** One answer for all containerds of the node: the worst. `needsCri`: a daemon without CRI (that of Docker) is left out. */
export function containerdCheck({
  judge,
  needsCri = true,
  reference = CONFIG_MANUAL,
  ...text
}: Omit<RuleText, 'severityLevels'> & {
  readonly judge: (daemon: ContainerdDaemon, facts: Known) => Judgement;
  readonly needsCri?: boolean;
  readonly reference?: string;
}): NodeCheck {
  return nodeCheck({
    judgedBy: 'configuration',
    ...text,
    references: [reference],
    judges: 'node',
    needs: ['containerds', 'kernel', 'kubelet'],
    judge: (facts) =>
      ofDaemons(facts, text.severity, (daemon) =>
        needsCri && !daemon.hasCri
          ? notApplicable(`the CRI plugin of containerd (pid ${String(daemon.pid)}) is disabled: no kubelet uses it`)
          : judge(daemon, facts),
      ),
  });
}

/** What a plugin may not change once it is validated. */
const VALIDATOR = [
  'nri.default_validator.enable',
  'nri.default_validator.reject_namespace_adjustment',
  'nri.default_validator.reject_oci_hook_adjustment',
  'nri.default_validator.reject_runtime_default_seccomp_adjustment',
  'nri.default_validator.reject_unconfined_seccomp_adjustment',
] as const;

function ofDaemons(
  { containerds: { daemons } }: Known,
  severity: Severity,
  judge: (daemon: ContainerdDaemon) => Judgement,
): Judgement {
  if (daemons.state === 'unreadable') return unknownBecause(`${daemons.source}: ${daemons.reason}`);
  if (daemons.state === 'absent') return notApplicable('containerd does not run on this host');
  return allOf(severity, daemons.value.map(judge));
}

/** Judges a setting; where nothing sets it, `preset` counts. */
export function withSetting(
  daemon: ContainerdDaemon,
  name: ContainerdSettingName,
  preset: string,
  judge: (value: string, seen: Omit<Evidence, 'expected'>) => Judgement,
): Judgement {
  return judgeRuntimeSetting(daemon, { name, preset }, judge);
}

/** Checks of the configuration of containerd, sorted by id. */
export const CONTAINERD_CHECKS: readonly NodeCheck[] = Object.freeze([
  containerdCheck({
    id: 'containerd.apparmor',
    title: 'containerd applies AppArmor profiles',
    failTitle: 'containerd applies no AppArmor profiles',
    severity: 'high',
    rationale:
      'With disable_apparmor, every container of the node runs unconfined, although AppArmor is active on the host.',
    remediation:
      'Remove disable_apparmor from the CRI plugin in config.toml (k3s, RKE2: install the package apparmor, or apparmor-parser of SUSE), and restart containerd.',
    judge: (daemon, { kernel: { apparmor } }) => {
      if (apparmor.state === 'unreadable') return unknownBecause(`${apparmor.source}: ${apparmor.reason}`);
      if (apparmor.state === 'absent' || !apparmor.value) return notApplicable('AppArmor is not active on this host');
      return withSetting(daemon, 'cri.disable_apparmor', 'false', (value, seen) => {
        const evidence = { ...seen, expected: 'false' };
        return value === 'true' ? fail('containers get no AppArmor profile', evidence) : pass(evidence);
      });
    },
  }),
  containerdCheck({
    id: 'containerd.debug-level',
    title: 'containerd does not log at debug level',
    failTitle: 'containerd logs at debug level',
    severity: 'low',
    rationale:
      'At debug and trace level the log contains the requests of the kubelet, with environments and mounts of containers.',
    remediation: 'Set level = "info" in the [debug] table of config.toml and restart containerd.',
    needsCri: false,
    judge: (daemon) =>
      withSetting(daemon, 'debug.level', 'info', (value, seen) => {
        const evidence = { ...seen, expected: 'info, warn or error' };
        return value === 'debug' || value === 'trace' ? fail('the log contains requests', evidence) : pass(evidence);
      }),
  }),
  containerdCheck({
    id: 'containerd.device-ownership',
    title: 'Devices of containers belong to root',
    failTitle: 'Devices of containers belong to their users',
    severity: 'low',
    rationale:
      'With device_ownership_from_security_context, the user of a container owns the devices that it was given, block devices among them.',
    remediation:
      'Remove device_ownership_from_security_context from the CRI plugin in config.toml and restart containerd, unless pods without root use block devices.',
    judge: (daemon) =>
      withSetting(daemon, 'cri.device_ownership_from_security_context', 'false', (value, seen) => {
        const evidence = { ...seen, expected: 'false' };
        return value === 'true' ? fail('users of containers own their devices', evidence) : pass(evidence);
      }),
  }),
  containerdCheck({
    id: 'containerd.image-volumes',
    title: 'Images add no writable mounts',
    failTitle: 'Images can add writable mounts',
    severity: 'low',
    rationale:
      'VOLUME of an image gives a container a writable directory, also where its pod asks for a read-only root file system.',
    remediation:
      'Set ignore_image_defined_volumes = true in the CRI plugin of config.toml and restart containerd, once no pod relies on such volumes.',
    judge: (daemon) =>
      withSetting(daemon, 'cri.ignore_image_defined_volumes', 'false', (value, seen) => {
        const evidence = { ...seen, expected: 'true' };
        return value === 'true'
          ? pass(evidence)
          : fail('a read-only root does not bind volumes of the image', evidence);
      }),
  }),
  containerdCheck({
    id: 'containerd.metrics-address',
    title: 'Metrics and debugging of containerd are local',
    failTitle: 'Metrics or debugging of containerd are remote',
    severity: 'medium',
    rationale: 'Neither port has authentication or TLS. The debug port serves profiles of the memory of the process.',
    remediation: 'Set address in [metrics] and [debug] to 127.0.0.1:PORT or to a unix socket, and restart containerd.',
    needsCri: false,
    judge: (daemon) =>
      allOf(
        'medium',
        (['metrics.address', 'debug.address'] as const).map((name) =>
          withSetting(daemon, name, '', (value, seen) => {
            const evidence = { ...seen, expected: 'empty, a unix socket, or loopback' };
            return isLocal(value) ? pass(evidence) : fail(`${name} is reachable from other hosts`, evidence);
          }),
        ),
      ),
  }),
  containerdCheck({
    id: 'containerd.node-resource-interface',
    title: 'containerd restricts plugins that change containers',
    failTitle: 'containerd lets plugins change containers at will',
    severity: 'high',
    rationale:
      'A plugin of the Node Resource Interface changes mounts, hooks, devices and seccomp profile of every container before it starts.',
    remediation:
      'Set disable = true in [plugins."io.containerd.nri.v1.nri"] of config.toml, or enable = true with the reject settings in its default_validator; restart containerd.',
    reference: 'https://github.com/containerd/containerd/blob/main/docs/NRI.md',
    needsCri: false,
    judge: (daemon, { containerds: { nriSocket, nriPlugins } }) => {
      if (nriSocket.state === 'unreadable') return unknownBecause(`${nriSocket.source}: ${nriSocket.reason}`);
      const socket = {
        source: nriSocket.source,
        seen: nriSocket.state === 'seen' ? 'exists' : 'does not exist',
        expected: 'off, or validated',
      };
      // Releases differ in whether it is on by default: its socket shows it.
      if (nriSocket.state === 'absent') return pass(socket);
      const validated = allOf(
        'high',
        VALIDATOR.map((name) =>
          withSetting(daemon, name, 'false', (value, seen) => {
            const evidence = { ...seen, expected: 'true' };
            return value === 'true' ? pass(evidence) : fail('changes of plugins are not validated', evidence);
          }),
        ),
      );
      if (validated.verdict !== 'fail') return validated;
      if (nriPlugins.state === 'unreadable') return unknownBecause(`${nriPlugins.source}: ${nriPlugins.reason}`);
      const names = nriPlugins.state === 'seen' ? nriPlugins.value : [];
      const installed = {
        source: nriPlugins.source,
        seen: names.length === 0 ? 'no plugins' : quoteList(names),
        expected: 'plugins that are known',
      };
      return withSetting(daemon, 'nri.disable_connections', 'false', (closed, connections) =>
        names.length === 0 && closed === 'true'
          ? pass(installed, { ...connections, expected: 'true' })
          : manual('decide whether plugins are needed, and turn the interface off or validate them', socket, installed),
      );
    },
  }),
  nodeCheck({
    id: 'containerd.plugin-directories',
    title: 'Only root can change plugins of containerd',
    failTitle: 'Others than root can change plugins of containerd',
    judgedBy: 'effect',
    severity: 'high',
    rationale:
      'CNI and NRI plugins, hooks in CDI files, image verifiers and stream processors run as root, and proxy plugins supply the files of containers: write access to them or to their directories is root access.',
    remediation: 'Run chown -R root:root and chmod go-w on the named directories, and look at what is in them.',
    references: ['https://github.com/containerd/containerd/blob/main/docs/NRI.md'],
    judges: 'node',
    needs: ['containerds'],
    judge: ({ containerds: { daemons, openDirectories: open } }) => {
      if (daemons.state === 'absent' && open.state === 'seen' && open.value.length === 0)
        return notApplicable('containerd does not run on this host');
      const expected = 'only root can write';
      return judgeList({
        failed:
          open.state === 'seen' ? open.value.map(({ path, reason }) => ({ source: path, seen: reason, expected })) : [],
        unread: open.state === 'unreadable' ? [`${open.source}: ${open.reason}`] : [],
        passed: { source: open.source, seen: 'none that others can change', expected },
        reason: 'others can add a program that runs as root',
      });
    },
  }),
  containerdCheck({
    id: 'containerd.registries',
    title: 'containerd verifies its registries',
    failTitle: 'containerd does not verify registries',
    severity: 'high',
    rationale:
      'Over plain HTTP, or without verification of the certificate, whoever is on the way replaces the image that this host runs next.',
    remediation:
      'Remove skip_verify and http:// from the named file (certs.d/HOST/hosts.toml needs no restart). Give the CA of a private registry with ca = "FILE".',
    reference: REGISTRY_MANUAL,
    judge: ({ insecureRegistries: registries, config }) => {
      const expected = 'HTTPS with verification';
      return judgeList({
        failed:
          registries.state === 'seen'
            ? registries.value.map(({ registry, reason, source }) => ({
                source,
                seen: quote(`${registry}: ${reason}`),
                expected,
              }))
            : [],
        unread: registries.state === 'unreadable' ? [`${registries.source}: ${registries.reason}`] : [],
        passed: {
          source: registries.source === '' ? config : registries.source,
          seen: 'no registry without',
          expected,
        },
        reason: 'images of a registry are not verified',
      });
    },
  }),
  containerdCheck({
    id: 'containerd.registry-credentials',
    title: 'Configuration of containerd contains no credentials',
    failTitle: 'Configuration of containerd contains credentials',
    severity: 'medium',
    rationale:
      'config.toml is readable for every account by default. Passwords in it are the same on all nodes and seldom change.',
    remediation:
      'Remove auth from the registry tables. Use imagePullSecrets or a credential provider of the kubelet, and change the password.',
    reference: REGISTRY_MANUAL,
    judge: ({ credentialFiles, config }) => {
      const expected = 'no password or token';
      return judgeList({
        failed: credentialFiles.map((source) => ({ source, seen: 'a password or token of a registry', expected })),
        unread: [],
        passed: { source: config, seen: 'none', expected },
        reason: 'a file contains credentials of a registry',
      });
    },
  }),
  containerdCheck({
    id: 'containerd.runtimes',
    title: 'Runtimes of containerd keep containers confined',
    failTitle: 'Runtimes of containerd weaken containers',
    severity: 'high',
    rationale:
      'NoPivotRoot leaves a way back to the file system of the host, and NoNewKeyring shares the keys of the host; cgroup_writable, all devices, and annotations that are passed on without a list let a pod choose its own limits.',
    remediation:
      'Remove the named options from the runtime in config.toml, list annotations one by one, and restart containerd.',
    judge: ({ runtimes, config }) => {
      const expected = 'none of these options';
      if (runtimes.state === 'unreadable') return unknownBecause(`${runtimes.source}: ${runtimes.reason}`);
      const all = runtimes.state === 'seen' ? runtimes.value : [];
      const failed = all.flatMap((runtime): readonly Evidence[] => {
        const options = [
          ...(runtime.noPivotRoot ? ['NoPivotRoot'] : []),
          ...(runtime.noNewKeyring ? ['NoNewKeyring'] : []),
          ...(runtime.cgroupWritable ? ['cgroup_writable'] : []),
          ...(runtime.allDevices ? ['privileged_without_host_devices_all_devices_allowed'] : []),
          ...(runtime.anyAnnotation ? ['annotations *'] : []),
        ];
        return options.length === 0
          ? []
          : [{ source: runtimes.source, seen: quote(`${runtime.name}: ${options.join(', ')}`), expected }];
      });
      const names = quoteList(all.map(({ name }) => name));
      return judgeList({
        failed,
        unread: [],
        passed: { source: runtimes.source === '' ? config : runtimes.source, seen: names, expected },
        reason: 'a runtime weakens the containers that use it',
      });
    },
  }),
  containerdCheck({
    id: 'containerd.sandbox-image',
    title: 'Image of pod sandboxes is pinned by digest',
    failTitle: 'Image of pod sandboxes is not pinned by digest',
    severity: 'low',
    rationale:
      'Every pod has a container of this image, which holds its namespaces. Whoever moves the tag in the registry runs a program in each pod that a node starts after its next pull.',
    remediation:
      'Set sandbox_image in the CRI plugin of config.toml (since version 3 of the file sandbox in [plugins."io.containerd.cri.v1.images".pinned_images]) to NAME@sha256:DIGEST, which crictl inspecti shows as repoDigests, and restart containerd.',
    judge: (daemon) =>
      withSetting(daemon, 'cri.sandbox_image', 'registry.k8s.io/pause with the tag of the release', (value, seen) => {
        const evidence = { ...seen, expected: 'NAME@sha256:DIGEST' };
        return /@sha(?:256:[\da-f]{64}|512:[\da-f]{128})$/.test(value)
          ? pass(evidence)
          : fail('a tag can be moved to another image', evidence);
      }),
  }),
  containerdCheck({
    id: 'containerd.seccomp-profile',
    title: 'Pods without a profile get the default one',
    failTitle: 'Pods without a profile get no seccomp filter',
    severity: 'medium',
    rationale:
      'A pod that names no seccomp profile runs unconfined, unless the kubelet or containerd gives it the default one.',
    remediation:
      'Set seccompDefault: true in the configuration of the kubelet and restart it, or unset_seccomp_profile = "runtime/default" in the CRI plugin of config.toml.',
    judge: (daemon, { kubelet }) =>
      withSetting(daemon, 'cri.unset_seccomp_profile', '', (value, seen) => {
        const evidence = { ...seen, expected: 'runtime/default, or seccompDefault of the kubelet' };
        if (value !== '' && value !== 'unconfined') return pass(evidence);
        const setting = kubelet.settings['seccompDefault'];
        if (kubelet.process.state === 'unreadable')
          return unknownBecause(`${kubelet.process.source}: ${kubelet.process.reason}`, evidence);
        if (kubelet.process.state === 'absent') return notApplicable('this host runs no kubelet', evidence);
        if (setting?.state === 'unreadable') return unknownBecause(`${setting.source}: ${setting.reason}`, evidence);
        const own = {
          source: setting?.source ?? 'kubelet',
          seen: `seccompDefault: ${setting?.state === 'seen' ? quote(setting.value) : 'not set'}`,
          expected: 'true',
        };
        return setting?.state === 'seen' && setting.value === 'true'
          ? pass(own, evidence)
          : fail('neither the kubelet nor containerd gives such pods a filter', evidence, own);
      }),
  }),
  containerdCheck({
    id: 'containerd.selinux',
    title: 'containerd sets SELinux labels of containers',
    failTitle: 'containerd sets no SELinux labels of containers',
    severity: 'high',
    rationale:
      'Without enable_selinux, containers on an SELinux host run with the label of containerd, which may do nearly everything.',
    remediation:
      'Set enable_selinux = true in the CRI plugin of config.toml, install container-selinux, and restart containerd.',
    judge: (daemon, { kernel: { selinux } }) => {
      if (selinux.state === 'unreadable') return unknownBecause(`${selinux.source}: ${selinux.reason}`);
      if (selinux.state === 'absent' || selinux.value === 'disabled')
        return notApplicable('SELinux is not active on this host');
      return withSetting(daemon, 'cri.enable_selinux', 'false', (value, seen) => {
        const evidence = { ...seen, expected: 'true' };
        return value === 'true' ? pass(evidence) : fail('containers get no SELinux label of their own', evidence);
      });
    },
  }),
  containerdCheck({
    id: 'containerd.streaming-server',
    title: 'Streaming server of containerd is local',
    failTitle: 'Streaming server of containerd is remote',
    severity: 'medium',
    rationale:
      'This server carries kubectl exec and attach. Whoever reaches it and guesses a token of a minute is inside the container.',
    remediation: 'Remove stream_server_address from the CRI plugin (the default is 127.0.0.1), and restart containerd.',
    judge: (daemon) =>
      withSetting(daemon, 'cri.stream_server_address', '127.0.0.1', (value, seen) => {
        const evidence = { ...seen, expected: 'loopback' };
        // Empty means every address.
        return value !== '' && isLocal(value) ? pass(evidence) : fail('it is reachable from other hosts', evidence);
      }),
  }),
  containerdCheck({
    id: 'containerd.tcp',
    title: 'containerd serves no unprotected TCP port',
    failTitle: 'containerd serves an unprotected TCP port',
    severity: 'critical',
    rationale:
      'The API of containerd starts any container as root and asks nobody: on TCP without client certificates the whole network is root.',
    remediation:
      'Remove tcp_address from [grpc] and disable_tcp_service = false from the CRI plugin, or set tcp_tls_ca, and restart containerd.',
    needsCri: false,
    judge: (daemon) =>
      withSetting(daemon, 'grpc.tcp_address', '', (address, seen) => {
        const evidence = { ...seen, expected: 'empty' };
        if (address === '') return pass(evidence);
        return withSetting(daemon, 'cri.disable_tcp_service', 'true', (disabled, service) => {
          const proof = { ...service, expected: 'true' };
          // Without a service the port is not opened.
          if (disabled !== 'false') return pass(evidence, proof);
          return withSetting(daemon, 'grpc.tcp_tls_ca', '', (authority, tls) => {
            const certificate = { ...tls, expected: 'a CA whose certificates clients must have' };
            return authority === ''
              ? fail('clients need no certificate', evidence, proof, certificate)
              : pass(certificate, evidence);
          });
        });
      }),
  }),
]);
