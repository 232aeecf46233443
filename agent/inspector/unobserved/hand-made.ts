import type { Observed } from '../../../posture/observed.ts';
import type { Host } from '../../host/host.ts';
import { clip } from '../clip.ts';
import { parseMountinfo } from '../proc/mountinfo.ts';
import type { NamespaceMembers } from '../proc/namespace-members.ts';
import { MAX_MOUNTINFO_BYTES } from '../proc/node-mounts.ts';
import { mountAt } from '../../../posture/check/mount.ts';
import { parseProcStatus } from '../proc/proc-status.ts';
import { parseUidMap } from '../proc/uid-map.ts';
import { readText } from '../read-text.ts';
import type { RunningContainer } from './running-containers.ts';

/** Programs that change their own root directory without being containers: they serve files to one. */
const HELPERS: ReadonlySet<string> = new Set(['virtiofsd']);
/** Mount namespaces that are examined; those of services are among them. */
const MAX_NAMESPACES = 2000;
const MAX_FOUND = 200;
/** Ancestors that are compared. */
const MAX_ANCESTORS = 8;

/** Facts about the node for the search for containers that no engine made. */
export interface HandMadeQuestion {
  readonly members: NamespaceMembers;
  /** The user namespace of the node. */
  readonly ofNode: Observed<number>;
  /** Does the cgroup name a container? */
  readonly isKnown: (cgroup: string) => boolean;
  /** First processes of known containers, and programs that supervise containers: what they started is theirs. */
  readonly parents: ReadonlySet<number>;
}

/**
 * Containers that root made without an engine, such as systemd-nspawn that was started by hand, or unshare and
 * pivot_root: the first process of a pid namespace, in a mount namespace whose root is not that of the node. Processes
 * in the pid namespace of the node (services with private mounts, snaps) and sandboxes that an unprivileged user made
 * (browsers) do not count as containers.
 */
export async function findHandMade(host: Host, question: HandMadeQuestion): Promise<readonly RunningContainer[]> {
  const found: RunningContainer[] = [];
  let rootOfNode: string | undefined;
  for (const pids of [...question.members.processes.values()].slice(0, MAX_NAMESPACES)) {
    // Those of a known container: no further read for each of its processes.
    if (pids.some((pid) => question.parents.has(pid))) continue;
    for (const pid of pids) {
      const directory = question.members.deadLeaders.get(pid) ?? `/proc/${String(pid)}`;
      const read = await readText(host, `${directory}/status`);
      const status = read.ok ? parseProcStatus(read.value) : undefined;
      if (status === undefined || status.innermostPid !== 1 || status.pidNamespaces < 2) continue;
      const cgroup = await readText(host, `${directory}/cgroup`);
      if (!cgroup.ok || question.isKnown(cgroup.value) || HELPERS.has(status.name)) continue;
      if (await descendsFrom(host, status.parent, question)) continue;
      if (await isOfUser(host, directory, question.ofNode)) continue;
      rootOfNode ??= await rootOf(host, '/proc/1');
      const root = await rootOf(host, directory);
      if (root === undefined || rootOfNode === undefined || root === rootOfNode) continue;
      const namespace = await host.readLink(`${directory}/ns/pid`);
      if (!namespace.ok) continue;
      found.push({
        id: clip(namespace.value, 128),
        name: machineName(cgroup.value) ?? clip(status.name, 64),
        pid,
        sign: `it is the first process of ${clip(namespace.value, 64)}, with a root directory of its own`,
        isOfPodman: false,
      });
      if (found.length >= MAX_FOUND) return found;
    }
  }
  return found;
}

/** Was it started by a supervisor, in a container, or by another process that is in a container? */
async function descendsFrom(host: Host, parent: number, { parents, isKnown }: HandMadeQuestion): Promise<boolean> {
  let pid = parent;
  for (let depth = 0; depth < MAX_ANCESTORS && pid > 1; depth += 1) {
    if (parents.has(pid)) return true;
    const cgroup = await readText(host, `/proc/${String(pid)}/cgroup`);
    if (cgroup.ok && isKnown(cgroup.value)) return true;
    const status = await readText(host, `/proc/${String(pid)}/status`);
    pid = status.ok ? (parseProcStatus(status.value)?.parent ?? 0) : 0;
  }
  return false;
}

/**
 * Is it in a user namespace that a user without privileges can make? That one maps the id of the user itself (and
 * subordinate ones); root maps a range, as systemd-nspawn does.
 */
async function isOfUser(host: Host, directory: string, ofNode: Observed<number>): Promise<boolean> {
  const link = await host.readLink(`${directory}/ns/user`);
  if (!link.ok || ofNode.state !== 'seen' || link.value === `user:[${String(ofNode.value)}]`) return false;
  const map = await readText(host, `${directory}/uid_map`);
  const ranges = (map.ok ? parseUidMap(map.value) : undefined) ?? [];
  return ranges.some(({ outside, count }) => count === 1 && outside !== 0);
}

/** Device and path of the root of a process, `254:0 /srv/machine`; undefined if it cannot be determined. */
async function rootOf(host: Host, directory: string): Promise<string | undefined> {
  const link = await host.readLink(`${directory}/root`);
  // After a chroot: mountinfo then lists little.
  if (link.ok && link.value !== '/') return link.value;
  const read = await host.readFile(`${directory}/mountinfo`, { maxBytes: MAX_MOUNTINFO_BYTES });
  const mount = read.ok ? mountAt(parseMountinfo(read.value.toString('utf8')), '/') : undefined;
  return mount === undefined ? undefined : `${mount.device} ${mount.root}`;
}

/** The name that systemd-machined gave it: `machine-web.scope`; `-` is `\x2d` there. */
function machineName(cgroup: string): string | undefined {
  const name = /\/machine-([^/\n]{1,200})\.scope/.exec(cgroup)?.[1];
  return name?.replaceAll(/\\x([0-9a-f]{2})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
}
