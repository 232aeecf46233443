/** One server-sent event. `id` is the last id that the stream gave, possibly with an earlier event. */
export interface ServerEvent {
  readonly type: string;
  readonly data: string;
  readonly id: string;
}

/** Longest event that is read, in UTF-16 units; a longer one ends the stream. */
export const MAX_EVENT_CHARACTERS = 4 * 1024 * 1024;

/** Takes a stream of text apart into events. */
export interface EventParser {
  /** The events that `text` completes. Throws a RangeError for one that is longer than {@link MAX_EVENT_CHARACTERS}. */
  readonly push: (text: string) => readonly ServerEvent[];
}

/**
 * A parser of text/event-stream (WHATWG HTML, 9.2.6), for streams that EventSource cannot open because they need a
 * header. Lines end in LF, CR or CRLF, wherever the text is cut; an empty line sends the event; comments, unknown
 * fields and events without data are passed over.
 */
export function createEventParser(): EventParser {
  let type = '';
  let id = '';
  let data: string[] = [];
  let size = 0;
  const splitLines = createLineSplitter();
  const dispatch = (): ServerEvent | undefined => {
    const event = data.length === 0 ? undefined : { type: type === '' ? 'message' : type, data: data.join('\n'), id };
    type = '';
    data = [];
    size = 0;
    return event;
  };
  const takeLine = (line: string): ServerEvent | undefined => {
    if (line === '') return dispatch();
    const colon = line.indexOf(':');
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') type = value;
    if (field === 'id' && !value.includes('\0')) id = value;
    if (field === 'data') {
      // With the line feed that joins them: empty lines take memory too.
      size += value.length + 1;
      data.push(value);
    }
    return undefined;
  };
  return {
    push: (text) => {
      const { lines, restLength } = splitLines(text);
      const events: ServerEvent[] = [];
      for (const line of lines) {
        const event = takeLine(line);
        if (event !== undefined) events.push(event);
        if (size > MAX_EVENT_CHARACTERS) break;
      }
      if (restLength + size > MAX_EVENT_CHARACTERS) throw new RangeError('an event is too long');
      return events;
    },
  };
}

/** Answers the lines that a text ends, and how much of one waits for its end. Each character is looked at once. */
function createLineSplitter(): (text: string) => { readonly lines: readonly string[]; readonly restLength: number } {
  let rest = '';
  let endedInCr = false;
  return (text) => {
    // The second half of a CRLF that was cut: the CR ended the line already.
    const fresh = endedInCr && text.startsWith('\n') ? text.slice(1) : text;
    if (text !== '') endedInCr = text.endsWith('\r');
    const [first = '', ...others] = fresh.split(/\r\n|\n|\r/);
    const lines = [rest + first, ...others];
    rest = lines.pop() ?? '';
    return { lines, restLength: rest.length };
  };
}

/** What reading a stream needs besides it. */
export interface ReadingOptions {
  /** A stream that says nothing for so long is broken. */
  readonly silenceMs: number;
  /** Resolves after `ms`, or at once when `signal` aborts. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
}

/**
 * The events of one stream, until it ends, breaks, falls silent or sends one that is too long: all of these are
 * expected, and end it the same way. Whoever opened the stream closes it.
 */
export async function* readEvents(
  body: ReadableStream<Uint8Array>,
  options: ReadingOptions,
): AsyncGenerator<ServerEvent, void, undefined> {
  const reader = body.getReader();
  const parser = createEventParser();
  const decoder = new TextDecoder();
  try {
    for (;;) {
      const chunk = await readOrSilence(reader, options);
      if (chunk === undefined) return;
      yield* parser.push(decoder.decode(chunk, { stream: true }));
    }
  } catch {
    // The caller connects again from the last id.
  }
}

/**
 * The next bytes; undefined at the end, and when nothing comes for too long. Time is counted only while this waits: it
 * is the collector's silence that matters, not how slow the reader is.
 */
async function readOrSilence(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  { silenceMs, wait }: ReadingOptions,
): Promise<Uint8Array | undefined> {
  const heard = new AbortController();
  const silence = wait(silenceMs, heard.signal).then(() => undefined);
  try {
    return await Promise.race([reader.read().then(({ value }) => value), silence]);
  } finally {
    heard.abort();
  }
}
