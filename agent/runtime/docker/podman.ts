import type { InspectAnswer } from './container-schema.ts';
import { DECLARED_SOURCES } from './declared.ts';

/** Paths that Podman hides in a container, and those that it mounts read-only: podman-run(1), `--security-opt unmask`. */
const MASKED: readonly string[] = [
  '/proc/acpi',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
  '/sys/fs/selinux',
];
const READ_ONLY: readonly string[] = [
  '/proc/asound',
  '/proc/bus',
  '/proc/fs',
  '/proc/irq',
  '/proc/sys',
  '/proc/sysrq-trigger',
  '/sys/fs/cgroup',
];

/** Where `podman inspect` shows each value: as Docker, but for what {@link fromPodman} derives. */
export const PODMAN_SOURCES: typeof DECLARED_SOURCES = Object.freeze({
  ...DECLARED_SOURCES,
  maskedPaths: 'inspect HostConfig.SecurityOpt',
  readonlyPaths: 'inspect HostConfig.SecurityOpt',
});

/**
 * An answer of Podman's Docker-compatible API in the terms of Docker. Podman lists no masked paths, only the options
 * `mask` and `unmask`; its namespaces of their own are `private`, where Docker leaves the mode empty.
 */
export function fromPodman(answer: InspectAnswer): InspectAnswer {
  const { HostConfig: host } = answer;
  const isBare = unmaskedBy(host.SecurityOpt, host.Privileged);
  const asked = valuesOf(host.SecurityOpt, 'mask');
  const ownMode = (mode: string): string => (mode === 'private' ? '' : mode);
  return {
    ...answer,
    HostConfig: {
      ...host,
      PidMode: ownMode(host.PidMode),
      UTSMode: ownMode(host.UTSMode),
      MaskedPaths: [...MASKED.filter((path) => !isBare(path)), ...asked],
      ReadonlyPaths: READ_ONLY.filter((path) => !isBare(path)),
    },
  };
}

/** Which default paths are left as they are: `unmask=ALL`, or a list of paths and shell patterns that end in `*`. */
function unmaskedBy(options: readonly string[], isPrivileged: boolean): (path: string) => boolean {
  const patterns = valuesOf(options, 'unmask');
  if (isPrivileged || patterns.some((pattern) => pattern.toUpperCase() === 'ALL')) return () => true;
  return (path) =>
    patterns.some((pattern) => (pattern.endsWith('*') ? path.startsWith(pattern.slice(0, -1)) : path === pattern));
}

/** The values of an option, which separates them by colons. */
function valuesOf(options: readonly string[], name: string): readonly string[] {
  return options
    .filter((option) => option.startsWith(`${name}=`))
    .flatMap((option) => option.slice(name.length + 1).split(':'));
}
