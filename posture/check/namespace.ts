import type { ContainerFact, NamespaceName } from '../fact/container.ts';
import { fail, notApplicable } from '../verdict.ts';
import type { Evidence, Judgement } from '../verdict.ts';
import { notSeen, passOnEveryThread } from './container-reading.ts';
import { quote } from './evidence-text.ts';

/** Which namespace is judged, and what was asked for: the field of `inspect` and its value. */
interface NamespaceQuestion {
  readonly name: NamespaceName;
  readonly field: string;
  readonly mode: string;
}

/**
 * Does a process of the container share a namespace with the node? The inode decides, so that `container:ID` is followed however
 * long the chain is. What was asked for decides where the inode could not be read, and fails by itself.
 */
export function judgeNamespace(container: ContainerFact, { name, field, mode }: NamespaceQuestion): Judgement {
  const observed = leastConfined(container, name);
  const declared: Evidence = {
    source: `inspect HostConfig.${field}`,
    seen: mode === '' ? 'nothing asked for' : quote(mode),
    expected: 'not host',
  };
  if (observed.state === 'seen') {
    const evidence = [namespaceEvidence(observed, name), declared];
    return observed.value.host || mode === 'host' ? fail(...evidence) : passOnEveryThread(container, ...evidence);
  }
  if (mode === 'host') return fail(declared);
  if (observed.state === 'absent' && othersWereSeen(container))
    return notApplicable(`this kernel has no ${name} namespaces`, declared);
  return notSeen(observed, declared);
}

/** The namespace of the node if any thread is in it, otherwise one that could not be read, otherwise that of the first process. */
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

/** One kind is absent while others are there: the kernel was built without it. */
function othersWereSeen(container: ContainerFact): boolean {
  return Object.values(container.namespaces).some((namespace) => namespace.state === 'seen');
}
