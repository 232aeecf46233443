import * as s from '../../../posture/schema.ts';

/** Lists that are left out, or null, where they are empty. */
const texts = s.withDefault(s.list(s.string()), []);
const text = s.withDefault(s.string(), '');
const flag = s.withDefault(s.boolean(), false);
const integer = s.withDefault(s.integer(), 0);

/** devices of a privileged container: each device of the node. */
const MAX_DEVICES = 20_000;

const resourcesSchema = s.object({
  devices: s.withDefault(
    s.list(
      s.object({
        allow: flag,
        type: text,
        major: s.nullable(s.integer()),
        minor: s.nullable(s.integer()),
        access: text,
      }),
      '',
      MAX_DEVICES,
    ),
    [],
  ),
  memory: s.nullable(s.object({ limit: integer })),
  cpu: s.nullable(s.object({ shares: integer, quota: integer, period: integer, cpus: text })),
  pids: s.nullable(s.object({ limit: integer })),
});

const linuxSchema = s.object({
  resources: s.nullable(resourcesSchema),
  cgroupsPath: text,
  namespaces: s.withDefault(s.list(s.object({ type: text, path: text })), []),
  devices: s.withDefault(s.list(s.object({ path: text, type: text }), '', MAX_DEVICES), []),
  /** Read by the parser of seccomp profiles. */
  seccomp: s.unknown(),
  maskedPaths: texts,
  readonlyPaths: texts,
});

const capabilitiesSchema = s.object({
  bounding: texts,
  effective: texts,
  inheritable: texts,
  permitted: texts,
  ambient: texts,
});

/**
 * What this program reads of an OCI runtime configuration (opencontainers/runtime-spec, config.md and config-linux.md):
 * what the runtime asks the kernel for. Environment, arguments and hooks are not looked at.
 */
const runtimeSpecSchema = s.object({
  process: s.nullable(
    s.object({
      user: s.withDefault(s.object({ uid: integer, gid: integer }), { uid: 0, gid: 0 }),
      capabilities: s.nullable(capabilitiesSchema),
      apparmorProfile: text,
      selinuxLabel: text,
      noNewPrivileges: flag,
    }),
  ),
  root: s.nullable(s.object({ readonly: flag })),
  mounts: s.withDefault(s.list(s.object({ destination: text, type: text, source: text, options: texts })), []),
  annotations: s.withDefault(s.record(s.string()), {}),
  linux: s.nullable(linuxSchema),
});
/** See {@link runtimeSpecSchema}. */
export type RuntimeSpec = s.Infer<typeof runtimeSpecSchema>;

/**
 * What this program reads of the JSON at `info` of a verbose ContainerStatus. containerd gives the request of the
 * kubelet as `config`, CRI-O says `privileged` itself.
 */
export const containerInfoSchema = s.object({
  sandboxID: s.withDefault(s.string('', 128), ''),
  pid: integer,
  privileged: flag,
  runtimeSpec: runtimeSpecSchema,
  config: s.nullable(
    s.object({
      image: s.nullable(s.object({ image: text })),
      linux: s.nullable(
        s.object({
          security_context: s.nullable(
            s.object({
              privileged: flag,
              // 0: the default profile of the runtime, 1: none, 2: a file of the node.
              seccomp: s.nullable(s.object({ profile_type: integer })),
              seccomp_profile_path: text,
            }),
          ),
        }),
      ),
    }),
  ),
});
/** See {@link containerInfoSchema}. */
export type ContainerInfo = s.Infer<typeof containerInfoSchema>;

/** Options of the shim, in the spellings of several releases. */
const runtimeOptionsSchema = s.object({ binary_name: text, BinaryName: text });

/** What this program reads of the JSON at `info` of a verbose PodSandboxStatus. CRI-O gives neither `config` nor, without
 * an infrastructure container, `pid`. */
export const sandboxInfoSchema = s.object({
  pid: integer,
  image: text,
  runtimeHandler: text,
  runtimeType: text,
  /** Parsed by itself: each shim has options of its own. */
  runtimeOptions: s.unknown(),
  runtimeSpec: s.nullable(runtimeSpecSchema),
  config: s.nullable(
    s.object({
      port_mappings: s.withDefault(
        s.list(s.object({ protocol: integer, container_port: integer, host_port: integer, host_ip: text })),
        [],
      ),
      linux: s.nullable(s.object({ security_context: s.nullable(s.object({ privileged: flag })) })),
    }),
  ),
});
/** See {@link sandboxInfoSchema}. */
export type SandboxInfo = s.Infer<typeof sandboxInfoSchema>;

/** Program of an OCI runtime that the options of a shim name; empty: none. */
export function binaryOf(options: unknown): string {
  const parsed = runtimeOptionsSchema.parse(options);
  return parsed.ok ? parsed.value.binary_name || parsed.value.BinaryName : '';
}

/** CRI-O's own record of the ports of a pod: JSON in an annotation that it sets itself. */
export const crioPortsSchema = s.withDefault(
  s.list(
    s.object({
      HostPort: integer,
      ContainerPort: integer,
      Protocol: text,
      HostIP: text,
    }),
  ),
  [],
);

/** What this program reads of the JSON at `info` of a verbose ImageStatus: an OCI image configuration. */
export const imageInfoSchema = s.object({
  imageSpec: s.nullable(
    s.object({
      created: text,
      config: s.nullable(s.object({ User: text, Env: s.nullable(s.list(s.string())) })),
      history: s.withDefault(s.list(s.object({ created_by: text }), '', 100_000), []),
    }),
  ),
});

/** What this program reads of the JSON at `config` of a verbose Status of containerd. */
export const statusConfigSchema = s.object({
  containerdRootDir: text,
  systemdCgroup: flag,
  containerd: s.nullable(s.object({ snapshotter: text, defaultRuntimeName: text })),
});

/** The value that a JSON text holds, or what is wrong with it. Depth is bounded by the schema: it visits known fields only. */
export function parseInfo<T>(json: string | undefined, schema: s.Schema<T>): s.Parsed<T> {
  if (json === undefined) return { ok: false, problem: 'the runtime gives no details (verbose info)' };
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return { ok: false, problem: 'the details (verbose info) are not JSON' };
  }
  return schema.parse(value);
}
