import { join } from 'node:path';
import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { local } from '../ingest/local.ts';

/** A store with events that no sink has yet. */
export interface FilledOutbox {
  readonly path: string;
  /** Position of the last event. */
  readonly events: number;
  /** Size of the file for each event. */
  readonly bytesPerEvent: number;
}

/** Nodes, and findings of each: their first report is one event a finding. */
const [NODES, FINDINGS] = [20, 500];

/**
 * Makes a store in `directory` as a collector writes it, of findings that a scan gave, and copies its events until there
 * are `wanted`: what a day of a fleet leaves for a receiver that was down.
 */
export async function fillOutbox(directory: string, templates: string, wanted: number): Promise<FilledOutbox> {
  const nodes = Array.from({ length: NODES }, (_, index) => `node-${String(index + 1)}`);
  const act = await local({ directory, nodes, templates, findingsPerNode: FINDINGS });
  await act({ do: 'prepare', phase: 'first', changes: FINDINGS });
  await act({ do: 'run' });
  await act({ do: 'end' });
  const path = join(directory, 'local.sqlite');
  const db = new DatabaseSync(path);
  try {
    db.exec(`UPDATE node SET name = id, agent_version = '0.1.0', operating_system = 'Debian GNU/Linux 13 (trixie)',
      kernel_release = '6.12.9-amd64', runtime = 'docker 26.1.5'`);
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    const made = Number(db.prepare('SELECT position FROM store').get()?.['position']);
    const before = statSync(path).size;
    const columns = db.prepare(`SELECT name FROM pragma_table_info('event') WHERE name <> 'position'`).all();
    const others = columns.map(({ name }) => String(name)).join(', ');
    const copy = db.prepare(
      `INSERT INTO event (position, ${others}) SELECT position + ?, ${others} FROM event WHERE position <= ?`,
    );
    const copyDetails = db.prepare(
      `INSERT INTO event_detail (last, first, content) SELECT last + ?1, first + ?1, content FROM event_detail WHERE last <= ?2`,
    );
    let events = made;
    for (; events < wanted; events += made) {
      copy.run(events, made);
      copyDetails.run(events, made);
    }
    db.prepare('UPDATE store SET position = ?').run(events);
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    return { path, events, bytesPerEvent: (statSync(path).size - before) / Math.max(1, events - made) };
  } finally {
    db.close();
  }
}
