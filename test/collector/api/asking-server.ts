import type { Test } from 'tap';
import { createQueryHub, DEFAULT_QUERY_LIMITS } from '../../../collector/query/hub.ts';
import type { QueryHub } from '../../../collector/query/hub.ts';
import { systemClock } from '../../../service/clock.ts';
import { connectFleet, silent } from '../../fixture/query-fleet.ts';
import type { NodeBehaviour } from '../../fixture/query-fleet.ts';
import { startServer } from './server.ts';
import type { ApiServer } from './server.ts';

/** An API that asks these nodes, by id, over the wire; their rows are up to the test. */
export async function startAskingServer(
  t: Test,
  nodes: Readonly<Record<string, NodeBehaviour>>,
  maxDeadlineMs: number,
): Promise<ApiServer> {
  const fleet = connectFleet(nodes, () => hub.replies);
  const hub: QueryHub = createQueryHub({
    sessions: () => fleet.sessions,
    store: { nodes: () => server.store.nodes() },
    clock: systemClock(),
    log: silent,
    limits: { ...DEFAULT_QUERY_LIMITS, maxDeadlineMs },
  });
  const server = await startServer(t, { queries: hub });
  return server;
}
