import { credentials, Client } from '@grpc/grpc-js';
import protobuf from 'protobufjs';

/** What a kubelet starts on a runtime, with the calls that it uses for that. */
export interface Kubelet {
  /** Starts the sandbox of a pod; resolves to its id. */
  readonly runPod: (pod: PodOptions) => Promise<string>;
  /** Creates a container in a pod; resolves to its id. */
  readonly createContainer: (sandboxId: string, name: string, options?: ContainerOptions) => Promise<string>;
  readonly startContainer: (id: string) => Promise<void>;
  readonly stopContainer: (id: string) => Promise<void>;
  readonly removePods: () => Promise<void>;
  readonly close: () => void;
}

/** Numbers are those of the CRI: namespaces 0 pod, 1 container, 2 node; seccomp 0 default, 1 none, 2 a file. */
export interface PodOptions {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly hostPid?: boolean;
  readonly hostIpc?: boolean;
  readonly privileged?: boolean;
  readonly labels?: Readonly<Record<string, string>>;
  readonly portMappings?: readonly object[];
  readonly runtimeHandler?: string;
}

/** What is asked for beyond the defaults of a kubelet. */
export interface ContainerOptions {
  readonly command?: readonly string[];
  readonly securityContext?: Readonly<Record<string, unknown>>;
  readonly resources?: object;
  readonly mounts?: readonly object[];
  readonly devices?: readonly object[];
}

/** The requests, with the field numbers of the API; written apart from the adapter, which only reads. */
const REQUESTS = `syntax = "proto3";
message Metadata { string name = 1; string uid = 2; string namespace = 3; uint32 attempt = 4; }
message ContainerMetadata { string name = 1; uint32 attempt = 2; }
message NamespaceOption { int32 network = 1; int32 pid = 2; int32 ipc = 3; }
message Int64Value { int64 value = 1; }
message Profile { int32 profileType = 1; string localhostRef = 2; }
message SandboxSecurity { NamespaceOption namespaceOptions = 1; bool privileged = 6; Profile seccomp = 9; }
message SandboxLinux { string cgroupParent = 1; SandboxSecurity securityContext = 2; }
message PortMapping { int32 protocol = 1; int32 containerPort = 2; int32 hostPort = 3; string hostIp = 4; }
message SandboxConfig {
  Metadata metadata = 1; string logDirectory = 3; repeated PortMapping portMappings = 5;
  map<string, string> labels = 6; SandboxLinux linux = 8;
}
message RunPodSandboxRequest { SandboxConfig config = 1; string runtimeHandler = 2; }
message IdReply { string id = 1; }
message Capability { repeated string addCapabilities = 1; repeated string dropCapabilities = 2; }
message ContainerSecurity {
  Capability capabilities = 1; bool privileged = 2; NamespaceOption namespaceOptions = 3; Int64Value runAsUser = 5;
  string runAsUsername = 6; bool readonlyRootfs = 7; bool noNewPrivs = 11; repeated string maskedPaths = 13;
  repeated string readonlyPaths = 14; Profile seccomp = 15;
}
message Resources { int64 cpuPeriod = 1; int64 cpuQuota = 2; int64 cpuShares = 3; int64 memoryLimitInBytes = 4; }
message ContainerLinux { Resources resources = 1; ContainerSecurity securityContext = 2; }
message Mount { string containerPath = 1; string hostPath = 2; bool readonly = 3; int32 propagation = 5; }
message Device { string containerPath = 1; string hostPath = 2; string permissions = 3; }
message KeyValue { string key = 1; string value = 2; }
message ImageSpec { string image = 1; }
message ContainerConfig {
  ContainerMetadata metadata = 1; ImageSpec image = 2; repeated string command = 3; repeated KeyValue envs = 6;
  repeated Mount mounts = 7; repeated Device devices = 8; ContainerLinux linux = 15;
}
message CreateContainerRequest { string podSandboxId = 1; ContainerConfig config = 2; SandboxConfig sandboxConfig = 3; }
message IdRequest { string id = 1; int64 timeout = 2; }
`;

/** What every container is given by a kubelet (kubernetes: pkg/securitycontext/util.go). */
const MASKED = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
];
const READ_ONLY = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** Where pods are started. */
export interface KubeletOptions {
  readonly socketPath: string;
  readonly cgroup: string;
  readonly image: string;
  readonly logDirectory: string;
}

/** A kubelet that does what the test says. Pods use the network of the node, so that no network plugin is needed. */
export function createKubelet({ socketPath, cgroup, image, logDirectory }: KubeletOptions): Kubelet {
  const { root } = protobuf.parse(REQUESTS, { keepCase: false });
  const client = new Client(`unix:${socketPath}`, credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
  });
  const call = (method: string, request: string, body: object): Promise<string> =>
    new Promise((resolve, reject) => {
      const type = root.lookupType(request);
      const reply = root.lookupType('IdReply');
      client.makeUnaryRequest(
        `/runtime.v1.RuntimeService/${method}`,
        (value: object) => Buffer.from(type.encode(type.fromObject(value)).finish()),
        (bytes: Buffer) => (reply.decode(bytes) as unknown as { readonly id: string }).id,
        body,
        { deadline: Date.now() + 30_000 },
        (error, id) => (error === null ? resolve(id ?? '') : reject(error)),
      );
    });
  const pods = new Map<string, object>();
  const options = ({ hostPid, hostIpc }: PodOptions): object => ({
    network: 2,
    pid: hostPid === true ? 2 : 1,
    ipc: hostIpc === true ? 2 : 0,
  });
  return {
    runPod: async (pod) => {
      const uid =
        pod.uid ?? `${String(pods.size).padStart(8, '0')}-1111-2222-3333-${String(process.pid).padStart(12, '0')}`;
      const config = {
        metadata: { name: pod.name, uid, namespace: pod.namespace ?? 'shop', attempt: 0 },
        logDirectory,
        portMappings: pod.portMappings ?? [],
        labels: pod.labels ?? {},
        linux: {
          cgroupParent: `${cgroup}/pod${uid}`,
          securityContext: {
            namespaceOptions: options(pod),
            privileged: pod.privileged ?? false,
            seccomp: { profileType: pod.privileged === true ? 1 : 0 },
          },
        },
      };
      const { runtimeHandler = '' } = pod;
      const id = await call('RunPodSandbox', 'RunPodSandboxRequest', { config, runtimeHandler });
      pods.set(id, config);
      return id;
    },
    createContainer: (
      podSandboxId,
      name,
      { command = ['/bin/sleep', '3600'], securityContext, resources, mounts = [], devices = [] } = {},
    ) => {
      const sandboxConfig = pods.get(podSandboxId) as { readonly linux: { readonly securityContext: object } };
      const { namespaceOptions } = sandboxConfig.linux.securityContext as { readonly namespaceOptions: object };
      const privileged = securityContext?.['privileged'] === true;
      const security = {
        namespaceOptions,
        seccomp: { profileType: privileged ? 1 : 0 },
        ...(privileged ? {} : { maskedPaths: MASKED, readonlyPaths: READ_ONLY }),
        ...securityContext,
      };
      const config = {
        metadata: { name, attempt: 0 },
        image: { image },
        command,
        envs: [{ key: 'PASSWORD', value: 'correct-horse-battery' }],
        mounts,
        devices,
        linux: { resources: resources ?? {}, securityContext: security },
      };
      return call('CreateContainer', 'CreateContainerRequest', { podSandboxId, config, sandboxConfig });
    },
    startContainer: async (id) => void (await call('StartContainer', 'IdRequest', { id })),
    stopContainer: async (id) => void (await call('StopContainer', 'IdRequest', { id, timeout: 0 })),
    removePods: async () => {
      for (const id of pods.keys()) {
        await call('StopPodSandbox', 'IdRequest', { id });
        await call('RemovePodSandbox', 'IdRequest', { id });
      }
      pods.clear();
    },
    close: () => client.close(),
  };
}
