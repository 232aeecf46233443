import { plainName, DOCKER_DEFAULT } from '../../../posture/check/capability.ts';
import type { Declared } from '../../../posture/fact/container.ts';
import { clip } from '../../inspector/clip.ts';
import { summarizeParsedProfile } from '../docker/seccomp-profile.ts';
import type { ContainerInfo, RuntimeSpec } from './runtime-spec.ts';
import type { Pod } from './pod.ts';

const MAX_MOUNTS = 4096;
const MAX_LIST = 256;
const MAX_DEVICES = 1024;
const MAX_ENGINE_FILES = 16;

/** Where the CRI gives each value; the same object for all containers. */
export const DECLARED_SOURCES: Readonly<Record<string, string>> = Object.freeze({
  state: 'ContainerStatus state',
  image: 'ContainerStatus image',
  privileged: 'ContainerStatus info privileged',
  seccompProfile: 'ContainerStatus runtimeSpec linux.seccomp',
  seccompSummary: 'ContainerStatus runtimeSpec linux.seccomp',
  apparmorProfile: 'ContainerStatus runtimeSpec process.apparmorProfile',
  selinuxLabel: 'ContainerStatus runtimeSpec process.selinuxLabel',
  selinuxDisabled: 'ContainerStatus runtimeSpec process.selinuxLabel',
  noNewPrivileges: 'ContainerStatus runtimeSpec process.noNewPrivileges',
  capAdd: 'ContainerStatus runtimeSpec process.capabilities',
  capDrop: 'ContainerStatus runtimeSpec process.capabilities',
  user: 'ContainerStatus runtimeSpec process.user',
  readOnlyRoot: 'ContainerStatus runtimeSpec root.readonly',
  networkMode: 'PodSandboxStatus linux.namespaces.options.network',
  pidMode: 'PodSandboxStatus linux.namespaces.options.pid, ContainerStatus runtimeSpec linux.namespaces',
  ipcMode: 'PodSandboxStatus linux.namespaces.options.ipc',
  utsMode: 'PodSandboxStatus linux.namespaces.options.network',
  usernsMode: 'ContainerStatus runtimeSpec linux.namespaces',
  cgroupnsMode: 'ContainerStatus runtimeSpec linux.namespaces',
  cgroupParent: 'ContainerStatus runtimeSpec linux.cgroupsPath',
  memoryBytes: 'ContainerStatus runtimeSpec linux.resources.memory',
  pidsLimit: 'ContainerStatus runtimeSpec linux.resources.pids',
  cpuShares: 'ContainerStatus runtimeSpec linux.resources.cpu',
  nanoCpus: 'ContainerStatus runtimeSpec linux.resources.cpu',
  cpuQuota: 'ContainerStatus runtimeSpec linux.resources.cpu',
  cpuPeriod: 'ContainerStatus runtimeSpec linux.resources.cpu',
  cpusetCpus: 'ContainerStatus runtimeSpec linux.resources.cpu',
  restartPolicy: 'not part of the CRI',
  restartMaximum: 'not part of the CRI',
  devices: 'ContainerStatus runtimeSpec linux.devices',
  deviceRequests: 'not part of the CRI',
  deviceCgroupRules: 'ContainerStatus runtimeSpec linux.resources.devices',
  maskedPaths: 'ContainerStatus runtimeSpec linux.maskedPaths',
  readonlyPaths: 'ContainerStatus runtimeSpec linux.readonlyPaths',
  mounts: 'ContainerStatus runtimeSpec mounts',
  engineFiles: 'ContainerStatus runtimeSpec mounts',
  ports: 'PodSandboxStatus info port mappings',
  ulimits: 'not part of the CRI',
  networks: 'not part of the CRI',
  health: 'not part of the CRI',
  logDriver: 'not part of the CRI',
} satisfies Record<keyof Declared | 'state' | 'image', string>);

/** What identifies the files that the runtime makes: the ids of the container and of its sandbox. */
export interface DeclaredBy {
  readonly id: string;
  readonly pod: Pod;
  readonly info: Pick<ContainerInfo, 'privileged' | 'config'>;
}

/** What was asked for, from the OCI configuration that the runtime made of it. */
export function toDeclared(spec: RuntimeSpec, { id, pod, info }: DeclaredBy): Declared {
  const { process, linux } = spec;
  const resources = linux?.resources ?? null;
  const has = (type: string): boolean => linux?.namespaces.some((namespace) => namespace.type === type) === true;
  const engineFiles = spec.mounts.filter((mount) => isOfRuntime(mount, [id, pod.sandboxId]));
  const privileged = isPrivileged(spec, info);
  return {
    privileged,
    ...seccompOf(spec, info),
    apparmorProfile: clip(process?.apparmorProfile ?? '', 256),
    selinuxLabel: clip(process?.selinuxLabel ?? '', 512),
    selinuxDisabled: false,
    noNewPrivileges: process?.noNewPrivileges ?? false,
    ...capabilitiesOf(spec),
    user: `${String(process?.user.uid ?? 0)}:${String(process?.user.gid ?? 0)}`,
    readOnlyRoot: spec.root?.readonly ?? false,
    networkMode: pod.isOnNodeNetwork ? 'host' : 'pod',
    // A container joins the namespace of its sandbox, which may be that of the node.
    pidMode: pod.isOnNodePid || !has('pid') ? 'host' : '',
    ipcMode: pod.isOnNodeIpc ? 'host' : 'pod',
    utsMode: pod.isOnNodeNetwork ? 'host' : '',
    usernsMode: has('user') ? 'private' : '',
    cgroupnsMode: has('cgroup') ? 'private' : 'host',
    cgroupParent: clip(parentOf(linux?.cgroupsPath ?? ''), 1024),
    memoryBytes: resources?.memory?.limit ?? 0,
    pidsLimit: resources?.pids?.limit ?? 0,
    cpuShares: resources?.cpu?.shares ?? 0,
    nanoCpus: 0,
    cpuQuota: resources?.cpu?.quota ?? 0,
    cpuPeriod: resources?.cpu?.period ?? 0,
    cpusetCpus: clip(resources?.cpu?.cpus ?? '', 1024),
    restartPolicy: 'no',
    restartMaximum: 0,
    // A privileged container has them all, which is said as such.
    devices: privileged ? [] : devicesOf(spec),
    deviceRequests: 0,
    deviceCgroupRules: privileged ? [] : deviceRulesOf(spec),
    maskedPaths: bounded(linux?.maskedPaths ?? []),
    readonlyPaths: bounded(linux?.readonlyPaths ?? []),
    mounts: toMounts(spec.mounts.filter((mount) => !engineFiles.includes(mount))),
    engineFiles: engineFiles.slice(0, MAX_ENGINE_FILES).map(({ source }) => clip(source, 4096)),
    ports: pod.ports,
    ulimits: [],
    networks: [],
    health: 'none',
    logDriver: '',
  };
}

/** The request says so, or the configuration allows all devices, which runtimes do for nothing else. */
function isPrivileged({ linux }: RuntimeSpec, { privileged, config }: DeclaredBy['info']): boolean {
  const allowsAll = linux?.resources?.devices.some(
    ({ allow, type, major, minor }) => allow && (type === '' || type === 'a') && major === null && minor === null,
  );
  return privileged || config?.linux?.security_context?.privileged === true || allowsAll === true;
}

/** Names of the default profile in requests of a kubelet before 1.19. */
const DEFAULT_PROFILES: ReadonlySet<string> = new Set(['runtime/default', 'docker/default']);

function seccompOf(
  { linux }: RuntimeSpec,
  { config }: DeclaredBy['info'],
): Pick<Declared, 'seccompProfile' | 'seccompSummary'> {
  if (linux === null || linux.seccomp === null || linux.seccomp === undefined)
    return { seccompProfile: 'unconfined', seccompSummary: null };
  const asked = config?.linux?.security_context;
  const isDefault = asked?.seccomp?.profile_type === 0 || DEFAULT_PROFILES.has(asked?.seccomp_profile_path ?? '');
  if (isDefault) return { seccompProfile: 'default', seccompSummary: null };
  // The configuration has the profile itself, as `docker run --security-opt seccomp=FILE` does.
  return { seccompProfile: 'custom', seccompSummary: summarizeParsedProfile(linux.seccomp) };
}

/** The difference to the capabilities that runtimes give by default; the union of all sets counts. */
function capabilitiesOf({ process }: RuntimeSpec): Pick<Declared, 'capAdd' | 'capDrop'> {
  const sets = process?.capabilities ?? null;
  const given = new Set(
    sets === null
      ? []
      : [...sets.bounding, ...sets.effective, ...sets.permitted, ...sets.inheritable, ...sets.ambient].map(plainName),
  );
  const names = [...given].filter((name) => !DOCKER_DEFAULT.has(name));
  return {
    capAdd: names.slice(0, 128).map((name) => clip(name, 64)),
    capDrop: [...DOCKER_DEFAULT].filter((name) => !given.has(name)),
  };
}

type SpecMount = RuntimeSpec['mounts'][number];

/** A file that the runtime made for this container or its sandbox: its directory has their id, which nobody can choose. */
function isOfRuntime({ type, source }: SpecMount, ids: readonly string[]): boolean {
  return type === 'bind' && source.split('/').some((part) => part.length >= 64 && ids.includes(part));
}

/** Mounts of the node; proc, sysfs, tmpfs and the like come with every container. */
function toMounts(mounts: readonly SpecMount[]): Declared['mounts'] {
  return mounts
    .filter(({ type, options }) => type === 'bind' || options.some((option) => /^r?bind$/.test(option)))
    .slice(0, MAX_MOUNTS)
    .map(({ source, destination, options }) => ({
      type: 'bind',
      source: clip(source, 4096),
      destination: clip(destination, 4096),
      writable: !options.includes('ro'),
      propagation: options.findLast((option) => /^r?(?:private|shared|slave)$/.test(option)) ?? 'rprivate',
    }));
}

/** What every container has (opencontainers/runtime-spec, config-linux.md, default devices). */
const DEFAULT_DEVICES: ReadonlySet<string> = new Set(
  ['null', 'zero', 'full', 'random', 'urandom', 'tty', 'console', 'ptmx'].map((name) => `/dev/${name}`),
);

function devicesOf({ linux }: RuntimeSpec): Declared['devices'] {
  return (linux?.devices ?? [])
    .filter(({ path }) => !DEFAULT_DEVICES.has(path))
    .slice(0, MAX_DEVICES)
    .map(({ path }) => ({ path: clip(path, 4096), permissions: '' }));
}

/** What is allowed, as the devices cgroup writes it: `c 10:200 rwm`. */
function deviceRulesOf({ linux }: RuntimeSpec): Declared['deviceCgroupRules'] {
  const number = (value: number | null): string => (value === null || value < 0 ? '*' : String(value));
  return (linux?.resources?.devices ?? [])
    .filter(({ allow }) => allow)
    .slice(0, MAX_LIST)
    .map(({ type, major, minor, access }) => clip(`${type || 'a'} ${number(major)}:${number(minor)} ${access}`, 256));
}

/** `/kubepods/podUID/ID`, or `SLICE:PREFIX:ID` with the systemd driver. */
function parentOf(cgroupsPath: string): string {
  if (cgroupsPath.includes(':')) return cgroupsPath.slice(0, cgroupsPath.indexOf(':'));
  return cgroupsPath.slice(0, Math.max(0, cgroupsPath.lastIndexOf('/')));
}

function bounded(paths: readonly string[]): readonly string[] {
  return paths.slice(0, MAX_LIST).map((path) => clip(path, 1024));
}
