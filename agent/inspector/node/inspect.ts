import type { Inspector } from '../inspector.ts';

/** The machine itself, which an inventory of its own describes. */
export const nodeInspector: Inspector<'node'> = {
  fact: 'node',
  needs: [],
  inspect: ({ inventory }) => inventory(),
  watches: () => ['/etc/hostname', '/etc/machine-id', '/etc/os-release'],
};
