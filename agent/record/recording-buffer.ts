import { keyOf } from './recorded-result.ts';
import type { RecordedResult } from './recorded-result.ts';

/** One result, and the content that is written to a file of its own. */
export interface RecordedItem {
  readonly result: RecordedResult;
  readonly content: Buffer | undefined;
}

/** The results that were recorded of a node. */
export interface RecordingBuffer {
  readonly add: (result: ResultParts, content?: Buffer) => void;
  readonly all: () => Iterable<RecordedItem>;
  /** Number of results that were not recorded because the limits were reached. */
  readonly dropped: () => number;
}

/** The operation, and the other fields that it has. */
export type ResultParts = Pick<RecordedResult, 'op' | 'target'> & Partial<RecordedResult>;

const MAX_RESULTS = 500_000;
const MAX_CONTENT_BYTES = 256 * 1024 * 1024;

/** Bounds of a recording; for tests. */
export interface RecordingBufferLimits {
  readonly maxResults?: number;
  readonly maxContentBytes?: number;
}

/** An empty recording. A later result of the same operation replaces the earlier one. */
export function createRecordingBuffer({
  maxResults = MAX_RESULTS,
  maxContentBytes = MAX_CONTENT_BYTES,
}: RecordingBufferLimits = {}): RecordingBuffer {
  const items = new Map<string, RecordedItem>();
  let contentBytes = 0;
  let dropped = 0;
  return {
    add: ({ op, target, ...parts }, content) => {
      const key = keyOf(op, target);
      const before = items.get(key);
      // The same file may be read with different bounds: its content is worth more than that it was too large.
      if (parts.code === 'tooLarge' && before !== undefined && before.result.code === null) return;
      const grown = contentBytes + (content?.length ?? 0) - (before?.content?.length ?? 0);
      if ((before === undefined && items.size >= maxResults) || grown > maxContentBytes) {
        dropped += 1;
        return;
      }
      contentBytes = grown;
      items.set(key, { result: { op, target, ...NOTHING, ...parts }, content });
    },
    all: () => items.values(),
    dropped: () => dropped,
  };
}

const NOTHING: Omit<RecordedResult, 'op' | 'target'> = {
  code: null,
  reason: null,
  source: null,
  file: null,
  bytes: null,
  names: null,
  stat: null,
  link: null,
  probe: null,
};
