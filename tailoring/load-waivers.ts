import { parseWaiver, WAIVER_KIND } from '../policy/waiver.ts';
import type { Waiver } from '../policy/waiver.ts';
import { readDocuments } from './read-documents.ts';
import type { FileProblem } from './read-documents.ts';

/** The waivers of some files, or everything that is wrong with them. */
export type LoadedWaivers =
  | { readonly ok: true; readonly waivers: readonly Waiver[] }
  | { readonly ok: false; readonly problems: readonly FileProblem[] };

/** Loads the waivers of files and directories. One problem refuses all. Never rejects. */
export async function loadWaivers(paths: readonly string[], nowMs: number): Promise<LoadedWaivers> {
  const read = await readDocuments(paths);
  if (!read.ok) return read;
  const waivers = new Map<string, Waiver>();
  const problems: FileProblem[] = [];
  for (const { kind, value, problemAt } of read.documents) {
    const parsed =
      kind === WAIVER_KIND
        ? parseWaiver(value, nowMs)
        : { ok: false as const, problem: `kind: expected ${WAIVER_KIND}` };
    if (!parsed.ok) problems.push(problemAt(parsed.problem));
    else if (waivers.has(parsed.value.name))
      problems.push(problemAt(`metadata.name: ${parsed.value.name} is also the name of another waiver`));
    else waivers.set(parsed.value.name, parsed.value);
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, waivers: [...waivers.values()] };
}
