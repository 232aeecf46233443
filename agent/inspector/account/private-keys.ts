import { seen, unreadable } from '../../../posture/observed.ts';
import type { Account } from '../../../posture/fact/accounts.ts';
import type { Host } from '../../host/host.ts';
import { clip } from '../clip.ts';
import { unseen } from '../read-text.ts';
import { readOwned, statOwned } from './local-path.ts';
import type { LocalPaths, OwnedDirectory } from './local-path.ts';
import { privateKeyFormat } from './private-key.ts';

/** Files and directories below `.ssh` of one account, and bytes of all of them: what exceeds that is unreadable. */
const MAX_ENTRIES = 256;
const MAX_TOTAL_BYTES = 8 * 1024 * 1024;
const MAX_KEYS = 64;
/** ssh(1) takes a larger file for no key (MAX_KEY_FILE_SIZE of its sources). */
const MAX_KEY_BYTES = 1024 * 1024;

/** Files that ssh(1) and sshd(8) themselves read for something else. Where they are links, they are left out. */
const OTHER_FILES: ReadonlySet<string> = new Set([
  'authorized_keys',
  'authorized_keys2',
  'config',
  'environment',
  'known_hosts',
  'known_hosts.old',
  'known_hosts2',
  'rc',
]);

/**
 * The private keys below `.ssh`, at any depth and whatever they are called: a file is one by its content. A link is not
 * followed: the account would choose which file of the node is read.
 */
export async function readPrivateKeys(
  { host, local }: { readonly host: Host; readonly local: LocalPaths },
  uid: number,
  home: OwnedDirectory,
): Promise<Account['privateKeys']> {
  const top = `${home.path}/.ssh`;
  const stat = await statOwned(host, local, home, { path: top, uid });
  if (!stat.ok) return unseen(stat, top);
  const keys: { path: string; encrypted: boolean }[] = [];
  let failed: Account['privateKeys'] | undefined;
  let entries = 0;
  let bytes = 0;
  const pending = [top];
  for (let directory = pending.shift(); directory !== undefined; directory = pending.shift()) {
    const listed = await host.list(directory, { maxEntries: MAX_ENTRIES });
    if (!listed.ok && listed.code === 'absent' && directory !== top) continue;
    if (!listed.ok) {
      failed ??= unseen(listed, clip(directory, 4096));
      continue;
    }
    for (const name of listed.value) {
      const path = `${directory}/${name}`;
      entries += 1;
      if (entries > MAX_ENTRIES || bytes > MAX_TOTAL_BYTES) {
        const what = entries > MAX_ENTRIES ? `${String(MAX_ENTRIES)} entries` : `${String(MAX_TOTAL_BYTES)} bytes`;
        return keys.some(({ encrypted }) => !encrypted) ? seen(keys, top) : unreadable(top, `more than ${what}`);
      }
      const at = await statOwned(host, local, home, { path, uid });
      if (at.ok && at.value.kind === 'directory') {
        pending.push(path);
        continue;
      }
      const read = at.ok ? await readOwned(host, local, home, { path, uid, maxBytes: MAX_KEY_BYTES }) : at;
      if (read.ok) {
        bytes += read.value.bytes.length;
        const format = privateKeyFormat(read.value.bytes);
        if (format !== undefined && keys.length < MAX_KEYS)
          keys.push({ path: clip(path, 4096), encrypted: format === 'encrypted' });
        continue;
      }
      const isNoKey = ['absent', 'notRegular', 'tooLarge'].includes(read.code);
      const isOther = directory === top && OTHER_FILES.has(name) && read.code === 'denied';
      if (!isNoKey && !isOther) failed ??= unreadable(clip(path, 4096), read.reason);
    }
  }
  // A key without a passphrase counts even if another file could not be read. It comes first: the list is bounded.
  keys.sort((one, other) => Number(one.encrypted) - Number(other.encrypted));
  return failed !== undefined && keys.every(({ encrypted }) => encrypted) ? failed : seen(keys, top);
}
