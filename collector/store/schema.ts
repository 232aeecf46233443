import type { DatabaseSync } from 'node:sqlite';
import { StoreError } from './error.ts';

/** `PLIM`: tells our files from those of other programs (PRAGMA application_id). */
const APPLICATION_ID = 0x504c494d;

/**
 * What turns a file of version n into one of version n + 1, from 0, the empty file. A migration that was released never
 * changes. The version stands in PRAGMA user_version.
 *
 * finding.rank: see status-code.ts. finding.hash: posture/digest.ts. finding.key: key-table.ts. subject: `kind/id`. detail: see
 * row.ts. What one delta touches lies on few pages, which is what a commit costs: findings of one subject stand side by
 * side, and the index of `event` begins with the place of the event (16,384 a part), so that new entries go to its end
 * and not all over it. `event` is outbox and history in one: the outbox is what lies above `store.outbox_floor`.
 * `trend`: see trend.ts; minutes below `store.trend_floor` were deleted. event.action: 1 opened, 2 changed, 3 resolved,
 * 4 resolved because its node was removed. `removed_node`: see remove.ts.
 */
export const MIGRATIONS: readonly string[] = Object.freeze([
  `
  CREATE TABLE store (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    id TEXT NOT NULL,
    position INTEGER NOT NULL,
    outbox_floor INTEGER NOT NULL
  ) STRICT;
  INSERT INTO store (only, id, position, outbox_floor) VALUES (1, lower(hex(randomblob(6))), 0, 0);

  CREATE TABLE node (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    epoch TEXT NOT NULL DEFAULT '',
    sequence INTEGER NOT NULL DEFAULT 0,
    digest INTEGER NOT NULL DEFAULT 0,
    findings INTEGER NOT NULL DEFAULT 0,
    introduced INTEGER NOT NULL DEFAULT 0,
    name TEXT NOT NULL DEFAULT '',
    agent_version TEXT NOT NULL DEFAULT '',
    operating_system TEXT NOT NULL DEFAULT '',
    kernel_release TEXT NOT NULL DEFAULT '',
    architecture TEXT NOT NULL DEFAULT '',
    cpus INTEGER NOT NULL DEFAULT 0,
    memory_bytes INTEGER NOT NULL DEFAULT 0,
    runtime TEXT NOT NULL DEFAULT '',
    security_modules TEXT NOT NULL DEFAULT '',
    containers TEXT NOT NULL DEFAULT '[]',
    first_seen INTEGER NOT NULL DEFAULT 0,
    last_seen INTEGER NOT NULL DEFAULT 0,
    connected INTEGER NOT NULL DEFAULT 0,
    offline_since INTEGER NOT NULL DEFAULT 0,
    agent_rss_bytes INTEGER NOT NULL DEFAULT 0,
    agent_cpu_ms INTEGER NOT NULL DEFAULT 0,
    dropped INTEGER NOT NULL DEFAULT 0
  ) STRICT;

  CREATE TABLE finding (
    node INTEGER NOT NULL REFERENCES node (key),
    subject TEXT NOT NULL,
    check_id TEXT NOT NULL,
    rank INTEGER NOT NULL,
    hash INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    name TEXT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (node, subject, check_id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX finding_rank ON finding (rank, node);

  CREATE TABLE event (
    position INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    action INTEGER NOT NULL,
    node INTEGER NOT NULL REFERENCES node (key),
    finding INTEGER NOT NULL,
    check_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    rank INTEGER NOT NULL,
    previous INTEGER,
    first_seen INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    name TEXT NOT NULL,
    detail TEXT NOT NULL
  ) STRICT;
  CREATE INDEX event_finding ON event (node, finding);

  CREATE TABLE cursor (
    sink TEXT PRIMARY KEY,
    position INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  `
  ALTER TABLE store ADD COLUMN trend_floor INTEGER NOT NULL DEFAULT 0;
  CREATE TABLE trend (
    minute INTEGER PRIMARY KEY,
    critical INTEGER NOT NULL,
    high INTEGER NOT NULL,
    medium INTEGER NOT NULL,
    low INTEGER NOT NULL,
    info INTEGER NOT NULL,
    unknown INTEGER NOT NULL
  ) STRICT;
  INSERT INTO trend SELECT at / 60000,
    sum((action <> 3 AND rank = 0) - coalesce(previous = 0, 0)),
    sum((action <> 3 AND rank = 1) - coalesce(previous = 1, 0)),
    sum((action <> 3 AND rank = 2) - coalesce(previous = 2, 0)),
    sum((action <> 3 AND rank = 3) - coalesce(previous = 3, 0)),
    sum((action <> 3 AND rank = 4) - coalesce(previous = 4, 0)),
    sum((action <> 3 AND rank BETWEEN 5 AND 9) - coalesce(previous BETWEEN 5 AND 9, 0))
  FROM event GROUP BY at / 60000;
  UPDATE store SET trend_floor = (SELECT at / 60000 + 1 FROM event ORDER BY position LIMIT 1)
  WHERE (SELECT min(position) FROM event) > 1;
  `,
  `
  CREATE TABLE check_name (
    key INTEGER PRIMARY KEY CHECK (key < 1048576),
    id TEXT NOT NULL UNIQUE
  ) STRICT;
  INSERT INTO check_name (id) SELECT DISTINCT check_id FROM finding ORDER BY check_id;

  CREATE TABLE subject (
    key INTEGER PRIMARY KEY CHECK (key < 8589934592),
    node INTEGER NOT NULL REFERENCES node (key),
    text TEXT NOT NULL,
    UNIQUE (node, text)
  ) STRICT;
  INSERT INTO subject (node, text) SELECT DISTINCT node, subject FROM finding ORDER BY node, subject;

  DROP INDEX finding_rank;
  ALTER TABLE finding RENAME TO old_finding;
  CREATE TABLE finding (
    key INTEGER PRIMARY KEY,
    node INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    hash INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    name TEXT NOT NULL,
    detail TEXT NOT NULL
  ) STRICT;
  INSERT INTO finding
  SELECT (subject.key << 20) + check_name.key, old.node, rank, hash, first_seen, changed, name, detail
  FROM old_finding AS old
  CROSS JOIN subject ON subject.node = old.node AND subject.text = old.subject
  CROSS JOIN check_name ON check_name.id = old.check_id;
  DROP TABLE old_finding;
  CREATE INDEX finding_rank ON finding (rank, node);

  DROP INDEX event_finding;
  CREATE INDEX event_finding ON event (position >> 14, node, finding);
  `,
  `
  CREATE TABLE removed_node (
    node INTEGER PRIMARY KEY REFERENCES node (key),
    position INTEGER NOT NULL
  ) STRICT;
  `,
]);

/**
 * Brings the file to the newest version, each step in its own transaction. Throws StoreError `newerVersion` or
 * `notOurs`, and the error of SQLite where a step fails; the file is then as it was before that step.
 */
export function migrate(db: DatabaseSync, migrations: readonly string[]): void {
  const version = assertVersion(db, migrations);
  for (const [index, migration] of migrations.entries()) {
    if (index < version) continue;
    db.exec('BEGIN IMMEDIATE');
    try {
      db.exec(migration);
      db.exec(`PRAGMA application_id = ${String(APPLICATION_ID)}; PRAGMA user_version = ${String(index + 1)}`);
      db.exec('COMMIT');
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK');
      throw error;
    }
  }
}

/** The version of the file, 0 for an empty one. Throws StoreError `newerVersion` or `notOurs`. */
export function assertVersion(db: DatabaseSync, migrations: readonly string[]): number {
  const version = pragmaOf(db, 'user_version');
  if (pragmaOf(db, 'application_id') !== APPLICATION_ID && !isEmpty(db))
    throw new StoreError('notOurs', 'this is the database of another program');
  if (version > migrations.length)
    throw new StoreError(
      'newerVersion',
      `the file has version ${String(version)}, this program reads up to ${String(migrations.length)}`,
    );
  return version;
}

function pragmaOf(db: DatabaseSync, name: 'user_version' | 'application_id'): number {
  return Number(db.prepare(`PRAGMA ${name}`).get()?.[name]);
}

function isEmpty(db: DatabaseSync): boolean {
  return db.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined;
}
