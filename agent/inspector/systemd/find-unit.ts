import type { Host, ReadFailure } from '../../host/host.ts';
import { readTrusted } from '../trusted-path.ts';
import { parseUnitFile } from './unit-file.ts';
import type { UnitSetting } from './unit-file.ts';
import { compareKeys } from '../../../posture/text-order.ts';

/**
 * Directories of units, systemd.unit(5), the first that has it wins; `/lib` is `/usr/lib` on most distributions now.
 */
export const UNIT_DIRECTORIES = Object.freeze([
  '/etc/systemd/system',
  '/run/systemd/system',
  '/usr/local/lib/systemd/system',
  '/usr/lib/systemd/system',
  '/lib/systemd/system',
]);

/** `systemctl set-property` writes drop-ins of its own, which win. */
const DROP_IN_DIRECTORIES = ['/etc/systemd/system.control', '/run/systemd/system.control', ...UNIT_DIRECTORIES];

const MAX_DROP_INS = 64;

/** A unit: its file and its drop-ins, by path. Masked: it is linked to /dev/null, so it can never start. */
export interface Unit {
  readonly path: string;
  readonly isMasked: boolean;
  readonly dropIns: readonly string[];
  /** Directories whose drop-ins are not all known, and why: something else may be in force. */
  readonly unread: readonly { readonly path: string; readonly reason: string }[];
  /** Files whose settings are not known, and why. */
  readonly refused: readonly { readonly path: string; readonly reason: string }[];
  /** What the other files say together, in the order in which systemd reads them. */
  readonly settings: readonly UnitSetting[];
  /** The newest modification of those files, milliseconds since 1970. */
  readonly modifiedAtMs: number;
}

/** The drop-ins of a unit, which may have no file of its own: `system.slice`. */
export type UnitDropIns = Pick<Unit, 'dropIns' | 'unread' | 'refused' | 'settings' | 'modifiedAtMs'>;

/** Finds `docker.service`, `ssh.socket` …; undefined where no directory has it, a failure where one cannot be seen. */
export async function findUnit(host: Host, name: string): Promise<Unit | ReadFailure | undefined> {
  for (const directory of UNIT_DIRECTORIES) {
    const path = `${directory}/${name}`;
    const link = await host.readLink(path);
    const stat = await host.stat(path);
    const isMasked =
      (link.ok && link.value === '/dev/null') || (stat.ok && stat.value.kind === 'file' && stat.value.size === 0);
    if (isMasked) return { path, isMasked, dropIns: [], unread: [], refused: [], settings: [], modifiedAtMs: 0 };
    if (!stat.ok) {
      if (stat.code === 'absent') continue;
      return stat;
    }
    return { path, isMasked, ...(await readDropIns(host, name, [path])) };
  }
  return undefined;
}

/** The drop-ins of a unit, and what they say behind the files `before`. */
export async function readDropIns(host: Host, name: string, before: readonly string[] = []): Promise<UnitDropIns> {
  const found = await findDropIns(host, name);
  return { ...found, ...(await readSettings(host, [...before, ...found.dropIns])) };
}

/** Why the settings of a unit are not all known; undefined: they are, or there is no such unit. */
export function unknownSettings(unit: UnitDropIns | ReadFailure | undefined): string | undefined {
  if (unit === undefined) return undefined;
  if (!('settings' in unit)) return unit.reason;
  const [first] = [...unit.unread, ...unit.refused];
  return first && `${first.path}: ${first.reason}`;
}

/** `NAME.d/*.conf` of all directories, sorted by file name; of the same name only the first counts. */
async function findDropIns(host: Host, name: string): Promise<Pick<Unit, 'dropIns' | 'unread'>> {
  const found = new Map<string, string>();
  const unread: { readonly path: string; readonly reason: string }[] = [];
  for (const directory of DROP_IN_DIRECTORIES) {
    const path = `${directory}/${name}.d`;
    const listed = await host.list(path);
    if (!listed.ok) {
      if (listed.code !== 'absent') unread.push({ path, reason: listed.reason });
      continue;
    }
    for (const file of listed.value)
      if (file.endsWith('.conf') && !found.has(file)) {
        if (found.size < MAX_DROP_INS) found.set(file, `${path}/${file}`);
        else if (!unread.some((entry) => entry.path === path))
          unread.push({ path, reason: `more than ${String(MAX_DROP_INS)} drop-ins` });
      }
  }
  const dropIns = [...found].sort(compareKeys).map(([, path]) => path);
  return { dropIns, unread };
}

async function readSettings(
  host: Host,
  paths: readonly string[],
): Promise<Pick<Unit, 'settings' | 'refused' | 'modifiedAtMs'>> {
  const settings: UnitSetting[] = [];
  const refused: { readonly path: string; readonly reason: string }[] = [];
  let modifiedAtMs = 0;
  for (const path of paths) {
    const read = await readTrusted(host, path, 256 * 1024);
    if (read.ok) {
      settings.push(...parseUnitFile(read.value.bytes.toString('utf8')));
      modifiedAtMs = Math.max(modifiedAtMs, read.value.stat.modifiedAtMs);
    }
    // A drop-in that was removed meanwhile says nothing any more.
    else if (read.code !== 'absent') refused.push({ path, reason: read.reason });
  }
  return { settings, refused, modifiedAtMs };
}
