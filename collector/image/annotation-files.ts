import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { parseVexText } from '../../image/policy/annotations.ts';
import { MAX_WAIVER_BYTES, parseWaiverText } from '../../image/policy/waiver-files.ts';
import { readBoundedText } from '../../image/policy/bounded-text.ts';
import { errorCode } from '../../service/files.ts';
import type { Waiver } from '../../policy/waiver.ts';
import type { VexStatement } from '../../vulnerability/vex.ts';
import type { VulnerabilityWaiver } from '../../vulnerability/waiver.ts';
import type { KeptAnnotations } from './kept-annotations.ts';

/** VEX documents and waivers of files and directories, read again when they change. */
export interface AnnotationFiles {
  /** Looks at the files; resolves to whether the content differs from that of the last call. Never rejects. */
  readonly refresh: () => Promise<boolean>;
  readonly statements: () => readonly VexStatement[];
  readonly waivers: () => readonly VulnerabilityWaiver[];
  /** Waivers of findings. Names are unique: of two with the same name the second does not count. */
  readonly findingWaivers: () => readonly Waiver[];
  /** What is wrong, by path. The earlier content of these files still counts, also after a restart. */
  readonly problems: () => ReadonlyMap<string, string>;
  /** Some file could never be read, so that what it says is not known. */
  readonly isIncomplete: () => boolean;
}

type Kind = 'vex' | 'waivers';

interface Content {
  readonly statements: readonly VexStatement[];
  readonly waivers: readonly VulnerabilityWaiver[];
  readonly findingWaivers: readonly Waiver[];
}

interface KnownFile {
  /** The configured path that it belongs to. */
  readonly root: string;
  /** Resolves to whether it was changed. */
  readonly version: string;
  /** Of the last time that it could be read; undefined: never. */
  readonly content: Content | undefined;
}

/** Files of one configured path. */
const MAX_FILES = 1000;
/** Parsing a larger document takes so long that nodes would wait. */
const MAX_BYTES = { vex: 4 * 1024 * 1024, waivers: MAX_WAIVER_BYTES } as const satisfies Record<Kind, number>;
const MAX_TOTAL_BYTES = 64 * 1024 * 1024;
const WRITABLE_BY_OTHERS = 0o002;
const NAMES = { vex: /^[^.].*\.json$/, waivers: /^[^.].*\.(?:ya?ml|json)$/ } as const satisfies Record<Kind, RegExp>;

/**
 * `vex`, `waivers`: files, or directories whose files are read (`*.json`; `*.yaml`, `*.yml`, `*.json`). `kept`: copies of
 * what was read last, for files that cannot be read at a start. A file with waivers that every user can write is refused: who
 * can write it decides what is accepted. `now`: the time, in milliseconds since 1970.
 */
export function createAnnotationFiles(
  settings: Readonly<Record<Kind, readonly string[]>>,
  { kept, now }: { readonly kept: KeptAnnotations; readonly now: () => number },
): AnnotationFiles {
  let known = new Map<string, KnownFile>();
  let problems = new Map<string, string>();

  const refresh = async (): Promise<boolean> => {
    const next = new Map<string, KnownFile>();
    const wrong = new Map<string, string>();
    let bytes = 0;
    let isChanged = false;
    const look = async (kind: Kind, root: string, path: string): Promise<void> => {
      const key = `${kind} ${path}`;
      const before = known.get(key);
      const stats = await stat(path);
      const version = [stats.dev, stats.ino, stats.size, stats.mtimeMs, stats.ctimeMs].join(' ');
      const isOpenToAll = kind === 'waivers' && (stats.mode & WRITABLE_BY_OTHERS) !== 0;
      bytes += stats.size;
      if (bytes > MAX_TOTAL_BYTES)
        throw new LimitError(`all files together have more than ${String(MAX_TOTAL_BYTES)} bytes`);
      if (before?.version === version) {
        next.set(key, before);
        const problem = problems.get(path);
        if (problem !== undefined) wrong.set(path, problem);
        return;
      }
      const file = { kind, root, name: basename(path) };
      const read = isOpenToAll ? WRITABLE : await readFile(kind, path, now());
      if (read.ok) await kept.put(file, read.text).catch((error: unknown) => wrong.set(path, notKept(error)));
      else wrong.set(path, read.problem);
      const content = read.ok ? read.content : (before?.content ?? (await readKept(file)));
      isChanged ||= content !== before?.content;
      next.set(key, { root, version, content });
    };
    const readKept = async (file: { kind: Kind; root: string; name: string }): Promise<Content | undefined> => {
      const text = await kept.read(file, MAX_BYTES[file.kind]);
      const parsed = text === undefined ? undefined : parse(file.kind, text, { name: file.name });
      return parsed?.ok === true ? parsed.content : undefined;
    };
    /** What is known of a path that cannot be read now. */
    const keepRoot = async (kind: Kind, root: string): Promise<void> => {
      const earlier = [...known].filter(([key, file]) => key.startsWith(`${kind} `) && file.root === root);
      for (const [key, file] of earlier) if (!next.has(key)) next.set(key, file);
      if (earlier.length > 0) return;
      const names = await kept.names({ kind, root });
      for (const name of names)
        next.set(`${kind} ${join(root, name)}`, {
          root,
          version: '',
          content: await readKept({ kind, root, name }),
        });
      isChanged ||= names.length > 0;
      if (names.length === 0) next.set(`${kind} ${root}`, { root, version: '', content: undefined });
    };
    for (const kind of ['vex', 'waivers'] as const)
      for (const root of settings[kind]) {
        try {
          const paths = await filesOf(kind, root);
          for (const path of paths) await look(kind, root, path);
          await kept.retain({ kind, root }, new Set(paths.map((path) => basename(path))));
        } catch (error) {
          wrong.set(root, error instanceof LimitError ? error.message : `cannot be read (${errorCode(error)})`);
          await keepRoot(kind, root);
        }
      }
    for (const key of known.keys()) isChanged ||= !next.has(key);
    const names = new Set<string>();
    for (const [key, { content }] of next)
      for (const { name } of content?.findingWaivers ?? []) {
        if (names.has(name)) wrong.set(pathOf(key), `the waiver ${JSON.stringify(name)} has the name of another one`);
        names.add(name);
      }
    known = next;
    problems = wrong;
    return isChanged;
  };
  const contents = (): readonly Content[] => [...known.values()].flatMap(({ content }) => content ?? []);
  return {
    refresh,
    statements: () => contents().flatMap(({ statements }) => statements),
    waivers: () => contents().flatMap(({ waivers }) => waivers),
    findingWaivers: () => {
      const byName = new Map<string, Waiver>();
      for (const waiver of contents().flatMap(({ findingWaivers }) => findingWaivers))
        if (!byName.has(waiver.name)) byName.set(waiver.name, waiver);
      return [...byName.values()];
    },
    problems: () => problems,
    isIncomplete: () => [...known.values()].some(({ content }) => content === undefined),
  };
}

class LimitError extends Error {}

/** The path itself, or the files of a directory. Hidden ones are left out: a mounted ConfigMap has them. */
async function filesOf(kind: Kind, root: string): Promise<readonly string[]> {
  const stats = await stat(root);
  if (!stats.isDirectory()) return [root];
  if (kind === 'waivers' && (stats.mode & WRITABLE_BY_OTHERS) !== 0) throw new LimitError(WRITABLE.problem);
  const names = (await readdir(root)).filter((name) => NAMES[kind].test(name)).sort();
  if (names.length > MAX_FILES) throw new LimitError(`has more than ${String(MAX_FILES)} files`);
  return names.map((name) => join(root, name));
}

type ParsedFile = { readonly ok: true; readonly content: Content } | { readonly ok: false; readonly problem: string };

const WRITABLE = { ok: false, problem: 'every user can write it; use: chmod o-w' } as const;

/** The path in a key of `known`. */
function pathOf(key: string): string {
  return key.slice(key.indexOf(' ') + 1);
}

async function readFile(
  kind: Kind,
  path: string,
  nowMs: number,
): Promise<(ParsedFile & { ok: true; readonly text: string }) | (ParsedFile & { ok: false })> {
  const file = await readBoundedText(path, MAX_BYTES[kind]);
  if (!file.ok) return { ok: false, problem: file.reason };
  const parsed = parse(kind, file.text, { name: basename(path), nowMs });
  return parsed.ok ? { ...parsed, text: file.text } : parsed;
}

/** `nowMs` is absent for what was accepted before: the clock may have been set back since. */
function parse(kind: Kind, text: string, { name, nowMs }: { name: string; nowMs?: number }): ParsedFile {
  if (kind === 'vex') {
    const read = parseVexText(text, name);
    return read.ok ? { ok: true, content: { statements: read.statements, waivers: [], findingWaivers: [] } } : read;
  }
  const read = parseWaiverText(text, name, nowMs);
  if (!read.ok) return read;
  const { waivers, findingWaivers } = read;
  return { ok: true, content: { statements: [], waivers, findingWaivers } };
}

function notKept(error: unknown): string {
  return `it counts, but no copy of it could be kept for the next start (${errorCode(error)})`;
}
