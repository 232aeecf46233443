import { fail, pass } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { quoteList } from '../evidence-text.ts';

export const defaultBridge = containerCheck({
  id: 'container.default-bridge',
  title: 'No container is attached to the default bridge',
  severity: 'low',
  rationale:
    'On the default bridge every container that was started without a network meets every other; there is no name resolution and no way to keep applications apart.',
  remediation:
    'Create a network for each application (docker network create) and attach its containers with --network.',
  references: ['https://docs.docker.com/engine/network/drivers/bridge/'],
  judges: 'container',
  needs: [],
  judge: ({ declared }) => {
    const evidence = {
      source: 'inspect NetworkSettings.Networks',
      seen: quoteList(declared.networks),
      expected: 'no network named bridge',
    };
    return declared.networks.includes('bridge') ? fail(evidence) : pass(evidence);
  },
});
