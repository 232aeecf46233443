import { failure, magicLink } from './failure.ts';
import {
  fileSystemOrdinary,
  kindOf,
  linkOrdinary,
  listOrdinary,
  readOrdinary,
  statOrdinary,
} from './ordinary-files.ts';
import { createIoDeadline, MAX_OVERDUE } from './io-deadline.ts';
import { readOne, unlessSame } from './read-many.ts';
import { cleanPath, createPathMapper, isMagic, leadsThroughMagic } from './path-mapper.ts';
import { createVirtualFiles, virtualFile } from './virtual-files.ts';
import type { VirtualFile } from './virtual-files.ts';
import { createWatching } from './watch.ts';
import type { Stats } from 'node:fs';
import type { Logger } from '../../service/log.ts';
import type { Host, ReadResult, ReadRequest, HostStat, Read } from './host.ts';
import type { IoDeadline } from './io-deadline.ts';
import type { PathMapperOptions } from './path-mapper.ts';

/** How a Linux node is read. */
export interface LinuxHostOptions extends PathMapperOptions {
  /** How long a file system may take; default 2,000. /proc and /sys do not wait for anyone. */
  readonly deadlineMs?: number | undefined;
  /** Changes within this time, in milliseconds, are reported as one; default 100. */
  readonly burstMs?: number | undefined;
  /** Directories and files that are watched at most; default 1,024. Beyond that a change waits for the next sweep. */
  readonly maxWatches?: number | undefined;
  /** Ends all watching; later calls answer `failed`. */
  readonly signal?: AbortSignal | undefined;
  readonly log?: Logger | undefined;
}

const DEFAULT_MAX_BYTES = 1024 * 1024;
const DEFAULT_MAX_ENTRIES = 10_000;
const DEFAULT_DEADLINE_MS = 2000;
const DEFAULT_BURST_MS = 100;
const DEFAULT_MAX_WATCHES = 1024;

/** A Linux node, read through its file system. Throws where `root` does not exist. */
export function createLinuxHost(options: LinuxHostOptions = {}): Host {
  const { signal } = options;
  const tree = createPathMapper(options);
  const virtual = createVirtualFiles();
  const deadlineMs = options.deadlineMs ?? DEFAULT_DEADLINE_MS;
  const ofFiles = createIoDeadline(deadlineMs, MAX_OVERDUE.ofFiles);
  const ofProcesses = createIoDeadline(deadlineMs, MAX_OVERDUE.ofProcesses);
  const withDeadline: IoDeadline = (path, work) => (path.startsWith('/proc/') ? ofProcesses : ofFiles)(path, work);

  /** Hands the cleaned path to the reader for its file system. */
  const route = <T>(
    path: string,
    onVirtual: (native: string) => Read<T>,
    onOrdinary: (clean: string) => Promise<Read<T>>,
    isRefused: (clean: string) => boolean = isMagic,
  ): Promise<Read<T>> => {
    const clean = cleanPath(path);
    if (!clean.ok) return Promise.resolve(clean);
    if (signal?.aborted === true) return Promise.resolve(failure('failed', 'the program is stopping'));
    if (clean.value.includes('/..')) return withDeadline(path, () => onOrdinary(clean.value));
    if (isRefused(clean.value)) return Promise.resolve(magicLink());
    if (tree.isVirtual(clean.value)) return Promise.resolve(onVirtual(tree.toNative(clean.value)));
    return withDeadline(path, () => onOrdinary(clean.value));
  };

  const single: Pick<Host, 'readFile' | 'list' | 'readLink'> = {
    readFile: (path, limits) => {
      const maxBytes = limits?.maxBytes ?? DEFAULT_MAX_BYTES;
      return route(
        path,
        (native) => virtual.read(virtualFile(native), maxBytes),
        (clean) => readOrdinary(tree, clean, maxBytes),
      );
    },
    list: (path, limits) => {
      const maxEntries = limits?.maxEntries ?? DEFAULT_MAX_ENTRIES;
      return route(
        path,
        (native) => virtual.list(native, maxEntries),
        (clean) => listOrdinary(tree, clean, maxEntries),
      );
    },
    readLink: (path) =>
      route(
        path,
        (native) => virtual.link(native),
        (clean) => linkOrdinary(tree, clean),
        leadsThroughMagic,
      ),
  };
  /** The file that a request is about, where its file system answers from memory; undefined for any other request. */
  const virtualFileOf = ({ op, path }: ReadRequest): VirtualFile | undefined => {
    const clean = cleanPath(path);
    if (!clean.ok || clean.value.includes('/..') || !tree.isVirtual(clean.value)) return undefined;
    const isRefused = (op === 'readLink' ? leadsThroughMagic : isMagic)(clean.value);
    return isRefused ? undefined : virtualFile(tree.toNative(clean.value));
  };
  /** Of requests that are made again: which file a path means follows from its text alone. */
  const known = new WeakMap<ReadRequest, VirtualFile>();
  const readVirtual = (file: VirtualFile, question: ReadRequest, before: ReadResult | undefined): ReadResult => {
    switch (question.op) {
      case 'readFile':
        return virtual.read(file, question.maxBytes ?? DEFAULT_MAX_BYTES, bytesOf(before));
      case 'list':
        return virtual.list(file.native, question.maxEntries ?? DEFAULT_MAX_ENTRIES);
      case 'readLink':
        return virtual.link(file.native);
    }
  };
  return {
    ...single,
    readMany: async (questions, before) => {
      const isStopping = signal?.aborted === true;
      // A loop without iterators: this runs over every file of every container.
      let answers: ReadResult[] | undefined;
      for (let index = 0; index < questions.length; index += 1) {
        const question = questions[index] as ReadRequest;
        const last = before?.[index];
        const file = isStopping ? undefined : (known.get(question) ?? virtualFileOf(question));
        if (file !== undefined) known.set(question, file);
        const answer = unlessSame(
          file === undefined ? await readOne(single, question) : readVirtual(file, question, last),
          last,
        );
        // Those before this one were the same, so there is an earlier result for each.
        if (answer !== last) answers ??= (before?.slice(0, index) ?? []) as ReadResult[];
        answers?.push(answer);
      }
      return answers ?? (before as readonly ReadResult[] | undefined) ?? [];
    },
    stat: (path) =>
      route(
        path,
        (native) => {
          const found = virtual.stat(native);
          if (!found.ok) return found;
          const realPath = tree.fromNative(found.value.realNative);
          if (realPath === undefined) return failure('failed', 'a link leads out of the root');
          return { ok: true, value: toHostStat(realPath, found.value.stats) };
        },
        async (clean) => {
          const found = await statOrdinary(tree, clean);
          return found.ok ? { ok: true, value: toHostStat(found.value.realPath, found.value.stats) } : found;
        },
      ),
    fileSystem: (path) =>
      route(
        path,
        () => failure('failed', 'a file system of the kernel has no size'),
        (clean) => fileSystemOrdinary(tree, clean),
      ),
    watch: createWatching({
      tree,
      withDeadline,
      burstMs: options.burstMs ?? DEFAULT_BURST_MS,
      maxWatches: options.maxWatches ?? DEFAULT_MAX_WATCHES,
      signal,
      log: options.log,
    }),
  };
}

function bytesOf(answer: ReadResult | undefined): Buffer | undefined {
  return answer?.ok === true && Buffer.isBuffer(answer.value) ? answer.value : undefined;
}

function toHostStat(realPath: string, stats: Stats): HostStat {
  return {
    realPath,
    kind: kindOf(stats),
    uid: stats.uid,
    gid: stats.gid,
    mode: stats.mode & 0o7777,
    size: stats.size,
    modifiedAtMs: Math.trunc(stats.mtimeMs),
    fileId: `${String(stats.dev)}:${String(stats.ino)}`,
    links: stats.nlink,
  };
}
