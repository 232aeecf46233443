import { safe, safeJson } from '../../api/safe.ts';
import type { Context } from '../context.ts';
import { renderTable } from '../render/table.ts';
import type { Cell, Column } from '../render/table.ts';
import { toCsv } from './csv.ts';

/** A list that can be printed in every format. */
export interface Listing {
  /** The document for json. */
  readonly document: object;
  /** Objects for ndjson, one per line; `.items` of a jsonpath template. */
  readonly items: readonly unknown[];
  /** What each item is called: as other commands take it. */
  readonly names: readonly string[];
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
  /** What a table prints in place of no rows. */
  readonly empty: string;
}

/** Prints `listing` as `--output` asks. */
export async function printListing(context: Context, listing: Listing): Promise<void> {
  const { args, stdout, tableWidth } = context;
  const { columns, rows } = listing;
  switch (args.value('output') ?? 'table') {
    case 'csv':
      return stdout.write(
        toCsv([
          columns.map(({ title = '' }) => title.toLowerCase()),
          ...rows.map((row) => row.map(({ text, value }) => value ?? text)),
        ]),
      );
    case 'name':
      return stdout.write(listing.names.map((name) => `${safe(name)}\n`).join(''));
    case 'wide':
      return stdout.write(linesOf(listing, renderTable(columns, rows, Infinity)));
    case 'table': {
      const shown = columns.map(({ wide }) => wide !== true);
      const narrow = rows.map((row) => row.filter((_, index) => shown[index]));
      return stdout.write(
        linesOf(
          listing,
          renderTable(
            columns.filter(({ wide }) => wide !== true),
            narrow,
            tableWidth,
          ),
        ),
      );
    }
    default:
      return printDocument(context, listing.document, listing.items);
  }
}

/** Prints data for programs: json, ndjson (`items`, one per line) or by the template of jsonpath. */
export async function printDocument(
  { args, stdout, template }: Context,
  document: object,
  items: readonly unknown[] = [document],
): Promise<void> {
  if (template !== undefined) return stdout.write(template({ ...document, items }));
  if (args.value('output') === 'ndjson') return stdout.write(items.map((item) => `${safeJson(item)}\n`).join(''));
  return stdout.write(`${safeJson(document, 2)}\n`);
}

/** Why `command`, which prints no list, cannot print as `--output` asks; undefined: it can. */
export function describeUnlistable({ args }: Pick<Context, 'args'>, command: string): string | undefined {
  const output = args.value('output') ?? 'table';
  if (!NEEDS_LIST.has(output)) return undefined;
  return `${command} has no output ${output}; use table, wide, json, ndjson or jsonpath=TEMPLATE`;
}

/** Outputs that are made of a list. */
const NEEDS_LIST: ReadonlySet<string> = new Set(['csv', 'name', 'html', 'sarif', 'junit', 'ocsf', 'asff']);

/** Is the output a table for people? */
export function isTable({ args }: Pick<Context, 'args'>): boolean {
  return ['table', 'wide'].includes(args.value('output') ?? 'table');
}

function linesOf({ rows, empty }: Listing, lines: readonly string[]): string {
  return `${rows.length === 0 ? empty : lines.join('\n')}\n`;
}
