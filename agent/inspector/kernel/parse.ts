import { clip } from '../clip.ts';
import type { MountEntry } from '../proc/mountinfo.ts';

/** `/sys/kernel/security/lsm`: the active security modules, `lockdown,capability,apparmor`. */
export function parseLsm(text: string): readonly string[] {
  return text
    .trim()
    .split(',', 64)
    .map((name) => clip(name.trim(), 64))
    .filter((name) => name !== '');
}

/** `/sys/kernel/security/lockdown`: `none [integrity] confidentiality`, kernel_lockdown(7). */
export function parseLockdown(text: string): 'none' | 'integrity' | 'confidentiality' | undefined {
  const word = /\[(none|integrity|confidentiality)\]/.exec(text)?.[1];
  return word as 'none' | 'integrity' | 'confidentiality' | undefined;
}

/** `/sys/fs/selinux/enforce`: `1` or `0`. */
export function parseEnforce(text: string): 'enforcing' | 'permissive' | undefined {
  if (text.trim() === '1') return 'enforcing';
  return text.trim() === '0' ? 'permissive' : undefined;
}

/**
 * The mode in `/etc/selinux/config` as selinux_getenforcemode(3) reads it: the first line that begins with `SELINUX=` and
 * one of the modes counts, whatever follows; empty where there is none.
 */
export function parseSelinuxConfig(text: string): string {
  for (const line of text.split('\n')) {
    const mode = line.startsWith('SELINUX=')
      ? /^=\s*(enforcing|permissive|disabled)/i.exec(line.slice(7))?.[1]
      : undefined;
    if (mode !== undefined) return mode.toLowerCase();
  }
  return '';
}

/** A switch of a kernel module: `Y` or `N`. */
export function parseSwitch(text: string): boolean | undefined {
  const word = text.trim();
  if (word === 'Y' || word === '1') return true;
  return word === 'N' || word === '0' ? false : undefined;
}

/** `/sys/kernel/security/apparmor/profiles`: `docker-default (enforce)`, a line each. */
export function parseApparmorProfiles(
  text: string,
): readonly { readonly name: string; readonly mode: string }[] | undefined {
  const profiles = [];
  for (const line of text.split('\n', 10_001)) {
    const match = /^(.+) \(([a-z_]{1,32})\)$/.exec(line);
    if (match?.[1] !== undefined && match[2] !== undefined)
      profiles.push({ name: clip(match[1], 1024), mode: match[2] });
  }
  return profiles.length > 10_000 ? undefined : profiles;
}

/** A whole number; undefined if the text is not one. */
export function parseNumber(text: string): number | undefined {
  const word = text.trim();
  return /^\d{1,15}$/.test(word) ? Number(word) : undefined;
}

/** Words between spaces: `/proc/sys/kernel/seccomp/actions_avail`. */
export function parseWords(text: string): readonly string[] {
  return text
    .trim()
    .split(/\s+/, 64)
    .filter((word) => word !== '')
    .map((word) => clip(word, 64));
}

/** The variable `SecureBoot` of UEFI 2.10, 3.3: four bytes of attributes that efivarfs puts first, then 1 or 0. */
export function parseSecureBoot(bytes: Uint8Array): boolean | undefined {
  const value = bytes.length === 5 ? bytes[4] : undefined;
  if (value === 1) return true;
  return value === 0 ? false : undefined;
}

/**
 * The version of control groups that holds the controllers: 1 as soon as one controller is mounted that way (named
 * hierarchies hold none), otherwise 2. undefined: none is mounted.
 */
export function cgroupVersion(
  mounts: readonly MountEntry[],
): { readonly version: 1 | 2; readonly mountPoint: string } | undefined {
  const controllers = mounts.find(({ fsType, superOptions }) => fsType === 'cgroup' && !superOptions.includes('name='));
  if (controllers !== undefined) return { version: 1, mountPoint: controllers.mountPoint };
  const unified = mounts.find(({ fsType }) => fsType === 'cgroup2');
  return unified === undefined ? undefined : { version: 2, mountPoint: unified.mountPoint };
}
