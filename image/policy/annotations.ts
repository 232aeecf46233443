import { basename } from 'node:path';
import type { ImageReference } from '../../policy/reference.ts';
import type { VulnerabilityMatch } from '../../vulnerability/vulnerability.ts';
import { applyVex, parseVex } from '../../vulnerability/vex.ts';
import type { VexStatement } from '../../vulnerability/vex.ts';
import { IMAGE_PATTERNS } from '../../policy/registry-pattern.ts';
import { applyWaivers } from '../../vulnerability/waiver.ts';
import type { VulnerabilityWaiver } from '../../vulnerability/waiver.ts';
import type { Distribution } from '../../vulnerability/package.ts';
import { readBoundedText } from './bounded-text.ts';
import { loadWaiverFiles } from './waiver-files.ts';

/** VEX statements and waivers of some files. */
export interface Annotations {
  readonly statements: readonly VexStatement[];
  readonly waivers: readonly VulnerabilityWaiver[];
  /** What of the files has no effect, for people. */
  readonly notes: readonly string[];
}

/** Annotations, or the file that is wrong. */
export type LoadedAnnotations =
  { readonly ok: true; readonly value: Annotations } | { readonly ok: false; readonly problem: string };

const MAX_VEX_BYTES = 64 * 1024 * 1024;

/** What was read, or what is wrong with it. */
export type ReadAnnotations<T> = ({ readonly ok: true } & T) | { readonly ok: false; readonly problem: string };

/** What a VEX document (JSON) says; `source`: its name. A problem does not name the file. Never throws. */
export function parseVexText(
  text: string,
  source: string,
): ReadAnnotations<{ readonly statements: readonly VexStatement[]; readonly ignored: readonly string[] }> {
  return parseVex(parseJson(text), source);
}

async function readParsed<T>(
  path: string,
  maxBytes: number,
  parse: (text: string, source: string) => ReadAnnotations<T>,
): Promise<ReadAnnotations<T>> {
  const file = await readBoundedText(path, maxBytes);
  if (!file.ok) return { ok: false, problem: `${path} ${file.reason}` };
  const parsed = parse(file.text, basename(path));
  return parsed.ok ? parsed : { ok: false, problem: `${path}: ${parsed.problem}` };
}

/** Reads VEX documents (JSON), and files with waivers (YAML) or directories of them. Those of findings do not count. One file that is wrong refuses all. Never rejects. */
export async function loadAnnotations(
  files: { readonly vex: readonly string[]; readonly waivers: readonly string[] },
  nowMs: number,
): Promise<LoadedAnnotations> {
  const statements: VexStatement[] = [];
  const notes: string[] = [];
  for (const path of new Set(files.vex)) {
    const read = await readParsed(path, MAX_VEX_BYTES, parseVexText);
    if (!read.ok) return read;
    statements.push(...read.statements);
    notes.push(...read.ignored.map((ignored) => `${path}: ${ignored}`));
  }
  const read = await loadWaiverFiles(files.waivers, nowMs);
  if (!read.ok) {
    const [first] = read.problems;
    return { ok: false, problem: first === undefined ? 'waivers cannot be read' : `${first.source}: ${first.problem}` };
  }
  return { ok: true, value: { statements, waivers: read.waivers, notes } };
}

/** The document; undefined where the text is no JSON, which no format of VEX accepts. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The image that matches are about. */
export interface AnnotatedImage {
  readonly reference: ImageReference | undefined;
  readonly digest: string | undefined;
  readonly distribution: Distribution | undefined;
  readonly now: number;
}

/** Matches with those marked that statements or waivers suppress; none is removed. */
export function annotate(
  matches: readonly VulnerabilityMatch[],
  { statements, waivers, notes }: Annotations,
  { reference, digest, distribution, now }: AnnotatedImage,
): { readonly matches: readonly VulnerabilityMatch[]; readonly notes: readonly string[] } {
  const repositories = reference === undefined ? [] : [`${reference.registry}/${reference.path}`];
  const byVex = applyVex(matches, statements, {
    digests: digest === undefined ? [] : [digest],
    repositories,
    ...(distribution === undefined ? {} : { distribution }),
  });
  const applied = applyWaivers(byVex, waivers, { images: repositories, now, patterns: IMAGE_PATTERNS });
  const describe = (what: string) => (waiver: VulnerabilityWaiver) => `${waiver.source}: the waiver ${what}`;
  return {
    matches: applied.matches,
    notes: [
      ...notes,
      ...applied.expired.map(describe('has expired')),
      ...applied.unused.map(describe('applies to nothing')),
    ],
  };
}
