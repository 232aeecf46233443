import { once } from 'node:events';
import { createGzip } from 'node:zlib';
import type { StoredEvent } from '../store/stored-event.ts';

/** A finished object: gzip of lines. */
export interface ClosedObject {
  /** Positions of its first and its last event in the outbox. */
  readonly first: StoredEvent;
  readonly last: number;
  readonly body: Buffer;
}

/** An object that is being filled. Only compressed bytes are kept. */
export interface ArchiveObject {
  readonly openedMs: number;
  readonly last: () => number;
  readonly events: () => number;
  /** Before compression. */
  readonly bytes: () => number;
  /** Adds the line of an event. Resolves when it was compressed, or can wait for that without growing. */
  readonly add: (event: StoredEvent, line: string) => Promise<void>;
  readonly finish: () => Promise<ClosedObject>;
  /** Gives up what it holds; `add` rejects where it waits. */
  readonly discard: () => unknown;
}

/** Opens an object that begins with `first`. `openedMs`: monotonic. */
export function openArchiveObject(first: StoredEvent, openedMs: number): ArchiveObject {
  const gzip = createGzip();
  const parts: Buffer[] = [];
  // Who waits for it gets the error as well.
  gzip.on('error', () => undefined);
  gzip.on('data', (part: Buffer) => parts.push(part));
  let [last, events, bytes] = [first.position, 0, 0];
  return {
    openedMs,
    last: () => last,
    events: () => events,
    bytes: () => bytes,
    add: async (event, line) => {
      const isFull = !gzip.write(line);
      last = event.position;
      events += 1;
      bytes += Buffer.byteLength(line);
      if (isFull) await once(gzip, 'drain');
    },
    finish: async () => {
      gzip.end();
      await once(gzip, 'end');
      return { first, last, body: Buffer.concat(parts) };
    },
    discard: () => gzip.destroy(Object.assign(new Error('the object was given up'), { code: 'ECANCELED' })),
  };
}
