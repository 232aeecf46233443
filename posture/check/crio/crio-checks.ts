import type { CrioSettingName } from '../../fact/crio.ts';
import { fail, manual, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import type { NodeCheck } from '../check.ts';
import { allOf } from '../combine.ts';
import { quote, quoteList, unreadAclText } from '../evidence-text.ts';
import { isLocal } from '../runtime-setting.ts';
import { CRIO_CONTAINER_CHECKS } from './container-checks.ts';
import { crioCheck, DROP_IN, expectValue, judgeObserved, withSetting } from './crio-check.ts';

const POLICY_MANUAL = 'https://github.com/containers/image/blob/main/docs/containers-policy.json.5.md';
const REGISTRIES_MANUAL = 'https://github.com/containers/image/blob/main/docs/containers-registries.conf.5.md';

const REJECTIONS: readonly CrioSettingName[] = [
  'nri.default_validator.nri_validator_reject_namespace_adjustment',
  'nri.default_validator.nri_validator_reject_oci_hook_adjustment',
  'nri.default_validator.nri_validator_reject_runtime_default_seccomp_adjustment',
  'nri.default_validator.nri_validator_reject_unconfined_seccomp_adjustment',
];

const SERVICE_CHECKS: readonly NodeCheck[] = [
  crioCheck({
    id: 'crio.credentials',
    title: 'Only root can read credentials of registries',
    failTitle: 'Others than root can read credentials of registries',
    judgedBy: 'effect',
    severity: 'high',
    rationale: 'These files hold passwords or tokens, which are the same on all nodes and seldom change.',
    remediation:
      'Run chown root:root and chmod 600 on the named files and change the password. Use imagePullSecrets or a credential provider of the kubelet instead.',
    judge: ({ credentialFiles }) => {
      const expected = '0600, owned by root';
      return judgeObserved(credentialFiles, {
        failed: ({ path, mode, uid }) =>
          (mode & 0o077) === 0 && uid === 0
            ? []
            : [{ source: path, seen: `mode ${mode.toString(8).padStart(4, '0')}, uid ${String(uid)}`, expected }],
        expected,
        reason: 'an account or container of the host can read credentials',
      });
    },
  }),
  crioCheck({
    id: 'crio.hooks',
    title: 'CRI-O runs no hooks for containers',
    failTitle: 'CRI-O runs hooks for containers',
    severity: 'medium',
    rationale:
      'A hook runs as root on the host when a container starts. One that nobody knows is a lasting way into the host.',
    remediation: 'Find out which package each named file belongs to (rpm -qf FILE), and remove those of none.',
    judge: ({ hooks }) => {
      const expected = 'none, or hooks that are known';
      if (hooks.state === 'unreadable') return unknownBecause(`${hooks.source}: ${hooks.reason}`);
      const files = hooks.state === 'seen' ? hooks.value : [];
      return files.length === 0
        ? pass({ source: hooks.source, seen: 'none', expected })
        : manual(
            'find out where these hooks come from',
            ...files.slice(0, 8).map((source) => ({ source, seen: 'exists', expected })),
          );
    },
  }),
  crioCheck({
    id: 'crio.image-policy',
    title: 'CRI-O verifies signatures of images',
    failTitle: 'CRI-O accepts images without a signature',
    severity: 'medium',
    rationale:
      'With insecureAcceptAnything, CRI-O runs whatever a registry serves. A policy of a namespace replaces that of the node.',
    remediation:
      'Set the default of the named file to reject, and list your registries with sigstoreSigned or signedBy under transports.docker; restart crio.',
    reference: POLICY_MANUAL,
    judge: ({ imagePolicies }) => {
      if (imagePolicies.state === 'absent')
        return notApplicable(`${imagePolicies.source} does not exist, without which CRI-O pulls no image`);
      const expected = 'reject, or verified';
      return judgeObserved(imagePolicies, {
        failed: ({ path, remote }) =>
          remote === 'anything' ? [{ source: path, seen: 'insecureAcceptAnything', expected }] : [],
        expected,
        reason: 'images of any registry are accepted unsigned',
      });
    },
  }),
  crioCheck({
    id: 'crio.log-level',
    title: 'CRI-O does not log at debug level',
    failTitle: 'CRI-O logs at debug level',
    severity: 'low',
    rationale:
      'At debug and trace level the log contains the requests of the kubelet, with environments and mounts of containers.',
    remediation: `Set log_level = "info" in [crio.runtime] of ${DROP_IN} and run systemctl reload crio.`,
    judge: (crio) =>
      withSetting(crio, 'runtime.log_level', 'info', (value, seen) => {
        const evidence = { ...seen, expected: 'info or less' };
        return value === 'debug' || value === 'trace' ? fail('the log contains requests', evidence) : pass(evidence);
      }),
  }),
  crioCheck({
    id: 'crio.metrics-address',
    title: 'Metrics and profiles of CRI-O are local',
    failTitle: 'Metrics or profiles of CRI-O are open',
    severity: 'low',
    rationale:
      'Metrics in clear text name containers and images to the network. The port of the profiler serves the memory of the process to every account of the host.',
    remediation: `Set metrics_host = "127.0.0.1", or metrics_cert and metrics_key, in [crio.metrics] of ${DROP_IN}; remove --profile from the flags; restart crio.`,
    judge: (crio) =>
      allOf('low', [
        expectValue(crio, { name: 'profile', preset: 'false', expected: 'false' }, 'the profiler listens'),
        withSetting(crio, 'metrics.enable_metrics', 'false', (enabled, on) =>
          enabled !== 'true'
            ? pass({ ...on, expected: 'false, or local' })
            : withSetting(crio, 'metrics.metrics_host', '127.0.0.1', (address, at) =>
                withSetting(crio, 'metrics.metrics_cert', '', (certificate, tls) => {
                  const evidence = { ...at, expected: 'loopback, or TLS' };
                  // Empty means every address.
                  return (address !== '' && isLocal(address)) || certificate !== ''
                    ? pass(evidence)
                    : fail('metrics are reachable from other hosts', evidence, { ...tls, expected: 'a certificate' });
                }),
              ),
        ),
      ]),
  }),
  crioCheck({
    id: 'crio.node-resource-interface',
    title: 'CRI-O restricts plugins that change containers',
    failTitle: 'CRI-O lets plugins change containers at will',
    severity: 'high',
    rationale:
      'A plugin of the Node Resource Interface changes mounts, hooks, devices and seccomp profile of every container before it starts.',
    remediation: `Set enable_nri = false in [crio.nri] of ${DROP_IN}, or nri_enable_default_validator = true with the nri_validator_reject settings in [crio.nri.default_validator]; restart crio.`,
    judge: (crio) =>
      withSetting(crio, 'nri.enable_nri', 'true', (enabled, on) => {
        const off = { ...on, expected: 'false, or validated' };
        if (enabled !== 'true') return pass(off);
        const validator = REJECTIONS.map((name) =>
          expectValue(crio, { name, preset: 'false', expected: 'true' }, 'plugins may change this'),
        );
        const active = expectValue(
          crio,
          { name: 'nri.default_validator.nri_enable_default_validator', preset: 'false', expected: 'true' },
          'changes of plugins are not validated',
        );
        const validated = allOf('high', [active, ...validator]);
        if (validated.verdict !== 'fail') return validated;
        const { nriPlugins: plugins } = crio;
        if (plugins.state === 'unreadable') return unknownBecause(`${plugins.source}: ${plugins.reason}`);
        const names = plugins.state === 'seen' ? plugins.value : [];
        const installed = {
          source: plugins.source,
          seen: names.length === 0 ? 'no plugins' : quoteList(names),
          expected: 'plugins that are known',
        };
        return withSetting(crio, 'nri.nri_disable_connections', 'false', (closed, connections) =>
          names.length === 0 && closed === 'true'
            ? pass(off, installed, { ...connections, expected: 'true' })
            : manual('decide whether plugins are needed, and turn the interface off or validate them', off, installed),
        );
      }),
  }),
  crioCheck({
    id: 'crio.open-files',
    title: 'Only root can change what CRI-O reads and runs',
    failTitle: 'Others than root can change what CRI-O reads or runs',
    judgedBy: 'effect',
    severity: 'high',
    rationale:
      'Configuration, runtimes, hooks, plugins of CNI and NRI, and CDI files run or decide what runs as root for every container: write access to one of them is root access.',
    remediation: 'Run chown -R root:root and chmod go-w on the named paths, and look at what is in them.',
    judge: ({ openFiles }) => {
      const expected = 'only root can write';
      return judgeObserved(openFiles, {
        failed: ({ path, reason }) => [{ source: path, seen: reason, expected }],
        expected,
        reason: 'others can change what runs as root',
      });
    },
  }),
  crioCheck({
    id: 'crio.registries',
    title: 'CRI-O verifies its registries',
    failTitle: 'CRI-O does not verify registries',
    severity: 'high',
    rationale:
      'Over plain HTTP, or without verification of the certificate, whoever is on the way replaces the image that this host runs next.',
    remediation:
      'Remove insecure = true from the named file and put the CA of the registry into /etc/containers/certs.d/HOST/ca.crt; run systemctl reload crio.',
    reference: REGISTRIES_MANUAL,
    judge: (crio) => {
      const expected = 'HTTPS with verification';
      return allOf('high', [
        judgeObserved(crio.insecureRegistries, {
          failed: ({ registry, reason, source }) => [{ source, seen: quote(`${registry}: ${reason}`), expected }],
          expected,
          reason: 'images of a registry are not verified',
        }),
        withSetting(crio, 'image.insecure_registries', '', (value, seen) =>
          value === ''
            ? pass({ ...seen, expected: 'empty' })
            : manual('remove this setting: old releases obey it, new ones ignore it', { ...seen, expected: 'empty' }),
        ),
      ]);
    },
  }),
  crioCheck({
    id: 'crio.short-names',
    title: 'Short image names are resolved unambiguously',
    failTitle: 'Short image names are searched in registries',
    severity: 'low',
    rationale:
      'With short_name_mode disabled, the first registry that has an image of that name wins: whoever registers the name there chooses what runs.',
    remediation: `Remove short_name_mode from [crio.image], or set it to "enforcing" in ${DROP_IN}; restart crio.`,
    reference: REGISTRIES_MANUAL,
    judge: (crio) =>
      expectValue(
        crio,
        { name: 'image.short_name_mode', preset: 'enforcing', expected: 'enforcing' },
        'an image can come from a registry that nobody meant',
      ),
  }),
  crioCheck({
    id: 'crio.socket',
    title: 'Mode and owner restrict the CRI-O socket to root',
    failTitle: 'Mode or owner open the CRI-O socket to others',
    judgedBy: 'effect',
    severity: 'critical',
    rationale: 'The runtime API asks nobody: who can write to its socket starts a container that is the host.',
    remediation:
      'Run chown root:root and chmod 660 on the socket, and remove the line of the unit or script that changes it.',
    judge: ({ socket }) => {
      if (socket.state === 'unreadable') return unknownBecause(`${socket.source}: ${socket.reason}`);
      if (socket.state === 'absent') return unknownBecause(`${socket.source} does not exist`);
      const { path, mode, uid, gid } = socket.value;
      const evidence = {
        source: path,
        seen: `mode ${mode.toString(8).padStart(4, '0')}, uid ${String(uid)}, gid ${String(gid)}${unreadAclText(mode)}`,
        expected: '0660 root:root',
      };
      return uid === 0 && (mode & 0o007) === 0 && (gid === 0 || (mode & 0o070) === 0)
        ? pass(evidence)
        : fail('an account that is not root controls all containers', evidence);
    },
  }),
  crioCheck({
    id: 'crio.streaming-server',
    title: 'Streaming server of CRI-O is local or asks for certificates',
    failTitle: 'Streaming server of CRI-O is open to the network',
    severity: 'medium',
    rationale:
      'This server carries kubectl exec and attach. Whoever reaches it and guesses a token of a minute is inside the container.',
    remediation: `Set stream_address = "127.0.0.1", or stream_enable_tls with stream_tls_ca, in [crio.api] of ${DROP_IN}; restart crio.`,
    judge: (crio) =>
      withSetting(crio, 'api.stream_address', '127.0.0.1', (address, seen) => {
        const evidence = { ...seen, expected: 'loopback, or client certificates' };
        // Empty means every address.
        if (address !== '' && isLocal(address)) return pass(evidence);
        return withSetting(crio, 'api.stream_enable_tls', 'false', (tls, on) =>
          withSetting(crio, 'api.stream_tls_ca', '', (authority, ca) =>
            tls === 'true' && authority !== ''
              ? pass(evidence, { ...ca, expected: 'a CA whose certificates clients must have' })
              : fail('it is reachable from other hosts', evidence, { ...on, expected: 'true' }),
          ),
        );
      }),
  }),
];

/** Checks of the configuration of CRI-O, sorted by id. */
export const CRIO_CHECKS: readonly NodeCheck[] = Object.freeze(
  [...SERVICE_CHECKS, ...CRIO_CONTAINER_CHECKS].sort((one, other) => (one.id < other.id ? -1 : 1)),
);
