import type { DatabaseSync } from 'node:sqlite';
import { StoreError } from './error.ts';

/** `PLIM`: distinguishes our files from those of other programs (PRAGMA application_id). */
const APPLICATION_ID = 0x504c494d;

/**
 * The SQL that turns a file of version n into one of version n + 1, from 0, the empty file. A migration that was
 * released never changes. PRAGMA user_version holds the version.
 *
 * finding.status_code: status-code.ts. finding.hash: posture/digest.ts. finding.key: key-table.ts. subject.text:
 * `kind/id`. detail: row.ts. event.action: `actionNumber` in row.ts. trend: trend.ts; minutes below `store.trend_floor`
 * were deleted. removed_node: remove-node.ts. refusal: refusal-table.ts. image to
 * package_vulnerability: image-store.ts; image_claim.at_rest: tags as JSON; inventory.state 0 wanted, 1 being written, 2 complete; vulnerability.severity:
 * place in VULNERABILITY_SEVERITIES. vulnerability_event, vulnerability_use: vulnerability-events.ts. dead_letter: dead-letter-table.ts; dead_letter.source: event-source.ts, empty in rows of earlier versions. unused_position: backlog.ts. benchmark_score: score-table.ts; waiver: waived-findings.ts; day: days since 1970. `event` is both history and outbox: the outbox is the part above
 * `store.outbox_floor`. event_detail: event-detail-table.ts; event.detail is empty, or how many units the event counts where it is more than one (event-source.ts); in events of earlier versions it is the detail, which is JSON. retained_event: retained-event-table.ts. event_share: event-share-table.ts. inventory.bytes: inventory-size.ts.
 *
 * A commit costs what it touches in pages. Findings of one subject are therefore adjacent, and the index of `event`
 * starts with a group of 16,384 positions, so that new entries are added at its end.
 */
export const MIGRATIONS: readonly string[] = Object.freeze([
  `
  CREATE TABLE store (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    id TEXT NOT NULL,
    position INTEGER NOT NULL,
    outbox_floor INTEGER NOT NULL,
    trend_floor INTEGER NOT NULL
  ) STRICT;
  INSERT INTO store VALUES (1, lower(hex(randomblob(6))), 0, 0, 0);

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
  CREATE TABLE removed_node (
    node INTEGER PRIMARY KEY REFERENCES node (key),
    position INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE check_name (
    key INTEGER PRIMARY KEY CHECK (key < 1048576),
    id TEXT NOT NULL UNIQUE
  ) STRICT;
  CREATE TABLE subject (
    key INTEGER PRIMARY KEY CHECK (key < 8589934592),
    node INTEGER NOT NULL REFERENCES node (key),
    text TEXT NOT NULL,
    UNIQUE (node, text)
  ) STRICT;
  CREATE TABLE finding (
    key INTEGER PRIMARY KEY,
    node INTEGER NOT NULL REFERENCES node (key),
    status_code INTEGER NOT NULL,
    hash INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    name TEXT NOT NULL,
    detail TEXT NOT NULL
  ) STRICT;
  CREATE INDEX finding_status ON finding (status_code, node);

  CREATE TABLE event (
    position INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    action INTEGER NOT NULL,
    node INTEGER NOT NULL REFERENCES node (key),
    finding INTEGER NOT NULL,
    check_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    status_code INTEGER NOT NULL,
    previous INTEGER,
    first_seen INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    name TEXT NOT NULL,
    detail TEXT NOT NULL
  ) STRICT;
  CREATE INDEX event_finding ON event (position >> 14, node, finding);
  CREATE TABLE cursor (
    sink TEXT PRIMARY KEY,
    position INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE trend (
    minute INTEGER PRIMARY KEY,
    critical INTEGER NOT NULL,
    high INTEGER NOT NULL,
    medium INTEGER NOT NULL,
    low INTEGER NOT NULL,
    info INTEGER NOT NULL,
    unknown INTEGER NOT NULL
  ) STRICT;
  `,
  `
  CREATE TABLE refusal (
    position INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    operation TEXT NOT NULL,
    node TEXT NOT NULL,
    address TEXT NOT NULL,
    reason TEXT NOT NULL,
    suppressed INTEGER NOT NULL
  ) STRICT;
  `,
  `
  CREATE TABLE image (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE
  ) STRICT;
  CREATE TABLE inventory (
    key INTEGER PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,
    state INTEGER NOT NULL DEFAULT 0,
    received INTEGER NOT NULL DEFAULT 0,
    distribution TEXT NOT NULL DEFAULT '',
    packages INTEGER NOT NULL DEFAULT 0,
    gaps INTEGER NOT NULL DEFAULT 0,
    counted INTEGER NOT NULL DEFAULT 0,
    counts TEXT NOT NULL DEFAULT '[]',
    content BLOB NOT NULL DEFAULT x''
  ) STRICT;
  CREATE INDEX inventory_counted ON inventory (counted) WHERE counted = 0;
  CREATE TABLE image_claim (
    node INTEGER NOT NULL REFERENCES node (key),
    image INTEGER NOT NULL REFERENCES image (key),
    inventory INTEGER REFERENCES inventory (key),
    source INTEGER NOT NULL,
    problem TEXT NOT NULL,
    in_use INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    PRIMARY KEY (node, image)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX image_claim_inventory ON image_claim (inventory, image, source);
  CREATE INDEX image_claim_image ON image_claim (image);
  CREATE TABLE package_version (
    key INTEGER PRIMARY KEY,
    distribution TEXT NOT NULL,
    type TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    source_name TEXT NOT NULL,
    source_version TEXT NOT NULL,
    architecture TEXT NOT NULL,
    modularity TEXT NOT NULL,
    vendor TEXT NOT NULL,
    judged TEXT NOT NULL DEFAULT '',
    unjudged TEXT NOT NULL DEFAULT '',
    UNIQUE (name, version, type, distribution, source_name, source_version, architecture, modularity, vendor)
  ) STRICT;
  CREATE INDEX package_version_judged ON package_version (judged);
  CREATE TABLE inventory_package (
    package INTEGER NOT NULL REFERENCES package_version (key),
    inventory INTEGER NOT NULL REFERENCES inventory (key),
    PRIMARY KEY (package, inventory)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX inventory_package_inventory ON inventory_package (inventory);
  CREATE TABLE vulnerability (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    advisory TEXT NOT NULL,
    detail TEXT NOT NULL,
    UNIQUE (id, advisory)
  ) STRICT;
  CREATE TABLE package_vulnerability (
    package INTEGER NOT NULL REFERENCES package_version (key),
    vulnerability INTEGER NOT NULL REFERENCES vulnerability (key),
    severity INTEGER NOT NULL,
    risk REAL NOT NULL,
    exploited INTEGER NOT NULL,
    status TEXT NOT NULL,
    fixed_version TEXT NOT NULL,
    first_seen INTEGER NOT NULL,
    PRIMARY KEY (package, vulnerability)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX package_vulnerability_vulnerability ON package_vulnerability (vulnerability);
  CREATE TABLE vulnerability_event (
    position INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    content TEXT NOT NULL
  ) STRICT;
  `,
  `
  ALTER TABLE image_claim ADD COLUMN at_rest TEXT;
  `,
  `
  ALTER TABLE package_version ADD COLUMN evidence TEXT NOT NULL DEFAULT '';
  CREATE TABLE vulnerability_use (
    position INTEGER PRIMARY KEY,
    content TEXT NOT NULL
  ) STRICT;
  INSERT INTO vulnerability_use SELECT position, content ->> '$.use' FROM vulnerability_event;
  UPDATE vulnerability_event SET content = json_remove(content, '$.use');
  `,
  `
  ALTER TABLE package_version ADD COLUMN announced INTEGER NOT NULL DEFAULT 0;
  UPDATE package_version SET announced = 1 WHERE judged <> '';
  CREATE INDEX package_version_unannounced ON package_version (key) WHERE announced = 0;
  `,
  `
  ALTER TABLE package_vulnerability ADD COLUMN suppressed TEXT NOT NULL DEFAULT '';
  CREATE INDEX package_vulnerability_suppressed ON package_vulnerability (vulnerability) WHERE suppressed <> '';
  `,
  `
  CREATE TABLE benchmark_score (
    benchmark TEXT NOT NULL,
    day INTEGER NOT NULL,
    at INTEGER NOT NULL,
    nodes INTEGER NOT NULL,
    passed INTEGER NOT NULL,
    counted INTEGER NOT NULL,
    PRIMARY KEY (benchmark, day)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  CREATE TABLE denial (
    position INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    received INTEGER NOT NULL,
    source TEXT NOT NULL,
    reporter TEXT NOT NULL,
    id TEXT NOT NULL,
    program TEXT NOT NULL,
    outcome TEXT NOT NULL,
    namespace TEXT NOT NULL,
    content TEXT NOT NULL,
    UNIQUE (source, id)
  ) STRICT;
  CREATE INDEX denial_source ON denial (source, position);
  CREATE INDEX denial_received ON denial (received);
  CREATE INDEX denial_id ON denial (id);
  `,
  `
  CREATE TABLE admitted_pod (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    uid TEXT NOT NULL,
    source TEXT NOT NULL,
    received INTEGER NOT NULL,
    content TEXT NOT NULL,
    UNIQUE (uid, content)
  ) STRICT;
  CREATE INDEX admitted_pod_source ON admitted_pod (source, key);
  CREATE INDEX admitted_pod_received ON admitted_pod (received);
  CREATE TABLE admission_begin (at INTEGER NOT NULL) STRICT;
  `,
  `
  CREATE TABLE remediation (
    position INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    content TEXT NOT NULL
  ) STRICT;
  `,
  `
  CREATE TABLE activity (
    position INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    content TEXT NOT NULL
  ) STRICT;
  `,
  `
  CREATE TABLE dead_letter (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    sink TEXT NOT NULL,
    uid TEXT NOT NULL,
    position INTEGER NOT NULL,
    at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    reason TEXT NOT NULL,
    replay INTEGER,
    bytes INTEGER NOT NULL,
    content TEXT NOT NULL,
    UNIQUE (sink, uid)
  ) STRICT;
  CREATE INDEX dead_letter_sink ON dead_letter (sink, key, bytes);
  CREATE INDEX dead_letter_replay ON dead_letter (replay) WHERE replay IS NOT NULL;
  `,
  // Positions jumped to the time in microseconds where a store was restored or replaced; no other gap is as large.
  `
  CREATE TABLE unused_position (
    first INTEGER PRIMARY KEY,
    last INTEGER NOT NULL
  ) STRICT;
  INSERT INTO unused_position
    SELECT before + 1, position - 1 FROM (
      SELECT position, coalesce(lag(position) OVER (ORDER BY position), 0) AS before FROM event
    ) WHERE position - before > 1000000000;
  `,
  `
  CREATE TABLE detection (
    position INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    node TEXT NOT NULL,
    rule TEXT NOT NULL,
    content TEXT NOT NULL
  ) STRICT;
  CREATE INDEX detection_node ON detection (node, position);
  CREATE INDEX detection_at ON detection (at);
  CREATE TABLE detection_state (
    node INTEGER NOT NULL REFERENCES node (key),
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    off_since INTEGER NOT NULL,
    PRIMARY KEY (node, name)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX detection_state_off ON detection_state (off_since) WHERE off_since > 0;
  CREATE TABLE detection_budget (
    node INTEGER NOT NULL REFERENCES node (key),
    rule TEXT NOT NULL,
    window INTEGER NOT NULL,
    count INTEGER NOT NULL,
    suppressed INTEGER NOT NULL,
    PRIMARY KEY (node, rule)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  ALTER TABLE finding ADD COLUMN waiver TEXT;
  ALTER TABLE event ADD COLUMN waiver TEXT;
  `,
  `
  ALTER TABLE benchmark_score ADD COLUMN waived INTEGER NOT NULL DEFAULT 0;
  `,
  `
  CREATE TABLE image_scan (
    id TEXT PRIMARY KEY,
    manifest TEXT NOT NULL,
    inventory TEXT NOT NULL,
    at INTEGER NOT NULL,
    content BLOB NOT NULL
  ) STRICT;
  `,
  `
  CREATE TABLE event_detail (
    last INTEGER PRIMARY KEY,
    first INTEGER NOT NULL,
    content ANY NOT NULL
  ) STRICT;
  ALTER TABLE store ADD COLUMN loose_details INTEGER NOT NULL DEFAULT 0;
  `,
  `
  ALTER TABLE store ADD COLUMN packed_details INTEGER NOT NULL DEFAULT 0;
  `,
  `
  ALTER TABLE node ADD COLUMN has_snapshot INTEGER NOT NULL DEFAULT 0;
  UPDATE node SET has_snapshot = 1 WHERE epoch <> '';
  `,
  `
  ALTER TABLE cursor ADD COLUMN dropped_to INTEGER NOT NULL DEFAULT 0;
  CREATE TABLE retained_event (
    sink TEXT NOT NULL,
    last INTEGER NOT NULL,
    first INTEGER NOT NULL,
    events INTEGER NOT NULL,
    units TEXT NOT NULL,
    content BLOB,
    PRIMARY KEY (sink, last)
  ) STRICT;
  CREATE INDEX event_large ON event (position, node, detail) WHERE detail > '' AND detail < ':';
  `,
  `
  ALTER TABLE dead_letter ADD COLUMN source TEXT NOT NULL DEFAULT '';
  `,
  // Rows of earlier versions count by what most of them take.
  `
  ALTER TABLE inventory ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
  UPDATE inventory SET bytes = length(content) + 400 * packages;
  CREATE TABLE event_share (
    part INTEGER NOT NULL,
    node INTEGER NOT NULL,
    weight INTEGER NOT NULL,
    PRIMARY KEY (part, node)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO event_share SELECT position >> 20, node, count(*) FROM event GROUP BY position >> 20, node;
  `,
]);

/**
 * Brings the file to the newest version, each step in its own transaction. Throws StoreError `newerVersion`,
 * `olderVersion` or `notOurs`, and the error of SQLite where a step fails; the file is then as it was before that step.
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

/** The version of the file, 0 for an empty one. Throws StoreError `newerVersion`, `olderVersion` or `notOurs`. */
export function assertVersion(db: DatabaseSync, migrations: readonly string[]): number {
  const version = pragmaOf(db, 'user_version');
  if (pragmaOf(db, 'application_id') !== APPLICATION_ID && !isEmpty(db))
    throw new StoreError('notOurs', 'this is the database of another program');
  if (version > migrations.length)
    throw new StoreError(
      'newerVersion',
      `the file has version ${String(version)}, this program reads up to ${String(migrations.length)}`,
    );
  if (version > 0 && isFromBeforeNumbering(db))
    throw new StoreError(
      'olderVersion',
      'it was written by a development version from before the first release, and cannot be upgraded: move it away; ' +
        'the nodes send their findings again, the history stays in that file',
    );
  return version;
}

/** The versions were numbered from 1 again when the column `rank` of findings became `status_code`. */
function isFromBeforeNumbering(db: DatabaseSync): boolean {
  const columns = db.prepare(`SELECT name FROM pragma_table_info('finding')`).all();
  return columns.some(({ name }) => name === 'rank');
}

function pragmaOf(db: DatabaseSync, name: 'user_version' | 'application_id'): number {
  return Number(db.prepare(`PRAGMA ${name}`).get()?.[name]);
}

function isEmpty(db: DatabaseSync): boolean {
  return db.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined;
}
