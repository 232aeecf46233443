import { historyPage } from '../../api/finding.ts';
import type { HistoryEntry } from '../../api/finding.ts';
import { nodeList } from '../../api/node.ts';
import { withQuery } from '../../api/client.ts';
import type { ApiClient, Result } from '../../api/client.ts';
import { EXIT_OK } from '../command.ts';
import { printFailure } from '../print-error.ts';
import type { Context } from '../context.ts';
import { printListing } from '../print.ts';
import { findingLabel } from '../render/finding.ts';
import { nodeLabel } from '../render/node-label.ts';
import type { Paint } from '../render/paint.ts';
import type { Cell } from '../render/table.ts';
import { dateTime } from '../../api/format.ts';

/** Entries in one request. */
const PAGE = 1_000;

/** Which part of the history. */
interface WantedHistory {
  readonly query: { readonly nodes: readonly string[] };
  readonly limit: number;
  readonly sinceMs: number | undefined;
}

/** Prints what happened to findings, newest first. Answers the exit code. */
export async function printHistory(context: Context, client: ApiClient, wanted: WantedHistory): Promise<number> {
  const { paint } = context;
  const read = await readHistory(client, wanted);
  if (!read.ok) return printFailure(context, read.problem);
  const entries = read.value;
  const isTable = (context.args.value('output') ?? 'table') === 'table';
  const several = isTable && new Set(entries.map(({ nodeId }) => nodeId)).size > 1;
  const names = several ? await readNames(client) : new Map<string, string>();
  await printListing(context, {
    document: { entries },
    items: entries,
    columns: [{ min: 19 }, { min: 8 }, { min: 8 }, ...(several ? [{ min: 8, max: 16 }] : []), { min: 20 }, {}],
    rows: entries.map((entry) => rowOf(entry, several ? (names.get(entry.nodeId) ?? entry.nodeId) : undefined, paint)),
    empty: 'Nothing happened.',
  });
  return EXIT_OK;
}

function rowOf(entry: HistoryEntry, node: string | undefined, paint: Paint): readonly Cell[] {
  return [
    { text: dateTime(entry.atMs), paint: paint.dim },
    { text: entry.action, paint: entry.action === 'resolved' ? paint.good : paint.bold },
    findingLabel(entry, paint),
    ...(node === undefined ? [] : [{ text: node, paint: paint.dim }]),
    { text: entry.check },
    { text: entry.subjectName, paint: paint.bold },
  ];
}

/** Names of nodes by id: history knows ids only. Where they cannot be had, the ids are shown. */
async function readNames(client: ApiClient): Promise<ReadonlyMap<string, string>> {
  const answer = await client.get('/v1/nodes', nodeList);
  return new Map(answer.ok ? answer.value.nodes.map(({ id, name }) => [id, nodeLabel(name, id)]) : []);
}

async function readHistory(
  client: ApiClient,
  { query, limit, sinceMs }: WantedHistory,
): Promise<Result<readonly HistoryEntry[]>> {
  const entries: HistoryEntry[] = [];
  let cursor: string | null = null;
  do {
    const page: Result<{ readonly entries: readonly HistoryEntry[]; readonly cursor: string | null }> =
      await client.get(
        withQuery('/v1/history', {
          node: query.nodes,
          since: sinceMs,
          limit: Math.min(PAGE, limit - entries.length),
          cursor: cursor ?? undefined,
        }),
        historyPage,
      );
    if (!page.ok) return page;
    entries.push(...page.value.entries);
    cursor = page.value.cursor;
  } while (cursor !== null && entries.length < limit);
  return { ok: true, value: entries };
}
