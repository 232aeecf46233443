import { observed } from '../observed.ts';
import * as s from '../schema.ts';
import { insecureRegistrySchema } from './containerd.ts';

/** Settings of CRI-O that the fact holds: their path below `crio` in the configuration. The last four are flags only. */
export const CRIO_SETTINGS = [
  'api.listen',
  'api.stream_address',
  'api.stream_enable_tls',
  'api.stream_port',
  'api.stream_tls_ca',
  'checkpoint_restore.container_level_enabled',
  'image.global_auth_file',
  'image.insecure_registries',
  'image.namespaced_auth_dir',
  'image.pause_image_auth_file',
  'image.short_name_mode',
  'image.signature_policy',
  'image.signature_policy_dir',
  'metrics.enable_metrics',
  'metrics.metrics_cert',
  'metrics.metrics_host',
  'metrics.metrics_port',
  'network.network_dir',
  'network.plugin_dirs',
  'nri.default_validator.nri_enable_default_validator',
  'nri.default_validator.nri_validator_reject_custom_seccomp_adjustment',
  'nri.default_validator.nri_validator_reject_namespace_adjustment',
  'nri.default_validator.nri_validator_reject_oci_hook_adjustment',
  'nri.default_validator.nri_validator_reject_runtime_default_seccomp_adjustment',
  'nri.default_validator.nri_validator_reject_unconfined_seccomp_adjustment',
  'nri.enable_nri',
  'nri.nri_disable_connections',
  'nri.nri_plugin_config_dir',
  'nri.nri_plugin_dir',
  'runtime.add_inheritable_capabilities',
  'runtime.additional_devices',
  'runtime.allowed_devices',
  'runtime.apparmor_profile',
  'runtime.cdi_spec_dirs',
  'runtime.default_capabilities',
  'runtime.default_mounts_file',
  'runtime.default_runtime',
  'runtime.enable_criu_support',
  'runtime.gid_mappings',
  'runtime.hooks_dir',
  'runtime.hostnetwork_disable_selinux',
  'runtime.log_level',
  'runtime.minimum_mappable_gid',
  'runtime.minimum_mappable_uid',
  'runtime.no_pivot',
  'runtime.pids_limit',
  'runtime.privileged_seccomp_profile',
  'runtime.seccomp_profile',
  'runtime.seccomp_use_default_when_empty',
  'runtime.selinux',
  'runtime.uid_mappings',
  'profile',
  'profile_port',
  'registries_conf',
  'registries_conf_dir',
] as const;
/** One of {@link CRIO_SETTINGS}. */
export type CrioSettingName = (typeof CRIO_SETTINGS)[number];

const path = (doc: string): s.Schema<string> => s.string(doc, 4096);

/** CRI-O of the node, with its effective configuration. */
export const crioSchema = observed(
  s.object({
    pid: s.integer('process id'),
    config: path('main configuration file'),
    files: s.list(path('file that was read'), 'in the order in which they apply', 128),
    settings: s.record(
      observed(s.string('as text, lists joined by commas', 16_384)),
      'effective settings by name; the source is the file, flag or variable that decides; absent: not set, the default counts',
      64,
      { collected: CRIO_SETTINGS, onDemand: false },
    ),
    runtimes: observed(
      s.list(
        s.object({
          name: s.string('name of the handler', 256),
          path: path('its program; empty: searched for in PATH'),
          annotations: s.list(s.string('', 256), 'annotations of a pod that the handler obeys', 64),
        }),
        '',
        64,
      ),
      'handlers of the configuration',
    ),
    workloadAnnotations: observed(
      s.list(s.string('', 256), '', 256),
      'annotations that a pod may use by asking for a workload, which every pod may',
    ),
    seccompProfiles: s.list(
      s.object({
        usedBy: s.string('`default`, `privileged`, or the name of a handler', 256),
        path: path('file'),
        defaultAction: observed(s.string('`SCMP_ACT_ERRNO` …', 64), 'absent: CRI-O uses its built-in profile'),
      }),
      'profiles that the configuration names',
      64,
    ),
    socket: observed(
      s.object({
        path: path('socket'),
        mode: s.shownAs('mode', s.integer('permission bits')),
        uid: s.integer('owner'),
        gid: s.integer('group'),
      }),
      'socket of the runtime API',
    ),
    hooks: observed(s.list(path('file'), '', 64), 'files of hooks, which run as root of the host for containers'),
    defaultMounts: observed(s.list(path('`/source:/target`'), '', 64), 'what is mounted into every container'),
    nriPlugins: observed(s.list(s.string('', 256), '', 64), 'installed plugins of the Node Resource Interface'),
    criu: observed(path('its program'), 'absent: CRIU is not installed, so that nothing can be checkpointed'),
    imagePolicies: observed(
      s.list(
        s.object({
          path: path('file'),
          remote: s.oneOf(
            ['anything', 'verified', 'rejected'],
            'what is accepted from a registry without a rule of its own',
          ),
        }),
        '',
        65,
      ),
      'signature policies, that of the node first; absent: there is no file, so that nothing can be pulled',
    ),
    insecureRegistries: observed(s.list(insecureRegistrySchema, '', 256), 'registries without verification'),
    credentialFiles: observed(
      s.list(
        s.object({
          path: path('file'),
          mode: s.shownAs('mode', s.integer('permission bits')),
          uid: s.integer('owner'),
        }),
      ),
      'files with credentials of registries that exist',
    ),
    openFiles: observed(
      s.list(s.object({ path: path('file or directory'), reason: s.string('who can change it', 1024) }), '', 64),
      'configuration, programs, hooks and plugins that others than root can change',
    ),
  }),
  'CRI-O and its effective configuration; absent: it does not run',
);
/** See {@link crioSchema}. */
export type CrioFact = s.Infer<typeof crioSchema>;
/** A CRI-O that runs. */
export type Crio = Extract<CrioFact, { state: 'seen' }>['value'];
