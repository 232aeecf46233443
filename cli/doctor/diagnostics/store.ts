import { constants, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { formatBytes } from '../../../service/bytes.ts';
import { errorCode } from '../../../service/files.ts';
import { ok, problem, unknown, warning } from '../../../service/diagnostic.ts';
import type { DiagnosticResult } from '../../../service/diagnostic.ts';
import type { Installation, InstallationDiagnostic } from '../installation.ts';
import { AS_OWNER, modeText } from '../place.ts';

const NAME = 'store.sqlite';
/** The header of a database file, https://www.sqlite.org/fileformat.html: magic at 0, application id at 68. */
const HEADER_BYTES = 100;
const MAGIC = 'SQLite format 3\0';
const APPLICATION_ID = { offset: 68, value: 0x504c494d };

/** Is the store a database of this program, and was a damaged one quarantined? */
export const store: InstallationDiagnostic = Object.freeze({
  id: 'store',
  title: 'store',
  run: async ({ collector: { dataDir } }: Installation) => {
    const examined = await examineFile(join(dataDir, NAME));
    if (examined.outcome !== 'ok') return examined;
    const aside = (await namesIn(dataDir)).filter(
      (name) => name.startsWith(`${NAME}.damaged-`) && !/-(?:wal|shm)$/.test(name),
    );
    const [latest] = aside.sort().toReversed();
    if (latest === undefined) return examined;
    return warning(
      `${examined.observed}; a damaged store was quarantined: ${join(dataDir, latest)}`,
      'the nodes sent their findings again; earlier history is only in that file: keep or remove it',
    );
  },
});

async function examineFile(path: string): Promise<DiagnosticResult> {
  try {
    // Non-blocking: a FIFO in its place must not block.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stats = await file.stat();
      const { mode, size } = stats;
      if (!stats.isFile())
        return problem(`${path} is not a regular file`, 'move it away: the collector creates a new one');
      if ((mode & 0o077) !== 0)
        return warning(`${path} has mode ${modeText(mode)}: other users can read all findings`, `chmod 600 ${path}`);
      const { buffer, bytesRead } = await file.read(Buffer.alloc(HEADER_BYTES), 0, HEADER_BYTES, 0);
      if (size > 0 && !isOurs(buffer.subarray(0, bytesRead)))
        return problem(
          `${path} is not a database of this program, or its header is damaged`,
          'move it away: the collector creates a new one, and nodes send their findings again',
        );
      return ok(`${formatBytes(size)} in ${path}`);
    } finally {
      await file.close();
    }
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return ok('none yet: the first start of a collector creates it');
    return unknown(`${path}: ${code}`, AS_OWNER);
  }
}

function isOurs(header: Buffer): boolean {
  return (
    header.length === HEADER_BYTES &&
    header.toString('latin1', 0, MAGIC.length) === MAGIC &&
    header.readUInt32BE(APPLICATION_ID.offset) === APPLICATION_ID.value
  );
}

async function namesIn(directory: string): Promise<readonly string[]> {
  return readdir(directory).catch(() => []);
}
