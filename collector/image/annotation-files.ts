import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readVexFile, readWaiverFile } from '../../image/policy/annotations.ts';
import { errorCode } from '../../service/files.ts';
import type { VexStatement } from '../../vulnerability/vex.ts';
import type { VulnerabilityWaiver } from '../../vulnerability/waiver.ts';

/** VEX documents and waivers of files and directories, read again when they change. */
export interface AnnotationFiles {
  /** Looks at the files; resolves to whether the content differs from that of the last call. Never rejects. */
  readonly refresh: () => Promise<boolean>;
  readonly statements: () => readonly VexStatement[];
  readonly waivers: () => readonly VulnerabilityWaiver[];
  /** What is wrong, by path. The earlier content of these files still counts. */
  readonly problems: () => ReadonlyMap<string, string>;
  /** Some file could never be read since the start, so that what it says is not known. */
  readonly isIncomplete: () => boolean;
}

type Kind = 'vex' | 'waivers';

interface Content {
  readonly statements: readonly VexStatement[];
  readonly waivers: readonly VulnerabilityWaiver[];
}

interface KnownFile {
  /** The configured path that it belongs to. */
  readonly root: string;
  /** Tells whether it was changed. */
  readonly version: string;
  /** Of the last time that it could be read; undefined: never. */
  readonly content: Content | undefined;
}

/** Files of one configured path. */
const MAX_FILES = 1000;
/** Parsing a larger document takes so long that nodes would wait. */
const MAX_VEX_BYTES = 4 * 1024 * 1024;
const MAX_TOTAL_BYTES = 64 * 1024 * 1024;
const NAMES = { vex: /^[^.].*\.json$/, waivers: /^[^.].*\.(?:ya?ml|json)$/ } as const satisfies Record<Kind, RegExp>;

/** `vex`, `waivers`: files, or directories whose files are read (`*.json`; `*.yaml`, `*.yml`, `*.json`). */
export function createAnnotationFiles(settings: Readonly<Record<Kind, readonly string[]>>): AnnotationFiles {
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
      bytes += stats.size;
      if (bytes > MAX_TOTAL_BYTES)
        throw new LimitError(`all files together have more than ${String(MAX_TOTAL_BYTES)} bytes`);
      if (before?.version === version) {
        next.set(key, before);
        const problem = problems.get(path);
        if (problem !== undefined) wrong.set(path, problem);
        return;
      }
      const read = await readFile(kind, path);
      // Its issue names the path already.
      if (!read.ok) wrong.set(path, read.problem.replace(path, '').replace(/^:? /, ''));
      else isChanged = true;
      next.set(key, { root, version, content: read.ok ? read.content : before?.content });
    };
    for (const kind of ['vex', 'waivers'] as const)
      for (const root of settings[kind]) {
        try {
          for (const path of await filesOf(kind, root)) await look(kind, root, path);
        } catch (error) {
          wrong.set(root, error instanceof LimitError ? error.message : `cannot be read (${errorCode(error)})`);
          const kept = [...known].filter(([key, file]) => key.startsWith(`${kind} `) && file.root === root);
          for (const [key, file] of kept) if (!next.has(key)) next.set(key, file);
          if (kept.length === 0) next.set(`${kind} ${root}`, { root, version: '', content: undefined });
        }
      }
    for (const key of known.keys()) isChanged ||= !next.has(key);
    known = next;
    problems = wrong;
    return isChanged;
  };
  const contents = (): readonly Content[] => [...known.values()].flatMap(({ content }) => content ?? []);
  return {
    refresh,
    statements: () => contents().flatMap(({ statements }) => statements),
    waivers: () => contents().flatMap(({ waivers }) => waivers),
    problems: () => problems,
    isIncomplete: () => [...known.values()].some(({ content }) => content === undefined),
  };
}

class LimitError extends Error {}

/** The path itself, or the files of a directory. Hidden ones are left out: a mounted ConfigMap has them. */
async function filesOf(kind: Kind, root: string): Promise<readonly string[]> {
  if (!(await stat(root)).isDirectory()) return [root];
  const names = (await readdir(root)).filter((name) => NAMES[kind].test(name)).sort();
  if (names.length > MAX_FILES) throw new LimitError(`has more than ${String(MAX_FILES)} files`);
  return names.map((name) => join(root, name));
}

async function readFile(
  kind: Kind,
  path: string,
): Promise<{ readonly ok: true; readonly content: Content } | { readonly ok: false; readonly problem: string }> {
  if (kind === 'vex') {
    const read = await readVexFile(path, MAX_VEX_BYTES);
    return read.ok ? { ok: true, content: { statements: read.statements, waivers: [] } } : read;
  }
  const read = await readWaiverFile(path);
  return read.ok ? { ok: true, content: { statements: [], waivers: read.waivers } } : read;
}
