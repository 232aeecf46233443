import type { ContainerLabels } from '../../../posture/fact/container.ts';
import type { NodeAccess } from '../../node-access.ts';
import { observeReply } from '../../runtime/runtime.ts';
import { mapBounded } from '../map-bounded.ts';

/** Containers whose labels are read: each takes a request to its engine. */
export const MAX_LABELLED_CONTAINERS = 1_000;
/** A runtime accepts at most this many calls at a time. */
const CONCURRENCY = 8;

/** The labels of the containers by id, read from all engines now. Containers of engines that do not answer are left out. */
export async function readLabels({
  host,
  runtime,
  engines,
}: Pick<NodeAccess, 'host' | 'runtime' | 'engines'>): Promise<Readonly<Record<string, ContainerLabels>>> {
  const runtimes = [runtime, ...(await engines.others(host))];
  const lists = await Promise.all(
    runtimes.map(async (engine) => {
      const listed = await engine.listContainers();
      return listed.ok ? listed.value.map(({ id }) => ({ id, engine })) : [];
    }),
  );
  const labels = await mapBounded(
    lists.flat().slice(0, MAX_LABELLED_CONTAINERS),
    CONCURRENCY,
    async ({ id, engine }) => [id, observeReply(await engine.containerLabels(id))] as const,
  );
  // An engine later in the list, such as a user's, cannot replace labels by listing the id of another container.
  return Object.fromEntries(labels.toReversed());
}
