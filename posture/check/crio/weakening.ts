/** What CRI-O gives containers by default, crio.conf(5). */
const DEFAULT_CAPABILITIES: ReadonlySet<string> = new Set([
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'NET_BIND_SERVICE',
  'SETGID',
  'SETPCAP',
  'SETUID',
]);

/**
 * Annotations that take protection away, by their name without a container behind it: those of crio.conf(5), with the
 * names that older releases use.
 */
const WEAKENING: ReadonlySet<string> = new Set([
  'cgroup2-mount-hierarchy-rw.crio.io',
  'devices.crio.io',
  'disable-fips.crio.io',
  'platform-runtime-path.crio.io',
  'pod-linux-resources.crio.io',
  'seccomp-profile.crio.io',
  'try-skip-volume-selinux-label.crio.io',
  'unified-cgroup.crio.io',
  'userns-mode.crio.io',
  'io.kubernetes.cri-o.Devices',
  'io.kubernetes.cri-o.DisableFIPS',
  'io.kubernetes.cri-o.PlatformRuntimePath',
  'io.kubernetes.cri-o.PodLinuxResources',
  'io.kubernetes.cri-o.TrySkipVolumeSELinuxLabel',
  'io.kubernetes.cri-o.UnifiedCgroup',
  'io.kubernetes.cri-o.cgroup2-mount-hierarchy-rw',
  'io.kubernetes.cri-o.userns-mode',
  'seccomp-profile.kubernetes.cri-o.io',
]);

/** Memory, ports and disks: Documentation/admin-guide/devices.rst. */
const HOST_DEVICE =
  /^\/dev\/(?:mem|kmem|port|kmsg|core|disk\/.*|mapper\/.*|(?:sd|hd|vd|xvd)[a-z]+\d*|nvme\d.*|mmcblk\d.*|dm-\d+|md\d+|loop\d+|sg\d+|sr\d+)$/;

/** Capabilities of a list (`CHOWN,NET_RAW`, also with `CAP_`) beyond the default ones. */
export function extraCapabilities(list: string): readonly string[] {
  return split(list)
    .map((name) => name.toUpperCase().replace(/^CAP_/, ''))
    .filter((name) => !DEFAULT_CAPABILITIES.has(name));
}

/** Devices of a list (`/dev/sda:/dev/xvda:rwm`) that are the host itself. */
export function hostDevices(list: string): readonly string[] {
  return split(list)
    .map((device) => device.split(':', 1)[0] ?? '')
    .filter((path) => HOST_DEVICE.test(path) || path === '/dev');
}

/** The annotations that take protection away. */
export function annotationProblems(annotations: readonly string[]): readonly string[] {
  return annotations.filter((annotation) => WEAKENING.has(annotation.split('/', 1)[0] ?? ''));
}

function split(list: string): readonly string[] {
  return list
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}
