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

/** A link that would enable a unit, below one of the directories that hold units. */
interface EnablingLink extends EnabledUnit {
  readonly unitDirectory: string;
  /** Name in that directory: `multi-user.target.wants`. */
  readonly dependencies: string;
}

const LINKS: readonly EnablingLink[] = [
  ...linksOf('socketActivated', 'socket', ['sockets.target']),
  ...linksOf('enabled', 'service', SERVICE_TARGETS),
];
const OPENRC_LINK: EnabledUnit = { kind: 'enabled', path: '/etc/runlevels/default/sshd' };

function linksOf(kind: EnabledUnit['kind'], type: string, targets: readonly string[]): readonly EnablingLink[] {
  return UNIT_DIRECTORIES.flatMap((unitDirectory) =>
    targets
      .flatMap((target) => [`${target}.wants`, `${target}.requires`])
      .flatMap((dependencies) =>
        NAMES.map((name) => ({
          kind,
          unitDirectory,
          dependencies,
          path: `${unitDirectory}/${dependencies}/${name}.${type}`,
        })),
      ),
  );
}

/** The links whose directories exist: a look at each directory saves a look for each link, and most do not exist. */
async function possibleLinks(host: Host): Promise<readonly EnabledUnit[]> {
  const seen = new Set<string>();
  const links: EnabledUnit[] = [];
  for (const unitDirectory of UNIT_DIRECTORIES) {
    const directory = await host.stat(unitDirectory);
    // `/lib` is `/usr/lib` on most distributions. What cannot be read is asked link by link.
    const place = directory.ok ? directory.value.realPath : unitDirectory;
    if (seen.has(place) || (!directory.ok && directory.code === 'absent')) continue;
    seen.add(place);
    for (const [dependencies, below] of Map.groupBy(
      LINKS.filter((link) => link.unitDirectory === unitDirectory),
      (link) => link.dependencies,
    )) {
      const stat = await host.stat(`${unitDirectory}/${dependencies}`);
      if (stat.ok || stat.code !== 'absent') links.push(...below);
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
 * starts one workload. systemd has /run/systemd/system (sd_booted(3)); the first process of other init systems, for
 * which packages enable the service beside systemd, is called `init`. What cannot be read counts as an init system.
 */
async function hasNoInit(host: Host): Promise<boolean> {
  const booted = await host.stat('/run/systemd/system');
  if (booted.ok || booted.code !== 'absent') return false;
  const first = await host.readFile('/proc/1/comm', { maxBytes: 64 });
  return first.ok && first.value.toString().trim() !== 'systemd' && first.value.toString().trim() !== 'init';
}
