import { stat } from 'node:fs/promises';
import { errorCode } from '../../../service/files.ts';
import { ok, problem, unknown, warning } from '../../../service/diagnostic.ts';
import type { DiagnosticResult } from '../../../service/diagnostic.ts';
import type { Installation, InstallationDiagnostic } from '../installation.ts';
import { AS_OWNER, modeText, nearestExisting, whyNotWritable } from '../place.ts';

/** Is the data directory there, ours, closed to others, and can it be written? */
export const dataDirectory: InstallationDiagnostic = Object.freeze({
  id: 'data.directory',
  group: 'data directory',
  title: 'directory',
  run: async ({ collector: { dataDir }, uid }: Installation) => {
    try {
      const found = await stat(dataDir);
      if (!found.isDirectory()) return problem(`${dataDir} is no directory`, 'choose another: --data-dir DIR');
      return await judge(dataDir, { mode: found.mode, owner: found.uid, uid });
    } catch (error) {
      const code = errorCode(error);
      if (code === 'ENOENT') return examineAbsent(dataDir);
      if (code === 'ENOTDIR')
        return problem(`${dataDir}: something above it is no directory`, 'choose another: --data-dir DIR');
      return unknown(`${dataDir}: ${code}`, AS_OWNER);
    }
  },
});

interface Found {
  readonly mode: number;
  readonly owner: number;
  readonly uid: number;
}

async function judge(path: string, { mode, owner, uid }: Found): Promise<DiagnosticResult> {
  const seen = `${path}, mode ${modeText(mode)}, owner ${String(owner)}`;
  if ((mode & 0o022) !== 0)
    return problem(`${seen}: others can put files in it, and so replace keys`, `chmod 700 ${path}`);
  const reason = await whyNotWritable(path);
  if (reason === 'EROFS')
    return problem(`${seen}: the file system is read-only`, 'mount it writable, or --data-dir DIR');
  if (reason !== undefined)
    return problem(
      `${seen}: user ${String(uid)} may not write in it`,
      'become the user who runs the collector or agent, or give this one a place of its own: --data-dir DIR',
    );
  if (owner !== uid)
    return warning(`${seen}: not of the user who runs this (${String(uid)})`, `chown it, or run this as its owner`);
  return ok(`${seen}, writable`);
}

async function examineAbsent(path: string): Promise<DiagnosticResult> {
  const place = await nearestExisting(path);
  const reason = await whyNotWritable(place);
  return reason === undefined
    ? ok(`${path} is not there yet: the first start makes it`)
    : problem(`${path} is not there, and cannot be made in ${place}: ${reason}`, 'choose another: --data-dir DIR');
}
