import type { SettingProblem } from './problem.ts';
import { problemAt } from './problem.ts';

/** Scalars of a configuration file by key, each with its place (`/etc/plimsoll/config.yaml:3`). */
export interface FileEntries {
  readonly entries: ReadonlyMap<string, FileEntry>;
  readonly problems: readonly SettingProblem[];
}

/** One `key: value`. */
export interface FileEntry {
  readonly text: string;
  readonly place: string;
}

/** Most characters of a configuration file. A table of some thirty keys is far below. */
const MAX_CONFIG_CHARACTERS = 256 * 1024;

/**
 * Reads a configuration file: YAML 1.2, one mapping of setting names to scalars; an empty file is no settings. Never
 * throws: what is wrong with the file is in `problems`, with the line.
 */
export async function parseConfigFile(text: string, path: string): Promise<FileEntries> {
  if (text.length > MAX_CONFIG_CHARACTERS)
    return failed(problemAt(path, `longer than ${String(MAX_CONFIG_CHARACTERS)} characters`));
  // Loaded here because most commands run without a file.
  const { isMap, isScalar, LineCounter, parseDocument } = await import('yaml');
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'silent' });
  const [error] = document.errors;
  if (error !== undefined) {
    const { line, col } = lines.linePos(error.pos[0]);
    // The message would quote the file, in which there may be a token.
    return failed(problemAt(`${path}:${String(line)}:${String(col)}`, `not valid YAML (${error.code})`));
  }
  if (document.contents === null) return { entries: new Map(), problems: [] };
  if (!isMap(document.contents)) return failed(problemAt(path, 'expected one setting a line, `name: value`'));
  const entries = new Map<string, FileEntry>();
  const problems: SettingProblem[] = [];
  for (const { key, value } of document.contents.items) {
    const offset = isScalar(key) ? (key.range?.[0] ?? 0) : 0;
    const place = `${path}:${String(lines.linePos(offset).line)}`;
    const name = isScalar(key) ? String(key.value) : '';
    const scalar = isScalar(value) ? scalarText(value) : undefined;
    if (scalar === undefined)
      problems.push(problemAt(place, 'expected a single value, not a list, a mapping or nothing', name));
    else entries.set(name, { text: scalar, place });
  }
  return { entries, problems };
}

/** A number is taken as it is written: `0640` and `1e3` must not become something else on the way. */
function scalarText(scalar: { readonly value: unknown; readonly source?: string }): string | undefined {
  if (typeof scalar.value === 'string') return scalar.value;
  if (typeof scalar.value === 'number' || typeof scalar.value === 'boolean')
    return scalar.source ?? String(scalar.value);
  return undefined;
}

function failed(problem: SettingProblem): FileEntries {
  return { entries: new Map(), problems: [problem] };
}
