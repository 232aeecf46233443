import { seen, unreadable } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import type { ContainerFact, NamespaceName, SecurityContext } from '../../../posture/fact/container.ts';
import type { Host } from '../../host/host.ts';
import { NAMESPACES } from '../proc/node-namespaces.ts';
import { parseUidMap } from '../proc/uid-map.ts';
import { observeText } from '../read-text.ts';
import type { NodeView } from './node-view.ts';
import { countThreads, joinCapabilities } from './thread-facts.ts';
import type { ThreadContext } from './thread-context.ts';
import type { ThreadProblem, ThreadReading } from './threads.ts';

const MAX_CONTEXTS = 256;
/** User namespaces whose maps are compared. */
const MAX_USER_NAMESPACES = 64;

/** Is a thread in a user namespace that lies within the one of its container? */
export type IsNested = (thread: ThreadReading) => boolean;

/**
 * Whatever a process of the container made for itself lies below the user namespace of the node, and elsewhere maps
 * fewer ids than the namespace it was made in. Those that map as much as the widest are taken for the container's own.
 */
export async function readNested(
  { host, node }: Pick<NodeView, 'host' | 'node'>,
  threads: readonly ThreadReading[],
): Promise<IsNested> {
  const examples = new Map<number, string>();
  for (const { directory, context } of threads) {
    const { user } = context.namespaces;
    if (user.state === 'seen' && !examples.has(user.value)) examples.set(user.value, directory);
  }
  if (examples.size < 2) return () => false;
  const { user: ofNode } = node.namespaces.inodes;
  const isOfNode = (inode: number): boolean => ofNode.state === 'seen' && ofNode.value === inode;
  const widths = new Map<number, number>();
  for (const [inode, directory] of [...examples].slice(0, MAX_USER_NAMESPACES))
    widths.set(inode, isOfNode(inode) ? Infinity : await mappedIds(host, directory));
  const widest = Math.max(...widths.values());
  return ({ context: { namespaces } }) =>
    namespaces.user.state === 'seen' && (widths.get(namespaces.user.value) ?? widest) < widest;
}

/** How many user ids the namespace maps; all of them where that cannot be read. */
async function mappedIds(host: Host, directory: string): Promise<number> {
  const map = await observeText(host, `${directory}/uid_map`, parseUidMap);
  return map.state === 'seen' ? map.value.reduce((sum, { count }) => sum + count, 0) : Infinity;
}

/** What contexts are made of. */
interface ContextQuestion {
  /** The first process. */
  readonly pid: number;
  readonly threads: readonly ThreadReading[];
  readonly problem: ThreadProblem | undefined;
  readonly isNested: IsNested;
}

/** The context of the first process, and the others that differ from it. */
interface SecurityContexts {
  readonly facts: Pick<ContainerFact, 'uid' | 'uids' | 'lsmLabel' | 'namespaces' | 'otherContexts'>;
  /** Why not all contexts are kept. */
  readonly problem: string | undefined;
}

/** Joins threads that run under the same user ids, label and namespaces. */
export function toSecurityContexts(view: Pick<NodeView, 'node'>, question: ContextQuestion): SecurityContexts {
  const { pid, threads, problem, isNested } = question;
  const groups = new Map<string, ThreadReading[]>();
  let isFull = false;
  for (const thread of threads) {
    const key = keyOf(thread);
    const group = groups.get(key);
    if (group !== undefined) group.push(thread);
    else if (groups.size <= MAX_CONTEXTS) groups.set(key, [thread]);
    else isFull = true;
  }
  // Where the first process could not be read, all others differ from it.
  const first = threads[0]?.pid === pid ? threads[0] : undefined;
  if (first !== undefined) groups.delete(keyOf(first));
  const otherContexts = [...groups.values()].slice(0, MAX_CONTEXTS).flatMap((group): SecurityContext[] => {
    const [example] = group;
    const capabilities = joinCapabilities(group, problem);
    if (example === undefined || capabilities.state !== 'seen') return [];
    return [
      {
        source: example.directory,
        threads: countThreads(group),
        uids: example.status.uids,
        nested: isNested(example),
        capabilities: capabilities.value,
        lsmLabel: example.context.label,
        namespaces: besideNode(view, example.context.namespaces),
      },
    ];
  });
  return {
    facts: { ...factsOfFirst(view, pid, first, problem), otherContexts },
    problem: isFull
      ? `the threads of the container have more than ${String(MAX_CONTEXTS)} security contexts`
      : undefined,
  };
}

function keyOf({ status, context }: ThreadReading): string {
  const values = NAMESPACES.map((name) => valueOf(context.namespaces[name]));
  return [...values, status.uids.join(','), valueOf(context.label)].join(' ');
}

function valueOf(observed: Observed<number | string>): string {
  return observed.state === 'seen' ? String(observed.value) : observed.state;
}

function factsOfFirst(
  view: Pick<NodeView, 'node'>,
  pid: number,
  first: ThreadReading | undefined,
  problem: ThreadProblem | undefined,
): Omit<SecurityContexts['facts'], 'otherContexts'> {
  if (first !== undefined) {
    const { status, context, directory } = first;
    const source = `${directory}/status`;
    return {
      uid: seen(status.effectiveUid, source),
      uids: seen(status.uids, source),
      lsmLabel: context.label,
      namespaces: besideNode(view, context.namespaces),
    };
  }
  const at = (file: string): Observed<never> =>
    unreadable(`/proc/${String(pid)}/${file}`, problem?.reason ?? 'no live thread was seen');
  return {
    uid: at('status'),
    uids: at('status'),
    lsmLabel: at('attr/current'),
    namespaces: namespacesFrom(at),
  };
}

/** All namespaces of a process as `at` gives each of its links `ns/…`. */
export function namespacesFrom(at: (file: string) => Observed<never>): ContainerFact['namespaces'] {
  return {
    cgroup: at('ns/cgroup'),
    ipc: at('ns/ipc'),
    mnt: at('ns/mnt'),
    net: at('ns/net'),
    pid: at('ns/pid'),
    user: at('ns/user'),
    uts: at('ns/uts'),
  };
}

function besideNode({ node }: Pick<NodeView, 'node'>, own: ThreadContext['namespaces']): ContainerFact['namespaces'] {
  const compared: Partial<Record<NamespaceName, ContainerFact['namespaces'][NamespaceName]>> = {};
  for (const name of NAMESPACES) compared[name] = compare(own[name], node.namespaces.inodes[name]);
  return compared as ContainerFact['namespaces'];
}

function compare(own: Observed<number>, node: Observed<number>): ContainerFact['namespaces'][NamespaceName] {
  if (own.state !== 'seen') return own;
  if (node.state === 'seen') return seen({ inode: own.value, host: own.value === node.value }, own.source);
  const why = node.state === 'absent' ? 'there is no such file' : node.reason;
  return unreadable(own.source, `it cannot be compared with ${node.source}: ${why}`);
}
