import { fine, problem } from '../../../service/examination.ts';
import type { Installation, InstallationExamination } from '../installation.ts';

/** Node.js runs TypeScript and has SQLite without a flag from here on. */
const NEEDED = 24;

/** Is this Node.js new enough? */
export const nodeVersion: InstallationExamination = Object.freeze({
  id: 'program.node',
  group: 'program',
  title: 'Node.js',
  examine: ({ platform: { node, system, architecture } }: Installation) => {
    const seen = `${node} on ${system} ${architecture}`;
    return Number(/^v(\d+)\./.exec(node)?.[1]) >= NEEDED
      ? fine(seen)
      : problem(seen, `Node.js ${String(NEEDED)} or newer is needed; npm ci in the directory of the program brings it`);
  },
});
