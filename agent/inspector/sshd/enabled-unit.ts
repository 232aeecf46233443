import type { Host } from '../../host/host.ts';
import { UNIT_DIRECTORIES } from '../systemd/find-unit.ts';

/** What starts sshd, and the link that enables it. */
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
 * The link with which `systemctl enable` (systemd.unit(5)) or OpenRC starts sshd at boot, unless the unit is masked;
 * undefined: nothing does.
 */
export async function enabledUnit(host: Host): Promise<EnabledUnit | undefined> {
  const links = await host.readMany(LINKS.map(({ path }) => ({ op: 'readLink', path })));
  for (const [index, link] of LINKS.entries()) {
    if (links[index]?.ok !== true) continue;
    const masked = await host.readLink(`/etc/systemd/system/${link.path.slice(link.path.lastIndexOf('/') + 1)}`);
    if (!masked.ok || masked.value !== '/dev/null') return link;
  }
  return undefined;
}
