import { DatabaseSync } from 'node:sqlite';
import { rateCvss } from '../../vulnerability/cvss.ts';
import { parseAdvisory } from '../../vulnerability/advisory.ts';
import type { Advisory, AdvisoryProblem } from '../../vulnerability/advisory.ts';
import type { CvssRating } from '../../vulnerability/vulnerability.ts';

/** An advisory as it is stored, with its CVSS rating of the newest version. */
export interface StagedAdvisory extends Omit<Advisory, 'cvssVectors' | 'isWithdrawn'> {
  readonly cvss?: CvssRating;
}

/** What became of the records that were added. */
export interface StagingCounts {
  records: number;
  withdrawn: number;
  duplicates: number;
  /** Records without a part that can be matched: of ecosystems that are not used, or without versions. */
  unusable: number;
  damaged: number;
}

/** A record or part of one that was left out, for the summary. */
export interface LeftOut {
  readonly origin: string;
  readonly place: string;
}

/**
 * Collects advisories in a private table, so that the database is the same whatever the order of the input: of records
 * with one id the one that was changed last counts.
 */
export interface Staging {
  /** Adds the text of one OSV record; undefined stands for one that was too large to keep. */
  readonly add: (text: Buffer | undefined, origin: string) => void;
  readonly addRecord: (record: unknown, origin: string) => void;
  /** Counts something damaged that is not a record. */
  readonly reportDamage: (origin: string, place: string) => void;
  /** The advisories, sorted by id. */
  readonly advisories: () => Iterable<StagedAdvisory>;
  readonly counts: Readonly<StagingCounts>;
  /** The first damaged parts. */
  readonly examples: readonly LeftOut[];
  readonly close: () => void;
}

const MAX_EXAMPLES = 20;

/** Opens staging in a file that does not exist yet. */
export function openStaging(path: string): Staging {
  const database = new DatabaseSync(path);
  database.exec(
    'PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=-65536',
  );
  database.exec(
    'CREATE TABLE staged(id TEXT PRIMARY KEY, modified INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID; BEGIN',
  );
  const find = database.prepare('SELECT modified, body FROM staged WHERE id = ?');
  const put = database.prepare('INSERT OR REPLACE INTO staged(id, modified, body) VALUES (?, ?, ?)');
  const counts: StagingCounts = { records: 0, withdrawn: 0, duplicates: 0, unusable: 0, damaged: 0 };
  const examples: LeftOut[] = [];
  const reportDamage = (origin: string, place: string): void => {
    counts.damaged += 1;
    if (examples.length < MAX_EXAMPLES) examples.push({ origin, place });
  };
  const addRecord = (record: unknown, origin: string): void => {
    counts.records += 1;
    const parsed = parseAdvisory(record);
    if (!parsed.ok) return reportDamage(origin, parsed.problem.place);
    const isDamage = ({ code }: AdvisoryProblem): boolean => code === 'damaged';
    const problem = parsed.problems.find(isDamage);
    if (problem !== undefined) reportDamage(origin, problem.place);
    const { advisory } = parsed;
    if (advisory.isWithdrawn) counts.withdrawn += 1;
    else if (advisory.affected.length === 0 && problem === undefined) counts.unusable += 1;
    // A withdrawn record is staged too: it takes the place of an older one that was not withdrawn.
    const modified = advisory.modifiedAt ?? 0;
    const body = JSON.stringify(stagedOf(advisory));
    const present = find.get(advisory.id);
    if (present !== undefined) {
      counts.duplicates += 1;
      const order = modified - Number(present['modified']) || (body > String(present['body']) ? 1 : -1);
      if (order < 0) return;
    }
    put.run(advisory.id, modified, body);
  };
  return {
    counts,
    examples,
    reportDamage,
    addRecord,
    add: (text, origin) => {
      let record: unknown;
      try {
        if (text === undefined) throw new RangeError('too long');
        record = JSON.parse(text.toString('utf8'));
      } catch {
        counts.records += 1;
        return reportDamage(origin, text === undefined ? 'the record is too large' : 'the record is not JSON');
      }
      addRecord(record, origin);
    },
    advisories: function* () {
      database.exec('COMMIT');
      for (const { body } of database.prepare('SELECT body FROM staged ORDER BY id').iterate()) {
        const staged = JSON.parse(String(body)) as StagedAdvisory;
        if (staged.affected.length > 0) yield staged;
      }
    },
    close: () => database.close(),
  };
}

function stagedOf({ cvssVectors, isWithdrawn, ...advisory }: Advisory): StagedAdvisory {
  const ratings = cvssVectors.flatMap((vector) => rateCvss(vector) ?? []);
  const [newest] = ratings.toSorted((one, other) => Number(other.version) - Number(one.version));
  return {
    ...advisory,
    affected: isWithdrawn ? [] : advisory.affected,
    ...(newest === undefined ? {} : { cvss: newest }),
  };
}
