import { readBoundedText } from '../image/policy/bounded-text.ts';
import { parseYamlDocuments } from '../image/policy/yaml-documents.ts';
import { listYamlFiles, locateProblem } from '../image/policy/yaml-files.ts';
import type { FileProblem } from '../image/policy/yaml-files.ts';

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

/**
 * Reads YAML files, and the `*.yaml` and `*.yml` of directories. A file that every user can write is refused: who can
 * write it decides what counts as secure. Never rejects.
 */
export async function readDocuments(paths: readonly string[]): Promise<ReadDocuments> {
  const documents: SourceDocument[] = [];
  const problems: FileProblem[] = [];
  for (const root of new Set(paths)) {
    const files = await listYamlFiles(root);
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
      problemAt: (text) => {
        const { problem, fields } = locateProblem(text, value);
        return { source: `${path}:${String(yaml.lineOf(index, fields))}`, problem };
      },
    });
}

function kindOf(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? (value as { readonly kind?: unknown }).kind : undefined;
}
