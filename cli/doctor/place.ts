import { access, constants, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCode } from '../../service/files.ts';

/** Whoever is no owner of a private file can only be told this. */
export const AS_OWNER = 'run this as the user who runs the collector or agent';

/** `path`, or the nearest directory above it that exists. Rejects where not even that can be found out. */
export async function nearestExisting(path: string): Promise<string> {
  for (let place = path; ; place = dirname(place)) {
    try {
      await stat(place);
      return place;
    } catch (error) {
      const code = errorCode(error);
      if ((code !== 'ENOENT' && code !== 'ENOTDIR') || place === '/') throw error;
    }
  }
}

/** Why this user may not make files in `directory` (`EACCES`, `EROFS`); undefined: it may. Nothing is written. */
export async function whyNotWritable(directory: string): Promise<string | undefined> {
  try {
    await access(directory, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    return errorCode(error);
  }
}

/** Permission bits as people write them: `0750`. */
export function modeText(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, '0');
}
