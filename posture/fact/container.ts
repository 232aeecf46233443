import { absent, observed, unreadable } from '../observed.ts';
import * as s from '../schema.ts';

const hexSet = (doc: string): s.Schema<string> => s.shownAs('capabilities', s.string(doc, 32));

/** States of a container. `created`: never started; `dead`: not completely removed. */
export const CONTAINER_STATES = ['running', 'paused', 'restarting', 'created', 'exited', 'dead'] as const;

/** Kinds of a container. */
export const CONTAINER_KINDS = ['container', 'sandbox'] as const;

/** What a seccomp profile allows of the system calls that Docker's default profile withholds. */
export const seccompSummarySchema = s.object(
  {
    defaultAction: s.string('defaultAction, `SCMP_ACT_ERRNO`', 64),
    allowed: s.list(s.string('', 64), 'dangerous system calls that the profile allows without condition', 64),
    withheld: s.integer('number of dangerous system calls that it does not allow'),
  },
  'what the profile allows of the system calls that the default profile withholds',
);
/** See {@link seccompSummarySchema}. */
export type SeccompSummary = s.Infer<typeof seccompSummarySchema>;

/** What was asked for: the runtime's own record of the container. */
export const declaredSchema = s.object(
  {
    privileged: s.boolean('HostConfig.Privileged'),
    seccompProfile: s.string('`default`, `unconfined`, or `custom` for a profile of its own', 64),
    seccompSummary: s.nullable(
      seccompSummarySchema,
      'of a custom profile; null: it could not be parsed, or there is no custom profile',
    ),
    apparmorProfile: s.string('AppArmorProfile; empty where AppArmor is off', 256),
    selinuxLabel: s.string('ProcessLabel; empty where SELinux is off', 512),
    selinuxDisabled: s.boolean('label=disable was asked for'),
    noNewPrivileges: s.nullable(s.boolean('null: nothing was asked for, the daemon decides')),
    capAdd: s.list(s.string('', 64), 'names without CAP_, upper case', 128),
    capDrop: s.list(s.string('', 64), 'names without CAP_, upper case', 128),
    user: s.string('Config.User', 256),
    readOnlyRoot: s.boolean('HostConfig.ReadonlyRootfs'),
    networkMode: s.string('HostConfig.NetworkMode: `bridge`, `host`, `none`, `container:ID` or a network', 256),
    pidMode: s.string('HostConfig.PidMode: empty, `host` or `container:ID`', 256),
    ipcMode: s.string('HostConfig.IpcMode: `private`, `shareable`, `host`, `none` or `container:ID`', 256),
    utsMode: s.string('HostConfig.UTSMode: empty or `host`', 256),
    usernsMode: s.string('HostConfig.UsernsMode: empty or `host`', 256),
    cgroupnsMode: s.string('HostConfig.CgroupnsMode: `private`, `host`, or empty for the default of the daemon', 256),
    cgroupParent: s.string('HostConfig.CgroupParent; empty for the default', 1024),
    memoryBytes: s.integer('0: no limit'),
    pidsLimit: s.integer('0 or -1: no limit'),
    cpuShares: s.integer('0: default'),
    nanoCpus: s.integer('0: no limit'),
    cpuQuota: s.integer('0 or -1: no limit'),
    cpuPeriod: s.integer('of the quota, in microseconds; 0: 100000'),
    cpusetCpus: s.string('HostConfig.CpusetCpus: `0-2,5`; empty for no restriction', 1024),
    restartPolicy: s.string('no, on-failure, always, unless-stopped', 32),
    restartMaximum: s.integer('MaximumRetryCount; 0: no bound'),
    devices: s.list(
      s.object({ path: s.string('on the node', 4096), permissions: s.string('of `rwm`: read, write, mknod', 16) }),
      'Devices',
      1024,
    ),
    deviceRequests: s.integer('number of DeviceRequests (GPUs …)'),
    deviceCgroupRules: s.list(s.string('', 256), 'HostConfig.DeviceCgroupRules: `c 1:3 rwm`', 256),
    maskedPaths: s.nullable(
      s.list(s.string('', 1024), '', 256),
      'HostConfig.MaskedPaths: paths that the runtime hides; null: it does not report them',
    ),
    readonlyPaths: s.nullable(
      s.list(s.string('', 1024), '', 256),
      'HostConfig.ReadonlyPaths: paths that the runtime mounts read-only; null: it does not report them',
    ),
    mounts: s.list(
      s.object({
        type: s.string('bind, volume, tmpfs …', 32),
        source: s.string('path on the host', 4096),
        destination: s.string('path in the container', 4096),
        writable: s.boolean('false for a read-only mount'),
        propagation: s.string('rprivate, private, rshared, shared, rslave or slave', 32),
      }),
      'Mounts: binds, volumes and tmpfs',
      4096,
    ),
    engineFiles: s.list(
      s.string('', 4096),
      'files that the engine made for the container: hostname, hosts, resolv.conf',
      16,
    ),
    ports: s.list(
      s.object({
        containerPort: s.string('`80/tcp`', 32),
        hostIp: s.string('address of the host that the port is bound to; empty for all', 64),
        hostPort: s.integer('port of the host; 0 until the engine has chosen one'),
      }),
      'published ports',
      8192,
    ),
    ulimits: s.withDefault(
      s.list(
        s.object({
          name: s.string('`nofile`', 64),
          soft: s.integer('-1: unlimited'),
          hard: s.integer('-1: unlimited'),
        }),
        'HostConfig.Ulimits; engines add the defaults of their daemon when the container is created',
        64,
      ),
      [],
    ),
    networks: s.list(s.string('', 256), 'names of the networks that the container is attached to', 256),
    health: s.string('none, starting, healthy, unhealthy', 32),
    logDriver: s.string('HostConfig.LogConfig.Type', 64),
  },
  'what the runtime was asked for: its own record of the container',
);
/** See {@link declaredSchema}. */
export type Declared = s.Infer<typeof declaredSchema>;

/** Seccomp as it is on the weakest thread of the container. */
export const seccompSchema = s.object({
  mode: s.oneOf(['disabled', 'strict', 'filter'], 'weakest over all threads'),
  filters: s.integer('smallest number of filters over all threads; -1 where the kernel does not say'),
  threads: s.integer('threads that were read'),
  weakest: s.string('file with the weakest thread, `/proc/4121/task/4133/status`', 256),
});

/** Capability sets as hex words of the kernel, joined by OR over all threads that were read. */
export const capabilitiesSchema = s.object(
  {
    effective: hexSet('CapEff'),
    permitted: hexSet('CapPrm'),
    inheritable: hexSet('CapInh'),
    bounding: hexSet('CapBnd'),
    ambient: hexSet('CapAmb'),
  },
  'capability sets as hexadecimal words',
);
/** See {@link capabilitiesSchema}. */
export type Capabilities = s.Infer<typeof capabilitiesSchema>;

const namespaceSchema = s.object({
  inode: s.integer('inode number of the namespace'),
  host: s.boolean('true for the namespace of pid 1'),
});

/** One line of `/proc/PID/mountinfo`. */
export const mountSchema = s.object({
  id: s.integer('number of the mount'),
  parent: s.integer('number of the mount that it is mounted on'),
  root: s.string('path within the mounted file system', 4096),
  mountPoint: s.string('path in the container', 4096),
  readOnly: s.boolean('the mount itself is read-only (`ro` among its options)'),
  shared: s.boolean('propagates to its peer group'),
  peerGroup: s.integer('number of its peer group (`shared:N`); 0: none'),
  fsType: s.string('file system type, `ext4`', 64),
  source: s.string('device or source', 4096),
  device: s.string('major:minor', 32),
  sharedWithNode: s.boolean('propagates to mounts of the node (pid 1)'),
  origin: s.oneOf(
    ['container', 'node', 'unresolved'],
    'container: a file system of its own; node: the node has it mounted too; unresolved: it cannot be said',
  ),
  nodePaths: s.list(
    s.string('', 8192),
    'every path of the node (pid 1) that leads to these files or a part of them',
    64,
  ),
  wholePaths: s.withDefault(
    s.list(
      s.object({
        path: s.string('one of `nodePaths`', 8192),
        mountPoint: s.string('mount point of the node that the path leads through', 8192),
      }),
      'those of `nodePaths` that lead to all of these files, where there are several',
      64,
    ),
    [],
  ),
});
/** See {@link mountSchema}. */
export type Mount = s.Infer<typeof mountSchema>;

const namespacesSchema = s.object(
  {
    cgroup: observed(namespaceSchema, 'cgroup namespace'),
    ipc: observed(namespaceSchema, 'IPC namespace'),
    mnt: observed(namespaceSchema, 'mount namespace'),
    net: observed(namespaceSchema, 'network namespace'),
    pid: observed(namespaceSchema, 'PID namespace'),
    user: observed(namespaceSchema, 'user namespace'),
    uts: observed(namespaceSchema, 'UTS namespace'),
  },
  'namespaces by type, from `/proc/PID/ns`',
);

/** Threads of a container that run under the same user ids, label and namespaces. */
export const securityContextSchema = s.object({
  source: s.string('directory of one of these threads, `/proc/4121/task/4133`', 64),
  threads: s.integer('how many threads'),
  uids: s.list(s.integer(), 'real, effective, saved and file system user id as the node sees them', 4),
  nested: s.boolean('in a user namespace below that of the container: its capabilities count in there only'),
  capabilities: capabilitiesSchema,
  lsmLabel: observed(
    s.string('', 1024),
    '`/proc/PID/attr/current`; absent without a security module that labels processes',
  ),
  namespaces: namespacesSchema,
});
/** See {@link securityContextSchema}. */
export type SecurityContext = s.Infer<typeof securityContextSchema>;

/** The mounts in a mount namespace of a container that is not the one of its first process. */
export const mountNamespaceSchema = s.object({
  inode: s.integer('inode number of the namespace'),
  host: s.boolean('true for the namespace of pid 1'),
  mounts: observed(s.list(mountSchema, '', 20_000), '`mountinfo` of a thread in it'),
});
/** See {@link mountNamespaceSchema}. */
export type MountNamespace = s.Infer<typeof mountNamespaceSchema>;

const controlSocketSchema = s.object({
  path: s.string('on the node; `@…` where it is an abstract socket', 8192),
  at: s.string('path in the container', 8192),
  mount: s.integer('id of the mount that it is reached through; 0: none is needed'),
  covered: s.boolean('another mount of the container covers it'),
});
/** A socket that controls a container engine, and where a container finds it. */
export type ReachableSocket = s.Infer<typeof controlSocketSchema>;

/** How an engine runs a container. */
export const handlerSchema = s.object(
  {
    name: s.string(
      'name that was requested: `HostConfig.Runtime`, runtime handler of the pod; empty: not reported',
      256,
    ),
    program: s.string(
      'what the configuration of the engine says that it is: path of an OCI runtime, or type of a containerd shim; empty: not reported',
      512,
    ),
    sandbox: s.string('id of the sandbox of its pod, which may name its processes; empty outside of pods', 128),
  },
  'the OCI runtime or shim that the engine was told to run it with',
);
/** See {@link handlerSchema}. */
export type Handler = s.Infer<typeof handlerSchema>;
/** The handler where the engine does not report one. */
export const UNKNOWN_HANDLER: Handler = Object.freeze({ name: '', program: '', sandbox: '' });

/** The kernel of a container that does not share that of the node, and the process of the node that runs it. */
export const ownKernelSchema = s.object({
  kind: s.oneOf(['gvisor', 'vm'], 'gvisor: a kernel in a process; vm: a virtual machine'),
  program: s.string('executable of the process that runs it, `/usr/bin/runsc`', 4096),
  uids: s.list(s.integer(), 'real, effective, saved and file system user id of that process', 4),
  capabilities: hexSet('CapEff of that process'),
  filtered: s.boolean('every thread of it has a seccomp filter'),
});
/** See {@link ownKernelSchema}. */
export type OwnKernel = s.Infer<typeof ownKernelSchema>;

const KERNEL_NAMES = Object.freeze({ gvisor: 'gVisor', vm: 'virtual machine' } satisfies Record<
  OwnKernel['kind'],
  string
>);

/** Why nothing that the node's kernel says of the process of a sandbox describes the container. */
export function ownKernelReason({ kind, program }: Pick<OwnKernel, 'kind' | 'program'>): string {
  return `the container has a kernel of its own (${KERNEL_NAMES[kind]}, ${program}), which the agent does not see into`;
}

const runtimeFields = {
  id: s.string('full id', 128),
  kind: s.oneOf(
    CONTAINER_KINDS,
    '`sandbox`: made by the runtime to hold the namespaces of a pod, often from an image named pause',
  ),
  name: s.string('name of the container, without the leading slash; `(sandbox)` for a sandbox', 512),
  runtime: s.string('name of the container runtime: `docker`, `containerd`, `cri-o` …', 32),
  engine: s.string('endpoint of the engine that runs it', 4096),
  pod: s.string(
    'name of its pod, from the runtime, or for Docker from the name of the container where it agrees with `podUid`; empty outside of pods. Labels do not count',
    256,
  ),
  namespace: s.string('namespace of its pod; empty outside of pods', 256),
  workload: s.string(
    'name of what started its pod, as the form of the name of the pod shows it; empty outside of pods',
    256,
  ),
  podUid: s.string(
    'uid of its pod, from the runtime, or from the cgroup of the container where the kubelet has a directory for that pod; empty outside of pods. Labels do not count',
    64,
  ),
  image: s.string('reference that it was started from', 1024),
  imageId: s.string('sha256:…', 128),
  imageDigest: s.string(
    'reference with the digest in its registry, `shop/db@sha256:…`; empty where the runtime gives none',
    1024,
  ),
  state: s.oneOf(CONTAINER_STATES, '`restarting`: it ended and is about to be started again'),
  pid: s.integer('first process, in the pid namespace of the node; 0 where none runs'),
  startedAt: s.string('RFC 3339', 64),
  endedAt: s.withDefault(
    s.string('RFC 3339: when it ended, or was created if it never ran; empty while it runs or where not known', 64),
    '',
  ),
  handler: s.withDefault(handlerSchema, UNKNOWN_HANDLER),
  declared: declaredSchema,
  sources: s.record(
    s.string('', 128),
    'where the runtime gives the state, the image and each value of `declared`, by field',
    64,
  ),
};

/** The part of a container fact that the runtime gives. */
export const runtimeContainerSchema = s.object(runtimeFields);
/** See {@link runtimeContainerSchema}. */
export type RuntimeContainer = s.Infer<typeof runtimeContainerSchema>;

const containerFields = {
  ...runtimeFields,
  ownKernel: s.withDefault(
    observed(
      ownKernelSchema,
      'the kernel of a container that does not share that of the node; absent: it shares it; unreadable: the evidence contradicts. What describes processes is then unreadable',
    ),
    absent('not recorded'),
  ),
  processes: observed(s.integer(), 'processes in the cgroup of the container'),
  complete: s.boolean('false: not every thread was read, so a pass cannot be given for all of them'),
  incompleteReason: s.string('why it is not complete; empty where it is', 512),
  seccomp: observed(seccompSchema, '`/proc/PID/task/TID/status`, every thread of every process'),
  noNewPrivs: observed(s.boolean(), 'true: set on every thread'),
  capabilities: observed(
    capabilitiesSchema,
    'joined by OR over every thread that is in the user namespace of the container, not in one below it',
  ),
  uid: observed(s.integer(), 'effective user id of the first process as the node sees it'),
  uids: observed(s.list(s.integer(), '', 4), 'its real, effective, saved and file system user id'),
  uidMap: observed(
    s.list(
      s.object({
        inside: s.integer('first user id inside the container'),
        outside: s.integer('the user id of the host that it is mapped to'),
        count: s.integer('number of consecutive ids'),
      }),
      '',
      512,
    ),
    '`/proc/PID/uid_map`',
  ),
  lsmLabel: observed(s.string('', 1024), '`/proc/PID/attr/current`; absent where no module labels processes'),
  namespaces: namespacesSchema,
  otherContexts: s.list(
    securityContextSchema,
    'threads that differ from the first process in user ids, label or namespaces',
    256,
  ),
  mounts: observed(s.list(mountSchema, '', 20_000), '`/proc/PID/mountinfo`'),
  mountNamespaces: s.list(mountNamespaceSchema, 'mount namespaces that other threads are in', 64),
  controlSockets: observed(
    s.list(controlSocketSchema, '', 64),
    'live control sockets of container engines that its mounts or its network make reachable',
  ),
  deviceRules: observed(
    s.list(s.string('`c 1:3 rwm`', 64), '', 1024),
    '`devices.list` of its cgroup; absent in version 2, where an eBPF program that cannot be read decides',
  ),
  memoryMaxBytes: observed(s.integer(), 'lowest memory limit of the cgroup and its ancestors; -1: none'),
  pidsMax: observed(s.integer(), 'lowest pids limit of the cgroup and its ancestors; -1: none'),
  cpu: s.object(
    {
      maxMillicores: observed(
        s.integer(),
        'lowest CPU quota of the cgroup and its ancestors, in thousandths of a processor; -1: none',
      ),
      weightPermille: observed(s.integer(), 'weight of the cgroup, in thousandths of the default weight'),
      processors: observed(s.integer(), 'number of processors that the cgroup may run on'),
    },
    'what the cgroup gets of the processors',
  ),
  limits: observed(
    s.object({
      openFiles: s.integer('hard limit of open files; -1: unlimited'),
      processes: s.integer('hard limit of processes of the user; -1: unlimited'),
    }),
    '`/proc/PID/limits` of the first process',
  ),
  execs: observed(
    s.object({
      firstBounding: hexSet('CapBnd of the first process'),
      sessions: s.list(
        s.object({
          source: s.string('`/proc/4133`', 64),
          uids: s.list(s.integer(), 'real, effective, saved and file system user id as the node sees them', 4),
          bounding: hexSet('CapBnd'),
          effective: hexSet('CapEff'),
        }),
        'first process of each session',
        256,
      ),
    }),
    'sessions of `docker exec` that run now: processes that the supervisor of the container started after the first one; in a pid namespace that is shared also orphans, which cannot be told from them',
  ),
  hostPorts: s.withDefault(
    observed(
      s.list(
        s.object({
          port: s.integer('TCP port of the node, below 1024'),
          address: s.string('bound address, `0.0.0.0`', 64),
          source: s.string('`/proc/4121/fd`, where the socket was found', 64),
        }),
        '',
        256,
      ),
      'privileged ports of the node that its processes listen on; absent where none of them is in the network namespace of the node',
    ),
    unreadable('/proc/PID/fd', 'not recorded'),
  ),
  programs: observed(
    s.list(s.string('', 64), '', 4096),
    'names (`comm`) of the processes and of the files that they run (`exe`), each once',
  ),
};

const CONTAINER_DOC = 'a container; where it does not run, nothing but what was asked for is known';

/** One container: what was asked for beside what the kernel enforces. */
export const containerSchema = s.object(containerFields, CONTAINER_DOC);
/** See {@link containerSchema}. */
export type ContainerFact = s.Infer<typeof containerSchema>;

/** All containers; unreadable where the runtime could not be asked, absent where there is no runtime. */
export const containersSchema = observed(
  s.list(containerSchema, '', 50_000),
  'containers, running or not; of those that do not run the 1,000 newest',
);

/** Labels of a container that a query reads at most. */
export const MAX_LABELS = 128;

/** The labels of one container. */
export const labelsSchema = observed(
  s.record(s.string('', 1024), '', MAX_LABELS),
  'labels by name, read only for a query that names them; secrets are redacted. Whoever starts the container chooses them',
);
/** See {@link labelsSchema}. */
export type ContainerLabels = s.Infer<typeof labelsSchema>;

/** The containers as queries see them: with their labels, where the query names these. */
export const queriedContainersSchema = observed(
  s.list(s.object({ ...containerFields, labels: labelsSchema }, CONTAINER_DOC), '', 50_000),
  'containers, running or not; of those that do not run the 1,000 newest',
);
/** See {@link containersSchema}. */
export type ContainersFact = s.Infer<typeof containersSchema>;

/** How a container is called for people: with its namespace and pod, where it has them. */
export function containerName(container: {
  readonly name: string;
  readonly pod?: string;
  readonly namespace?: string;
}): string {
  const { name, pod = '', namespace = '' } = container;
  return pod === '' ? name : `${namespace}/${pod}/${name}`;
}

/** Does the container run, or is it about to be started again? */
export function isRunning({ state }: { readonly state: string }): boolean {
  return state === 'running' || state === 'paused' || state === 'restarting';
}

/** Namespace types of a container fact. */
export type NamespaceName = keyof ContainerFact['namespaces'];

/** Names the places where the runtime gives these values of a container, for evidence. */
export function sourceOf(
  { runtime, sources }: Pick<ContainerFact, 'runtime' | 'sources'>,
  ...fields: readonly (keyof Declared | 'state' | 'image')[]
): string {
  return [...new Set(fields.map((field) => sources[field] ?? `${runtime} ${field}`))].join(', ');
}
