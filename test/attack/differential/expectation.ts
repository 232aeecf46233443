import { readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import type { Inspected } from './engine.ts';
import type { Truth } from './kernel-reader.ts';
import type { RandomContainer } from './random-container.ts';

/** The verdicts of which one must be given. */
export type Expected = readonly string[];

/** All that an expectation is made from. */
export interface Known {
  readonly inspected: Inspected;
  readonly truth: Truth;
  readonly generated: RandomContainer;
  readonly node: Readonly<Record<string, string>>;
  /** Live control sockets of engines, by device and inode. */
  readonly sockets: ReadonlySet<string>;
  /** Names of the networks of the container whose network is joined. */
  readonly joinedNetworks: readonly string[];
}

/** What Docker gives every container: moby, oci/caps/defaults.go. */
const DEFAULT_CAPABILITIES = 0xa80425fbn;
/** Devices that every container may use: moby, oci/defaults.go, and what runc adds. */
const DEFAULT_DEVICES = new Set([
  'c *:* m',
  'b *:* m',
  'c 1:3 rwm',
  'c 1:5 rwm',
  'c 1:7 rwm',
  'c 1:8 rwm',
  'c 1:9 rwm',
  'c 5:0 rwm',
  'c 5:1 rwm',
  'c 5:2 rwm',
  'c 136:* rwm',
  'c 10:200 rwm',
]);

const PASS: Expected = ['pass'];
const FAIL: Expected = ['fail'];
const passIf = (isGood: boolean): Expected => (isGood ? PASS : FAIL);
/** Not one word, but never a pass. */
const NO_PASS: Expected = ['fail', 'unknown'];

/** What each check of a container must say, by its id. */
export const EXPECTATIONS: Readonly<Record<string, (known: Known) => Expected>> = {
  'container.privileged': ({ inspected, truth, node }) => {
    const all = BigInt(`0x${/^CapBnd:\s*(\w+)/m.exec(readFileSync('/proc/1/status', 'utf8'))?.[1] ?? '0'}`);
    const isAll = truth.tasks.some(
      (task) => task.seccomp === 0 && task.effective === all && task.namespaces['user'] === node['user'],
    );
    if (inspected.HostConfig.Privileged || isAll) return FAIL;
    // Its processes hold nothing as another user, but the next one that is started with `docker exec` as root holds all.
    const { CapAdd: added, SecurityOpt: options } = inspected.HostConfig;
    const profile = options?.findLast((option) => option.startsWith('seccomp'));
    return passIf(!(added?.includes('ALL') === true && profile === 'seccomp=unconfined'));
  },
  'container.capabilities': ({ truth, node }) =>
    passIf(
      truth.tasks
        .filter((task) => task.namespaces['user'] === node['user'])
        .every((task) => task.capabilities.every((word) => (word & ~DEFAULT_CAPABILITIES) === 0n)),
    ),
  'container.seccomp-filter': ({ truth, generated }) =>
    passIf(truth.tasks.every((task) => task.seccomp !== 0) && !generated.dimensions.includes('seccompAllowsAll')),
  'container.no-new-privileges': ({ truth }) => passIf(truth.tasks.every((task) => task.noNewPrivileges)),
  'container.host-network': (known) => passIf(!shares(known, 'net')),
  'container.host-pid': (known) => passIf(!shares(known, 'pid')),
  'container.host-ipc': (known) => passIf(!shares(known, 'ipc')),
  'container.host-uts': (known) => passIf(!shares(known, 'uts')),
  'container.host-cgroup-namespace': (known) => passIf(!shares(known, 'cgroup')),
  'container.host-user-namespace': ({ generated }) =>
    (generated.body['HostConfig'] as { UsernsMode?: string }).UsernsMode === 'host' ? FAIL : ['notApplicable'],
  'container.root-user': ({ truth }) => passIf(truth.tasks.every((task) => task.uids.every((uid) => uid !== 0))),
  'container.read-only-root': ({ truth, generated }) => {
    if (generated.intruder) return ['pass', ...NO_PASS];
    const root = truth.mounts.findLast(({ mountPoint }) => mountPoint === '/');
    return passIf(root?.options.includes('ro') === true);
  },
  'container.masked-paths': ({ truth, generated }) => {
    if (generated.intruder) return NO_PASS;
    const isBare = truth.isBare('/sys/firmware') || isWritable(truth, '/proc/sys');
    return passIf(!isBare);
  },
  'container.mount-propagation': ({ truth, generated }) => {
    if (generated.intruder) return ['pass', ...NO_PASS];
    return passIf(truth.mounts.every(({ tags }) => !tags.some((tag) => tag.startsWith('shared:'))));
  },
  'container.memory-limit': ({ truth }) => passIf(truth.memoryBytes !== undefined && truth.memoryBytes < totalmem()),
  'container.pids-limit': ({ truth }) => {
    const most = Number(readFileSync('/proc/sys/kernel/pid_max', 'utf8'));
    return passIf(truth.pids !== undefined && truth.pids < most);
  },
  'container.cpu-limit': ({ inspected: { HostConfig: asked } }) => {
    const count = cpus().length;
    const quota = asked.CpuQuota > 0 ? asked.CpuQuota / (asked.CpuPeriod || 100_000) : 0;
    const isShared = asked.CpuShares > 0 && asked.CpuShares !== 1024;
    const isLess = (cores: number): boolean => cores > 0 && cores < count;
    const isSubset = asked.CpusetCpus !== '' && asked.CpusetCpus.split(',').length < count;
    return passIf(isShared || isLess(asked.NanoCpus / 1e9) || isLess(quota) || isSubset);
  },
  'container.devices': ({ truth, inspected }) => {
    const extra = truth.devices?.filter((line) => !DEFAULT_DEVICES.has(line)) ?? [];
    return passIf(extra.length === 0 && !inspected.HostConfig.Privileged);
  },
  'container.runtime-socket': ({ truth, sockets, generated }) =>
    generated.intruder ? NO_PASS : passIf(!truth.seesSocket(sockets)),
  'container.sensitive-mount': ({ generated }) => (generated.intruder ? NO_PASS : passIf(!generated.mountsSensitive)),
  'container.restart-policy': ({ inspected: { HostConfig } }) => {
    const { Name: name, MaximumRetryCount: most } = HostConfig.RestartPolicy;
    return passIf(name === '' || name === 'no' || (name === 'on-failure' && most >= 1 && most <= 5));
  },
  'container.health': ({ inspected }) =>
    passIf(['healthy', 'starting'].includes(inspected.State.Health?.Status ?? 'none')),
  'container.cgroup-parent': ({ inspected }) => passIf(inspected.HostConfig.CgroupParent === ''),
  'container.default-bridge': ({ inspected, joinedNetworks }) => {
    const isJoined = inspected.HostConfig.NetworkMode.startsWith('container:');
    const networks = isJoined ? joinedNetworks : Object.keys(inspected.NetworkSettings.Networks);
    return passIf(!networks.includes('bridge'));
  },
  'container.port-bind-address': (known) => {
    if (sharesNetwork(known)) return ['notApplicable', 'unknown'];
    return passIf(
      !publishedOf(known.inspected).some(({ HostIp }) => HostIp === '' || /^(0\.0\.0\.0|::)$/.test(HostIp)),
    );
  },
  'container.privileged-port': (known) => {
    const isLow = publishedOf(known.inspected).some(({ HostPort }) => Number(HostPort) < 1024);
    // None of the generated programs listens.
    return sharesNetwork(known) && !isLow ? ['pass', 'unknown'] : passIf(!isLow);
  },
  // Its image exposes no port.
  'container.published-ports': (known) =>
    sharesNetwork(known) ? ['notApplicable'] : passIf(publishedOf(known.inspected).length === 0),
  'container.ulimits': ({ inspected, generated }) => {
    const isKept = (inspected.HostConfig.Ulimits ?? []).every(({ Name: name, Hard: hard }) => {
      const limit = hardLimitOf(inspected.State.Pid, name);
      return hard >= 0 && (limit === undefined || limit <= hard);
    });
    return generated.intruder ? ['pass', ...NO_PASS] : passIf(isKept);
  },
  'container.exec-privileged': (known) => {
    const { Privileged: isPrivileged, CapAdd: added } = known.inspected.HostConfig;
    if (isPrivileged) return ['notApplicable'];
    const isMore = known.generated.dimensions.includes('execPrivileged') && added?.includes('ALL') !== true;
    // By their bounding sets sessions are known in a shared pid namespace too.
    return sessionsOf(known, isMore, false);
  },
  'container.exec-root': (known) => {
    if (/^(?:|0|root)(?::|$)/.test(known.inspected.Config.User)) return ['notApplicable'];
    const { truth, generated } = known;
    const hasRoot = truth.tasks.some((task) => task.uids.includes(0));
    return sessionsOf(known, generated.dimensions.includes('execUser') && hasRoot, hasRoot);
  },
  'container.ssh-server': () => PASS,
  'container.image-current': () => PASS,
};

function shares({ truth, node, generated }: Known, kind: string): boolean {
  const asked = generated.body['HostConfig'] as Readonly<Record<string, unknown>>;
  const field = { net: 'NetworkMode', pid: 'PidMode', ipc: 'IpcMode', uts: 'UTSMode', cgroup: 'CgroupnsMode' }[kind];
  return (
    truth.tasks.some((task) => task.namespaces[kind] === node[kind]) || (field !== undefined && asked[field] === 'host')
  );
}

/** Is the container itself in the network of the node? An intruder in its cgroup publishes nothing for it. */
function sharesNetwork(known: Known): boolean {
  const { truth, inspected } = known;
  const own = truth.tasks.filter(({ pid }) => pid === inspected.State.Pid);
  return shares({ ...known, truth: { ...truth, tasks: own } }, 'net');
}

/** What must be said about sessions. `isDoubtful`: in a shared pid namespace they look like other processes. */
function sessionsOf({ inspected, truth, node, generated }: Known, isBad: boolean, isDoubtful: boolean): Expected {
  const isShared =
    inspected.HostConfig.PidMode !== '' || truth.tasks.some((task) => task.namespaces['pid'] === node['pid']);
  // An intruder is in the cgroup only.
  if (generated.intruder) return isBad ? NO_PASS : ['pass', ...NO_PASS];
  return isShared && isDoubtful ? ['unknown'] : passIf(!isBad);
}

/** The hard limit of a process in the kernel; undefined: unlimited, or not in its table. */
function hardLimitOf(pid: number, name: string): number | undefined {
  const row = { nofile: 'Max open files', nproc: 'Max processes' }[name];
  if (row === undefined) return undefined;
  const text = readFileSync(`/proc/${String(pid)}/limits`, 'utf8');
  const [, hard] = new RegExp(`^${row} +\\S+ +(\\d+) `, 'm').exec(text) ?? [];
  return hard === undefined ? undefined : Number(hard);
}

function publishedOf(inspected: Inspected): readonly { readonly HostIp: string; readonly HostPort: string }[] {
  return Object.values(inspected.NetworkSettings.Ports ?? {}).flatMap((bindings) => bindings ?? []);
}

/** Is the deepest mount that covers this path writable? */
function isWritable(truth: Truth, path: string): boolean {
  const covering = truth.mounts
    .filter(({ mountPoint }) => path === mountPoint || path.startsWith(`${mountPoint === '/' ? '' : mountPoint}/`))
    .toSorted((one, other) => one.mountPoint.length - other.mountPoint.length);
  return covering.at(-1)?.options.includes('rw') === true;
}
