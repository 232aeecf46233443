import type { HistoryEntry } from '../../api/finding.ts';
import { nodeList } from '../../api/node.ts';
import type { ApiClient } from '../../api/client.ts';
import { isWaived } from '../../api/finding-list.ts';
import { changeLabel } from '../../api/labels.ts';
import { dateTime } from '../../api/format.ts';
import { readHistory } from '../api/findings.ts';
import type { FindingQuery } from '../api/findings.ts';
import { EXIT_OK } from '../command.ts';
import { printError, printFailure } from '../print-error.ts';
import type { Context } from '../context.ts';
import { printListing } from '../output/listing.ts';
import { findingLabel } from '../render/finding.ts';
import { nodeLabel } from '../render/node-label.ts';
import type { Paint } from '../render/paint.ts';
import type { Cell, Column } from '../render/table.ts';

/** Which part of the history. */
interface WantedHistory {
  readonly query: FindingQuery;
  readonly limit: number;
  readonly sinceMs: number | undefined;
}

/** A container or a node by its id, which may be shortened, or an image. */
const SUBJECT_ID = /^(?:sha256:)?[0-9a-f]{4,64}$/;

/** Prints changes of findings, newest first. Returns the exit code. */
export async function printHistory(context: Context, client: ApiClient, wanted: WantedHistory): Promise<number> {
  const { query, limit, sinceMs } = wanted;
  const read = await readHistory(
    client,
    { nodes: query.nodes, sinceMs, isWanted: (entry) => isWanted(entry, query) },
    limit,
  );
  if (!read.ok) return printFailure(context, read.problem);
  const { subject = '' } = query;
  if (read.value.length === 0 && SUBJECT_ID.test(subject))
    return printError(
      context,
      `nothing in the history is about ${JSON.stringify(subject)}: the history knows subjects by name only`,
      'give the name of the container, image or node',
    );
  await printEntries(context, client, read.value);
  return EXIT_OK;
}

/** Prints entries of the history; the node of each where there are several. */
export async function printEntries(
  context: Context,
  client: ApiClient,
  entries: readonly HistoryEntry[],
): Promise<void> {
  const format = context.args.value('output') ?? 'table';
  const isNamed = format !== 'table' || new Set(entries.map(({ nodeId }) => nodeId)).size > 1;
  const names = isNamed ? await readNames(client) : new Map<string, string>();
  const columns: readonly Column[] = [
    { title: 'TIME', min: 19 },
    { title: 'CHANGE', min: 8 },
    { title: 'RESULT', min: 8 },
    ...(isNamed ? [{ title: 'NODE', min: 8, max: 16 }] : []),
    { title: 'CHECK', min: 20 },
    { title: 'SUBJECT' },
    { title: 'FINDING', wide: true },
  ];
  await printListing(context, {
    document: { entries },
    items: entries,
    names: entries.map(({ findingUid }) => findingUid),
    columns,
    rows: entries.map((entry) =>
      rowOf(entry, isNamed ? (names.get(entry.nodeId) ?? entry.nodeId) : undefined, context.paint),
    ),
    empty: 'No changes.',
  });
}

/** As the API chooses findings; the verdict is the one after the change. */
function isWanted(entry: HistoryEntry, query: FindingQuery): boolean {
  const { checks, verdicts, state, waivers, severities, kinds, subject } = query;
  const { check, verdict, severity, subjectKind, subjectName, waiver } = entry;
  return (
    (checks.length === 0 || checks.some((word) => word === check || check.startsWith(`${word}.`))) &&
    (verdicts.length === 0 || verdicts.includes(verdict)) &&
    (state === undefined || isWaived(entry) === (state === 'waived')) &&
    (waivers.length === 0 || waivers.includes(waiver?.name ?? '')) &&
    (severities.length === 0 || severities.includes(severity)) &&
    (kinds.length === 0 || kinds.includes(subjectKind)) &&
    (subject === undefined || subject === subjectName)
  );
}

function rowOf(entry: HistoryEntry, node: string | undefined, paint: Paint): readonly Cell[] {
  return [
    { text: dateTime(entry.atMs), value: new Date(entry.atMs).toISOString(), paint: paint.dim },
    { text: changeLabel(entry), paint: entry.action === 'resolved' ? paint.good : paint.bold },
    findingLabel(entry, paint),
    ...(node === undefined ? [] : [{ text: node, paint: paint.dim }]),
    { text: entry.check },
    { text: entry.subjectName, paint: paint.bold },
    { text: entry.findingUid },
  ];
}

/** Names of nodes by id: the history has ids only. Where they cannot be read, the ids are shown. */
async function readNames(client: ApiClient): Promise<ReadonlyMap<string, string>> {
  const answer = await client.get('/v1/nodes', nodeList);
  return new Map(answer.ok ? answer.value.nodes.map(({ id, name }) => [id, nodeLabel(name, id)]) : []);
}
