import { REDACTED } from '../../posture/redaction/secret-name.ts';
import { failure } from '../host/failure.ts';
import { readEach } from '../host/read-many.ts';
import type { Host, Read, ReadFailureCode } from '../host/host.ts';
import { keyOf } from './recorded-result.ts';
import type { HostOperation, RecordedResult } from './recorded-result.ts';

const DEFAULT_MAX_BYTES = 1024 * 1024;
const DEFAULT_MAX_ENTRIES = 10_000;

/**
 * A host that replies from a recording: the results that were recorded, and `notRecorded` for everything else. `files`
 * reads the directory of the recording, which holds the contents. Nothing on it ever changes.
 */
export function createRecordedHost(results: ReadonlyMap<string, RecordedResult>, files: Pick<Host, 'readFile'>): Host {
  const find = (op: HostOperation, path: string): Read<RecordedResult> => {
    const result = results.get(keyOf(op, path));
    if (result === undefined) return failure('notRecorded', 'this was not read when the node was recorded');
    return result.code === null
      ? { ok: true, value: result }
      : failure(toReadCode(result.code), result.reason ?? 'no reason was recorded');
  };
  const pick = <T>(op: HostOperation, path: string, field: (result: RecordedResult) => T | null): Promise<Read<T>> => {
    const found = find(op, path);
    if (!found.ok) return Promise.resolve(found);
    const value = field(found.value);
    return Promise.resolve(value === null ? damaged('no result') : { ok: true, value });
  };
  const single: Pick<Host, 'readFile' | 'list' | 'readLink'> = {
    readFile: async (path, limits) => {
      const maxBytes = limits?.maxBytes ?? DEFAULT_MAX_BYTES;
      const found = find('readFile', path);
      if (!found.ok) return found;
      const { file, bytes } = found.value;
      if ((bytes ?? 0) > maxBytes) return failure('tooLarge', `more than ${String(maxBytes)} bytes`);
      // The replacement of a secret may be longer than the secret.
      const content = await files.readFile(`/${file ?? ''}`, { maxBytes: maxBytes * REDACTED.length });
      return content.ok ? content : damaged(content.reason);
    },
    list: async (path, limits) => {
      const maxEntries = limits?.maxEntries ?? DEFAULT_MAX_ENTRIES;
      const found = await pick('list', path, ({ names }) => names);
      if (found.ok && found.value.length > maxEntries) {
        return failure('tooLarge', `more than ${String(maxEntries)} entries`);
      }
      return found;
    },
    readLink: (path) => pick('readLink', path, ({ link }) => link),
  };
  return {
    ...single,
    stat: (path) => pick('stat', path, ({ stat }) => stat),
    // Different at every moment, and no check judges it.
    fileSystem: () => Promise.resolve(failure('notRecorded', 'free room is not recorded')),
    readMany: (requests, previous) => readEach(single, requests, previous),
    watch: () => () => {},
  };
}

const damaged = (reason: string): Read<never> => failure('failed', `the recording is damaged: ${reason}`);

function toReadCode(code: NonNullable<RecordedResult['code']>): ReadFailureCode {
  return code === 'notFound' || code === 'malformed' ? 'failed' : code;
}
