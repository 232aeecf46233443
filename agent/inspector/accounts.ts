import type { Host } from '../host/host.ts';
import { readText } from './read-text.ts';

/** Names by number. */
export interface Accounts {
  readonly users: ReadonlyMap<number, string>;
  readonly groups: ReadonlyMap<number, string>;
}

const MAX_ACCOUNT_BYTES = 8 * 1024 * 1024;

/** Names of users and groups of the node, from `/etc/passwd` and `/etc/group`; empty where they cannot be read. */
export async function readAccounts(host: Host): Promise<Accounts> {
  const [passwd, group] = await Promise.all([
    readText(host, '/etc/passwd', MAX_ACCOUNT_BYTES),
    readText(host, '/etc/group', MAX_ACCOUNT_BYTES),
  ]);
  return { users: namesOf(passwd.ok ? passwd.value : ''), groups: namesOf(group.ok ? group.value : '') };
}

/** Home directory of a user; undefined where the node does not list the user. */
export async function homeOf(host: Host, uid: number): Promise<string | undefined> {
  const read = await readText(host, '/etc/passwd', MAX_ACCOUNT_BYTES);
  if (!read.ok) return undefined;
  return read.value
    .split('\n')
    .map((line) => line.split(':', 7))
    .find((fields) => fields[2] === String(uid))?.[5];
}

/** passwd(5) and group(5): `name:password:number:…`. The first name of a number counts, as in getpwuid(3). */
export function namesOf(text: string): ReadonlyMap<number, string> {
  const names = new Map<number, string>();
  for (const line of text.split('\n')) {
    const [name, , number] = line.split(':', 3);
    if (name === undefined || name === '' || number === undefined || !/^\d{1,10}$/.test(number)) continue;
    if (!names.has(Number(number))) names.set(Number(number), name.slice(0, 256));
  }
  return names;
}
