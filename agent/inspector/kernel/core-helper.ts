import { absent, seen, unreadable } from '../../../posture/observed.ts';
import type { KernelFact } from '../../../posture/fact/kernel.ts';
import type { Host } from '../../host/host.ts';
import { clip } from '../clip.ts';
import { readText, unseen } from '../read-text.ts';
import { statTrusted } from '../trusted-path.ts';

const PATTERN = '/proc/sys/kernel/core_pattern';

/** The helper of core(5): what follows `|` up to the first space, found from the root directory of the node. */
export async function readCoreHelper(host: Host): Promise<KernelFact['coreHelper']> {
  const pattern = await readText(host, PATTERN, 4096);
  if (!pattern.ok) return unseen(pattern, PATTERN);
  const [, helper] = /^\|\s*(\S+)/.exec(pattern.value) ?? [];
  if (helper === undefined) return absent(PATTERN);
  const path = clip(helper, 4096);
  if (/%[^%]/.test(helper))
    return seen({ path, isMissing: false, changeable: 'the process that crashes decides about a part of it' }, PATTERN);
  const stat = await statTrusted(host, helper.replaceAll('%%', '%'));
  if (stat.ok) return seen({ path: clip(stat.value.realPath, 4096), isMissing: false, changeable: '' }, PATTERN);
  // Every directory on the way that exists is of root alone then.
  if (stat.code === 'absent') return seen({ path, isMissing: true, changeable: '' }, PATTERN);
  return stat.code === 'denied' || stat.code === 'notRegular'
    ? seen({ path, isMissing: false, changeable: clip(stat.reason, 1024) }, PATTERN)
    : unreadable(path, stat.reason);
}
