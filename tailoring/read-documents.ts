import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fieldsOf } from '../image/policy/annotations.ts';
import { readBoundedText } from '../image/policy/bounded-text.ts';
import { parseYamlDocuments } from '../image/policy/yaml-documents.ts';
import { errorCode } from '../service/files.ts';

/** What is wrong with a file. Quotes nothing of it but names of fields and checks. */
export interface FileProblem {
  /** `checks.yaml:14` */
  readonly source: string;
  readonly problem: string;
}

/** One document of a file. */
export interface SourceDocument {
  readonly path: string;
  readonly kind: unknown;
  readonly value: unknown;
  /** Places a problem that begins with a field (`spec.controls[0].control: …`) on its line. */
  readonly problemAt: (problem: string) => FileProblem;
}

/** The documents of some files, or everything that is wrong with the files. */
export type ReadDocuments =
  | { readonly ok: true; readonly documents: readonly SourceDocument[] }
  | { readonly ok: false; readonly problems: readonly FileProblem[] };

const MAX_FILE_BYTES = 1024 * 1024;
const MAX_FILES = 256;
const NAME = /^[^.].*\.ya?ml$/;
const WRITABLE_BY_OTHERS = 0o002;

/**
 * Reads YAML files, and the `*.yaml` and `*.yml` of directories. A file that every user can write is refused: who can
 * write it decides what counts as secure. Never rejects.
 */
export async function readDocuments(paths: readonly string[]): Promise<ReadDocuments> {
  const documents: SourceDocument[] = [];
  const problems: FileProblem[] = [];
  for (const root of new Set(paths)) {
    const files = await listFiles(root);
    if (!files.ok) problems.push({ source: root, problem: files.problem });
    else for (const path of files.paths) await readFile(path, documents, problems);
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, documents };
}

async function readFile(path: string, documents: SourceDocument[], problems: FileProblem[]): Promise<void> {
  const file = await readBoundedText(path, MAX_FILE_BYTES);
  if (!file.ok) {
    problems.push({ source: path, problem: file.reason });
    return;
  }
  const yaml = parseYamlDocuments(file.text);
  if (!yaml.ok) {
    problems.push({ source: path, problem: yaml.reason });
    return;
  }
  if (yaml.documents.length === 0) problems.push({ source: path, problem: 'contains no document' });
  for (const [index, value] of yaml.documents.entries())
    documents.push({
      path,
      kind: kindOf(value),
      value,
      problemAt: (problem) => ({
        source: `${path}:${String(yaml.lineOf(index, fieldsOf(problem)))}`,
        problem,
      }),
    });
}

function kindOf(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? (value as { readonly kind?: unknown }).kind : undefined;
}

type Listed =
  { readonly ok: true; readonly paths: readonly string[] } | { readonly ok: false; readonly problem: string };

/** The path itself, or the files of a directory, sorted. Hidden ones are left out: a mounted ConfigMap has them. */
async function listFiles(root: string): Promise<Listed> {
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
