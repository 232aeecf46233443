import { createWriteStream, renameSync, statSync } from 'node:fs';
import type { WriteStream } from 'node:fs';
import { PRIVATE_FILE } from '../../service/files.ts';

/** A log file that keeps its size: one old file stays beside it as `NAME.1`. */
export interface LogFile {
  readonly path: string;
  /** Adds a line. What cannot be written (disk full) is dropped: the program goes on without its log. */
  readonly write: (line: string) => void;
  readonly close: () => Promise<void>;
}

/** Size at which a file is put aside. */
const MAX_BYTES = 8 * 1024 * 1024;
/** Bytes that may wait for a slow disk; beyond that lines are dropped. */
const MAX_PENDING_BYTES = 1024 * 1024;

/** Opens `path` for adding. */
export function openLogFile(path: string): LogFile {
  let size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  let stream = open(path);
  return {
    path,
    write: (line) => {
      if (stream.writableLength > MAX_PENDING_BYTES) return;
      if (size > MAX_BYTES) {
        stream.end();
        putAside(path);
        stream = open(path);
        size = 0;
      }
      size += Buffer.byteLength(line) + 1;
      stream.write(`${line}\n`);
    },
    close: () =>
      new Promise((resolve) => {
        if (stream.destroyed) return resolve();
        stream.once('close', resolve);
        stream.end();
      }),
  };
}

function open(path: string): WriteStream {
  const stream = createWriteStream(path, { flags: 'a', mode: PRIVATE_FILE });
  stream.on('error', () => undefined);
  return stream;
}

function putAside(path: string): void {
  try {
    renameSync(path, `${path}.1`);
  } catch {
    // It goes on growing: better than losing the lines.
  }
}
