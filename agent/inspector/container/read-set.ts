import type { Host, ReadResult, ReadRequest, Read } from '../../host/host.ts';
import { parseProcStatus } from '../proc/proc-status.ts';
import { readLimit } from './limits.ts';
import type { NodeView, Surroundings } from './node-view.ts';

/**
 * Everything that was read to see the kernel's side of a container. It follows from nothing else: where the same
 * requests get the same results, it is the same, and nothing has to be parsed or compared.
 */
export interface ReadSet {
  readonly node: Surroundings;
  readonly requests: readonly ReadRequest[];
  readonly results: readonly ReadResult[];
  /** For each question after the status of a thread: what it said of what is looked at. */
  readonly statuses: readonly (string | undefined)[];
  /** Limits, of which those of the cgroups above are shared by many containers. */
  readonly limits: readonly { readonly path: string; readonly limit: Read<number> }[];
}

/** A view that notes what is asked through it. */
export interface RecordingView {
  readonly view: NodeView;
  /** undefined: it was more than is worth keeping. */
  readonly readSet: () => ReadSet | undefined;
}

/** A container with more processes changes at every look, and its results would fill the memory. */
const MAX_QUESTIONS = 160;
const MAX_BYTES = 16 * 1024;

const LISTING = /\/cgroup\.procs$/;
const STATUS = /^\/proc\/\d+\/(?:task\/\d+\/)?status$/;

/** Records what is read about the container `id` through the view that it returns, where there is a next look. */
export function recordReads(view: NodeView, id: string): RecordingView {
  if (!view.cache.keepsSubjects) return { view, readSet: () => undefined };
  const requests: ReadRequest[] = [];
  const results: ReadResult[] = [];
  const statuses: (string | undefined)[] = [];
  const limits: { readonly path: string; readonly limit: Read<number> }[] = [];
  let bytes = 0;
  const note = <A extends ReadResult>(question: ReadRequest, answer: A): A => {
    // It is written once and then stays as long as its namespace (user_namespaces(7)), which is asked for: ns/user.
    if (question.path.endsWith('/uid_map') && answer.ok && answer.value.length > 0) return answer;
    // The processes are listed before they are read and afterwards: to see that nothing changed, afterwards is enough.
    const earlier = LISTING.test(question.path) ? requests.findIndex(({ path }) => path === question.path) : -1;
    if (earlier !== -1) for (const list of [requests, results, statuses]) list.splice(earlier, 1);
    requests.push(question);
    results.push(answer);
    statuses.push(STATUS.test(question.path) ? statusText(answer) : undefined);
    bytes += answer.ok ? answer.value.length : 0;
    return answer;
  };
  const { host } = view;
  const noting: Host = {
    ...host,
    readFile: async (path, limits) =>
      note({ op: 'readFile', path, maxBytes: limits?.maxBytes }, await host.readFile(path, limits)),
    list: async (path, limits) =>
      note({ op: 'list', path, maxEntries: limits?.maxEntries }, await host.list(path, limits)),
    readLink: async (path) => note({ op: 'readLink', path }, await host.readLink(path)),
  };
  return {
    view: {
      ...view,
      host: noting,
      limits: {
        ...view.limits,
        read: async (path) => {
          // Its own is asked for like everything else of it; those above are the same for many.
          if (path.includes(id)) return readLimit(noting, path);
          const limit = await view.limits.read(path);
          limits.push({ path, limit });
          return limit;
        },
      },
    },
    readSet: () =>
      requests.length > MAX_QUESTIONS || bytes > MAX_BYTES
        ? undefined
        : { node: view.node, requests, results, statuses, limits },
  };
}

/** Does everything still say what it said? */
export async function isUnchanged(view: NodeView, readSet: ReadSet): Promise<boolean> {
  if (view.node !== readSet.node) return false;
  const results = await view.host.readMany(readSet.requests, readSet.results);
  // Loops without iterators: this runs over every file of every container.
  for (let index = 0; index < results.length; index += 1) {
    const answer = results[index] as ReadResult;
    if (answer === readSet.results[index]) continue;
    const status = readSet.statuses[index];
    if (status === undefined || statusText(answer) !== status) return false;
  }
  for (let index = 0; index < readSet.limits.length; index += 1) {
    const { path, limit } = readSet.limits[index] as ReadSet['limits'][number];
    if (!sameLimit(view.limits.known(path) ?? (await view.limits.read(path)), limit)) return false;
  }
  return true;
}

function sameLimit(one: Read<number>, other: Read<number>): boolean {
  return one.ok ? other.ok && one.value === other.value : !other.ok && one.reason === other.reason;
}

/** What is looked at in the status of a thread; its counters and sizes are others each time. */
function statusText(answer: ReadResult): string {
  if (!answer.ok) return answer.reason;
  const status = parseProcStatus(answer.value.toString());
  return status === undefined ? 'not understood' : JSON.stringify(status);
}
