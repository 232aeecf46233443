import type { KubeletFact } from '../../../posture/fact/kubelet.ts';
import { absent, seen, unreadable } from '../../../posture/observed.ts';
import type { Host } from '../../host/host.ts';
import { clip } from '../clip.ts';
import { parseProcCgroup } from '../proc/cgroup.ts';
import { readText, unseen } from '../read-text.ts';
import { findUnit, readDropIns, unknownSettings } from '../systemd/find-unit.ts';
import { unitValues } from '../systemd/unit-file.ts';

const MAX_ENTRIES = 256;
const MAX_SLICES = 16;
const LISTS = ['IPAddressAllow', 'IPAddressDeny'] as const;

/**
 * The address filter of the service that a process is in, joined with those of the slices above it as systemd does:
 * systemd.resource-control(5). systemd filters by cgroups of version 2 only: without these there is no filter.
 */
export async function readAddressFilter(host: Host, pid: number): Promise<KubeletFact['addressFilter']> {
  const source = `/proc/${String(pid)}/cgroup`;
  const read = await readText(host, source);
  if (!read.ok) return unseen(read, source);
  const entries = parseProcCgroup(read.value);
  const service = namesIn(entries, 'service').at(-1);
  if (service === undefined) return absent(source);
  const unified = entries.filter(({ controllers }) => controllers.length === 0);
  if (unified.length === 0) return seen({ allow: [], deny: [], modifiedAtMs: 0 }, source);
  const slices = namesIn(unified, 'slice').slice(-MAX_SLICES).toReversed();
  const lists = { IPAddressAllow: [] as string[], IPAddressDeny: [] as string[] };
  const ended = new Set<string>();
  let modifiedAtMs = 0;
  for (const name of [service, ...slices, '-.slice']) {
    const unit = name === service ? await findUnit(host, name) : await readDropIns(host, name);
    const unknown = unknownSettings(unit);
    if (unknown !== undefined) return unreadable(name, unknown);
    if (unit === undefined || !('settings' in unit)) continue;
    for (const list of LISTS) {
      const section = name === service ? 'Service' : 'Slice';
      const set = unit.settings.filter((setting) => setting.section === section && setting.name === list);
      if (set.length === 0 || ended.has(list)) continue;
      lists[list].push(...unitValues(set, section, list).flatMap((value) => value.split(/\s+/)));
      // An empty value also ends the list of the slices above.
      if (set.some(({ value }) => value === '')) ended.add(list);
      modifiedAtMs = Math.max(modifiedAtMs, unit.modifiedAtMs);
    }
  }
  const [allow, deny] = [lists.IPAddressAllow, lists.IPAddressDeny];
  if (Math.max(allow.length, deny.length) > MAX_ENTRIES)
    return unreadable(service, `more than ${String(MAX_ENTRIES)} addresses`);
  const clipped = (list: readonly string[]): readonly string[] => list.map((entry) => clip(entry, 64));
  return seen({ allow: clipped(allow), deny: clipped(deny), modifiedAtMs }, service);
}

/** Units of one kind in the paths of cgroups, from the outermost. */
function namesIn(entries: readonly { readonly path: string }[], kind: 'service' | 'slice'): readonly string[] {
  return entries
    .flatMap(({ path }) => path.split('/'))
    .filter((name) => name.endsWith(`.${kind}`) && /^[\w.@:\\-]{1,240}$/.test(name));
}
