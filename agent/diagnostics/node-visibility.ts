import { ok, problem, unknown, warning, worstResult } from '../../service/diagnostic.ts';
import type { DiagnosticResult } from '../../service/diagnostic.ts';
import type { Host } from '../host/host.ts';
import { kernelInspector } from '../inspector/kernel/inspect.ts';
import { parseMountinfo } from '../inspector/proc/mountinfo.ts';
import { readNodeNamespaces } from '../inspector/proc/node-namespaces.ts';
import { parseProcStatus } from '../inspector/proc/proc-status.ts';
import { readText } from '../inspector/read-text.ts';
import type { NodeDiagnostic, NodeSubject } from './node-subject.ts';

const MAX_MOUNTINFO_BYTES = 8 * 1024 * 1024;
/** Largest number of entries of /proc that is listed; inspectors of containers have the same limit. */
const MAX_ENTRIES = 200_000;
const AS_ROOT = 'run this as root to see what an agent that runs as root sees';

/** Is the host root the root of the node, and can the agent read files, processes and security modules? */
export const nodeVisibility: NodeDiagnostic = Object.freeze({
  id: 'node-visibility',
  title: 'node visibility',
  run: async (subject: NodeSubject) => {
    const root = await examineRoot(subject);
    // Everything else is read below the root.
    if (root.outcome === 'problem') return root;
    return worstResult([
      root,
      await examineRights(subject),
      await examineProcesses(subject),
      await examineSecurityModules(subject),
    ]);
  },
});

async function examineRoot({ access: { host }, hostRoot }: NodeSubject): Promise<DiagnosticResult> {
  const release = await readReleaseName(host);
  const listed = await host.list('/proc', { maxEntries: MAX_ENTRIES });
  if (!listed.ok || !listed.value.includes('self'))
    return problem(
      `${hostRoot === '/' ? '' : hostRoot}/proc is not a procfs`,
      'name the root of the node with --host-root; in a container: -v /:/host:ro --pid=host --host-root /host',
    );
  if (release === undefined)
    return problem(
      `${hostRoot} has no etc/os-release: it is not the root of a node`,
      'name the root of the node with --host-root; in a container: -v /:/host:ro --host-root /host',
    );
  const mountinfo = await readText(host, '/proc/self/mountinfo', MAX_MOUNTINFO_BYTES);
  if (!mountinfo.ok) return unknown(`/proc/self/mountinfo: ${mountinfo.reason}`);
  const own = parseMountinfo(mountinfo.value).find(({ mountPoint }) => mountPoint === '/');
  // The root of a container is a layered file system; so can be the root of a live system.
  return hostRoot === '/' && own?.fsType === 'overlay' && (await isInContainer(host))
    ? warning(
        'this is a container, and the agent judges it as if it were the node',
        'to judge the node: docker run --pid=host -v /:/host:ro … --host-root /host',
      )
    : ok(`${hostRoot} is ${release}`);
}

/** os-release(5) */
async function readReleaseName(host: Host): Promise<string | undefined> {
  for (const path of ['/etc/os-release', '/usr/lib/os-release']) {
    const read = await readText(host, path);
    const name = read.ok ? /^PRETTY_NAME="?([^"\n]{1,200})/m.exec(read.value)?.[1] : undefined;
    if (read.ok) return name ?? 'a Linux system';
  }
  return undefined;
}

/** Docker and Podman create these files in the root of a container. */
async function isInContainer(host: Host): Promise<boolean> {
  const marks = await Promise.all(['/.dockerenv', '/run/.containerenv'].map((path) => host.stat(path)));
  return marks.some(({ ok }) => ok);
}

/** Capabilities by bit number (linux/capability.h) that reading files and processes of other users needs. */
const NEEDED = Object.freeze([
  { bit: 1, name: 'CAP_DAC_OVERRIDE', alternative: 2 },
  { bit: 19, name: 'CAP_SYS_PTRACE', alternative: undefined },
]);

async function examineRights({ access: { host }, uid }: NodeSubject): Promise<DiagnosticResult> {
  const read = await readText(host, '/proc/self/status');
  const status = read.ok ? parseProcStatus(read.value) : undefined;
  if (status === undefined) return unknown('/proc/self/status could not be read', 'mount /proc');
  if (uid !== 0)
    return warning(
      `user ${String(uid)} is not root: what only root can read is judged unknown`,
      'run the agent as root for full coverage',
    );
  const effective = BigInt(`0x${status.capabilities.effective}`);
  const has = (bit: number): boolean => ((effective >> BigInt(bit)) & 1n) === 1n;
  const missing = NEEDED.filter(
    ({ bit, alternative }) => !has(bit) && !(alternative !== undefined && has(alternative)),
  );
  if (missing.length === 0) return ok('root, with the capabilities it needs');
  const names = missing.map(({ name }) => name).join(', ');
  return warning(`root, but without ${names}`, `grant it (docker run --cap-add), or ${AS_ROOT}`);
}

async function examineProcesses({ access: { host }, uid }: NodeSubject): Promise<DiagnosticResult> {
  const listed = await host.list('/proc', { maxEntries: MAX_ENTRIES });
  if (!listed.ok) return unknown(`/proc: ${listed.reason}`, 'mount /proc, or correct --host-root');
  const count = listed.value.filter((name) => /^\d+$/.test(name)).length;
  if (!listed.value.includes('1'))
    return problem(
      'processes of other users are hidden (hidepid on /proc, proc_pid(5))',
      'run the agent as root, or as a member of the group in the gid= option of the mount of /proc',
    );
  const { seesAll, inodes } = await readNodeNamespaces(host);
  if (!seesAll)
    return warning(
      `only the ${String(count)} processes of this pid namespace are visible`,
      'in a container, use --pid=host; otherwise containers cannot be judged by what the kernel enforces',
    );
  if (inodes.mnt.state === 'seen') return ok(`${String(count)} processes, with their namespaces`);
  const reason = inodes.mnt.state === 'unreadable' ? inodes.mnt.reason : 'missing';
  return warning(
    `the namespaces of processes of other users cannot be read: ${reason}`,
    uid === 0 ? 'grant the agent CAP_SYS_PTRACE; a security module can deny it as well' : AS_ROOT,
  );
}

async function examineSecurityModules({ access, uid }: NodeSubject): Promise<DiagnosticResult> {
  const { lsm, selinux, apparmor, lockdown, apparmorProfiles } = await kernelInspector.inspect(access, {});
  if (lsm.state === 'unreadable')
    return unknown(
      `${lsm.source}: ${lsm.reason}`,
      lsm.reason.includes('securityfs')
        ? "mount it: mount -t securityfs securityfs /sys/kernel/security; in a container, mount the host's /sys"
        : AS_ROOT,
    );
  const hidden = [lockdown, apparmorProfiles].flatMap((observed) =>
    observed.state === 'unreadable' ? [`${observed.source}: ${observed.reason}`] : [],
  );
  if (hidden.length > 0) return warning(hidden.join('; '), uid === 0 ? 'check the mounts of this container' : AS_ROOT);
  return ok(
    [
      lsm.state === 'seen' ? lsm.value.join(', ') : 'no security modules listed',
      selinux.state === 'seen' ? `SELinux ${selinux.value}` : 'no SELinux',
      apparmor.state === 'seen' && apparmor.value ? 'AppArmor on' : 'no AppArmor',
    ].join('; '),
  );
}
