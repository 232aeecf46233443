import { basename } from 'node:path';
import type { Waiver } from '../../policy/waiver.ts';
import { parseWaiverDocument } from '../../policy/waiver-document.ts';
import { parseWaivers } from '../../vulnerability/waiver.ts';
import { IMAGE_PATTERNS } from '../../policy/registry-pattern.ts';
import type { VulnerabilityWaiver } from '../../vulnerability/waiver.ts';
import { readBoundedText } from './bounded-text.ts';
import { parseYamlDocuments } from './yaml-documents.ts';
import { listYamlFiles, locateProblem } from './yaml-files.ts';
import type { FileProblem } from './yaml-files.ts';

/** What files say that waives something. */
export interface WaiverFile {
  /** Of vulnerabilities. */
  readonly waivers: readonly VulnerabilityWaiver[];
  /** Of findings. */
  readonly findingWaivers: readonly Waiver[];
}

/** Of a file with waivers. */
export const MAX_WAIVER_BYTES = 256 * 1024;

/** What a file says, and everything that is wrong with it. */
interface ReadWaivers extends WaiverFile {
  readonly problems: readonly { readonly line: number | undefined; readonly problem: string }[];
}

/**
 * What a file with waivers (YAML or JSON) says: documents of kind Waiver, and lists of waivers of vulnerabilities. With
 * `nowMs` an end too far away is refused. `source`: its name. A problem does not name the file. Never throws.
 */
export function parseWaiverText(
  text: string,
  source: string,
  nowMs?: number,
): ({ readonly ok: true } & WaiverFile) | { readonly ok: false; readonly problem: string } {
  const { problems, ...file } = readWaivers(text, source, nowMs);
  const [first] = problems;
  if (first === undefined) return { ok: true, ...file };
  return {
    ok: false,
    problem: first.line === undefined ? first.problem : `line ${String(first.line)}: ${first.problem}`,
  };
}

/** Reads files with waivers, or the `*.yaml` and `*.yml` of directories. One problem refuses all. Never rejects. */
export async function loadWaiverFiles(
  paths: readonly string[],
  nowMs?: number,
): Promise<({ readonly ok: true } & WaiverFile) | { readonly ok: false; readonly problems: readonly FileProblem[] }> {
  const waivers: VulnerabilityWaiver[] = [];
  const findingWaivers = new Map<string, Waiver>();
  const problems: FileProblem[] = [];
  for (const root of new Set(paths)) {
    const files = await listYamlFiles(root);
    if (!files.ok) problems.push({ source: root, problem: files.problem });
    for (const path of files.ok ? files.paths : []) {
      const file = await readBoundedText(path, MAX_WAIVER_BYTES);
      if (!file.ok) {
        problems.push({ source: path, problem: file.reason });
        continue;
      }
      const read = readWaivers(file.text, basename(path), nowMs);
      for (const { line, problem } of read.problems)
        problems.push({ source: line === undefined ? path : `${path}:${String(line)}`, problem });
      waivers.push(...read.waivers);
      for (const waiver of read.findingWaivers)
        if (findingWaivers.has(waiver.name))
          problems.push({ source: path, problem: `metadata.name: ${waiver.name} is also the name of another waiver` });
        else findingWaivers.set(waiver.name, waiver);
    }
  }
  return problems.length > 0
    ? { ok: false, problems }
    : { ok: true, waivers, findingWaivers: [...findingWaivers.values()] };
}

function readWaivers(text: string, source: string, nowMs: number | undefined): ReadWaivers {
  const yaml = parseYamlDocuments(text);
  const waivers: VulnerabilityWaiver[] = [];
  const findingWaivers: Waiver[] = [];
  const problems: { readonly line: number | undefined; readonly problem: string }[] = [];
  if (!yaml.ok) problems.push({ line: undefined, problem: yaml.reason });
  for (const [index, document] of yaml.ok ? yaml.documents.entries() : []) {
    if (isWaiverDocument(document)) {
      const parsed = parseWaiverDocument(document, { source, nowMs });
      if (!parsed.ok) {
        const { problem, fields } = locateProblem(parsed.problem, document);
        problems.push({ line: yaml.ok ? yaml.lineOf(index, fields) : undefined, problem });
      } else if (parsed.value.target === 'findings') findingWaivers.push(parsed.value.waiver);
      else waivers.push(parsed.value.waiver);
      continue;
    }
    const parsed = parseWaivers(document, source, IMAGE_PATTERNS);
    if (parsed.ok) waivers.push(...parsed.waivers);
    else problems.push({ line: undefined, problem: parsed.problem });
  }
  return { waivers, findingWaivers, problems };
}

/** Has it the fields of every document with a kind? A list of waivers of vulnerabilities has none of them. */
function isWaiverDocument(document: unknown): boolean {
  return typeof document === 'object' && document !== null && ('kind' in document || 'apiVersion' in document);
}
