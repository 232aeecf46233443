import { absent, seen, unreadable } from '../../../posture/observed.ts';
import type { SshAccessFact } from '../../../posture/fact/ssh-access.ts';
import type { SshdFact } from '../../../posture/fact/sshd.ts';
import type { Host, Read } from '../../host/host.ts';
import { openSshSection } from '../account/private-key.ts';
import { parseKeyBlob, parsePublicKey } from '../account/public-key.ts';
import type { PublicKey } from '../account/public-key.ts';
import { clip } from '../clip.ts';
import { sshPaths } from '../file/paths.ts';
import { unseen } from '../read-text.ts';
import { readTrusted } from '../trusted-path.ts';

const MAX_KEYS = 16;
const MAX_BYTES = 64 * 1024;

/**
 * The host keys that the configuration names. A private key of OpenSSH begins with its public part, and nothing else of
 * it is looked at; for another format the `.pub` file beside it is read.
 */
export async function readHostKeys(host: Host, sshd: SshdFact): Promise<SshAccessFact['hostKeys']> {
  const wanted = sshPaths(sshd).filter(({ role }) => role === 'sshHostKey');
  const [first] = wanted;
  if (first === undefined) return absent('/etc/ssh/sshd_config');
  if (wanted.length > MAX_KEYS) return unreadable(first.path, `more than ${String(MAX_KEYS)} host keys`);
  const keys = [];
  for (const { path, isOptional } of wanted) {
    const read = await readTrusted(host, path, MAX_BYTES);
    if (!read.ok && read.code === 'absent' && isOptional === true) continue;
    if (!read.ok) return unseen(read, clip(path, 4096));
    const key = await publicPart(host, path, read.value.bytes);
    if (!key.ok) return unreadable(clip(path, 4096), key.reason);
    keys.push({ path: clip(path, 4096), modifiedAtMs: read.value.stat.modifiedAtMs, ...key.value });
  }
  return keys.length === 0 ? absent(first.path) : seen(keys, '/etc/ssh');
}

async function publicPart(host: Host, path: string, bytes: Buffer): Promise<Read<PublicKey>> {
  const section = openSshSection(bytes);
  const own = section && parseKeyBlob(section.publicKey);
  if (own !== undefined) return { ok: true, value: own };
  const read = await readTrusted(host, `${path}.pub`, MAX_BYTES);
  if (!read.ok) return read;
  const key = parsePublicKey(read.value.bytes.toString('latin1').trim());
  return key === undefined
    ? { ok: false, code: 'failed', reason: 'its public part is not understood' }
    : { ok: true, value: key };
}
