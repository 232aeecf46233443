import { statfs } from 'node:fs/promises';

/** `CGROUP2_SUPER_MAGIC` of statfs(2). */
const CGROUP2_MAGIC = 0x63677270;

/** Whether the host has cgroup v2 alone, by the question that dockerd asks too; false where it cannot be read. */
export async function isCgroupV2(mountPoint = '/sys/fs/cgroup'): Promise<boolean> {
  const type = await statfs(mountPoint).then(
    (found) => found.type,
    () => undefined,
  );
  return type === CGROUP2_MAGIC;
}
