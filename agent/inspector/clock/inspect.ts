import type { Inspector } from '../inspector.ts';

/** The time of the round. */
export const clockInspector: Inspector<'clock'> = {
  fact: 'clock',
  needs: [],
  inspect: ({ now }) => Promise.resolve({ nowMs: Math.trunc(now()) }),
  watches: () => [],
};
