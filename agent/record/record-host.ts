import { redactFile } from './redact-file.ts';
import { readEach } from '../host/read-many.ts';
import { redactText } from '../../posture/redaction/redact.ts';
import type { Host, Read } from '../host/host.ts';
import type { AnswerParts, RecordingBuffer } from './recording-buffer.ts';

/** The same host, its answers noted. Files that are secrets as a whole are handed on but not noted. */
export function recordHost(host: Host, notes: RecordingBuffer): Host {
  const noting = async <T>(
    question: Pick<AnswerParts, 'ask' | 'of'>,
    asked: Promise<Read<T>>,
    note: (value: T) => void,
  ): Promise<Read<T>> => {
    const read = await asked;
    if (read.ok) note(read.value);
    else notes.add({ ...question, code: read.code, reason: redactText(read.reason) });
    return read;
  };
  const single: Pick<Host, 'readFile' | 'list' | 'readLink'> = {
    readFile: (path, limits) => {
      const question = { ask: 'readFile', of: path } as const;
      return noting(question, host.readFile(path, limits), (value) => {
        const content = redactFile(path, value);
        if (content !== undefined) notes.add({ ...question, bytes: value.length }, content);
      });
    },
    list: (path, limits) => {
      const question = { ask: 'list', of: path } as const;
      return noting(question, host.list(path, limits), (names) => notes.add({ ...question, names }));
    },
    readLink: (path) => {
      const question = { ask: 'readLink', of: path } as const;
      return noting(question, host.readLink(path), (target) => notes.add({ ...question, target }));
    },
  };
  return {
    ...single,
    stat: (path) => {
      const question = { ask: 'stat', of: path } as const;
      return noting(question, host.stat(path), (stat) => notes.add({ ...question, stat }));
    },
    fileSystem: host.fileSystem,
    // One by one, so that each is noted.
    readMany: (questions, before) => readEach(single, questions, before),
    watch: host.watch,
  };
}
