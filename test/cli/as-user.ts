import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..');
const SCRIPT =
  'mount --bind "$1" "$2" && cd / && root=$2 uid=$3 && shift 3 && ' +
  'exec setpriv --reuid="$uid" --regid="$uid" --clear-groups -- ' +
  '"$root/node_modules/node/bin/node" "$root/bin/plimsoll.js" "$@"';

/**
 * Runs the program as a user. The checkout may lie below a directory that this user cannot enter: the program sees it at
 * an open path, in a mount namespace that ends with it.
 */
export function runAsUser(
  uid: number,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  const place = mkdtempSync(join(tmpdir(), 'plimsoll-checkout-'));
  chmodSync(place, 0o755);
  try {
    const all = ['--mount', 'sh', '-c', SCRIPT, 'sh', ROOT, place, String(uid), ...args];
    return spawnSync('unshare', all, { env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', ...env }, encoding: 'utf8' });
  } finally {
    rmdirSync(place);
  }
}

/** Why that cannot be done here; false where it can. For the `skip` option of a test. */
export const cannotRunAsUser: string | false =
  process.getuid?.() === 0 && spawnSync('unshare', ['--mount', 'setpriv', '--reuid=65534', 'true']).status === 0
    ? false
    : 'needs root and mount namespaces to run the program as another user';
