import type { Result } from '../../api/client.ts';
import type { FleetFinding, HistoryEntry } from '../../api/finding.ts';
import type { CliClient } from '../api/connect.ts';
import { ANY_FINDING, readFindings, readHistory } from '../api/findings.ts';
import { EXIT_OK } from '../command.ts';
import type { Context } from '../context.ts';
import { isTable, printDocument } from '../output/listing.ts';
import { printError, printFailure } from '../print-error.ts';
import { findingBlock } from '../render/finding.ts';
import { printEntries } from '../watch/history.ts';

/** A uid has 32 digits; at least 8 of them identify it. */
const UID = /^[0-9a-f]{8,32}$/;
const UID_LENGTH = 32;
/** Most findings that are searched for a shortened uid, and most entries of its history. */
const MAX_FINDINGS = 100_000;
const MAX_ENTRIES = 1_000;

/** Can this be the uid of a finding, or the start of one? No check and no area has such a name. */
export function isFindingUid(word: string): boolean {
  return UID.test(word);
}

/** `plimsoll findings UID`: one finding and its history. Returns the exit code. */
export async function showFinding(context: Context, client: CliClient, word: string): Promise<number> {
  if (!isFindingUid(word)) return printError(context, `${JSON.stringify(word)} is not the uid of a finding`, UID_HINT);
  const read = await readFinding(client, word);
  if (!read.ok) return printFailure(context, read.problem);
  const { finding, entries } = read.value;
  if (finding === undefined && entries.length === 0) return printUnknownFinding(context, word);
  if (!isTable(context)) {
    await printDocument(context, { finding: finding ?? null, entries }, entries);
    return EXIT_OK;
  }
  const lines =
    finding === undefined
      ? [`Resolved: ${word} is no longer among the findings. Its history:`]
      : findingBlock(finding, context).slice(1);
  await context.stdout.write(`${[...lines, ''].join('\n')}\n`);
  await printEntries(context, client, entries);
  return EXIT_OK;
}

const UID_HINT =
  'a uid has 32 hexadecimal digits, the first 8 are enough; list the uids with: plimsoll findings -o name';

/** Says that there is no such finding, now or before. Returns the exit code. */
export function printUnknownFinding(context: Context, word: string): Promise<number> {
  return printError(context, `no finding has the uid ${JSON.stringify(word)}`, UID_HINT);
}

/** A finding as it is now, and what happened to it, newest first. */
export interface FindingHistory {
  /** Undefined: it is resolved, or there never was one. */
  readonly finding: FleetFinding | undefined;
  /** None: it never changed, or there never was one. */
  readonly entries: readonly HistoryEntry[];
}

/** Reads the finding whose uid is `word` or starts with it. */
export async function readFinding(client: CliClient, word: string): Promise<Result<FindingHistory>> {
  const exact = await historyOf(client, word);
  if (!exact.ok) return exact;
  const [newest] = exact.value;
  if (newest !== undefined) {
    const query = { ...ANY_FINDING, nodes: [newest.nodeId], checks: [newest.check], kinds: [newest.subjectKind] };
    const listed = await readFindings(client, query, MAX_FINDINGS);
    // A node that was removed is not known any more: its history remains.
    const found = listed.ok ? listed.value.findings.find(({ uid }) => uid === word) : undefined;
    return { ok: true, value: { finding: found, entries: exact.value } };
  }
  // Without a history it was never open, or the uid is shortened.
  const listed = await readFindings(client, ANY_FINDING, MAX_FINDINGS);
  if (!listed.ok) return listed;
  const fits = (uid: string): boolean => uid.startsWith(word);
  const isWhole = word.length === UID_LENGTH;
  const [finding, other] = listed.value.findings.filter(({ uid }) => fits(uid));
  // The history of a whole uid was read above, and is empty.
  if (isWhole) return { ok: true, value: { finding, entries: [] } };
  if (finding !== undefined && other === undefined) {
    const entries = await historyOf(client, finding.uid);
    return entries.ok ? { ok: true, value: { finding, entries: entries.value } } : entries;
  }
  if (other !== undefined) {
    const message = `uids of several findings start with ${word}: give more characters`;
    return { ok: false, problem: { kind: 'refused', message, hint: '', retryAfterMs: 0 } };
  }
  const query = { nodes: [], sinceMs: undefined, isWanted: (entry: HistoryEntry) => fits(entry.findingUid) };
  const resolved = await readHistory(client, query, MAX_ENTRIES);
  if (!resolved.ok) return resolved;
  const isOne = finding === undefined && new Set(resolved.value.map(({ findingUid }) => findingUid)).size === 1;
  return { ok: true, value: { finding: undefined, entries: isOne ? resolved.value : [] } };
}

function historyOf(client: CliClient, finding: string): Promise<Result<readonly HistoryEntry[]>> {
  return readHistory(client, { nodes: [], finding, sinceMs: undefined, isWanted: () => true }, MAX_ENTRIES);
}
