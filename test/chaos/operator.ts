import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Finding } from '../../posture/finding.ts';

/** What the test asks a collector, as an operator would. Rejects if it does not answer. */
export interface Operator {
  /** All findings, by id. */
  readonly findings: () => Promise<ReadonlyMap<string, Finding>>;
  /** Position of the newest event; 0: there is none. */
  readonly newestPosition: () => Promise<number>;
}

interface FindingPage {
  readonly findings: readonly Finding[];
  readonly cursor?: string;
}

const TIMEOUT_MS = 5000;

/** An operator of the collector that keeps its things in `directory` and has its API on the port that `port` says. */
export function createOperator(directory: string, port: () => number): Operator {
  const get = async (path: string): Promise<unknown> => {
    const token = readFileSync(join(directory, 'operator-token'), 'utf8').trim();
    const answer = await fetch(`http://127.0.0.1:${String(port())}${path}`, {
      headers: { authorization: `Bearer ${token}`, connection: 'close' },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (!answer.ok) throw new Error(`${path}: ${String(answer.status)} ${await answer.text()}`);
    return answer.json();
  };
  return {
    findings: async () => {
      const all = new Map<string, Finding>();
      for (let cursor: string | undefined = ''; cursor !== undefined;) {
        const query: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`;
        const page = (await get(`/v1/findings?limit=5000${query}`)) as FindingPage;
        for (const finding of page.findings) all.set(finding.id, finding);
        cursor = page.cursor;
      }
      return all;
    },
    newestPosition: async () => {
      const { entries } = (await get('/v1/history?limit=1')) as { entries: readonly { position: number }[] };
      return entries[0]?.position ?? 0;
    },
  };
}
