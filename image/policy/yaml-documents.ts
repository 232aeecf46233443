import { createRequire } from 'node:module';
import type * as yaml from 'yaml';
import type { Document } from 'yaml';

/** The library, loaded with the first text: most nodes have no file in YAML, and its 70 modules take 12 MiB. */
function yamlLibrary(): typeof yaml {
  return createRequire(import.meta.url)('yaml') as typeof yaml;
}

/** The documents of a YAML text, or where the text is wrong. `reason` quotes nothing of it. */
export type YamlDocuments =
  | {
      readonly ok: true;
      readonly documents: readonly unknown[];
      /** The line, from 1, on which a value of a document begins: the innermost one of `path` that is there. */
      readonly lineOf: (document: number, path: readonly (string | number)[]) => number;
    }
  | { readonly ok: false; readonly reason: string };

/** Documents of one file. */
const MAX_DOCUMENTS = 256;
/** Levels of a document; a policy has six. */
const MAX_DEPTH = 64;
/** Nodes that aliases may multiply to; the default of the library. */
const MAX_ALIASES = 100;

/**
 * Parses YAML 1.2 (so also JSON) with several documents; empty ones are left out. A key that occurs twice is an error,
 * since a reader sees the first and a parser takes the last. In version 1.1, which Go programs such as the kubelet read,
 * `yes` and `on` are booleans. Never throws.
 */
export function parseYamlDocuments(text: string, version: '1.1' | '1.2' = '1.2'): YamlDocuments {
  const tooDeep = deepestIndentation(text) > MAX_DEPTH;
  if (tooDeep) return { ok: false, reason: `is nested deeper than ${String(MAX_DEPTH)} levels` };
  const { LineCounter, parseAllDocuments } = yamlLibrary();
  try {
    const lines = new LineCounter();
    const options = {
      version,
      lineCounter: lines,
      prettyErrors: false,
      logLevel: 'silent',
      uniqueKeys: false,
    } as const;
    const documents = parseAllDocuments(text, options);
    if (!Array.isArray(documents)) return { ok: true, documents: [], lineOf: () => 1 };
    if (documents.length > MAX_DOCUMENTS)
      return { ok: false, reason: `has more than ${String(MAX_DOCUMENTS)} documents` };
    const values: unknown[] = [];
    const nodes: Document[] = [];
    for (const document of documents) {
      const [error] = [...document.errors, ...document.warnings];
      const fault =
        error === undefined ? faultyKey(document) : { offset: error.pos[0], what: `not valid YAML (${error.code})` };
      if (fault !== undefined) {
        const { line, col } = lines.linePos(fault.offset);
        // The message of the library would quote the file, which may be one that nobody should see.
        return { ok: false, reason: `line ${String(line)}, column ${String(col)}: ${fault.what}` };
      }
      const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
      if (value === null || value === undefined) continue;
      values.push(value);
      nodes.push(document);
    }
    const lineOf = (index: number, path: readonly (string | number)[]): number =>
      lines.linePos(offsetOf(nodes[index], path)).line;
    return { ok: true, documents: values, lineOf };
  } catch (error) {
    const isAliases = error instanceof ReferenceError;
    return { ok: false, reason: isAliases ? 'has too many aliases' : 'is not valid YAML' };
  }
}

/** The offset of the innermost value of `path` that there is. */
function offsetOf(document: Document | undefined, path: readonly (string | number)[]): number {
  const { isCollection, isNode } = yamlLibrary();
  let [node, offset]: [unknown, number] = [document?.contents, document?.range?.[0] ?? 0];
  for (const key of [undefined, ...path]) {
    if (key !== undefined) node = isCollection(node) ? node.get(key, true) : undefined;
    if (!isNode(node)) break;
    offset = node.range?.[0] ?? offset;
  }
  return offset;
}

interface Fault {
  readonly offset: number;
  readonly what: string;
}

/** The first key that occurs twice or is no single value. The check of the library takes quadratic time. */
function faultyKey(document: Document): Fault | undefined {
  const { isScalar, visit } = yamlLibrary();
  let fault: Fault | undefined;
  visit(document, {
    Map: (_key, { items, range }) => {
      const keys = new Set<string>();
      for (const { key } of items) {
        const offset = isScalar(key) ? (key.range?.[0] ?? 0) : (range?.[0] ?? 0);
        if (!isScalar(key)) fault ??= { offset, what: 'a key is not a single value' };
        else if (keys.has(String(key.value))) fault ??= { offset, what: 'a key occurs twice' };
        else keys.add(String(key.value));
      }
      return fault === undefined ? undefined : visit.BREAK;
    },
  });
  return fault;
}

/** An upper bound of the depth: brackets that are open, and steps of indentation, which the parser recurses into. */
function deepestIndentation(text: string): number {
  let [deepest, open] = [0, 0];
  for (const character of text) {
    if (character === '[' || character === '{') open += 1;
    else if (character === ']' || character === '}') open = Math.max(0, open - 1);
    deepest = Math.max(deepest, open);
  }
  for (const line of text.split('\n')) {
    const indicators = /^[ \t]*(?:[-?:][ \t]+)*/.exec(line)?.[0] ?? '';
    deepest = Math.max(deepest, (indicators.match(/[-?:]/g) ?? []).length);
  }
  return deepest;
}
