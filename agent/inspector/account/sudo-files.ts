import { absent, seen, unreadable } from '../../../posture/observed.ts';
import type { AccountsFact, SudoRule } from '../../../posture/fact/accounts.ts';
import type { Host } from '../../host/host.ts';
import { readTrusted } from '../trusted-path.ts';
import { parseDoas, parseSudoers, sudoRules } from './sudoers.ts';
import type { SudoersFile } from './sudoers.ts';

/** Where distributions keep them; SUSE has its own below /usr. The first that exists counts. */
const SUDOERS = ['/etc/sudoers', '/usr/etc/sudoers'];
const DOAS = ['/etc/doas.conf'];
const DOAS_DIRECTORY = '/etc/doas.d';

const MAX_FILES = 256;
const MAX_RULES = 1024;
const MAX_BYTES = 256 * 1024;

/** Files that decide who may become root, and the directories that can hold further ones. */
export const SUDO_PATHS: readonly string[] = Object.freeze([
  ...SUDOERS,
  ...DOAS,
  DOAS_DIRECTORY,
  '/etc/sudoers.d',
  '/usr/etc/sudoers.d',
]);

/** Rules of sudo and doas. Files that others than root can change are not read: sudo refuses them too. */
export async function readSudoRules(host: Host): Promise<AccountsFact['sudo']> {
  const sudo = await readSudoers(host);
  if (sudo.state === 'unreadable') return sudo;
  const doas = await readDoas(host);
  if (sudo.state === 'absent' || doas.state === 'unreadable') return doas.state === 'absent' ? sudo : doas;
  const rules = [...sudo.value, ...(doas.state === 'seen' ? doas.value : [])];
  return rules.length > MAX_RULES
    ? unreadable(sudo.source, `more than ${String(MAX_RULES)} rules`)
    : seen(rules, sudo.source);
}

async function readSudoers(host: Host): Promise<AccountsFact['sudo']> {
  for (const main of SUDOERS) {
    const files: { path: string; file: SudoersFile }[] = [];
    const pending: { kind: 'file' | 'directory'; path: string }[] = [{ kind: 'file', path: main }];
    const visited = new Set<string>();
    for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
      // %h is the name of the host, which sudo asks the system for.
      if (next.path.includes('%h')) return unreadable(next.path, 'it is included by the name of the host');
      const path = next.path.startsWith('/') ? next.path : `${main.slice(0, main.lastIndexOf('/'))}/${next.path}`;
      if (visited.has(path)) continue;
      visited.add(path);
      if (visited.size > MAX_FILES) return unreadable(path, `more than ${String(MAX_FILES)} files`);
      if (next.kind === 'directory') {
        const listed = await host.list(path, { maxEntries: MAX_FILES });
        if (!listed.ok && listed.code !== 'absent') return unreadable(path, listed.reason);
        // sudoers(5): names with a point or a tilde at the end are skipped.
        const names = listed.ok ? listed.value.filter((name) => !name.includes('.') && !name.endsWith('~')) : [];
        pending.unshift(...names.map((name) => ({ kind: 'file' as const, path: `${path}/${name}` })));
        continue;
      }
      const read = await readTrusted(host, path, MAX_BYTES);
      if (!read.ok && read.code === 'absent') {
        if (path === main) break;
        continue;
      }
      if (!read.ok) return unreadable(path, read.reason);
      const file = parseSudoers(read.value.bytes.toString('utf8'));
      files.push({ path, file });
      pending.unshift(...file.includes);
    }
    if (files.length > 0) return seen(sudoRules(files), main);
  }
  return absent(SUDOERS[0] ?? '');
}

async function readDoas(host: Host): Promise<AccountsFact['sudo']> {
  const listed = await host.list(DOAS_DIRECTORY, { maxEntries: MAX_FILES });
  if (!listed.ok && listed.code !== 'absent') return unreadable(DOAS_DIRECTORY, listed.reason);
  const added = listed.ok ? listed.value.filter((name) => name.endsWith('.conf')) : [];
  let rules: readonly SudoRule[] | undefined;
  for (const path of [...DOAS, ...added.map((name) => `${DOAS_DIRECTORY}/${name}`)]) {
    const read = await readTrusted(host, path, MAX_BYTES);
    if (!read.ok && read.code === 'absent') continue;
    if (!read.ok) return unreadable(path, read.reason);
    rules = [...(rules ?? []), ...parseDoas(read.value.bytes.toString('utf8'), path)];
  }
  return rules === undefined ? absent(DOAS[0] ?? '') : seen(rules, DOAS[0] ?? '');
}
