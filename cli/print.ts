import { safeJson } from '../api/safe.ts';
import type { Context } from './context.ts';
import { renderTable } from './render/table.ts';
import type { Cell, Column } from './render/table.ts';

/** A list that can be printed in every format. */
export interface Listing {
  /** The document for json. */
  readonly document: unknown;
  /** Objects for ndjson, one a line. */
  readonly items: readonly unknown[];
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
  /** What a table says in place of no rows. */
  readonly empty: string;
}

/** Prints `listing` as `--output` asks. */
export async function printListing(context: Context, listing: Listing): Promise<void> {
  const { args, stdout, width } = context;
  switch (args.value('output') ?? 'table') {
    case 'json':
      return stdout.write(`${safeJson(listing.document, 2)}\n`);
    case 'ndjson':
      return stdout.write(listing.items.map((item) => `${safeJson(item)}\n`).join(''));
    default: {
      const lines = listing.rows.length === 0 ? [listing.empty] : renderTable(listing.columns, listing.rows, width);
      return stdout.write(`${lines.join('\n')}\n`);
    }
  }
}
