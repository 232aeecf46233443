import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../../service/files.ts';

/** What is wrong with a file. Quotes nothing of it but names of fields and checks. */
export interface FileProblem {
  /** `checks.yaml:14` */
  readonly source: string;
  readonly problem: string;
}

const MAX_FILES = 256;
const NAME = /^[^.].*\.ya?ml$/;
const WRITABLE_BY_OTHERS = 0o002;

/** The files of a path, or why they cannot be listed. */
export type ListedFiles =
  { readonly ok: true; readonly paths: readonly string[] } | { readonly ok: false; readonly problem: string };

/**
 * The path itself, or the `*.yaml` and `*.yml` of a directory, sorted. Hidden ones are left out: a mounted ConfigMap has
 * them. What every user can write is refused. Never rejects.
 */
export async function listYamlFiles(root: string): Promise<ListedFiles> {
  try {
    const isDirectory = (await stat(root)).isDirectory();
    const names = isDirectory ? (await readdir(root)).filter((name) => NAME.test(name)).sort() : [];
    if (names.length > MAX_FILES) return { ok: false, problem: `has more than ${String(MAX_FILES)} files` };
    const paths = isDirectory ? names.map((name) => join(root, name)) : [root];
    for (const path of [root, ...paths])
      if (((await stat(path)).mode & WRITABLE_BY_OTHERS) !== 0)
        return { ok: false, problem: `every user can write ${path === root ? 'to it' : path}; use: chmod o-w` };
    return { ok: true, paths };
  } catch (error) {
    const code = errorCode(error);
    return { ok: false, problem: code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})` };
  }
}

/**
 * A problem of a document with the keys of maps by name, and the fields that it begins with: `spec.parameters{1}: …` is
 * `spec.parameters["maxDays"]: …`, at `spec`, `parameters`, `maxDays`.
 */
export function locateProblem(
  problem: string,
  document: unknown,
): { readonly problem: string; readonly fields: readonly (string | number)[] } {
  const [path = ''] = /^[A-Za-z0-9.[\]{}-]+(?=:)/.exec(problem) ?? [];
  const fields: (string | number)[] = [];
  let value = document;
  const named = path.replaceAll(/\[(\d+)\]|\{(\d+)\}|[^.[\]{}]+/g, (word, index?: string, entry?: string) => {
    const key = entry === undefined ? word : (Object.keys(Object(value) as object)[Number(entry)] ?? '');
    fields.push(index === undefined ? key : Number(index));
    value = (Object(value) as Readonly<Record<string, unknown>>)[index ?? key];
    return entry === undefined ? word : `[${JSON.stringify(key.slice(0, 128))}]`;
  });
  return { problem: named + problem.slice(path.length), fields };
}
