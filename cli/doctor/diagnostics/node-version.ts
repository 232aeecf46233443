import { ok, problem } from '../../../service/diagnostic.ts';
import type { Installation, InstallationDiagnostic } from '../installation.ts';

/** Node.js runs TypeScript and has SQLite without a flag from here on. */
const NEEDED = 24;

/** Is this Node.js new enough? */
export const nodeVersion: InstallationDiagnostic = Object.freeze({
  id: 'program.node',
  group: 'program',
  title: 'Node.js',
  run: ({ platform: { node, system, architecture } }: Installation) => {
    const seen = `${node} on ${system} ${architecture}`;
    return Number(/^v(\d+)\./.exec(node)?.[1]) >= NEEDED
      ? ok(seen)
      : problem(seen, `Node.js ${String(NEEDED)} or newer is needed; npm ci in the directory of the program brings it`);
  },
});
