import type { Inspector } from '../inspector.ts';

/** The agent itself, which measures what it takes. */
export const agentInspector: Inspector<'agent'> = {
  fact: 'agent',
  needs: [],
  inspect: ({ agent }) => Promise.resolve(agent()),
  watches: () => [],
};
