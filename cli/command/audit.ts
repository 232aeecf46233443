import { auditPage } from '../../api/audit.ts';
import type { AuditRecord } from '../../api/audit.ts';
import { isFinal, withQuery } from '../../api/client.ts';
import type { ApiClient, RequestFailure, Result } from '../../api/client.ts';
import { dateTime } from '../../api/format.ts';
import { safeJson } from '../../api/safe.ts';
import { sleep } from '../../service/clock.ts';
import { parseDuration } from '../../service/duration.ts';
import { connect } from '../api/connect.ts';
import { defineCommand, EXIT_FAILURE, EXIT_OK, OUTPUT_OPTION } from '../command.ts';
import type { Context } from '../context.ts';
import { describeUnlistable, isTable, printListing } from '../output/listing.ts';
import { printError, printFailure } from '../print-error.ts';
import { renderTable } from '../render/table.ts';
import type { Cell, Column } from '../render/table.ts';

const SEE = 'see: plimsoll audit --help';
const DEFAULT_LIMIT = 200;
const MAX_LIMIT = 10_000;
/** Most records of one answer. */
const PAGE = 1_000;
const WATCH_MS = 2_000;
/** A call is recorded when it ends: one that began so long ago can still appear. */
const WATCH_WINDOW_MS = 6 * 60_000;

export const audit = defineCommand({
  name: 'audit',
  summary: 'show who used the operator API, and how',
  usage: ['audit [options]', 'audit --watch [options]'],
  description: [
    'Lists calls of the operator API, newest first: when, who, with which role, from which address, which operation, the HTTP status (0: no complete answer was sent), and the parameters without secrets, such as the expression of a live query. It needs the role admin.',
    'Reads and denials of one caller beyond 300 a minute are one line with their number. An event stream is one line. The collector keeps the log in its data directory, in as many rotated files as the setting audit-keep says.',
  ],
  operands: { min: 0, max: 0 },
  options: [
    OUTPUT_OPTION,
    { name: 'since', value: 'DURATION', summary: 'only calls within this time, such as 24h' },
    { name: 'principal', value: 'WHO', summary: 'only calls of this token or subject, by id or name' },
    { name: 'operation', value: 'NAME', summary: 'only calls of this operation, such as askNodes' },
    { name: 'refused', summary: 'only calls that were refused or failed' },
    { name: 'limit', value: 'NUMBER', summary: `maximum number; default ${String(DEFAULT_LIMIT)}` },
    {
      name: 'watch',
      short: 'w',
      excludes: ['since', 'limit'],
      summary: 'print calls as they end, except reads of the audit log',
    },
  ],
  settings: ['client'],
  examples: [
    { line: 'plimsoll audit --since 1d --refused', meaning: 'what was refused in the last day' },
    { line: 'plimsoll audit --operation askNodes -o ndjson', meaning: 'live queries, for a program' },
    { line: 'plimsoll audit --watch', meaning: 'until Ctrl-C' },
  ],
  run: async (context) => {
    const { args, settings } = context;
    const since = args.value('since');
    const sinceMs = since === undefined ? undefined : parseDuration(since);
    if (since !== undefined && sinceMs === undefined)
      return printError(context, '--since: expected a duration such as 30m or 24h', SEE);
    const limit = Number(args.value('limit') ?? DEFAULT_LIMIT);
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT)
      return printError(context, `--limit: expected a number from 1 to ${String(MAX_LIMIT)}`, SEE);
    const isWatched = args.has('watch');
    const unlistable = isWatched ? describeUnlistable(context, 'audit --watch') : undefined;
    if (unlistable !== undefined) return printError(context, unlistable, SEE);
    const signal = isWatched ? context.listenForShutdown() : new AbortController().signal;
    const client = await connect(settings, signal);
    if (!client.ok) return printFailure(context, client.problem);
    if (isWatched) return watch(client.value, context, signal);
    const fromMs = sinceMs === undefined ? 0 : Math.max(0, context.clock.now() - sinceMs);
    const records = await readRecords(client.value, filterOf(context), { fromMs, limit });
    if (!records.ok) return printFailure(context, records.problem);
    await list(records.value, context);
    return EXIT_OK;
  },
});

type Filter = Readonly<Record<'principal' | 'operation' | 'refused', string | undefined>>;

function filterOf({ args }: Context): Filter {
  return {
    principal: args.value('principal'),
    operation: args.value('operation'),
    refused: args.has('refused') ? 'true' : undefined,
  };
}

/** Up to `limit` records, newest first. One answer looks at a bounded part of the log, so there may be several. */
async function readRecords(
  client: ApiClient,
  filter: Filter,
  { fromMs, limit }: { readonly fromMs: number; readonly limit: number },
): Promise<Result<readonly AuditRecord[]>> {
  const found = new Map<string, AuditRecord>();
  let untilMs: number | undefined;
  for (;;) {
    const query = { ...filter, sinceMs: fromMs, untilMs, limit: Math.min(limit, PAGE) };
    const page = await client.get(withQuery('/v1/audit', query), auditPage);
    if (!page.ok) return page;
    const before = found.size;
    for (const record of page.value.records) if (!found.has(record.id)) found.set(record.id, record);
    const { more, reachedMs } = page.value;
    const isStuck = reachedMs === untilMs && found.size === before;
    if (!more || isStuck || found.size >= limit) return { ok: true, value: [...found.values()].slice(0, limit) };
    untilMs = reachedMs;
  }
}

const COLUMNS: readonly Column[] = [
  { title: 'TIME', min: 19 },
  { title: 'WHO', min: 8 },
  { title: 'ROLE', wide: true },
  { title: 'FROM', min: 9 },
  { title: 'OPERATION', min: 10 },
  { title: 'STATUS' },
  { title: 'PARAMETERS', min: 10 },
  { title: 'MS', wide: true },
  { title: 'CODE', wide: true },
  { title: 'ID', wide: true },
];

function rowOf(record: AuditRecord): readonly Cell[] {
  const { atMs, principal, role, address, operation, status, code, parameters, durationMs, calls, phase, id } = record;
  const who = principal.name === '' ? principal.id : principal.name;
  return [
    { text: dateTime(atMs) },
    { text: `${who === '' ? '-' : who}${principal.session ? ' (session)' : ''}` },
    { text: role ?? '-' },
    { text: address },
    { text: calls > 1 ? `${String(calls)} calls` : operation },
    { text: phase === 'started' ? 'unknown' : String(status) },
    { text: safeJson(parameters) },
    { text: String(durationMs) },
    { text: code },
    { text: id },
  ];
}

async function list(records: readonly AuditRecord[], context: Context): Promise<void> {
  await printListing(context, {
    document: { records },
    items: records,
    names: records.map(({ id }) => id),
    columns: COLUMNS,
    rows: records.map(rowOf),
    empty: 'No calls.',
  });
}

async function watch(client: ApiClient, context: Context, signal: AbortSignal): Promise<number> {
  const startMs = context.clock.now();
  const seen = new Map<string, number>();
  let failure: RequestFailure | undefined;
  while (!signal.aborted) {
    const fromMs = Math.max(startMs, context.clock.now() - WATCH_WINDOW_MS);
    const page = await readRecords(client, filterOf(context), { fromMs, limit: PAGE });
    if (signal.aborted) break;
    if (!page.ok && failure === undefined) await printFailure(context, page.problem);
    failure = page.ok ? undefined : page.problem;
    if (failure !== undefined && isFinal(failure.kind)) return EXIT_FAILURE;
    for (const record of page.ok ? page.value.toReversed() : []) {
      if (seen.has(record.id) || (record.operation === 'listAudit' && record.status === 200)) continue;
      seen.set(record.id, record.atMs);
      await printOne(record, context);
    }
    for (const [id, atMs] of seen) if (atMs < fromMs) seen.delete(id);
    await sleep(context.clock, WATCH_MS, signal);
  }
  return EXIT_OK;
}

async function printOne(record: AuditRecord, context: Context): Promise<void> {
  const { stdout, template, args } = context;
  if (template !== undefined) return stdout.write(template({ ...record, items: [record] }));
  if (!isTable(context)) return stdout.write(`${safeJson(record)}\n`);
  const isWide = args.value('output') === 'wide';
  const shown = COLUMNS.map(({ wide }) => isWide || wide !== true);
  // Without titles: lines come one by one.
  const columns = COLUMNS.filter((_, index) => shown[index]).map(({ title: _title, ...column }) => column);
  const row = rowOf(record).filter((_, index) => shown[index]);
  return stdout.write(`${renderTable(columns, [row], isWide ? Infinity : context.tableWidth).join('\n')}\n`);
}
