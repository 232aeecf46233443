import type { DatabaseSync } from 'node:sqlite';
import { scoreOf } from '../../posture/benchmark/compliance.ts';
import type { Score } from '../../posture/benchmark/compliance.ts';

const DAY_MS = 86_400_000;
/** Days that are kept. */
const KEPT_DAYS = 400;

/** The score of one benchmark. */
export interface BenchmarkScore {
  readonly benchmark: string;
  readonly score: Score;
  /** Failed controls with waived failures only; default: 0. */
  readonly waived?: number;
}

/** The last score of a day. */
export interface DayScore {
  readonly atMs: number;
  /** Nodes that the score is over. */
  readonly nodes: number;
  readonly score: Score;
  /** Failed controls with waived failures only. */
  readonly waived: number;
}

/** The scores of benchmarks over the fleet: one a day, the last that was computed. */
export interface ScoreTable {
  readonly put: (scores: readonly BenchmarkScore[], of: { readonly atMs: number; readonly nodes: number }) => void;
  /** Oldest first. */
  readonly since: (benchmark: string, sinceMs: number) => readonly DayScore[];
}

/** Prepares the statements. `put` must be called within a transaction. */
export function prepareScoreTable(db: DatabaseSync): ScoreTable {
  const upsert = db.prepare(
    `INSERT INTO benchmark_score (benchmark, day, at, nodes, passed, counted, waived) VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (benchmark, day) DO UPDATE
     SET at = excluded.at, nodes = excluded.nodes, passed = excluded.passed, counted = excluded.counted,
       waived = excluded.waived`,
  );
  const prune = db.prepare('DELETE FROM benchmark_score WHERE day < ?');
  const select = db.prepare(
    'SELECT at, nodes, passed, counted, waived FROM benchmark_score WHERE benchmark = ? AND at >= ? ORDER BY day',
  );
  return {
    put: (scores, { atMs, nodes }) => {
      const day = Math.floor(atMs / DAY_MS);
      for (const { benchmark, score, waived = 0 } of scores)
        upsert.run(benchmark, day, atMs, nodes, score.passed, score.counted, waived);
      prune.run(day - KEPT_DAYS);
    },
    since: (benchmark, sinceMs) =>
      select.all(benchmark, sinceMs).map(({ at, nodes, passed, counted, waived }) => ({
        atMs: Number(at),
        nodes: Number(nodes),
        score: scoreOf(Number(passed), Number(counted)),
        waived: Number(waived),
      })),
  };
}
