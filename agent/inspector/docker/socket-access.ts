import type { SocketAccess } from '../../../posture/fact/docker.ts';
import { absent, seen, unreadable } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import type { Host } from '../../host/host.ts';
import { clip } from '../clip.ts';
import { readText, unseen } from '../read-text.ts';
import { socketPath } from '../runtime-reply.ts';

const MAX_ACCOUNT_BYTES = 8 * 1024 * 1024;
const MAX_MEMBERS = 10_000;
const GROUP_WRITE = 0o020;
const OTHERS_WRITE = 0o002;
/** Services of nsswitch.conf(5) that know no more accounts than the files do, or only those of running services. */
const LOCAL_SERVICES: ReadonlySet<string> = new Set(['compat', 'db', 'files', 'mymachines', 'systemd']);

/**
 * The accounts that may connect to the socket of an engine, which needs the right to write to it, unix(7). Whoever may
 * is root. absent: no such socket, or an endpoint on TCP.
 */
export async function readSocketAccess(host: Host, endpoint: string): Promise<Observed<SocketAccess>> {
  const path = socketPath(endpoint);
  if (path === undefined) return absent(endpoint);
  const stat = await host.stat(path);
  if (!stat.ok) return unseen(stat, path);
  const { uid, gid, mode } = stat.value;
  const files = ['/etc/group', '/etc/passwd'];
  const [group, passwd] = await Promise.all(files.map((file) => readText(host, file, MAX_ACCOUNT_BYTES)));
  for (const [index, read] of [group, passwd].entries())
    if (read === undefined || !read.ok) return unreadable(files[index] ?? '', read?.reason ?? '');
  if (group?.ok !== true || passwd?.ok !== true) return absent(path);
  const found = (mode & GROUP_WRITE) === 0 ? [] : membersOf(gid, group.value, passwd.value);
  if (found.length > MAX_MEMBERS) return unreadable('/etc/group', `more than ${String(MAX_MEMBERS)} members`);
  return seen(
    {
      uid,
      gid,
      group: clip(groupName(gid, group.value), 256),
      everybody: (mode & OTHERS_WRITE) !== 0,
      members: found,
      otherServices: await readOtherServices(host),
    },
    path,
  );
}

/** group(5) and passwd(5). Several lines of one number count together, as they do for initgroups(3). */
export function membersOf(gid: number, group: string, passwd: string): readonly string[] {
  const members = new Set<string>();
  const roots = new Set<string>();
  for (const line of linesOf(passwd)) {
    const [name = '', , uid, primary] = line.split(':', 4);
    if (uid !== undefined && /^0+$/.test(uid)) roots.add(name);
    if (primary !== undefined && isNumber(primary, gid) && name !== '') members.add(clip(name, 256));
  }
  for (const line of linesOf(group)) {
    const [, , number, list = ''] = line.split(':', 4);
    if (number === undefined || !isNumber(number, gid)) continue;
    for (const name of list.split(',')) if (name.trim() !== '') members.add(clip(name.trim(), 256));
  }
  // Accounts of user id 0 are root anyway.
  return [...members].filter((name) => !roots.has(name)).sort();
}

function groupName(gid: number, group: string): string {
  const line = linesOf(group).find((candidate) => isNumber(candidate.split(':', 3)[2] ?? '', gid));
  return line?.split(':', 1)[0] || String(gid);
}

function linesOf(text: string): readonly string[] {
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

function isNumber(text: string, number: number): boolean {
  return /^\d{1,10}$/.test(text) && Number(text) === number;
}

/** `group: files sss [NOTFOUND=return] ldap`, nsswitch.conf(5): where else accounts and groups come from. */
async function readOtherServices(host: Host): Promise<readonly string[]> {
  const read = await readText(host, '/etc/nsswitch.conf');
  // Without the file the C library asks the files alone, or has none of this.
  if (!read.ok) return read.code === 'absent' ? [] : ['nsswitch.conf cannot be read'];
  const services = new Set<string>();
  for (const line of read.value.split('\n')) {
    const [, list] = /^\s*(?:group|passwd|initgroups)\s*:([^#]*)/.exec(line) ?? [];
    for (const word of (list ?? '').replaceAll(/\[[^\]]*\]/g, ' ').split(/\s+/))
      if (word !== '' && !LOCAL_SERVICES.has(word)) services.add(clip(word, 64));
  }
  return [...services].slice(0, 16);
}
