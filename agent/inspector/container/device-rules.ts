import { absent, unreadable } from '../../../posture/observed.ts';
import type { ContainerFact } from '../../../posture/fact/container.ts';
import { clip } from '../clip.ts';
import { cgroupDirectory } from '../proc/cgroup.ts';
import type { CgroupEntry } from '../proc/cgroup.ts';
import { observeText } from '../read-text.ts';
import type { NodeView } from './node-view.ts';

const MAX_RULES = 1024;

/**
 * The devices that a container may use: `devices.list` of its cgroup (cgroup-v1/devices.rst). A cgroup below has the same
 * or fewer. In version 2 an eBPF program decides, which only a system call can show that Node.js does not have.
 */
export async function readDeviceRules(
  { host, node: { cgroups } }: NodeView,
  id: string,
  entries: readonly CgroupEntry[],
): Promise<ContainerFact['deviceRules']> {
  const directory = cgroupDirectory(cgroups, entries, 'devices');
  if (directory === undefined) {
    const hasDevices = entries.some(({ controllers }) => controllers.includes('devices'));
    const source = 'devices.list of the cgroup';
    return hasDevices || entries.length === 0
      ? unreadable(source, 'the cgroup file system is not mounted where the agent can read it')
      : absent(source);
  }
  const { path } = directory;
  const at = path.indexOf(id);
  const end = at === -1 ? -1 : path.indexOf('/', at);
  return observeText(host, `${end === -1 ? path : path.slice(0, end)}/devices.list`, parseDeviceRules);
}

/** A rule a line: `a *:* rwm`, `c 1:3 rwm`. undefined: more than are kept. */
export function parseDeviceRules(text: string): readonly string[] | undefined {
  const rules = text.split('\n', MAX_RULES + 2).filter((line) => line !== '');
  return rules.length > MAX_RULES ? undefined : rules.map((rule) => clip(rule, 64));
}
