import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../../../service/files.ts';
import { ok, unknown } from '../../../service/diagnostic.ts';
import { lockHolder } from '../../../service/lock.ts';
import type { Installation, InstallationDiagnostic } from '../installation.ts';
import { AS_OWNER } from '../place.ts';

/** The locks of a data directory, by who takes them. */
const LOCKS = Object.freeze([
  { name: 'plimsoll up', path: ['up.lock'] },
  { name: 'a collector', path: ['collector.lock'] },
  { name: 'an agent', path: ['agent', 'lock'] },
]);

/** Only the kernel knows which of the two: `takeLock` asks it, but would change something. */
const UNSEEN = 'or that runs in another PID namespace';

/** Who uses the data directory now? */
export const dataLock: InstallationDiagnostic = Object.freeze({
  id: 'data.lock',
  group: 'data directory',
  title: 'in use',
  run: async ({ collector: { dataDir } }: Installation) => {
    const seen: string[] = [];
    for (const { name, path } of LOCKS) {
      const file = join(dataDir, ...path);
      const code = await access(file).then(
        () => 'there',
        (error: unknown) => errorCode(error),
      );
      if (code === 'EACCES') return unknown(`${file}: ${code}`, AS_OWNER);
      if (code !== 'there') continue;
      const pid = lockHolder(file);
      seen.push(pid === undefined ? `${name} that was killed, ${UNSEEN}` : `${name}, process ${String(pid)}`);
    }
    return ok(seen.length === 0 ? 'by nobody' : `by ${seen.join('; ')}`);
  },
});
