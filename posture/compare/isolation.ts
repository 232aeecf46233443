import { isRootUser } from '../check/user.ts';
import type { LiveContainer } from './container.ts';
import { relationOf, setting, unreadSetting } from './setting.ts';
import type { ComparedSetting } from './setting.ts';

/** The user of the first process in the user namespace of the host, beside the declared one. */
export function userSetting({ declared, uid, uidMap }: LiveContainer): ComparedSetting {
  const asked = declared.user === '' ? 'root (nothing declared)' : declared.user;
  if (uid === null) return unreadSetting('user', asked);
  const inside = isRootUser(declared.user) ? 0 : numericUser(declared.user);
  const mapped = inside === undefined ? undefined : outsideOf(inside, uidMap ?? []);
  const effective = uid === 0 ? 'uid 0: root on the host' : `uid ${String(uid)}`;
  const weakness = uid === 0 ? 'root on the host' : '';
  if (mapped === undefined) return setting('user', asked, effective, { relation: 'only', weakness });
  return setting('user', asked, effective, {
    ...relationOf(mapped === uid, uid === 0 ? 'became root' : 'changed its user after the start'),
    weakness,
  });
}

/** The namespaces that a container can share with the host, with the field that declares it. */
const NAMESPACES = [
  { name: 'user', label: 'user namespace', field: 'usernsMode' },
  { name: 'pid', label: 'PID namespace', field: 'pidMode' },
  { name: 'net', label: 'network namespace', field: 'networkMode' },
  { name: 'ipc', label: 'IPC namespace', field: 'ipcMode' },
  { name: 'uts', label: 'UTS namespace', field: 'utsMode' },
  { name: 'cgroup', label: 'cgroup namespace', field: 'cgroupnsMode' },
] as const;

/** Each namespace: that of the host, or the container's own. */
export function namespaceSettings(container: LiveContainer): readonly ComparedSetting[] {
  return NAMESPACES.map(({ name, label, field }) => {
    const mode = container.declared[field];
    const asked = mode === '' ? 'nothing declared' : mode;
    const observed = container.namespaces[name];
    if (observed === null) return unreadSetting(label, asked);
    const effective = observed.host ? "the host's" : 'own';
    // Without the mode `host` it is the daemon that decides about users and cgroups.
    const isDaemons = mode === '' && (name === 'user' || name === 'cgroup');
    const isFollowed = mode.startsWith('container:');
    const weakness = observed.host && name !== 'user' && name !== 'cgroup' ? `host ${name} namespace` : '';
    if (isDaemons || isFollowed) return setting(label, asked, effective, { relation: 'only', weakness });
    return setting(label, asked, effective, {
      ...relationOf(
        (mode === 'host') === observed.host,
        observed.host ? 'shared with the host' : 'not shared with the host',
      ),
      weakness,
    });
  });
}

/** Whether the root mount is read-only. */
export function rootFileSystemSetting({ declared, rootReadOnly }: LiveContainer): ComparedSetting {
  const asked = declared.readOnlyRoot ? 'read-only' : 'writable';
  // Of several mounts at one mount point, the last one is visible.
  const last = rootReadOnly?.at(-1);
  if (last === undefined) return unreadSetting('root file system', asked);
  return setting('root file system', asked, last ? 'read-only' : 'writable', {
    ...relationOf(
      last === declared.readOnlyRoot,
      last ? 'stricter than declared' : 'declared read-only, mounted writable',
    ),
  });
}

/** A limit of the cgroup, beside the one that was asked for. `none` means no limit on either side. */
export function limitSetting(
  name: string,
  { declared, effective }: { readonly declared: number; readonly effective: number | null },
  format: (value: number) => string,
): ComparedSetting {
  const asked = declared > 0 ? format(declared) : 'none';
  if (effective === null) return unreadSetting(name, asked);
  const now = effective >= 0 ? format(effective) : 'none';
  // An ancestor of the cgroup may be stricter, and the kernel rounds to whole pages.
  const isSame = declared > 0 ? effective >= 0 && effective <= declared : effective < 0;
  if (declared <= 0 && effective >= 0) return setting(name, asked, now, { relation: 'only' });
  return setting(name, asked, now, { ...relationOf(isSame, 'declared, but not in force') });
}

/** Why not every thread was read; undefined for a complete container. */
export function completeSetting({ complete, incompleteReason }: LiveContainer): ComparedSetting | undefined {
  if (complete) return undefined;
  return setting('threads', 'all', `not all read: ${incompleteReason}`, { relation: 'unread' });
}

function numericUser(user: string): number | undefined {
  return /^\d{1,10}(?::|$)/.test(user) ? Number.parseInt(user, 10) : undefined;
}

function outsideOf(inside: number, map: NonNullable<LiveContainer['uidMap']>): number {
  const range = map.find((entry) => inside >= entry.inside && inside < entry.inside + entry.count);
  return range === undefined ? inside : range.outside + inside - range.inside;
}
