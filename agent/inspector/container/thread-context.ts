import { absent } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import type { NamespaceName } from '../../../posture/fact/container.ts';
import type { Read } from '../../host/host.ts';
import { clip } from '../clip.ts';
import { NAMESPACES, readNamespaceLink } from '../proc/node-namespaces.ts';
import { observeText } from '../read-text.ts';
import type { NodeView } from './node-view.ts';

/** What surrounds one thread: each thread can have its own namespaces, root directory and label. */
export interface ThreadContext {
  readonly namespaces: Readonly<Record<NamespaceName, Observed<number>>>;
  /** `root` of the thread: anything but `/` is a chroot, from which the mounts outside are not listed. */
  readonly root: Read<string>;
  readonly label: Observed<string>;
}

/** `directory`: `/proc/PID` or `/proc/PID/task/TID`. undefined: the thread ended, or is ending. */
export async function readThreadContext(
  { host, node }: Pick<NodeView, 'host' | 'node'>,
  directory: string,
): Promise<ThreadContext | undefined> {
  const namespaces: Partial<Record<NamespaceName, Observed<number>>> = {};
  // One after the other: each is a system call of a few microseconds, and a promise for each costs as much.
  for (const name of NAMESPACES) {
    const own = await readNamespaceLink(host, `${directory}/ns/${name}`);
    // A thread that ends gives up its namespaces first. A kernel that lacks one lacks it for pid 1 as well.
    if (own.state === 'absent' && node.namespaces.inodes[name].state === 'seen') return undefined;
    namespaces[name] = own;
  }
  return {
    namespaces: namespaces as ThreadContext['namespaces'],
    root: await host.readLink(`${directory}/root`),
    label: await readLabel({ host, node }, directory),
  };
}

/**
 * `/proc/PID/attr/current`, proc_pid_attr(5): `docker-default (enforce)`, or an SELinux context with a NUL after it.
 */
async function readLabel(
  { host, node: { labelFile } }: Pick<NodeView, 'host' | 'node'>,
  directory: string,
): Promise<Observed<string>> {
  const path = `${directory}/${labelFile ?? 'attr/current'}`;
  if (labelFile === undefined) return absent(path);
  const label = await observeText(host, path, parseLabel);
  if (label.state === 'unreadable' && label.reason.includes('EINVAL')) return absent(path);
  return label.state === 'seen' && label.value === '' ? absent(path) : label;
}

function parseLabel(text: string): string {
  const end = text.search(/[\0\n]/);
  return clip(end === -1 ? text : text.slice(0, end), 1024);
}
