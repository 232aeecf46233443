import { observed } from '../observed.ts';
import * as s from '../schema.ts';
import { installedPackageSchema } from './docker.ts';

/** Settings of containerd that the fact holds, by a name that is the same in every version of the file. */
export const CONTAINERD_SETTINGS = [
  'cri.default_runtime_name',
  'cri.device_ownership_from_security_context',
  'cri.disable_apparmor',
  'cri.disable_tcp_service',
  'cri.enable_selinux',
  'cri.enable_tls_streaming',
  'cri.ignore_image_defined_volumes',
  'cri.sandbox_image',
  'cri.stream_server_address',
  'cri.unset_seccomp_profile',
  'debug.address',
  'debug.level',
  'grpc.gid',
  'grpc.tcp_address',
  'grpc.tcp_tls_ca',
  'metrics.address',
  'nri.default_validator.enable',
  'nri.default_validator.reject_namespace_adjustment',
  'nri.default_validator.reject_oci_hook_adjustment',
  'nri.default_validator.reject_runtime_default_seccomp_adjustment',
  'nri.default_validator.reject_unconfined_seccomp_adjustment',
  'nri.disable',
  'nri.disable_connections',
  'registry.config_path',
] as const;
/** One of {@link CONTAINERD_SETTINGS}. */
export type ContainerdSettingName = (typeof CONTAINERD_SETTINGS)[number];

/** A runtime that containerd can start containers with. */
export const containerdRuntimeSchema = s.object({
  name: s.string('name of the handler', 256),
  type: s.string('`io.containerd.runc.v2` …', 256),
  shim: s.string('path of its shim, `runtime_path`; empty: found by the type', 4096),
  binary: s.string('path or name of the program, `BinaryName`; empty: the default of the type', 4096),
  allDevices: s.boolean('`privileged_without_host_devices_all_devices_allowed`'),
  noPivotRoot: s.boolean('`NoPivotRoot`'),
  noNewKeyring: s.boolean('`NoNewKeyring`'),
  cgroupWritable: s.boolean('`cgroup_writable`'),
  anyAnnotation: s.boolean('true if every annotation of a pod or container is handed to the runtime'),
});

/** A registry that is reached without verification. */
export const insecureRegistrySchema = s.object({
  registry: s.string('host of the registry, `_default` for all', 256),
  reason: s.string('`http` or `certificates are not verified`', 64),
  source: s.string('file that says so', 4096),
});

/** One containerd of the node. */
export const containerdSchema = s.object(
  {
    pid: s.integer('process id'),
    executable: s.string('its program, `/usr/bin/containerd`', 4096),
    package: observed(installedPackageSchema, 'the package of its program by the database of dpkg'),
    config: s.string('configuration file', 4096),
    version: s.integer('version of the configuration: 1 to 4'),
    files: s.list(s.string('file that was read', 4096), '', 64),
    hasCri: s.boolean('false: its CRI plugin is disabled, so no kubelet uses it'),
    settings: s.record(
      observed(s.string('as text: `true`, `127.0.0.1`', 4096)),
      'effective settings by name; absent: not set, the default counts',
      32,
      { collected: CONTAINERD_SETTINGS, onDemand: false },
    ),
    runtimes: observed(s.list(containerdRuntimeSchema, '', 64), 'handlers of the CRI plugin'),
    insecureRegistries: observed(s.list(insecureRegistrySchema, '', 256), 'registries without verification'),
    proxyPlugins: observed(
      s.list(
        s.object({ name: s.string('name', 256), address: s.string('its socket, or empty', 4096) }),
        '`[proxy_plugins]` of all files',
        64,
      ),
      'services outside containerd that act as its snapshotters, stores or differs',
    ),
    disabledPlugins: observed(
      s.list(s.string('`cri`, `io.containerd.internal.v1.opt`', 256), '`disabled_plugins` of all files', 256),
      'plugins of containerd itself that do not run',
    ),
    credentialFiles: s.list(s.string('file', 4096), 'files that contain a password or token of a registry', 64),
  },
  'a containerd of the node',
);
/** See {@link containerdSchema}. */
export type ContainerdDaemon = s.Infer<typeof containerdSchema>;

/** The containerds of the node with their configuration, and directories from which they take programs. */
export const containerdsSchema = s.object(
  {
    daemons: observed(s.list(containerdSchema, '', 8), 'containerds that run; absent: none'),
    nriSocket: observed(s.string('path', 4096), 'socket of the Node Resource Interface; absent: it is off'),
    nriPlugins: observed(
      s.list(s.string('', 256), '', 64),
      'plugins of the Node Resource Interface that are installed',
    ),
    openDirectories: observed(
      s.list(s.object({ path: s.string('directory', 4096), reason: s.string('who can change it', 1024) }), '', 32),
      'directories of CNI, CDI, NRI and image verifiers, programs of stream processors and sockets of proxy plugins that others than root can change',
    ),
  },
  'containerd and its configuration',
);
/** See {@link containerdsSchema}. */
export type ContainerdsFact = s.Infer<typeof containerdsSchema>;
