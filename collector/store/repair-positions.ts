import type { DatabaseSync } from 'node:sqlite';

/** A position of the store that was damaged, and what it was corrected to. */
export interface RepairedPosition {
  /** `store`: the position of the last event; otherwise the sink with this name. */
  readonly of: { readonly kind: 'store' } | { readonly kind: 'sink'; readonly name: string };
  readonly from: number;
  readonly to: number;
}

/**
 * Corrects positions that no sequence of writes makes: that of the last event, where events lie after it, and those of sinks
 * beyond it. Such a sink gets everything again that the outbox still has, with the same ids. Runs in the transaction of the
 * caller, if there is one.
 */
export function repairPositions(db: DatabaseSync): readonly RepairedPosition[] {
  const row = db.prepare('SELECT position, outbox_floor AS floor FROM store').get();
  const [position, floor] = [Number(row?.['position']), Number(row?.['floor'])];
  const newest = newestPosition(db);
  const repaired: RepairedPosition[] = [];
  if (newest > position) {
    db.prepare('UPDATE store SET position = ?').run(newest);
    repaired.push({ of: { kind: 'store' }, from: position, to: newest });
  }
  const last = Math.max(position, newest);
  for (const { sink, at } of db.prepare('SELECT sink, position AS at FROM cursor WHERE position > ?').all(last)) {
    const to = Math.min(floor, last);
    db.prepare('UPDATE cursor SET position = ? WHERE sink = ?').run(to, sink ?? null);
    repaired.push({ of: { kind: 'sink', name: String(sink) }, from: Number(at), to });
  }
  return repaired;
}

/** The largest position of any event: of all tables whose key it is, and of dead letters that are sent again. */
function newestPosition(db: DatabaseSync): number {
  const tables = db
    .prepare(
      `SELECT m.name FROM sqlite_schema AS m JOIN pragma_table_info(m.name) AS c
       WHERE m.type = 'table' AND c.name = 'position' AND c.pk = 1`,
    )
    .all();
  const newest = tables.map(({ name }) => db.prepare(`SELECT max(position) AS newest FROM "${String(name)}"`).get());
  newest.push(db.prepare('SELECT max(replay) AS newest FROM dead_letter').get());
  return Math.max(0, ...newest.map((row) => Number(row?.['newest'] ?? 0)));
}
