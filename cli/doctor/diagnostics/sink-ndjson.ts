import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { formatBytes } from '../../../service/bytes.ts';
import { errorCode } from '../../../service/files.ts';
import { ok, problem, unknown, warning } from '../../../service/diagnostic.ts';
import { judgeFreeSpace, readFreeSpace } from '../../../service/free-space.ts';
import type { Installation, InstallationDiagnostic } from '../installation.ts';
import { AS_OWNER, nearestExisting, whyNotWritable } from '../place.ts';

/** Can events be written where the settings say? */
export const sinkNdjson: InstallationDiagnostic = Object.freeze({
  id: 'sink.ndjson',
  group: 'sinks',
  title: 'ndjson',
  run: async ({ collector, roles }: Installation) => {
    const { sinkNdjson: path, dataDir } = collector;
    if (path === 'off') return ok('off');
    if (path === '-') return ok('to standard output of the collector');
    const directory = dirname(path);
    const elsewhere = 'choose another: --sink-ndjson FILE';
    const found = await stat(path).catch((error: unknown) => errorCode(error));
    if (found === 'EACCES') return unknown(`${path}: EACCES`, AS_OWNER);
    if (typeof found === 'object' && !found.isFile()) return problem(`${path} is no regular file`, elsewhere);
    const place = await nearestExisting(directory);
    // Only the data directory is made at a start.
    if (place !== directory && directory !== dataDir)
      return problem(`${directory} is not there`, `make it, or ${elsewhere}`);
    const reason = await whyNotWritable(place);
    if (reason !== undefined) return problem(`${path} cannot be written: ${reason}`, elsewhere);
    const space = await readFreeSpace(place);
    const seen = `${path}, ${formatBytes(space.freeBytes)} free`;
    const room = 'make room; events wait in the store until they can be written';
    const verdict = judgeFreeSpace(space);
    if (verdict === 'none') return problem(seen, room);
    if (verdict === 'little') return warning(seen, room);
    return roles.agent && !roles.collector ? ok('no collector is kept here') : ok(seen);
  },
});
