import type { Clock } from '../../service/clock.ts';
import type { Issue } from '../status/collector-status.ts';
import type { ImageStore, Judgement } from '../store/image-store.ts';

/**
 * Bounds what one node can make the collector store about vulnerabilities. A package takes a node some bytes and the
 * collector thousands of rows: some packages have thousands of advisories, and a node chooses how many versions of them
 * it claims. Package versions that several nodes have count for none of them.
 */
export interface MatchBudget {
  /** The judgements, without the vulnerabilities of package versions whose node has too many. Rejects as the store does. */
  readonly bound: (judgements: readonly Judgement[]) => Promise<readonly Judgement[]>;
  /** Nodes over the bound. */
  readonly issues: () => readonly Issue[];
}

/** Vulnerabilities of package versions of one node, some 250 MiB; a node with 300 images has 300,000. */
const MAX_ROWS = 2_000_000;
/** How long an exact count holds; what is added meanwhile is added to it. */
const EXACT_MS = 10 * 60_000;
/** Rows after which what is stored is counted: most nodes never need it. */
const UNCOUNTED_ROWS = 200_000;

interface Usage {
  rows: number;
  exactMs: number;
  refused: number;
}

/** An unused budget. `maxRows` is for tests. */
export function createMatchBudget(
  images: Pick<ImageStore, 'soleNodes' | 'vulnerabilityRows'>,
  clock: Pick<Clock, 'monotonic'>,
  maxRows = MAX_ROWS,
): MatchBudget {
  const usages = new Map<string, Usage>();
  const start = maxRows - Math.min(maxRows, UNCOUNTED_ROWS);
  const usageOf = (nodeId: string): Usage => {
    const known = usages.get(nodeId) ?? { rows: start, exactMs: -Infinity, refused: 0 };
    usages.set(nodeId, known);
    return known;
  };
  const hasRoom = async (nodeId: string, rows: number): Promise<boolean> => {
    const usage = usageOf(nodeId);
    if (usage.rows + rows > maxRows && clock.monotonic() - usage.exactMs >= EXACT_MS)
      Object.assign(usage, { rows: await images.vulnerabilityRows(nodeId), exactMs: clock.monotonic(), refused: 0 });
    if (usage.rows + rows > maxRows) {
      usage.refused += 1;
      return false;
    }
    usage.rows += rows;
    return true;
  };
  return {
    bound: async (judgements) => {
      const affected = judgements.filter(({ matches }) => matches.length > 0);
      const nodes = affected.length === 0 ? new Map<number, string>() : await images.soleNodes(affected.map(keyOf));
      const bounded: Judgement[] = [];
      for (const judgement of judgements) {
        const nodeId = nodes.get(judgement.key);
        const fits = nodeId === undefined || (await hasRoom(nodeId, judgement.matches.length));
        // Judged again with the next database.
        bounded.push(fits ? judgement : { key: judgement.key, unjudged: REASON, matches: [] });
      }
      return bounded;
    },
    issues: () =>
      [...usages].flatMap(([nodeId, { refused }]) =>
        refused === 0
          ? []
          : [
              {
                code: 'nodeLimited' as const,
                subject: nodeId,
                text: `${String(refused)} package versions of this node are not judged: it has more than ${String(maxRows)} vulnerabilities`,
                advice:
                  'plimsoll images shows what it claims to have; if its images are others, its certificate was stolen',
              },
            ],
      ),
  };
}

const REASON = 'the only node that has it has too many vulnerabilities to keep them';

function keyOf({ key }: Judgement): number {
  return key;
}
