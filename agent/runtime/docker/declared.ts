import type { Declared } from '../../../posture/fact/container.ts';
import { clip } from '../../inspector/clip.ts';
import type { InspectAnswer } from './container-schema.ts';
import { summarizeProfile } from './seccomp-profile.ts';

const MAX_PORTS = 8192;
const MAX_MOUNTS = 4096;
const MAX_LIST = 256;
const MAX_DEVICES = 1024;

/** Where `docker inspect` shows the state, the image and each value of `declared`; the same object for all containers. */
export const DECLARED_SOURCES: Readonly<Record<string, string>> = Object.freeze({
  state: 'inspect State.Status',
  image: 'inspect Config.Image',
  privileged: 'inspect HostConfig.Privileged',
  seccompProfile: 'inspect HostConfig.SecurityOpt',
  seccompSummary: 'inspect HostConfig.SecurityOpt',
  apparmorProfile: 'inspect AppArmorProfile',
  selinuxLabel: 'inspect ProcessLabel',
  selinuxDisabled: 'inspect HostConfig.SecurityOpt',
  noNewPrivileges: 'inspect HostConfig.SecurityOpt',
  capAdd: 'inspect HostConfig.CapAdd',
  capDrop: 'inspect HostConfig.CapDrop',
  user: 'inspect Config.User',
  readOnlyRoot: 'inspect HostConfig.ReadonlyRootfs',
  networkMode: 'inspect HostConfig.NetworkMode',
  pidMode: 'inspect HostConfig.PidMode',
  ipcMode: 'inspect HostConfig.IpcMode',
  utsMode: 'inspect HostConfig.UTSMode',
  usernsMode: 'inspect HostConfig.UsernsMode',
  cgroupnsMode: 'inspect HostConfig.CgroupnsMode',
  cgroupParent: 'inspect HostConfig.CgroupParent',
  memoryBytes: 'inspect HostConfig.Memory',
  pidsLimit: 'inspect HostConfig.PidsLimit',
  cpuShares: 'inspect HostConfig.CpuShares',
  nanoCpus: 'inspect HostConfig.NanoCpus',
  cpuQuota: 'inspect HostConfig.CpuQuota',
  cpuPeriod: 'inspect HostConfig.CpuPeriod',
  cpusetCpus: 'inspect HostConfig.CpusetCpus',
  restartPolicy: 'inspect HostConfig.RestartPolicy',
  restartMaximum: 'inspect HostConfig.RestartPolicy',
  devices: 'inspect HostConfig.Devices',
  deviceRequests: 'inspect HostConfig.DeviceRequests',
  deviceCgroupRules: 'inspect HostConfig.DeviceCgroupRules',
  maskedPaths: 'inspect HostConfig.MaskedPaths',
  readonlyPaths: 'inspect HostConfig.ReadonlyPaths',
  mounts: 'inspect Mounts',
  engineFiles: 'inspect HostnamePath, HostsPath, ResolvConfPath',
  ports: 'inspect NetworkSettings.Ports',
  ulimits: 'inspect HostConfig.Ulimits',
  networks: 'inspect NetworkSettings.Networks',
  health: 'inspect State.Health.Status',
  logDriver: 'inspect HostConfig.LogConfig.Type',
} satisfies Record<keyof Declared | 'state' | 'image', string>);

/** What was asked for, from the engine's record of the container. */
export function toDeclared(answer: InspectAnswer): Declared {
  const { HostConfig: host, NetworkSettings: network } = answer;
  const options = parseSecurityOptions(host.SecurityOpt);
  return {
    privileged: host.Privileged,
    // --privileged asks for no profile unless one is named beside it.
    seccompProfile: options.seccompProfile ?? (host.Privileged ? 'unconfined' : 'default'),
    seccompSummary: options.seccompSummary,
    apparmorProfile: clip(answer.AppArmorProfile, 256),
    selinuxLabel: clip(answer.ProcessLabel, 512),
    selinuxDisabled: options.selinuxDisabled,
    noNewPrivileges: options.noNewPrivileges,
    capAdd: capabilityNames(host.CapAdd),
    capDrop: capabilityNames(host.CapDrop),
    user: clip(answer.Config.User, 256),
    readOnlyRoot: host.ReadonlyRootfs,
    networkMode: clip(host.NetworkMode, 256),
    pidMode: clip(host.PidMode, 256),
    ipcMode: clip(host.IpcMode, 256),
    utsMode: clip(host.UTSMode, 256),
    usernsMode: clip(host.UsernsMode, 256),
    cgroupnsMode: clip(host.CgroupnsMode, 256),
    cgroupParent: clip(host.CgroupParent, 1024),
    memoryBytes: host.Memory,
    pidsLimit: host.PidsLimit,
    cpuShares: host.CpuShares,
    nanoCpus: host.NanoCpus,
    cpuQuota: host.CpuQuota,
    cpuPeriod: host.CpuPeriod,
    cpusetCpus: clip(host.CpusetCpus, 1024),
    restartPolicy: clip(host.RestartPolicy?.Name === '' ? 'no' : (host.RestartPolicy?.Name ?? 'no'), 32),
    restartMaximum: host.RestartPolicy?.MaximumRetryCount ?? 0,
    devices: host.Devices.slice(0, MAX_DEVICES).map(({ PathOnHost, CgroupPermissions }) => ({
      path: clip(PathOnHost, 4096),
      permissions: clip(CgroupPermissions, 16),
    })),
    deviceRequests: host.DeviceRequests.length,
    deviceCgroupRules: bounded(host.DeviceCgroupRules, 256),
    maskedPaths: bounded(host.MaskedPaths, 1024),
    readonlyPaths: bounded(host.ReadonlyPaths, 1024),
    mounts: toMounts(answer),
    engineFiles: [answer.HostnamePath, answer.HostsPath, answer.ResolvConfPath]
      .filter((path) => path !== '')
      .map((path) => clip(path, 4096)),
    ports: toPorts(answer),
    ulimits: host.Ulimits.slice(0, 64).map(({ Name, Soft, Hard }) => ({
      name: clip(Name, 64),
      soft: Soft,
      hard: Hard,
    })),
    networks: bounded(Object.keys(network?.Networks ?? {}), 256),
    health: clip(answer.State.Health?.Status ?? 'none', 32) || 'none',
    logDriver: clip(host.LogConfig?.Type ?? '', 64),
  };
}

/** What `--security-opt` asked for. */
export interface SecurityOptions {
  /** undefined: nothing was asked for. */
  readonly seccompProfile: 'default' | 'unconfined' | 'custom' | undefined;
  readonly seccompSummary: Declared['seccompSummary'];
  readonly noNewPrivileges: boolean | null;
  readonly selinuxDisabled: boolean;
}

/**
 * `HostConfig.SecurityOpt`: `name=value`, or `name:value` as engines before 1.11 wrote it; `no-new-privileges`
 * may have no value. A seccomp profile is `unconfined`, `builtin`, or the text of a profile. The last of a name counts.
 */
export function parseSecurityOptions(options: readonly string[]): SecurityOptions {
  let seccompProfile: SecurityOptions['seccompProfile'];
  let seccompSummary: SecurityOptions['seccompSummary'] = null;
  let noNewPrivileges: boolean | null = null;
  let selinuxDisabled = false;
  for (const option of options) {
    const separator = option.search(/[=:]/);
    const name = separator === -1 ? option : option.slice(0, separator);
    const value = separator === -1 ? '' : option.slice(separator + 1);
    if (name === 'seccomp') {
      seccompProfile = profileWord(value);
      seccompSummary = seccompProfile === 'custom' ? summarizeProfile(value) : null;
    } else if (name === 'no-new-privileges') noNewPrivileges = separator === -1 || isTrue(value);
    else if (name === 'label' && value === 'disable') selinuxDisabled = true;
  }
  return { seccompProfile, seccompSummary, noNewPrivileges, selinuxDisabled };
}

function profileWord(value: string): 'default' | 'unconfined' | 'custom' {
  if (value === 'unconfined') return 'unconfined';
  return value === 'builtin' || value === '' ? 'default' : 'custom';
}

/** What Go's strconv.ParseBool, with which the engine reads the value, takes for true. */
function isTrue(value: string): boolean {
  return ['1', 't', 'T', 'TRUE', 'true', 'True'].includes(value);
}

function capabilityNames(names: readonly string[]): readonly string[] {
  return names.slice(0, 128).map((name) => clip(name.toUpperCase().replace(/^CAP_/, ''), 64));
}

function bounded(texts: readonly string[], maxLength: number): readonly string[] {
  return texts.slice(0, MAX_LIST).map((text) => clip(text, maxLength));
}

function toMounts(answer: InspectAnswer): Declared['mounts'] {
  return answer.Mounts.slice(0, MAX_MOUNTS).map((mount) => ({
    type: clip(mount.Type, 32),
    source: clip(mount.Source, 4096),
    destination: clip(mount.Destination, 4096),
    writable: mount.RW,
    propagation: clip(mount.Propagation, 32),
  }));
}

function toPorts(answer: InspectAnswer): Declared['ports'] {
  const ports: Declared['ports'][number][] = [];
  for (const [containerPort, bindings] of Object.entries(answer.NetworkSettings?.Ports ?? {}))
    for (const { HostIp, HostPort } of bindings)
      if (/^\d{1,5}$/.test(HostPort))
        ports.push({ containerPort: clip(containerPort, 32), hostIp: clip(HostIp, 64), hostPort: Number(HostPort) });
  // Privileged ports first: should there be more than are kept, the ones that matter stay.
  return ports.sort((one, other) => one.hostPort - other.hostPort).slice(0, MAX_PORTS);
}
