import type { Host } from '../../host/host.ts';
import { UNIT_DIRECTORIES } from '../systemd/find-unit.ts';

/** How sshd is started, and the link that enables it. */
export interface EnabledUnit {
  readonly kind: 'socketActivated' | 'enabled';
  readonly path: string;
}

/** Names of the units: Debian family, others. */
const NAMES = ['ssh', 'sshd'];
/** Units by the targets that start them at boot. */
const TARGETS = [
  { kind: 'socketActivated', type: 'socket', target: 'sockets.target' },
  { kind: 'enabled', type: 'service', target: 'multi-user.target' },
  { kind: 'enabled', type: 'service', target: 'default.target' },
  { kind: 'enabled', type: 'service', target: 'graphical.target' },
  { kind: 'enabled', type: 'service', target: 'basic.target' },
] as const;
/** `comm` of the first process: systemd, System V init and busybox, OpenRC as init. */
const INIT_NAMES: ReadonlySet<string> = new Set(['systemd', 'init', 'openrc-init']);
const OPENRC_LINK: EnabledUnit = { kind: 'enabled', path: '/etc/runlevels/default/sshd' };

/** The links whose directories exist: one read of a directory saves one for each link, and most do not exist. */
async function possibleLinks(host: Host): Promise<readonly EnabledUnit[]> {
  const seen = new Set<string>();
  const links: EnabledUnit[] = [];
  for (const unitDirectory of UNIT_DIRECTORIES) {
    const directory = await host.stat(unitDirectory);
    // `/lib` is `/usr/lib` on most distributions. In a directory that cannot be read, each link is tried.
    const place = directory.ok ? directory.value.realPath : unitDirectory;
    if (seen.has(place) || (!directory.ok && directory.code === 'absent')) continue;
    seen.add(place);
    for (const { kind, type, target } of TARGETS) {
      for (const dependencies of [`${unitDirectory}/${target}.wants`, `${unitDirectory}/${target}.requires`]) {
        const stat = await host.stat(dependencies);
        if (stat.ok || stat.code !== 'absent')
          links.push(...NAMES.map((name) => ({ kind, path: `${dependencies}/${name}.${type}` })));
      }
    }
  }
  return [...links, OPENRC_LINK];
}

/**
 * The link with which `systemctl enable` (systemd.unit(5)) or OpenRC starts sshd at boot, unless the unit is masked or
 * no init system runs that would follow the link; undefined: sshd is not enabled.
 */
export async function enabledUnit(host: Host): Promise<EnabledUnit | undefined> {
  const possible = await possibleLinks(host);
  const links = await host.readMany(possible.map(({ path }) => ({ op: 'readLink', path })));
  const enabled = possible.filter((_, index) => links[index]?.ok === true);
  if (enabled.length === 0 || (await hasNoInit(host))) return undefined;
  for (const link of enabled) {
    const masked = await host.readLink(`/etc/systemd/system/${link.path.slice(link.path.lastIndexOf('/') + 1)}`);
    if (!masked.ok || masked.value !== '/dev/null') return link;
  }
  return undefined;
}

/**
 * Packages leave these links also where nothing follows them, in a virtual machine or container whose first process
 * starts one workload. systemd has /run/systemd/system (sd_booted(3)); the first process of other init systems, which
 * start what packages enable, is called `init` or `openrc-init`. What cannot be read counts as an init system.
 */
async function hasNoInit(host: Host): Promise<boolean> {
  const booted = await host.stat('/run/systemd/system');
  if (booted.ok || booted.code !== 'absent') return false;
  const first = await host.readFile('/proc/1/comm', { maxBytes: 64 });
  return first.ok && !INIT_NAMES.has(first.value.toString().trim());
}
