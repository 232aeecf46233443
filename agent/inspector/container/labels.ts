import type { ContainerFact, ContainerLabels } from '../../../posture/fact/container.ts';
import { unreadable } from '../../../posture/observed.ts';
import type { NodeAccess } from '../../node-access.ts';
import { observeReply } from '../../runtime/runtime.ts';
import { mapBounded } from '../map-bounded.ts';

/** Containers of one query: each takes a request to its engine. */
const MAX_CONTAINERS = 2_000;
/** A runtime accepts at most this many calls at a time. */
const CONCURRENCY = 8;

/** Which container of which engine. */
export type ContainerReference = Pick<ContainerFact, 'id' | 'engine'>;

/** The labels of these containers by id, read from their engines now. */
export async function readLabels(
  { host, runtime, engines }: Pick<NodeAccess, 'host' | 'runtime' | 'engines'>,
  containers: readonly ContainerReference[],
): Promise<Readonly<Record<string, ContainerLabels>>> {
  const runtimes = [runtime, ...(await engines.others(host))];
  const read = async ({ id, engine }: ContainerReference): Promise<readonly [string, ContainerLabels]> => {
    const owner = runtimes.find(({ endpoint }) => endpoint === engine);
    return [
      id,
      owner === undefined ? unreadable(engine, 'this engine is gone') : observeReply(await owner.containerLabels(id)),
    ];
  };
  return Object.fromEntries(await mapBounded(containers.slice(0, MAX_CONTAINERS), CONCURRENCY, read));
}
