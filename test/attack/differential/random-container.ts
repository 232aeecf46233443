import type { Random } from '../../fixture/random.ts';

/** What a container is started with, and what happens to it afterwards. */
export interface RandomContainer {
  /** Body of `POST /containers/create`. */
  readonly body: Record<string, unknown>;
  /** Names of the dimensions that were set. */
  readonly dimensions: readonly string[];
  /** Is something of the node that matters mounted? The generator knows, since it chose the paths. */
  readonly mountsSensitive: boolean;
  /** A process of the node is put into the cgroup of the container. */
  readonly intruder: boolean;
  /** Paused after its start. */
  readonly paused: boolean;
  /** Body of an exec that keeps running beside the first process. */
  readonly exec: Record<string, unknown> | undefined;
}

/** Places on the node that mounts come from. */
export interface Places {
  /** A directory that holds nothing of interest. */
  readonly harmless: string;
  /** The engine's socket, and a directory with a symbolic link to it. */
  readonly socket: string;
  readonly linkToSocket: string;
  /** Another container whose namespaces may be joined. */
  readonly neighbour: string;
  readonly image: string;
}

interface Draft {
  readonly host: Record<string, unknown>;
  readonly config: Record<string, unknown>;
  readonly binds: string[];
  readonly security: string[];
  mountsSensitive: boolean;
  intruder: boolean;
  paused: boolean;
  exec: Record<string, unknown> | undefined;
}

type Apply = (draft: Draft, random: Random, places: Places) => void;

const host =
  (field: string, ...values: readonly unknown[]): Apply =>
  (draft, random) => {
    draft.host[field] = random.pick(values);
  };
const config =
  (field: string, ...values: readonly unknown[]): Apply =>
  (draft, random) => {
    draft.config[field] = random.pick(values);
  };
const security =
  (...options: readonly string[]): Apply =>
  (draft, random) => {
    draft.security.push(random.pick(options));
  };
const sensitive =
  (...binds: readonly string[]): Apply =>
  (draft, random) => {
    draft.binds.push(random.pick(binds));
    draft.mountsSensitive = true;
  };

const SHELL = ['/bin/busybox', 'sh', '-c'];
const GOOD_CAPABILITIES = ['CHOWN', 'KILL', 'NET_RAW', 'SETUID'];
const BAD_CAPABILITIES = ['SYS_ADMIN', 'SYS_PTRACE', 'NET_ADMIN', 'SYS_MODULE', 'DAC_READ_SEARCH', 'BPF', 'SYSLOG'];
/** Withholds what Docker's own profile withholds, as a list of what is not allowed. */
const CUSTOM_PROFILE = JSON.stringify({
  defaultAction: 'SCMP_ACT_ALLOW',
  syscalls: [
    {
      names: (
        'acct add_key bpf clock_settime create_module delete_module finit_module fsconfig fsmount fsopen init_module ' +
        'ioperm iopl kcmp kexec_file_load kexec_load keyctl mount move_mount name_to_handle_at nfsservctl ' +
        'open_by_handle_at open_tree perf_event_open pivot_root process_vm_readv process_vm_writev ptrace quotactl ' +
        'reboot request_key setns settimeofday swapoff swapon syslog umount2 unshare userfaultfd vhangup'
      ).split(' '),
      action: 'SCMP_ACT_ERRNO',
    },
  ],
});
const ALLOW_ALL_PROFILE = JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW' });

/** Each dimension, and how likely it is to be set. */
const DIMENSIONS: readonly (readonly [name: string, chance: number, apply: Apply])[] = [
  ['privileged', 0.06, host('Privileged', true)],
  ['capAddGood', 0.1, host('CapAdd', [GOOD_CAPABILITIES[0]], [GOOD_CAPABILITIES[1]], GOOD_CAPABILITIES)],
  ['capAddBad', 0.15, (d, r) => (d.host['CapAdd'] = [r.pick(BAD_CAPABILITIES), r.pick(GOOD_CAPABILITIES)])],
  ['capAddAll', 0.05, host('CapAdd', ['ALL'])],
  ['capDropAll', 0.2, host('CapDrop', ['ALL'])],
  ['capDropSome', 0.1, host('CapDrop', ['NET_RAW'], ['MKNOD', 'AUDIT_WRITE'])],
  ['seccompUnconfined', 0.12, security('seccomp=unconfined')],
  ['seccompCustom', 0.08, security(`seccomp=${CUSTOM_PROFILE}`)],
  ['seccompAllowsAll', 0.04, (d) => void d.security.splice(0, d.security.length, `seccomp=${ALLOW_ALL_PROFILE}`)],
  ['noNewPrivileges', 0.3, security('no-new-privileges', 'no-new-privileges:true', 'no-new-privileges=true')],
  ['noNewPrivilegesOff', 0.05, security('no-new-privileges:false')],
  ['labelDisable', 0.05, security('label=disable')],
  ['systempaths', 0.08, (d) => void Object.assign(d.host, { MaskedPaths: [], ReadonlyPaths: [] })],
  ['user', 0.35, config('User', '1000', '1000:1000', '65534', '0', '0:0', '1:1')],
  ['usernsHost', 0.05, host('UsernsMode', 'host')],
  ['pid', 0.12, (d, r, p) => (d.host['PidMode'] = r.pick(['host', `container:${p.neighbour}`]))],
  [
    'ipc',
    0.25,
    (d, r, p) => (d.host['IpcMode'] = r.pick(['host', 'private', 'none', 'shareable', `container:${p.neighbour}`])),
  ],
  ['uts', 0.08, host('UTSMode', 'host')],
  ['cgroupns', 0.4, host('CgroupnsMode', 'host', 'private', 'private')],
  [
    'network',
    0.75,
    (d, r, p) =>
      (d.host['NetworkMode'] = r.pick(['none', 'none', 'none', 'host', `container:${p.neighbour}`, 'bridge'])),
  ],
  ['cgroupParent', 0.06, host('CgroupParent', '/plimsoll-differential')],
  ['memory', 0.4, host('Memory', 32 * 1024 ** 2, 256 * 1024 ** 2)],
  ['memoryBeyondMachine', 0.04, host('Memory', 900 * 1024 ** 3)],
  ['memoryReservation', 0.08, host('MemoryReservation', 16 * 1024 ** 2)],
  ['memorySwappiness', 0.03, host('OomKillDisable', false)],
  ['pids', 0.35, host('PidsLimit', 32, 100, 1000, 0, -1)],
  ['nanoCpus', 0.15, host('NanoCpus', 500_000_000, 1_000_000_000)],
  ['cpuQuota', 0.1, (d) => void Object.assign(d.host, { CpuQuota: 50_000, CpuPeriod: 100_000 })],
  ['cpuShares', 0.15, host('CpuShares', 2, 512, 1024, 2048)],
  ['cpuset', 0.08, host('CpusetCpus', '0', '1')],
  ['blkio', 0.05, host('BlkioWeight', 0)],
  ['readOnly', 0.25, host('ReadonlyRootfs', true)],
  ['tmpfs', 0.15, host('Tmpfs', { '/scratch': '' }, { '/scratch': 'rw,noexec,size=1m', '/run': '' })],
  ['shmSize', 0.1, host('ShmSize', 8 * 1024 ** 2)],
  [
    'bindHarmless',
    0.2,
    (d, r, p) => void d.binds.push(`${p.harmless}:/data${r.pick(['', ':ro', ':rslave', ':rprivate'])}`),
  ],
  ['bindShared', 0.05, (d, r, p) => void d.binds.push(`${p.harmless}:/shared:${r.pick(['shared', 'rshared'])}`)],
  ['bindEtc', 0.06, sensitive('/etc:/host-etc', '/etc:/host-etc:ro')],
  ['bindFile', 0.05, sensitive('/etc/passwd:/host-passwd:ro', '/etc/hostname:/host-name:ro')],
  [
    'bindRoot',
    0.04,
    (d, r) => {
      d.binds.push(r.pick(['/:/host', '/:/host:ro', '/:/host:rslave']));
      d.mountsSensitive = true;
    },
  ],
  ['bindUsr', 0.04, sensitive('/usr/share:/host-share:ro', '/usr:/host-usr')],
  ['bindHome', 0.04, sensitive('/root:/host-root', '/home:/host-home:ro')],
  ['bindProc', 0.03, sensitive('/proc:/host-proc', '/proc:/host-proc:ro')],
  ['bindSys', 0.03, sensitive('/sys:/host-sys:ro')],
  ['bindDev', 0.03, sensitive('/dev:/host-dev')],
  ['bindSocket', 0.06, (d, _r, p) => void d.binds.push(`${p.socket}:/tmp/anything`)],
  ['bindSocketLink', 0.03, (d, _r, p) => void d.binds.push(`${p.linkToSocket}:/tmp/linked`)],
  ['volume', 0.1, (d) => void (d.config['Volumes'] = { '/volume': {} })],
  ['volumeNamed', 0.08, (d) => void d.binds.push('plimsoll-differential:/named')],
  [
    'device',
    0.05,
    (d, r) =>
      (d.host['Devices'] = [
        {
          PathOnHost: r.pick(['/dev/kmsg', '/dev/loop0', '/dev/fuse']),
          PathInContainer: '/dev/given',
          CgroupPermissions: r.pick(['r', 'rwm']),
        },
      ]),
  ],
  ['deviceRule', 0.04, host('DeviceCgroupRules', ['c 189:* rmw'], ['b 7:* r'], ['a *:* rwm'])],
  [
    'restart',
    0.3,
    (d, r) =>
      (d.host['RestartPolicy'] = r.pick([
        { Name: 'always' },
        { Name: 'unless-stopped' },
        { Name: 'on-failure', MaximumRetryCount: 5 },
        { Name: 'on-failure', MaximumRetryCount: 9 },
        { Name: 'on-failure' },
        { Name: 'no' },
      ])),
  ],
  [
    'health',
    0.25,
    config('Healthcheck', { Test: ['CMD', '/bin/busybox', 'true'], Interval: 3_600_000_000_000 }, { Test: ['NONE'] }),
  ],
  ['init', 0.1, host('Init', true)],
  ['ulimits', 0.1, host('Ulimits', [{ Name: 'nofile', Soft: 64, Hard: 64 }], [{ Name: 'nproc', Soft: 50, Hard: 60 }])],
  ['sysctls', 0.05, (d) => d.host['NetworkMode'] === 'none' && (d.host['Sysctls'] = { 'net.ipv4.ip_forward': '0' })],
  ['groups', 0.1, host('GroupAdd', ['0'], ['10', '20'])],
  ['logDriver', 0.1, host('LogConfig', { Type: 'none' }, { Type: 'json-file', Config: { 'max-size': '1m' } })],
  ['oomScore', 0.1, host('OomScoreAdj', 500, -10)],
  ['hostname', 0.1, (d) => d.host['UTSMode'] !== 'host' && (d.config['Hostname'] = 'differential')],
  ['domainname', 0.05, (d) => d.host['UTSMode'] !== 'host' && (d.config['Domainname'] = 'example.net')],
  ['dns', 0.05, host('Dns', ['192.0.2.1'])],
  [
    'extraHosts',
    0.05,
    (d) =>
      typeof d.host['NetworkMode'] === 'string' &&
      !d.host['NetworkMode'].startsWith('container:') &&
      (d.host['ExtraHosts'] = ['other:192.0.2.7']),
  ],
  [
    'labels',
    0.2,
    config('Labels', { 'io.kubernetes.pod.name': 'fake' }, { a: 'b' }, { 'com.example.token': 'x'.repeat(5000) }),
  ],
  ['environment', 0.2, config('Env', ['A=b'], ['PASSWORD=planted', 'PATH=/bin'])],
  ['workingDirectory', 0.1, config('WorkingDir', '/tmp', '/')],
  ['tty', 0.1, config('Tty', true)],
  ['openStdin', 0.1, config('OpenStdin', true)],
  ['stopSignal', 0.05, config('StopSignal', 'SIGKILL')],
  ['portsLoopback', 0.1, publish('127.0.0.1')],
  ['portsAny', 0.08, publish('0.0.0.0')],
  [
    'entrypointChild',
    0.2,
    config(
      'Cmd',
      [...SHELL, 'busybox sleep 3600 & exec busybox sleep 3600'],
      [...SHELL, '(busybox sleep 3600; true) & busybox sleep 3600; true'],
    ),
  ],
  [
    'execUser',
    0.08,
    (d, r) => (d.exec = { User: r.pick(['0', '1000', '65534']), Cmd: ['/bin/busybox', 'sleep', '3600'] }),
  ],
  ['execPrivileged', 0.04, (d) => (d.exec = { Privileged: true, Cmd: ['/bin/busybox', 'sleep', '3600'] })],
  ['intruder', 0.04, (d) => (d.intruder = true)],
  ['paused', 0.05, (d) => (d.paused = true)],
];

/** How many dimensions there are. */
export const DIMENSION_COUNT = DIMENSIONS.length;

/** Ports are published on the bridge only, below and above 1024; the engine chooses the free ones above. */
function publish(address: string): Apply {
  return (draft) => {
    if (draft.host['NetworkMode'] !== undefined && draft.host['NetworkMode'] !== 'bridge') return;
    draft.config['ExposedPorts'] = { '80/tcp': {} };
    draft.host['PortBindings'] = { '80/tcp': [{ HostIp: address, HostPort: '' }] };
  };
}

/** A container of this seed. What contradicts itself is left to the engine to refuse. */
export function randomContainer(random: Random, places: Places): RandomContainer {
  const draft: Draft = {
    host: {},
    config: {},
    binds: [],
    security: [],
    mountsSensitive: false,
    intruder: false,
    paused: false,
    exec: undefined,
  };
  const dimensions: string[] = [];
  for (const [name, chance, apply] of DIMENSIONS) {
    if (random.next() >= chance) continue;
    apply(draft, random, places);
    dimensions.push(name);
  }
  const body = {
    Image: places.image,
    Cmd: ['/bin/busybox', 'sleep', '3600'],
    StopTimeout: 0,
    ...draft.config,
    HostConfig: { ...draft.host, Binds: draft.binds, SecurityOpt: draft.security },
  };
  return { ...draft, body, dimensions };
}
