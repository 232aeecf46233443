import { redactFile } from './redact-file.ts';
import { readEach } from '../host/read-many.ts';
import { redactText } from '../../posture/redaction/redact.ts';
import type { Host, Read } from '../host/host.ts';
import type { ResultParts, RecordingBuffer } from './recording-buffer.ts';

/** The same host, its results recorded. Files that are secrets as a whole are returned but not recorded. */
export function recordHost(host: Host, buffer: RecordingBuffer): Host {
  const record = async <T>(
    operation: Pick<ResultParts, 'op' | 'target'>,
    reading: Promise<Read<T>>,
    add: (value: T) => void,
  ): Promise<Read<T>> => {
    const read = await reading;
    if (read.ok) add(read.value);
    else buffer.add({ ...operation, code: read.code, reason: redactText(read.reason) });
    return read;
  };
  const single: Pick<Host, 'readFile' | 'list' | 'readLink'> = {
    readFile: (path, limits) => {
      const operation = { op: 'readFile', target: path } as const;
      return record(operation, host.readFile(path, limits), (value) => {
        const content = redactFile(path, value);
        if (content !== undefined) buffer.add({ ...operation, bytes: value.length }, content);
      });
    },
    list: (path, limits) => {
      const operation = { op: 'list', target: path } as const;
      return record(operation, host.list(path, limits), (names) => buffer.add({ ...operation, names }));
    },
    readLink: (path) => {
      const operation = { op: 'readLink', target: path } as const;
      return record(operation, host.readLink(path), (link) => buffer.add({ ...operation, link }));
    },
  };
  return {
    ...single,
    stat: (path) => {
      const operation = { op: 'stat', target: path } as const;
      return record(operation, host.stat(path), (stat) => buffer.add({ ...operation, stat }));
    },
    fileSystem: host.fileSystem,
    // One by one, so that each is recorded.
    readMany: (requests, previous) => readEach(single, requests, previous),
    watch: host.watch,
  };
}
