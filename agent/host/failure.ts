import { getSystemErrorMessage } from 'node:util';
import type { ReadFailure, ReadFailureCode } from './host.ts';

/** A read that did not work, as a value. */
export function failure(code: ReadFailureCode, reason: string): ReadFailure {
  return { ok: false, code, reason };
}

/** The answer for a path that leads through a magic link of /proc: into another process, not to a file of the node. */
export const magicLink = (): ReadFailure =>
  failure('notRegular', 'a link of /proc into another process is not followed');

/** What the errno of a failed system call means for the reader. `reason` has the words and the name of the errno. */
export function failureFrom(error: unknown): ReadFailure {
  const { code, errno, message } = error as NodeJS.ErrnoException;
  if (code === undefined || errno === undefined) return failure('failed', message);
  return failure(codeFor(code), `${getSystemErrorMessage(errno)} (${code})`);
}

function codeFor(errnoName: string): ReadFailureCode {
  switch (errnoName) {
    case 'ENOENT':
    case 'ENOTDIR':
    case 'ESRCH':
      return 'absent';
    case 'EACCES':
    case 'EPERM':
      return 'denied';
    // ENXIO and ENODEV: a socket or a device without a driver was opened; EISDIR: a directory was read.
    case 'EISDIR':
    case 'ENXIO':
    case 'ENODEV':
      return 'notRegular';
    case 'ELOOP':
      return 'loop';
    case 'ETIMEDOUT':
      return 'timeout';
    default:
      return 'failed';
  }
}
