import { basename } from 'node:path';
import { parseWaiver } from '../../policy/waiver.ts';
import type { Waiver } from '../../policy/waiver.ts';
import type { ImageReference } from '../../policy/reference.ts';
import type { VulnerabilityMatch } from '../../vulnerability/vulnerability.ts';
import { applyVex, parseVex } from '../../vulnerability/vex.ts';
import type { VexStatement } from '../../vulnerability/vex.ts';
import { applyWaivers, parseWaivers } from '../../vulnerability/waiver.ts';
import type { VulnerabilityWaiver } from '../../vulnerability/waiver.ts';
import type { Distribution } from '../../vulnerability/package.ts';
import { readBoundedText } from './bounded-text.ts';
import { parseYamlDocuments } from './yaml-documents.ts';

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
/** Of a file with waivers. */
export const MAX_WAIVER_BYTES = 256 * 1024;

/** What was read, or what is wrong with it. */
export type ReadAnnotations<T> = ({ readonly ok: true } & T) | { readonly ok: false; readonly problem: string };

/** What a VEX document (JSON) says; `source`: its name. A problem does not name the file. Never throws. */
export function parseVexText(
  text: string,
  source: string,
): ReadAnnotations<{ readonly statements: readonly VexStatement[]; readonly ignored: readonly string[] }> {
  return parseVex(parseJson(text), source);
}

/** What a file says that waives something. */
export interface WaiverFile {
  /** Of vulnerabilities. */
  readonly waivers: readonly VulnerabilityWaiver[];
  /** Of findings: the documents of kind Waiver. */
  readonly findingWaivers: readonly Waiver[];
}

/** What a file with waivers (YAML or JSON) says; as {@link parseVexText}. With `nowMs` an end too far away is refused. */
export function parseWaiverText(text: string, source: string, nowMs?: number): ReadAnnotations<WaiverFile> {
  const yaml = parseYamlDocuments(text);
  if (!yaml.ok) return { ok: false, problem: yaml.reason };
  const waivers: VulnerabilityWaiver[] = [];
  const findingWaivers: Waiver[] = [];
  for (const [index, document] of yaml.documents.entries()) {
    if (isWaiverDocument(document)) {
      const parsed = parseWaiver(document, nowMs);
      if (!parsed.ok)
        return {
          ok: false,
          problem: `line ${String(yaml.lineOf(index, fieldsOf(parsed.problem)))}: ${parsed.problem}`,
        };
      findingWaivers.push(parsed.value);
      continue;
    }
    const parsed = parseWaivers(document, source);
    if (!parsed.ok) return parsed;
    waivers.push(...parsed.waivers);
  }
  return { ok: true, waivers, findingWaivers };
}

/** Has it the fields of every document with a kind? A list of waivers of vulnerabilities has none of them. */
function isWaiverDocument(document: unknown): boolean {
  return typeof document === 'object' && document !== null && ('kind' in document || 'apiVersion' in document);
}

/** The fields that a problem begins with: `spec`, `controls`, 0, `control`. */
export function fieldsOf(problem: string): readonly (string | number)[] {
  const [path = ''] = /^[A-Za-z0-9.[\]-]+(?=:)/.exec(problem) ?? [];
  return [...path.matchAll(/\[(\d+)\]|[^.[\]]+/g)].map(([word, index]) => (index === undefined ? word : Number(index)));
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

/** Reads VEX documents (JSON) and files with waivers (YAML). One file that is wrong refuses all. Never rejects. */
export async function loadAnnotations(files: {
  readonly vex: readonly string[];
  readonly waivers: readonly string[];
}): Promise<LoadedAnnotations> {
  const statements: VexStatement[] = [];
  const waivers: VulnerabilityWaiver[] = [];
  const notes: string[] = [];
  for (const path of new Set(files.vex)) {
    const read = await readParsed(path, MAX_VEX_BYTES, parseVexText);
    if (!read.ok) return read;
    statements.push(...read.statements);
    notes.push(...read.ignored.map((ignored) => `${path}: ${ignored}`));
  }
  for (const path of new Set(files.waivers)) {
    const read = await readParsed(path, MAX_WAIVER_BYTES, (text, source) => parseWaiverText(text, source));
    if (!read.ok) return read;
    waivers.push(...read.waivers);
  }
  return { ok: true, value: { statements, waivers, notes } };
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
  const applied = applyWaivers(byVex, waivers, { images: repositories, now });
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
