import { clip } from '../clip.ts';

/** One line of passwd(5). */
export interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  readonly shell: string;
}

/** `name:password:uid:gid:gecos:home:shell`; lines that are not understood are left out, as getpwent(3) does. */
export function parsePasswd(text: string): readonly PasswdEntry[] {
  const entries: PasswdEntry[] = [];
  for (const line of text.split('\n')) {
    const [name, , uid, gid, , home, shell] = line.split(':', 7);
    // NIS entries begin with + or -.
    if (name === undefined || !/^[^+#-]/.test(name) || home === undefined || !isId(uid) || !isId(gid)) continue;
    entries.push({
      name: clip(name, 256),
      uid: Number(uid),
      gid: Number(gid),
      home: clip(home, 4096),
      shell: clip((shell ?? '').trim(), 4096),
    });
  }
  return entries;
}

/** `name:password:gid:member,member`, group(5). */
export function parseGroups(
  text: string,
): readonly { readonly name: string; readonly gid: number; readonly members: readonly string[] }[] {
  const groups = [];
  for (const line of text.split('\n')) {
    const [name, , gid, members] = line.split(':', 4);
    if (name === undefined || !/^[^+#-]/.test(name) || !isId(gid)) continue;
    const names = (members ?? '').split(',').map((member) => clip(member.trim(), 256));
    groups.push({
      name: clip(name, 256),
      gid: Number(gid),
      members: names.filter((member) => member !== '').slice(0, 1024),
    });
  }
  return groups;
}

/** Does the shell refuse every login? */
export function refusesLogin(shell: string): boolean {
  const name = shell.slice(shell.lastIndexOf('/') + 1);
  return ['nologin', 'false', 'true', 'sync', 'shutdown', 'halt', 'null'].includes(name);
}

/** `SYS_UID_MAX`, or what is below `UID_MIN`, of login.defs(5); 999 where it says nothing. */
export function systemUidMax(text: string): number {
  const valueOf = (name: string): string | undefined =>
    new RegExp(`^[ \\t]*${name}[ \\t]+(\\d{1,6})\\b`, 'm').exec(text)?.[1];
  const most = valueOf('SYS_UID_MAX');
  const least = valueOf('UID_MIN');
  if (most !== undefined) return Number(most);
  return least === undefined ? 999 : Math.max(0, Number(least) - 1);
}

function isId(text: string | undefined): boolean {
  return text !== undefined && /^\d{1,10}$/.test(text);
}
