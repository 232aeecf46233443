import { seen, unreadable } from '../../../posture/observed.ts';
import type { HostFact } from '../../../posture/fact/host.ts';
import type { Host } from '../../host/host.ts';
import { clip } from '../clip.ts';

/** Directories whose files init and cron run as root. Those of packages below /usr are not writable in the first place. */
export const JOB_DIRECTORIES: readonly string[] = Object.freeze([
  '/etc/systemd/system',
  '/etc/cron.d',
  '/etc/cron.hourly',
  '/etc/cron.daily',
  '/etc/cron.weekly',
  '/etc/cron.monthly',
  '/var/spool/cron/crontabs',
]);
const JOB_FILES: readonly string[] = ['/etc/crontab', '/etc/anacrontab', '/etc/rc.local'];

/** Bounds: of one directory, and of what is listed in the fact. */
const MAX_ENTRIES = 1024;
const MAX_OPEN = 64;
const GROUP_WRITE = 0o020;
const OTHERS_WRITE = 0o002;
const STICKY = 0o1000;

/** What init and cron run as root, and others than root can change. */
export async function readOpenJobFiles(host: Host): Promise<HostFact['openJobFiles']> {
  const open: { path: string; reason: string }[] = [];
  for (const directory of JOB_DIRECTORIES) {
    const listed = await host.list(directory, { maxEntries: MAX_ENTRIES });
    if (!listed.ok && listed.code !== 'absent') return unreadable(directory, listed.reason);
    if (!listed.ok) continue;
    for (const path of [directory, ...listed.value.map((name) => `${directory}/${name}`)]) {
      const problem = await problemOf(host, path);
      if (problem === 'unread') return unreadable(path, 'its owner and mode could not be read');
      if (problem !== undefined) open.push({ path: clip(path, 4096), reason: problem });
    }
  }
  for (const path of JOB_FILES) {
    const problem = await problemOf(host, path);
    if (problem === 'unread') return unreadable(path, 'its owner and mode could not be read');
    if (problem !== undefined) open.push({ path, reason: problem });
  }
  return seen(open.slice(0, MAX_OPEN), '/etc/systemd/system');
}

async function problemOf(host: Host, path: string): Promise<string | undefined> {
  const stat = await host.stat(path);
  // A link that leads nowhere runs nothing.
  if (!stat.ok) return stat.code === 'absent' ? undefined : 'unread';
  const { kind, uid, mode, realPath } = stat.value;
  if (realPath === '/dev/null') return undefined;
  // In the directory of crontabs the group crontab adds files, and each user has one.
  if (path.startsWith('/var/spool/cron/crontabs'))
    return (mode & OTHERS_WRITE) !== 0 && (mode & STICKY) === 0 ? 'writable by everybody' : undefined;
  if (uid !== 0) return `owned by uid ${String(uid)}`;
  if ((mode & OTHERS_WRITE) !== 0) return 'writable by everybody';
  if ((mode & GROUP_WRITE) !== 0 && stat.value.gid !== 0 && kind !== 'socket')
    return `writable by gid ${String(stat.value.gid)}`;
  return undefined;
}
