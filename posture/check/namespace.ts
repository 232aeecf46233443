import { sourceOf } from '../fact/container.ts';
import type { ContainerFact, Declared, NamespaceName } from '../fact/container.ts';
import { fail, notApplicable } from '../verdict.ts';
import type { Evidence, Judgement } from '../verdict.ts';
import { notSeen, passOnEveryThread } from './container-reading.ts';
import { quote } from './evidence-text.ts';

/** The namespace to judge, and its declaration: the field of `declared` and its value. */
interface NamespaceQuestion {
  readonly name: NamespaceName;
  readonly field: keyof Declared;
  readonly mode: string;
}

const LABELS = Object.freeze({
  cgroup: 'cgroup',
  ipc: 'IPC',
  mnt: 'mount',
  net: 'network',
  pid: 'PID',
  user: 'user',
  uts: 'UTS',
} satisfies Record<NamespaceName, string>);

/**
 * Does a process of the container share a namespace with the host? The inode decides, also through `container:ID`. The
 * declaration decides where the inode could not be read, and a declared `host` always fails.
 */
export function judgeNamespace(container: ContainerFact, { name, field, mode }: NamespaceQuestion): Judgement {
  const observed = leastConfined(container, name);
  const asked = `the container was declared with the ${LABELS[name]} namespace of the host`;
  const declared: Evidence = {
    source: sourceOf(container, field),
    seen: mode === '' ? 'nothing asked for' : quote(mode),
    expected: 'not host',
  };
  if (observed.state === 'seen') {
    const evidence = [namespaceEvidence(observed, name), declared];
    if (observed.value.host) return fail(`a process is in the ${LABELS[name]} namespace of the host`, ...evidence);
    return mode === 'host' ? fail(asked, ...evidence) : passOnEveryThread(container, ...evidence);
  }
  if (mode === 'host') return fail(asked, declared);
  if (observed.state === 'absent' && othersWereSeen(container))
    return notApplicable(`this kernel has no ${name} namespaces`, declared);
  return notSeen(observed, declared);
}

/** The namespace of the host if any thread is in it, else one that could not be read, else that of the first process. */
export function leastConfined(
  container: ContainerFact,
  name: NamespaceName,
): ContainerFact['namespaces'][NamespaceName] {
  const first = container.namespaces[name];
  const all = [first, ...container.otherContexts.map(({ namespaces }) => namespaces[name])];
  const ofNode = all.find((observed) => observed.state === 'seen' && observed.value.host);
  return ofNode ?? all.find(({ state }) => state === 'unreadable') ?? first;
}

/** The line of evidence about a namespace that was read. */
export function namespaceEvidence(
  observed: Extract<ContainerFact['namespaces'][NamespaceName], { readonly state: 'seen' }>,
  name: NamespaceName,
): Evidence {
  const inode = `${name}:[${String(observed.value.inode)}]`;
  return {
    source: observed.source,
    seen: observed.value.host ? `${inode}, the one of pid 1` : inode,
    expected: 'not the namespace of pid 1',
  };
}

/** One kind is absent while others exist: the kernel was built without it. */
function othersWereSeen(container: ContainerFact): boolean {
  return Object.values(container.namespaces).some((namespace) => namespace.state === 'seen');
}
