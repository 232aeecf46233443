import { createLinuxHost } from '../../../agent/host/linux.ts';
import { hostConformance } from './conformance.ts';

hostConformance('linux, root /', false, (directory) =>
  Promise.resolve({ host: createLinuxHost(), at: (path) => directory + path }),
);

hostConformance('linux, root prefix', true, (directory) =>
  Promise.resolve({ host: createLinuxHost({ root: directory }), at: (path) => path }),
);
