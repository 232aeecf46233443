import { REDACTED } from '../../posture/redaction/secret-name.ts';
import { keyOf } from '../record/answer.ts';
import type { RecordedLine, Question } from '../record/answer.ts';
import { failure } from './failure.ts';
import { readEach } from './read-many.ts';
import type { Host, Read, ReadFailureCode } from './host.ts';

const DEFAULT_MAX_BYTES = 1024 * 1024;
const DEFAULT_MAX_ENTRIES = 10_000;

/**
 * A host that answers from a recording: what was asked when it was made, and `notRecorded` for all else. `files` is the
 * directory of the recording, which holds the contents. Nothing on it ever changes.
 */
export function createRecordedHost(answers: ReadonlyMap<string, RecordedLine>, files: Pick<Host, 'readFile'>): Host {
  const find = (ask: Question, path: string): Read<RecordedLine> => {
    const answer = answers.get(keyOf(ask, path));
    if (answer === undefined) return failure('notRecorded', 'nobody asked for it when the node was recorded');
    return answer.code === null
      ? { ok: true, value: answer }
      : failure(toReadCode(answer.code), answer.reason ?? 'no reason was recorded');
  };
  const pick = <T>(ask: Question, path: string, field: (answer: RecordedLine) => T | null): Promise<Read<T>> => {
    const found = find(ask, path);
    if (!found.ok) return Promise.resolve(found);
    const value = field(found.value);
    return Promise.resolve(value === null ? damaged('no answer') : { ok: true, value });
  };
  const single: Pick<Host, 'readFile' | 'list' | 'readLink'> = {
    readFile: async (path, limits) => {
      const maxBytes = limits?.maxBytes ?? DEFAULT_MAX_BYTES;
      const found = find('readFile', path);
      if (!found.ok) return found;
      const { file, bytes } = found.value;
      if ((bytes ?? 0) > maxBytes) return failure('tooLarge', `more than ${String(maxBytes)} bytes`);
      // What stands for a secret may be longer than the secret.
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
    readLink: (path) => pick('readLink', path, ({ target }) => target),
  };
  return {
    ...single,
    stat: (path) => pick('stat', path, ({ stat }) => stat),
    // Different at every moment, and no check judges it.
    fileSystem: () => Promise.resolve(failure('notRecorded', 'free room is not recorded')),
    readMany: (questions, before) => readEach(single, questions, before),
    watch: () => () => {},
  };
}

const damaged = (reason: string): Read<never> => failure('failed', `the recording is damaged: ${reason}`);

function toReadCode(code: NonNullable<RecordedLine['code']>): ReadFailureCode {
  return code === 'notFound' ? 'failed' : code;
}
