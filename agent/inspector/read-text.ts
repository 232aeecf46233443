import { absent, seen, unreadable } from '../../posture/observed.ts';
import type { Observed } from '../../posture/observed.ts';
import type { Host, Read, ReadFailure } from '../host/host.ts';

/** A file as text. Bytes that are no UTF-8 become U+FFFD: for files whose words are ASCII. */
export async function readText(host: Host, path: string, maxBytes?: number): Promise<Read<string>> {
  const read = await host.readFile(path, maxBytes === undefined ? {} : { maxBytes });
  return read.ok ? { ok: true, value: read.value.toString('utf8') } : read;
}

/** What a failed read says about `source`: nothing there, or not for us to see. */
export function unseen(failure: ReadFailure, source: string): Observed<never> {
  return failure.code === 'absent' ? absent(source) : unreadable(source, failure.reason);
}

type Fault = ReadFailure & { readonly code: 'failed' | 'timeout' };

/** Did a read fail for a reason that says nothing about what is there (EMFILE, EIO, a deadline)? */
export function isFault(read: Read<unknown>): read is Fault {
  return !read.ok && (read.code === 'failed' || read.code === 'timeout');
}

/** A file, interpreted by `parse`, which answers undefined for what it does not understand. */
export async function observeText<T>(
  host: Host,
  path: string,
  parse: (text: string) => T | undefined,
  maxBytes?: number,
): Promise<Observed<T>> {
  const read = await readText(host, path, maxBytes);
  if (!read.ok) return unseen(read, path);
  const value = parse(read.value);
  return value === undefined ? unreadable(path, 'its content is not understood') : seen(value, path);
}
