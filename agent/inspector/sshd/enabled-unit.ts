import type { Host } from '../../host/host.ts';
import { UNIT_DIRECTORIES } from '../systemd/find-unit.ts';

/** How sshd is started, and the link that enables it. */
export interface EnabledUnit {
  readonly kind: 'socketActivated' | 'enabled';
  readonly path: string;
}

/** Names of the units: Debian family, others. */
const NAMES = ['ssh', 'sshd'];
/** Targets that are reached at boot. */
const SERVICE_TARGETS = ['multi-user.target', 'default.target', 'graphical.target', 'basic.target'];

/** All links that would enable a unit, with what they start. */
const LINKS: readonly EnabledUnit[] = [
  ...linksOf('socket', ['sockets.target']).map((path) => ({ kind: 'socketActivated' as const, path })),
  ...linksOf('service', SERVICE_TARGETS).map((path) => ({ kind: 'enabled' as const, path })),
  { kind: 'enabled', path: '/etc/runlevels/default/sshd' },
];

function linksOf(type: string, targets: readonly string[]): readonly string[] {
  return UNIT_DIRECTORIES.flatMap((directory) =>
    targets.flatMap((target) =>
      ['wants', 'requires'].flatMap((kind) => NAMES.map((name) => `${directory}/${target}.${kind}/${name}.${type}`)),
    ),
  );
}

/**
 * The link with which `systemctl enable` (systemd.unit(5)) or OpenRC starts sshd at boot, unless the unit is masked or
 * no init system runs that would follow the link; undefined: sshd is not enabled.
 */
export async function enabledUnit(host: Host): Promise<EnabledUnit | undefined> {
  const links = await host.readMany(LINKS.map(({ path }) => ({ op: 'readLink', path })));
  const enabled = LINKS.filter((_, index) => links[index]?.ok === true);
  if (enabled.length === 0 || (await hasNoInit(host))) return undefined;
  for (const link of enabled) {
    const masked = await host.readLink(`/etc/systemd/system/${link.path.slice(link.path.lastIndexOf('/') + 1)}`);
    if (!masked.ok || masked.value !== '/dev/null') return link;
  }
  return undefined;
}

/**
 * Packages leave these links also where nothing follows them, in a virtual machine or container whose first process
 * starts one workload. systemd has /run/systemd/system (sd_booted(3)); the first process of other init systems, for
 * which packages enable the service beside systemd, is called `init`. What cannot be read counts as an init system.
 */
async function hasNoInit(host: Host): Promise<boolean> {
  const booted = await host.stat('/run/systemd/system');
  if (booted.ok || booted.code !== 'absent') return false;
  const first = await host.readFile('/proc/1/comm', { maxBytes: 64 });
  return first.ok && first.value.toString().trim() !== 'systemd' && first.value.toString().trim() !== 'init';
}
