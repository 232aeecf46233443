import { setImmediate as immediate } from 'node:timers/promises';
import { seen, unreadable } from '../../../posture/observed.ts';
import type { ContainerFact, ContainersFact } from '../../../posture/fact/container.ts';
import type { Facts } from '../../../posture/fact/facts.ts';
import type { Inspector } from '../inspector.ts';
import type { NodeAccess } from '../../node-access.ts';
import { mapBounded } from '../map-bounded.ts';
import { observeReply, runtimeUnseen } from '../runtime-reply.ts';
import { askAbout, inspectContainer } from './container.ts';
import type { Inspection } from './container.ts';
import { containerListSchema } from './inspect-answer.ts';
import { createLimitReader } from './limits.ts';
import { viewNode } from './node-view.ts';

/** More at a time makes the engine slower, not faster. */
const CONCURRENCY = 6;
/** So many take some milliseconds. */
const LOOKS_IN_A_ROW = 32;
const SOURCE = 'GET /containers/json';

/**
 * The running containers. One that ends while it is inspected is left out. One that runs and about which the runtime
 * does not answer must not be hidden, and a fact about it cannot be made up: if it was not seen before, the whole fact
 * is unreadable and names it.
 */
export const containerInspector: Inspector<'containers'> = {
  fact: 'containers',
  needs: [],
  inspect: inspectContainers,
  // The runtime's events tell of containers; their files are below /proc and /sys, which tell nothing.
  watches: () => [],
};

async function inspectContainers(access: NodeAccess, known: Partial<Facts>): Promise<ContainersFact> {
  const { host, runtime } = access;
  const reply = await runtime.listContainers();
  if (!reply.ok) return runtimeUnseen(host, runtime.endpoint, reply);
  const listed = observeReply(reply, containerListSchema, SOURCE);
  if (listed.state !== 'seen') return listed;
  const before = seenBefore(known);
  const view = await viewNode(access);
  // First the engine about all, then the kernel: side by side they take each other's share of the processor.
  const answers = await mapBounded(listed.value, CONCURRENCY, ({ Id: id }) => askAbout(runtime, view, id));
  let looks = 0;
  const inspections = await mapBounded([...listed.value.entries()], CONCURRENCY, async ([index, { Id: id }]) => {
    // The kernel answers at once: without a pause nothing else would get its turn.
    if ((looks += 1) % LOOKS_IN_A_ROW === 0) await immediate();
    return inspectContainer(runtime, view, id, before.get(id), answers[index]);
  });
  access.recall.keepOnly(new Set(listed.value.map(({ Id: id }) => id)));
  const containers: ContainerFact[] = [];
  for (const [index, inspection] of inspections.entries()) {
    if (inspection.outcome === 'running') containers.push(inspection.container);
    else if (inspection.outcome === 'failed')
      return unreadable(`GET /containers/${listed.value[index]?.Id ?? ''}/json`, inspection.reason);
  }
  return seen(containers, SOURCE);
}

/** One container, by its id; `failed` where the runtime does not answer and it was not seen before. */
export async function inspectOneContainer(access: NodeAccess, known: Partial<Facts>, id: string): Promise<Inspection> {
  const surroundings = await access.recall.shortly('node', () => viewNode(access));
  // Limits are the container's own, and an event may be about them.
  const view = { ...surroundings, limits: createLimitReader(access.host) };
  const inspection = await inspectContainer(access.runtime, view, id, seenBefore(known).get(id));
  if (inspection.outcome === 'gone') access.recall.forget(id);
  return inspection;
}

function seenBefore({ containers }: Partial<Facts>): ReadonlyMap<string, ContainerFact> {
  if (containers?.state !== 'seen') return new Map();
  return new Map(containers.value.map((container) => [container.id, container]));
}
