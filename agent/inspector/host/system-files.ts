import { seen, unreadable } from '../../../posture/observed.ts';
import type { HostFact } from '../../../posture/fact/host.ts';
import type { Host } from '../../host/host.ts';
import { clip } from '../clip.ts';
import { readText, unseen } from '../read-text.ts';

const BINFMT = '/proc/sys/fs/binfmt_misc';
const MAX_HANDLERS = 64;

/** Handlers of binfmt_misc, Documentation/admin-guide/binfmt-misc.rst: `enabled`, `interpreter PATH`, `flags: OCF`. */
export async function readBinaryFormats(host: Host): Promise<HostFact['binaryFormats']> {
  const listed = await host.list(BINFMT, { maxEntries: MAX_HANDLERS + 2 });
  if (!listed.ok) return unseen(listed, BINFMT);
  const handlers = [];
  for (const name of listed.value) {
    if (name === 'register' || name === 'status') continue;
    const read = await readText(host, `${BINFMT}/${name}`, 64 * 1024);
    if (!read.ok && read.code === 'absent') continue;
    if (!read.ok) return unreadable(`${BINFMT}/${name}`, read.reason);
    if (!read.value.startsWith('enabled')) continue;
    handlers.push({
      name: clip(name, 256),
      interpreter: clip(/^interpreter (.*)$/m.exec(read.value)?.[1] ?? '', 4096),
      flags: clip(/^flags: ([A-Z]*)$/m.exec(read.value)?.[1] ?? '', 16),
    });
  }
  return seen(handlers, BINFMT);
}
