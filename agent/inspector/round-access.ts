import type { Host, ReadRequest } from '../host/host.ts';
import type { NodeAccess } from '../node-access.ts';
import { sameValue } from '../same-value.ts';

/** What several inspectors read in one round: the table of processes, the mounts and sockets of the node, its users. */
const SHARED =
  /^\/(?:proc(?:$|\/\d+\/(?:comm|exe|cgroup|status|fd)(?:$|\/)|\/1\/|\/stat$)|etc\/|(?:usr\/|usr\/local\/)?lib\/systemd\/|run\/systemd\/)/;

/**
 * The same access for the time of one round: what several inspectors ask of the host is read once, so that they judge
 * one state and cost little. To be dropped after the round.
 */
export function forOneRound(access: NodeAccess): NodeAccess {
  return { ...access, host: rememberingHost(access.host) };
}

function rememberingHost(host: Host): Host {
  const readFile = remembering((path: string, maxBytes: number | undefined) =>
    host.readFile(path, maxBytes === undefined ? {} : { maxBytes }),
  );
  const list = remembering((path: string, maxEntries: number | undefined) =>
    host.list(path, maxEntries === undefined ? {} : { maxEntries }),
  );
  const together: { readonly questions: readonly ReadRequest[]; readonly answers: ReturnType<Host['readMany']> }[] = [];
  const stat = remembering((path: string) => host.stat(path));
  const readLink = remembering((path: string) => host.readLink(path));
  return {
    readFile: (path, limits) => readFile(path, limits?.maxBytes),
    list: (path, limits) => list(path, limits?.maxEntries),
    stat: (path) => stat(path, undefined),
    readLink: (path) => readLink(path, undefined),
    readMany: (questions, before) => {
      if (before !== undefined || !questions.every(({ path }) => SHARED.test(path)))
        return host.readMany(questions, before);
      const known = together.find((asked) => areSame(asked.questions, questions));
      if (known !== undefined) return known.answers;
      const answers = host.readMany(questions);
      together.push({ questions, answers });
      return answers;
    },
    fileSystem: host.fileSystem,
    watch: host.watch,
  };
}

function areSame(some: readonly ReadRequest[], others: readonly ReadRequest[]): boolean {
  return some.length === others.length && some.every((one, index) => isSame(one, others[index] as ReadRequest));
}

/** Hundreds are compared for each question about all processes: by their paths first. */
function isSame(one: ReadRequest, other: ReadRequest): boolean {
  return one.path === other.path && one.op === other.op && sameValue(one, other);
}

/** Remembers answers for shared paths; a different bound is a different question. */
function remembering<T>(
  ask: (path: string, limit: number | undefined) => Promise<T>,
): (path: string, limit: number | undefined) => Promise<T> {
  const known = new Map<string, Promise<T>>();
  return (path, limit) => {
    if (!SHARED.test(path)) return ask(path, limit);
    const key = `${String(limit)}:${path}`;
    const before = known.get(key);
    if (before !== undefined) return before;
    const answer = ask(path, limit);
    known.set(key, answer);
    return answer;
  };
}
