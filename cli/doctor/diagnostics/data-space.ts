import { formatBytes } from '../../../service/bytes.ts';
import { ok, problem, warning } from '../../../service/diagnostic.ts';
import { judgeFreeSpace, readFreeSpace } from '../../../service/free-space.ts';
import type { Installation, InstallationDiagnostic } from '../installation.ts';
import { nearestExisting } from '../place.ts';

/** Is there room for the store, the spool and the events? */
export const dataSpace: InstallationDiagnostic = Object.freeze({
  id: 'data.space',
  group: 'data directory',
  title: 'free space',
  run: async ({ collector: { dataDir } }: Installation) => {
    const space = await readFreeSpace(await nearestExisting(dataDir));
    const { freeBytes, totalBytes, freeFiles } = space;
    const files = freeFiles !== undefined && freeFiles < 1_000 ? `, ${String(freeFiles)} more files` : '';
    const seen = `${formatBytes(freeBytes)} of ${formatBytes(totalBytes)}${files}`;
    const advice = 'make room; keep less history (--history-retention), or choose another --data-dir';
    switch (judgeFreeSpace(space)) {
      case 'enough':
        return ok(seen);
      case 'little':
        return warning(seen, advice);
      case 'none':
        return problem(`${seen}: changes can soon not be stored any more`, advice);
    }
  },
});
