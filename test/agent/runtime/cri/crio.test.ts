import { status } from '@grpc/grpc-js';
import t from 'tap';
import type { Test } from 'tap';
import { createCriRuntime } from '../../../../agent/runtime/cri/cri-runtime.ts';
import type { ContainerRuntime } from '../../../../agent/runtime/runtime.ts';
import { criMessage, startCriServer } from './cri-server.ts';
import type { CriHandler } from './cri-server.ts';

/*
 * What CRI-O answers, written from its source (server/container_status.go, sandbox_status.go, image_status.go,
 * runtime_status.go, version.go): ids of images without `sha256:`, no request of the kubelet in the details, ports in an
 * annotation of the sandbox, and no process of the sandbox unless the pod shares one (drop_infra_ctr).
 */
const CONTAINER = 'c1'.repeat(32);
const SANDBOX = '5a'.repeat(32);
const IMAGE = '1d'.repeat(32);
const REFERENCE = `quay.io/shop/web@sha256:${'d1'.repeat(32)}`;
const CAPABILITIES = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FSETID',
  'CAP_FOWNER',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETPCAP',
  'CAP_NET_BIND_SERVICE',
  'CAP_KILL',
  'CAP_SYS_ADMIN',
];

const SPEC = {
  ociVersion: '1.2.1',
  process: {
    user: { uid: 1001, gid: 2001 },
    args: ['/web', '--password=hunter2'],
    env: ['TOKEN=hunter2'],
    capabilities: { bounding: CAPABILITIES, effective: CAPABILITIES, permitted: CAPABILITIES },
    noNewPrivileges: true,
    selinuxLabel: 'system_u:system_r:container_t:s0:c4,c5',
  },
  root: { path: '/var/lib/containers/storage/overlay/x/merged', readonly: true },
  mounts: [
    { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid'] },
    {
      destination: '/etc/hosts',
      type: 'bind',
      source: '/var/lib/kubelet/pods/7f3e/etc-hosts',
      options: ['rw', 'rbind', 'rprivate'],
    },
    {
      destination: '/etc/resolv.conf',
      type: 'bind',
      source: `/run/containers/storage/overlay-containers/${SANDBOX}/userdata/resolv.conf`,
      options: ['ro', 'bind'],
    },
    { destination: '/host', type: 'bind', source: '/', options: ['ro', 'rbind', 'rslave'] },
  ],
  linux: {
    cgroupsPath: `kubepods-burstable-pod7f3e.slice:crio:${CONTAINER}`,
    resources: {
      devices: [
        { allow: false, access: 'rwm' },
        { allow: true, type: 'c', major: 10, minor: 229, access: 'rwm' },
      ],
      memory: { limit: 134217728 },
      cpu: { shares: 102, quota: 50000, period: 100000 },
      pids: { limit: 512 },
    },
    namespaces: [
      { type: 'pid' },
      { type: 'network', path: '/var/run/netns/x' },
      { type: 'ipc', path: '/var/run/ipcns/x' },
      { type: 'mount' },
      { type: 'cgroup' },
    ],
    devices: [{ path: '/dev/fuse', type: 'c', major: 10, minor: 229 }],
    seccomp: {
      defaultAction: 'SCMP_ACT_ERRNO',
      syscalls: [{ names: ['read', 'write', 'mount', 'bpf'], action: 'SCMP_ACT_ALLOW' }],
    },
    maskedPaths: ['/proc/kcore'],
    readonlyPaths: ['/proc/sys'],
  },
};

const PORTS = JSON.stringify([{ HostPort: 443, ContainerPort: 8443, Protocol: 'TCP', HostIP: '' }]);

/** The answers by method; labels of the pod say otherwise than its metadata. */
function crio(overrides: Readonly<Record<string, object>> = {}): CriHandler {
  const labels = { 'io.kubernetes.pod.name': 'other', 'io.kubernetes.pod.namespace': 'kube-system' };
  const metadata = { name: 'web-6f4d8b9c7d-x2x4p', uid: '7f3e', namespace: 'shop' };
  const answers: Record<string, object> = {
    Version: { version: '0.1.0', runtimeName: 'cri-o', runtimeVersion: '1.34.1', runtimeApiVersion: 'v1' },
    Status: { info: { config: JSON.stringify({ sandboxImage: 'registry.k8s.io/pause:3.10', crio: {} }) } },
    ListContainers: {
      containers: [
        {
          id: CONTAINER,
          podSandboxId: SANDBOX,
          metadata: { name: 'web' },
          imageRef: REFERENCE,
          imageId: IMAGE,
          state: 1,
          labels,
        },
      ],
    },
    ListPodSandbox: { items: [{ id: SANDBOX, metadata, state: 0, labels }] },
    PodSandboxStatus: {
      status: {
        id: SANDBOX,
        metadata,
        state: 0,
        createdAt: '1767323045000000000',
        labels,
        linux: { namespaces: { options: { network: 0, pid: 1, ipc: 0 } } },
      },
      info: {
        info: JSON.stringify({
          runtimeSpec: { ociVersion: '1.2.1', annotations: { 'io.kubernetes.cri-o.PortMappings': PORTS } },
        }),
      },
    },
    ContainerStatus: {
      status: {
        id: CONTAINER,
        metadata: { name: 'web' },
        state: 1,
        createdAt: '1767323045000000000',
        startedAt: '1767323046000000000',
        image: { image: 'quay.io/shop/web:1.4' },
        imageRef: REFERENCE,
        imageId: IMAGE,
        labels,
      },
      info: { info: JSON.stringify({ sandboxID: SANDBOX, pid: 4121, runtimeSpec: SPEC, privileged: false }) },
    },
    ImageStatus: {
      image: { id: IMAGE, repoTags: ['quay.io/shop/web:1.4'], repoDigests: [REFERENCE], uid: { value: 1001 } },
      info: {
        info: JSON.stringify({
          imageSpec: {
            created: '2026-01-02T03:04:05Z',
            config: { Env: ['A=b', 'API_TOKEN=hunter2Xq7vT2'] },
            history: [{ created_by: 'RUN one' }, { created_by: 'RUN two' }],
          },
        }),
      },
    },
    ...overrides,
  };
  return ({ method, request }) => {
    const isKnown = method !== 'ImageStatus' || (request.includes(IMAGE) && !request.includes('sha256:'));
    return criMessage(method, isKnown ? (answers[method] ?? {}) : {});
  };
}

async function runtimeOf(t: Test, handler: CriHandler, versions?: string[]): Promise<ContainerRuntime> {
  return createCriRuntime({ endpoint: `unix://${await startCriServer(t, handler, versions)}` });
}

void t.test('a container of CRI-O', async (t) => {
  const runtime = await runtimeOf(t, crio());
  t.match(await runtime.version(), { value: { version: '1.34.1', apiVersion: 'v1' } });
  t.equal(runtime.name, 'cri-o');
  t.match(await runtime.listContainers(), {
    value: [
      { id: CONTAINER, names: ['web'], state: 'running', imageId: `sha256:${IMAGE}` },
      { id: SANDBOX, names: ['(sandbox)'], state: 'running' },
    ],
  });
  const reply = await runtime.inspectContainer(CONTAINER);
  t.match(reply, {
    value: {
      kind: 'container',
      name: 'web',
      runtime: 'cri-o',
      pod: 'web-6f4d8b9c7d-x2x4p',
      namespace: 'shop',
      workload: 'web',
      podUid: '7f3e',
      image: 'quay.io/shop/web:1.4',
      imageId: `sha256:${IMAGE}`,
      imageDigest: REFERENCE,
      state: 'running',
      pid: 4121,
      startedAt: '2026-01-02T03:04:06.000Z',
    },
  });
  t.match(reply.ok && reply.value.declared, {
    privileged: false,
    seccompProfile: 'custom',
    seccompSummary: { allowed: ['bpf', 'mount'] },
    selinuxLabel: 'system_u:system_r:container_t:s0:c4,c5',
    noNewPrivileges: true,
    capAdd: ['SYS_ADMIN'],
    capDrop: ['MKNOD', 'NET_RAW', 'SETFCAP', 'SYS_CHROOT', 'AUDIT_WRITE'],
    user: '1001:2001',
    readOnlyRoot: true,
    networkMode: 'pod',
    pidMode: '',
    ipcMode: 'pod',
    cgroupnsMode: 'private',
    cgroupParent: 'kubepods-burstable-pod7f3e.slice',
    memoryBytes: 134217728,
    cpuShares: 102,
    cpuQuota: 50000,
    pidsLimit: 512,
    devices: [{ path: '/dev/fuse' }],
    deviceCgroupRules: ['c 10:229 rwm'],
    mounts: [
      {
        source: '/var/lib/kubelet/pods/7f3e/etc-hosts',
        destination: '/etc/hosts',
        writable: true,
        propagation: 'rprivate',
      },
      { source: '/', destination: '/host', writable: false, propagation: 'rslave' },
    ],
    engineFiles: [`/run/containers/storage/overlay-containers/${SANDBOX}/userdata/resolv.conf`],
    ports: [{ containerPort: '8443/tcp', hostIp: '', hostPort: 443 }],
  });
  t.notMatch(JSON.stringify(reply), /hunter2|kube-system/, 'no environment, no argument, no label');
  t.match(await runtime.inspectContainer(SANDBOX), {
    value: { kind: 'sandbox', name: '(sandbox)', state: 'created', pid: 0 },
  });
  t.match(await runtime.inspectImage(`sha256:${IMAGE}`), {
    value: {
      id: `sha256:${IMAGE}`,
      tags: ['quay.io/shop/web:1.4'],
      user: '1001',
      environmentSecrets: { state: 'seen', value: ['API_TOKEN'] },
      history: { value: ['RUN one', 'RUN two'] },
    },
  });
});

void t.test('a runtime that only has the older version of the API', async (t) => {
  const calls: string[] = [];
  const handler: CriHandler = (call) => {
    calls.push(`${call.version} ${call.method}`);
    return crio()(call);
  };
  const runtime = await runtimeOf(t, handler, ['v1alpha2']);
  t.match(await runtime.inspectContainer(CONTAINER), { value: { pod: 'web-6f4d8b9c7d-x2x4p', runtime: 'cri-o' } });
  t.ok(calls.length > 0 && calls.every((call) => call.startsWith('v1alpha2 ')));
});

void t.test('a socket that serves something else', async (t) => {
  const none = await runtimeOf(t, crio(), []);
  t.match(await none.version(), {
    ok: false,
    code: 'malformed',
    reason: /no version of the Container Runtime Interface/,
  });
  const dockershim = await runtimeOf(t, crio({ Version: { runtimeName: 'docker', runtimeVersion: '28.0' } }));
  t.match(await dockershim.version(), { ok: false, code: 'malformed', reason: /those of Docker/ });
});

void t.test('privileged, the way each runtime says it', async (t) => {
  const info = (details: object, linux: object = {}): Record<string, object> => ({
    ContainerStatus: {
      status: { id: CONTAINER, metadata: { name: 'web' }, state: 1 },
      info: { info: JSON.stringify({ sandboxID: SANDBOX, pid: 4121, runtimeSpec: { linux }, ...details }) },
    },
  });
  const all = { resources: { devices: [{ allow: true, access: 'rwm' }] } };
  const none = { resources: { devices: [{ allow: false, access: 'rwm' }] } };
  const cases: readonly [object, object, boolean][] = [
    [{ privileged: true }, {}, true],
    [{ config: { linux: { security_context: { privileged: true } } } }, {}, true],
    [{}, all, true],
    [{}, none, false],
  ];
  for (const [details, linux, privileged] of cases) {
    const reply = await (await runtimeOf(t, crio(info(details, linux)))).inspectContainer(CONTAINER);
    t.match(reply, { value: { declared: { privileged } } }, JSON.stringify([details, linux]));
  }
});

void t.test('what is the matter with one container does not make it disappear', async (t) => {
  const statusOf = (state: number, info?: object): Record<string, object> => ({
    ContainerStatus: {
      status: { id: CONTAINER, metadata: { name: 'web' }, state },
      ...(info === undefined ? {} : { info: { info: JSON.stringify(info) } }),
    },
  });
  const running = { sandboxID: SANDBOX, pid: 4121, runtimeSpec: {} };
  const cases: readonly [string, Record<string, object>, object][] = [
    ['no process', statusOf(1, { ...running, pid: 0 }), { code: 'failed', reason: /does not name its first process/ }],
    ['an unknown state', statusOf(3, running), { code: 'failed', reason: /does not know its state/ }],
    ['a state of the future', statusOf(77, running), { code: 'failed', reason: /does not know its state/ }],
    ['no details', statusOf(1), { code: 'malformed', reason: /no details/ }],
    ['no configuration', statusOf(1, { sandboxID: SANDBOX, pid: 1 }), { code: 'malformed' }],
    ['no sandbox', statusOf(1, { ...running, sandboxID: '../x\n' }), { code: 'failed', reason: /its pod/ }],
    [
      'another container',
      { ContainerStatus: { status: { id: SANDBOX, state: 1 } } },
      { code: 'malformed', reason: /another container/ },
    ],
  ];
  for (const [name, overrides, expected] of cases)
    t.match(await (await runtimeOf(t, crio(overrides))).inspectContainer(CONTAINER), { ok: false, ...expected }, name);
  const handler: CriHandler = (call) =>
    call.method === 'PodSandboxStatus' ? { code: status.NOT_FOUND, details: 'no such sandbox' } : crio()(call);
  const reply = await (await runtimeOf(t, handler)).inspectContainer(CONTAINER);
  t.match(
    reply,
    { ok: false, code: 'failed', reason: /its pod: no such sandbox/ },
    'without its sandbox it is not gone',
  );
});
