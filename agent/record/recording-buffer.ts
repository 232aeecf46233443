import { keyOf } from './answer.ts';
import type { RecordedLine, Question } from './answer.ts';

/** One answer, and the content that goes into a file of its own. */
export interface RecordedAnswer {
  readonly answer: RecordedLine;
  readonly content: Buffer | undefined;
}

/** What was noted of a node. */
export interface RecordingBuffer {
  readonly add: (answer: AnswerParts, content?: Buffer) => void;
  readonly all: () => Iterable<RecordedAnswer>;
  /** Answers that were not noted because there were too many. */
  readonly dropped: () => number;
}

/** The question, and of the other fields those that matter. */
export type AnswerParts = Pick<RecordedLine, 'ask' | 'of'> & Partial<RecordedLine>;

const MAX_NOTES = 500_000;
const MAX_CONTENT_BYTES = 256 * 1024 * 1024;

/** Bounds of a recording; for tests. */
export interface RecordingBufferLimits {
  readonly maxNotes?: number;
  readonly maxContentBytes?: number;
}

/** An empty recording. Of the same question the last answer stays. */
export function createRecordingBuffer({
  maxNotes = MAX_NOTES,
  maxContentBytes = MAX_CONTENT_BYTES,
}: RecordingBufferLimits = {}): RecordingBuffer {
  const notes = new Map<string, RecordedAnswer>();
  let contentBytes = 0;
  let dropped = 0;
  return {
    add: ({ ask, of, ...parts }, content) => {
      const key = keyOf(ask, of);
      const before = notes.get(key);
      // The same file may be read with different bounds: what was seen of it is worth more than that it was too large.
      if (parts.code === 'tooLarge' && before !== undefined && before.answer.code === null) return;
      const grown = contentBytes + (content?.length ?? 0) - (before?.content?.length ?? 0);
      if ((before === undefined && notes.size >= maxNotes) || grown > maxContentBytes) {
        dropped += 1;
        return;
      }
      contentBytes = grown;
      notes.set(key, { answer: { ask, of, ...NOTHING, ...parts }, content });
    },
    all: () => notes.values(),
    dropped: () => dropped,
  };
}

const NOTHING: Omit<RecordedLine, 'ask' | 'of'> = {
  code: null,
  reason: null,
  file: null,
  bytes: null,
  names: null,
  stat: null,
  target: null,
  probe: null,
};

/** Questions whose content is kept as JSON of the runtime. */
export const isOfRuntime = (ask: Question): boolean => !['readFile', 'list', 'stat', 'readLink', 'probe'].includes(ask);
