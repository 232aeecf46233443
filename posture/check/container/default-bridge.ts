import { sourceOf } from '../../fact/container.ts';
import type { ContainerFact, ContainersFact } from '../../fact/container.ts';
import { fail, pass, unknownBecause } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { quote, quoteList } from '../evidence-text.ts';

export const defaultBridge = containerCheck({
  id: 'container.default-bridge',
  title: 'Container does not use the default bridge',
  failTitle: 'Container uses the default bridge network',
  judgedBy: 'configuration',
  severity: 'low',
  rationale:
    'All containers that were started without a network share the default bridge. It has no name resolution and does not separate applications.',
  remediation:
    'Create a network for each application (docker network create) and attach its containers with --network.',
  references: ['https://docs.docker.com/engine/network/drivers/bridge/'],
  judges: 'container',
  needs: ['containers'],
  judge: (container, { containers }) => {
    const owner = networkOwner(container, containers);
    const { networkMode } = container.declared;
    if (owner === undefined) {
      const evidence = { source: sourceOf(container, 'networkMode'), seen: quote(networkMode), expected: EXPECTED };
      return unknownBecause('the container whose network it joined was not inspected', evidence);
    }
    const { networks } = owner.declared;
    const joined = owner === container ? '' : ` of ${quote(owner.name)}, whose network it joined`;
    const evidence = {
      source: sourceOf(container, 'networks'),
      seen: `${quoteList(networks)}${joined}`,
      expected: EXPECTED,
    };
    return networks.includes('bridge')
      ? fail('the container shares the default bridge with all containers without a network of their own', evidence)
      : pass(evidence);
  },
});

const EXPECTED = 'no network named bridge';
const JOINED = 'container:';
/** A container can join the network of one that joined another. */
const MAX_JOINED = 16;

/** The container whose networks this one is in: itself, or the one that `container:ID` leads to; undefined: not seen. */
function networkOwner(container: ContainerFact, containers: ContainersFact): ContainerFact | undefined {
  let owner = container;
  for (let joined = 0; joined < MAX_JOINED; joined += 1) {
    const mode = owner.declared.networkMode;
    if (!mode.startsWith(JOINED)) return owner;
    const target = mode.slice(JOINED.length);
    const next =
      containers.state === 'seen'
        ? containers.value.find(
            ({ id, name }) => id === target || name === target || (target.length > 11 && id.startsWith(target)),
          )
        : undefined;
    if (next === undefined) return undefined;
    owner = next;
  }
  return undefined;
}
