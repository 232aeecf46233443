import { DatabaseSync } from 'node:sqlite';

/** The tables of version 1 that later versions changed, as they were. */
const SCHEMA = `
  CREATE TABLE old_finding (
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
  INSERT INTO old_finding
  SELECT finding.node, subject.text, check_name.id, rank, hash, first_seen, changed, name, detail
  FROM finding JOIN subject ON subject.key = finding.key / 1048576 JOIN check_name ON check_name.key = finding.key % 1048576;
  DROP TABLE finding;
  DROP TABLE subject;
  DROP TABLE check_name;
  ALTER TABLE old_finding RENAME TO finding;
  CREATE INDEX finding_rank ON finding (rank, node);
  DROP INDEX event_finding;
  CREATE INDEX event_finding ON event (node, finding);
  DROP TABLE trend;
  DROP TABLE removed_node;
  ALTER TABLE store DROP COLUMN trend_floor;
  PRAGMA user_version = 1;
`;

/** Turns a file of the newest version into one of version 1 with the same contents; `more` is SQL that changes it. */
export function makeVersion1(path: string, more = ''): void {
  const db = new DatabaseSync(path);
  db.exec(SCHEMA + more);
  db.close();
}
