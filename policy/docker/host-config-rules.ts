import { matchesGlob } from '../glob.ts';
import type { ContainerPolicy } from './container-policy.ts';
import { field, isObject, isZero } from './json-fields.ts';
import type { JsonObject } from './json-fields.ts';
import { judgeBinds, judgeMounts } from './mount-rules.ts';
import type { MountContext } from './mount-rules.ts';
import { foldCase } from '../strict-json.ts';
import { quote, wrongType } from './violation.ts';
import type { Violation } from './violation.ts';

type FieldRule = (value: unknown, at: string, context: MountContext) => readonly Violation[];

const harmless: FieldRule = () => [];
const paths: FieldRule = (value, at, { policy }) => judgePaths(value, at, policy);

/**
 * Every field of `HostConfig`, of moby 19.03 to 29. A field that is not here is refused where it has a value: what a
 * newer engine does with it is not known.
 */
const HOST_CONFIG: Readonly<Record<string, FieldRule>> = {
  AutoRemove: harmless,
  BlkioDeviceReadBps: harmless,
  BlkioDeviceReadIOps: harmless,
  BlkioDeviceWriteBps: harmless,
  BlkioDeviceWriteIOps: harmless,
  BlkioWeight: harmless,
  BlkioWeightDevice: harmless,
  CapDrop: harmless,
  ConsoleSize: harmless,
  // Written by the command line, not by dockerd.
  ContainerIDFile: harmless,
  CpuCount: harmless,
  CpuPercent: harmless,
  CpuPeriod: harmless,
  CpuQuota: harmless,
  CpuRealtimePeriod: harmless,
  CpuRealtimeRuntime: harmless,
  CpuShares: harmless,
  CpusetCpus: harmless,
  CpusetMems: harmless,
  Dns: harmless,
  DnsOptions: harmless,
  DnsSearch: harmless,
  ExtraHosts: harmless,
  GroupAdd: harmless,
  IOMaximumBandwidth: harmless,
  IOMaximumIOps: harmless,
  Init: harmless,
  Isolation: harmless,
  KernelMemory: harmless,
  KernelMemoryTCP: harmless,
  Links: harmless,
  Memory: harmless,
  MemoryReservation: harmless,
  MemorySwap: harmless,
  MemorySwappiness: harmless,
  NanoCpus: harmless,
  OomKillDisable: harmless,
  PidsLimit: harmless,
  PortBindings: harmless,
  PublishAllPorts: harmless,
  ReadonlyRootfs: harmless,
  RestartPolicy: harmless,
  ShmSize: harmless,
  StorageOpt: harmless,
  Tmpfs: harmless,
  Annotations: (value, at, { policy }) =>
    keysBeyond(value, at, policy.annotations, { what: 'the annotation', where: 'spec.annotations' }),
  Binds: judgeBinds,
  CapAdd: (value, at, { policy }) => judgeCapabilities(value, at, policy),
  Cgroup: (value, at, { policy }) => judgeNamespace(value, at, policy, { namespace: 'cgroup', ownModes: [] }),
  CgroupParent: (value, at, { policy }) =>
    valuesBeyond([value], at, policy.cgroupParents, { what: 'the parent cgroup', where: 'spec.cgroupParents' }),
  CgroupnsMode: (value, at, { policy }) =>
    judgeNamespace(value, at, policy, { namespace: 'cgroup', ownModes: ['private'] }),
  // No pattern is about rules such as `b *:* rwm`, which give devices without naming one.
  DeviceCgroupRules: (_value, at, { policy }) =>
    policy.devices.includes('*')
      ? []
      : [{ field: at, actual: 'rules for devices', action: 'Name single devices, or ask for "*" in spec.devices.' }],
  DeviceRequests: (value, at, { policy }) => judgeDeviceRequests(value, at, policy),
  Devices: (value, at, { policy }) => judgeDevices(value, at, policy),
  IpcMode: (value, at, { policy }) =>
    judgeNamespace(value, at, policy, { namespace: 'ipc', ownModes: ['none', 'private', 'shareable'] }),
  LogConfig: (value, at, { policy }) => judgeLogDriver(value, at, policy),
  MaskedPaths: paths,
  Mounts: judgeMounts,
  NetworkMode: (value, at, { policy }) => judgeNetworkMode(value, at, policy),
  OomScoreAdj: judgeOomScore,
  PidMode: (value, at, { policy }) => judgeNamespace(value, at, policy, { namespace: 'pid', ownModes: [] }),
  Privileged: (value, at, { policy }) => judgePrivileged(value, at, policy),
  ReadonlyPaths: paths,
  Runtime: (value, at, { policy }) =>
    valuesBeyond([value], at, policy.runtimes, { what: 'the runtime', where: 'spec.runtimes' }),
  SecurityOpt: (value, at, { policy }) => judgeSecurityOptions(value, at, policy),
  Sysctls: (value, at, { policy }) =>
    keysBeyond(value, at, policy.sysctls, { what: 'the sysctl', where: 'spec.sysctls' }),
  Ulimits: judgeUlimits,
  UTSMode: (value, at, { policy }) => judgeNamespace(value, at, policy, { namespace: 'uts', ownModes: [] }),
  UsernsMode: (value, at, { policy }) => judgeNamespace(value, at, policy, { namespace: 'user', ownModes: [] }),
  VolumeDriver: (value, at, { policy }) =>
    valuesBeyond([value], at, policy.volumeDrivers, { what: 'the volume driver', where: 'spec.volumeDrivers' }),
  VolumesFrom: (_value, at, { policy }) =>
    policy.allowVolumesFrom
      ? []
      : [
          {
            field: at,
            actual: 'mounts of another container',
            action: 'Use a named volume that both containers mount.',
          },
        ],
};

const BY_FOLDED_NAME = new Map(Object.entries(HOST_CONFIG).map(([name, rule]) => [foldCase(name), { name, rule }]));

/** Whether a key names a field of `HostConfig`. */
export function isHostConfigField(key: string): boolean {
  return BY_FOLDED_NAME.has(foldCase(key));
}

/** What speaks against a `HostConfig`, or the part of one that an update holds. `at` is the prefix of its fields. */
export function judgeHostConfig(config: JsonObject, at: string, context: MountContext): readonly Violation[] {
  return Object.entries(config).flatMap(([key, value]) => {
    const known = BY_FOLDED_NAME.get(foldCase(key));
    // An empty list of masked or read-only paths removes the usual ones; other fields mean nothing where they are empty.
    const hasNoEffect = isZero(value) && !(Array.isArray(value) && known?.rule === paths);
    if (hasNoEffect) return [];
    return known === undefined ? [unknownField(`${at}${key}`)] : known.rule(value, `${at}${known.name}`, context);
  });
}

/** A field that this version does not know. */
export function unknownField(key: string): Violation {
  return {
    field: quote(key),
    actual: 'a field that this version of Plimsoll does not know',
    action: 'Leave the field out, or update Plimsoll.',
  };
}

/** A privileged container or command. */
export function judgePrivileged(
  value: unknown,
  at: string,
  { allowPrivileged }: ContainerPolicy,
): readonly Violation[] {
  if (isZero(value)) return [];
  if (value !== true) return [wrongType(at, 'true or false')];
  return allowPrivileged
    ? []
    : [{ field: at, actual: 'privileged', action: 'Add the single capabilities that are needed (CapAdd).' }];
}

/** What the kernel itself asks a process for that lowers its score: `CAP_SYS_RESOURCE`. */
function judgeOomScore(value: unknown, at: string, { policy }: MountContext): readonly Violation[] {
  if (typeof value !== 'number') return [wrongType(at, 'a number')];
  return value >= 0 || hasCapability('SYS_RESOURCE', policy)
    ? []
    : [
        {
          field: at,
          actual: `${String(value)}: where memory is short, the kernel would end processes of the host first`,
          action: 'Leave the field out, or ask for "SYS_RESOURCE" in spec.capabilities.',
        },
      ];
}

/** Limits that without a value forbid what needs `CAP_SYS_NICE` otherwise, with the highest value that changes nothing. */
const PRIORITY_LIMITS: ReadonlyMap<string, number> = new Map([
  // A nice value of 20 minus the limit: 20 is the usual one.
  ['NICE', 20],
  ['RTPRIO', 0],
]);

function judgeUlimits(value: unknown, at: string, { policy }: MountContext): readonly Violation[] {
  if (!Array.isArray(value)) return [wrongType(at, 'a list of objects')];
  return value.flatMap((limit: unknown, index) => {
    const place = `${at}[${String(index)}]`;
    if (!isObject(limit)) return [wrongType(place, 'an object')];
    const name = field(limit, 'Name') ?? '';
    if (typeof name !== 'string') return [wrongType(`${place}.Name`, 'a string')];
    // dockerd accepts any case.
    const most = PRIORITY_LIMITS.get(name.toUpperCase());
    if (most === undefined || hasCapability('SYS_NICE', policy)) return [];
    const values = ['Soft', 'Hard'].map((one) => field(limit, one) ?? 0);
    // -1 means unlimited.
    return values.every((one) => typeof one === 'number' && one >= 0 && one <= most)
      ? []
      : [
          {
            field: place,
            actual: `the limit ${quote(name)}, which lets it run before processes of the host`,
            action: 'Leave the limit out, or ask for "SYS_NICE" in spec.capabilities.',
          },
        ];
  });
}

function hasCapability(name: string, { capabilities, allowPrivileged }: ContainerPolicy): boolean {
  return allowPrivileged || capabilities.map(plainCapability).some((pattern) => matchesGlob(pattern, name));
}

/** moby accepts any case, with and without the prefix. */
function plainCapability(capability: string): string {
  return capability.toUpperCase().replace(/^CAP_/, '');
}

/** Capabilities that are added. */
export function judgeCapabilities(
  value: unknown,
  at: string,
  { capabilities, allowPrivileged }: ContainerPolicy,
): readonly Violation[] {
  if (allowPrivileged) return [];
  if (!isStrings(value)) return [wrongType(at, 'a list of strings')];
  const allowed = capabilities.map(plainCapability);
  return value
    .filter((one) => !allowed.some((pattern) => matchesGlob(pattern, plainCapability(one))))
    .map((one) => ({
      field: at,
      actual: `the capability ${quote(one)}`,
      action: 'Do without it, or ask for it to be added to spec.capabilities.',
    }));
}

interface Namespace {
  readonly namespace: ContainerPolicy['allowHostNamespaces'][number];
  /** Values that give the container a namespace of its own. */
  readonly ownModes: readonly string[];
}

function judgeNamespace(
  value: unknown,
  at: string,
  { allowHostNamespaces, allowContainerNamespaces }: ContainerPolicy,
  { namespace, ownModes }: Namespace,
): readonly Violation[] {
  if (typeof value !== 'string') return [wrongType(at, 'a string')];
  if (ownModes.includes(value)) return [];
  if (value.startsWith('container:'))
    return allowContainerNamespaces
      ? []
      : [{ field: at, actual: `the ${namespace} namespace of another container`, action: 'Leave the field out.' }];
  if (value === 'host' && allowHostNamespaces.includes(namespace)) return [];
  return [
    {
      field: at,
      actual: value === 'host' ? `the ${namespace} namespace of the host` : `the mode ${quote(value)}`,
      action: `Leave the field out, or ask for "${namespace}" in spec.allowHostNamespaces.`,
    },
  ];
}

/** Names of networks are free, but for the modes that share a namespace. */
function judgeNetworkMode(value: unknown, at: string, policy: ContainerPolicy): readonly Violation[] {
  if (typeof value !== 'string') return [wrongType(at, 'a string')];
  const shares = value === 'host' || value.startsWith('container:');
  return shares ? judgeNamespace(value, at, policy, { namespace: 'network', ownModes: [] }) : [];
}

function judgePaths(value: unknown, at: string, { allowUnmaskedPaths }: ContainerPolicy): readonly Violation[] {
  if (value === null || allowUnmaskedPaths) return [];
  return [
    { field: at, actual: 'a list of its own', action: 'Leave the field out: the usual paths are protected then.' },
  ];
}

function judgeDevices(value: unknown, at: string, { devices }: ContainerPolicy): readonly Violation[] {
  if (!Array.isArray(value)) return [wrongType(at, 'a list of objects')];
  return value.flatMap((device: unknown, index) => {
    const place = `${at}[${String(index)}].PathOnHost`;
    const path = isObject(device) ? (field(device, 'PathOnHost') ?? '') : undefined;
    if (typeof path !== 'string') return [wrongType(place, 'a string')];
    // A directory gives every device below it.
    return valuesBeyond([path], place, devices, { what: 'the device', where: 'spec.devices' });
  });
}

function judgeDeviceRequests(value: unknown, at: string, { deviceDrivers }: ContainerPolicy): readonly Violation[] {
  if (!Array.isArray(value)) return [wrongType(at, 'a list of objects')];
  return value.flatMap((request: unknown, index) => {
    const place = `${at}[${String(index)}].Driver`;
    const driver = isObject(request) ? (field(request, 'Driver') ?? '') : undefined;
    if (typeof driver !== 'string') return [wrongType(place, 'a string')];
    return valuesBeyond([driver], place, deviceDrivers, { what: 'the device driver', where: 'spec.deviceDrivers' });
  });
}

function judgeSecurityOptions(value: unknown, at: string, { securityOptions }: ContainerPolicy): readonly Violation[] {
  if (!isStrings(value)) return [wrongType(at, 'a list of strings')];
  // `name:value` is the older form of `name=value`.
  const current = value.map((option) => option.replace(/^([a-z-]+):/, '$1='));
  return valuesBeyond(current, at, securityOptions, { what: 'the security option', where: 'spec.securityOptions' });
}

/** Options of every log driver that keeps logs on the host, and of `docker compose`: they name no address and no file. */
const LOG_OPTIONS: ReadonlySet<string> = new Set([
  'compress',
  'env',
  'env-regex',
  'labels',
  'labels-regex',
  'max-buffer-size',
  'max-file',
  'max-size',
  'mode',
  'tag',
]);

function judgeLogDriver(value: unknown, at: string, { logDrivers }: ContainerPolicy): readonly Violation[] {
  if (!isObject(value)) return [wrongType(at, 'an object')];
  const [type, options] = [field(value, 'Type') ?? '', field(value, 'Config') ?? {}];
  if (typeof type !== 'string') return [wrongType(`${at}.Type`, 'a string')];
  if (!isObject(options)) return [wrongType(`${at}.Config`, 'an object')];
  // The driver that dockerd is configured with, such as fluentd: its options name sockets, files and addresses.
  if (type === '')
    return Object.keys(options)
      .filter((name) => !LOG_OPTIONS.has(name))
      .map((name) => ({
        field: `${at}.Config`,
        actual: `the option ${quote(name)} of whatever log driver dockerd uses`,
        action: 'Name the log driver, or leave the option out.',
      }));
  return valuesBeyond([type], `${at}.Type`, logDrivers, { what: 'the log driver', where: 'spec.logDrivers' });
}

interface ListText {
  readonly what: string;
  readonly where: string;
}

/** Values that no pattern of a list of the policy matches. */
function valuesBeyond(
  values: readonly unknown[],
  at: string,
  allowed: readonly string[],
  { what, where }: ListText,
): readonly Violation[] {
  return values.flatMap((value) => {
    if (typeof value !== 'string') return [wrongType(at, 'a string')];
    // A pattern is about the text; what a path means through `..` it does not say.
    const isPlain = !value.split('/').some((segment) => segment === '..' || segment === '.');
    return isPlain && allowed.some((pattern) => matchesGlob(pattern, value))
      ? []
      : [{ field: at, actual: `${what} ${quote(value)}`, action: `Do without it, or ask for it in ${where}.` }];
  });
}

function keysBeyond(value: unknown, at: string, allowed: readonly string[], text: ListText): readonly Violation[] {
  return isObject(value) ? valuesBeyond(Object.keys(value), at, allowed, text) : [wrongType(at, 'an object')];
}

function isStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
