import { seen } from '../../../posture/observed.ts';
import type { Inspector } from '../inspector.ts';

/** What the inspectors of containers and images failed to look at: they leave a note of each in `recall`. */
export const unobservedInspector: Inspector<'unobserved'> = {
  fact: 'unobserved',
  needs: ['containers', 'images'],
  inspect: ({ recall }) => Promise.resolve(seen(recall.failed.list(), 'container engine')),
  watches: () => [],
};
