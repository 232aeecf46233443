import { isSysctlName } from '../../../posture/fact/kernel.ts';
import { unreadable } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import { redactText } from '../../../posture/redaction/redact.ts';
import { isSecretName, REDACTED } from '../../../posture/redaction/secret-name.ts';
import type { Host } from '../../host/host.ts';
import { clip } from '../clip.ts';
import { outsideOfNode, readNodeNamespaces } from '../proc/node-namespaces.ts';
import { observeText, readText } from '../read-text.ts';

/** UTF-16 units of a value that are kept, and bytes of a file that are read. */
const MAX_VALUE = 1024;
const MAX_BYTES = 64 * 1024;

/**
 * The values of sysctls by name, from `/proc/sys`. A malformed name is unreadable, and so is a sysctl of another namespace
 * than the node's. Keys such as `net.ipv4.tcp_fastopen_key` are redacted.
 */
export async function readSysctls(
  host: Host,
  names: readonly string[],
): Promise<Readonly<Record<string, Observed<string>>>> {
  const namespaces = await readNodeNamespaces(host);
  const outsideNetwork = await outsideOfNode(host, namespaces, 'net');
  const outsideUsers = await outsideOfNode(host, namespaces, 'user');
  const outsideProcesses = (await hasPidMaxOfNamespace(host))
    ? await outsideOfNode(host, namespaces, 'pid')
    : undefined;
  const sysctls: Record<string, Observed<string>> = {};
  for (const name of names) {
    const outside = reasonFor(name, { network: outsideNetwork, users: outsideUsers, processes: outsideProcesses });
    const path = `/proc/sys/${name.replaceAll('.', '/')}`;
    sysctls[name] =
      outside === undefined
        ? await observeText(host, path, (text) => valueOf(name, text), MAX_BYTES)
        : unreadable(path, outside);
  }
  return sysctls;
}

/**
 * Sysctls that a query names and that the kernel fact does not hold. One that the kernel does not have is unreadable,
 * not absent: most likely its name is a slip.
 */
export async function readSysctlsOnDemand(host: Host, names: readonly string[]): ReturnType<typeof readSysctls> {
  const read = await readSysctls(host, names);
  const answered = Object.entries(read).map(([name, observed]) => {
    const isAbsent = observed.state === 'absent';
    return [name, isAbsent ? unreadable(observed.source, 'the kernel of this node has no such sysctl') : observed];
  });
  return Object.fromEntries(answered) as Awaited<ReturnType<typeof readSysctls>>;
}

function valueOf(name: string, text: string): string {
  const value = clip(text.trimEnd(), MAX_VALUE);
  return isSecretName(name) && value !== '' ? REDACTED : redactText(value);
}

/** `kernel.pid_max` is that of the reader's pid namespace since Linux 6.14; before, it is that of the node. */
async function hasPidMaxOfNamespace(host: Host): Promise<boolean> {
  const release = await readText(host, '/proc/sys/kernel/osrelease');
  const [, major = '', minor = ''] = (release.ok && /^(\d{1,4})\.(\d{1,4})/.exec(release.value)) || [];
  return major === '' || Number(major) > 6 || (Number(major) === 6 && Number(minor) >= 14);
}

/** Why the agent is outside of a namespace of the node; undefined: it is inside. */
interface Outside {
  readonly network: string | undefined;
  readonly users: string | undefined;
  readonly processes: string | undefined;
}

/** Why a name is not read. Where a sysctl exists for each namespace, the agent reads the one of its own. */
function reasonFor(name: string, { network, users, processes }: Outside): string | undefined {
  if (!isSysctlName(name)) return 'it is not the name of a sysctl';
  // Below an automount point (autofs): opening it mounts the file system, and may block.
  if (name.startsWith('fs.binfmt_misc.')) return 'it is not a sysctl but a file system of its own';
  if (name.startsWith('net.')) return network;
  if (name === 'kernel.pid_max') return processes;
  return name.startsWith('user.') ? users : undefined;
}
