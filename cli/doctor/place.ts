import { access, constants, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ok, problem, warning } from '../../service/diagnostic.ts';
import type { DiagnosticResult } from '../../service/diagnostic.ts';
import { errorCode } from '../../service/files.ts';
import { judgeFreeSpace } from '../../service/free-space.ts';
import type { FreeSpace } from '../../service/free-space.ts';

/** Advice to a user who cannot read a private file. */
export const AS_OWNER = 'run this as the user who runs the collector or agent';

/** `path`, or the nearest directory above it that exists. Rejects with the error of the file system. */
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

/** Why this user cannot create files in `directory` (`EACCES`, `EROFS`); undefined: it can. Writes nothing. */
export async function whyNotWritable(directory: string): Promise<string | undefined> {
  try {
    await access(directory, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    return errorCode(error);
  }
}

/** Permission bits in octal: `0750`. */
export function modeText(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, '0');
}

/** Is the free space enough? `observed`: what the result says about it. */
export function examineFreeSpace(space: FreeSpace, observed: string, advice: string): DiagnosticResult {
  switch (judgeFreeSpace(space)) {
    case 'enough':
      return ok(observed);
    case 'little':
      return warning(observed, advice);
    case 'none':
      return problem(`${observed}: the next writes may fail`, advice);
  }
}
