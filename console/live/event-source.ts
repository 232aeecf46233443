/** One server-sent event. `id` is the last id that the stream gave, also where it stands on an earlier event. */
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
  let rest = '';
  let type = '';
  let id = '';
  let data: string[] = [];
  let size = 0;
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
      size += value.length;
      data.push(value);
    }
    return undefined;
  };
  return {
    push: (text) => {
      const { lines, left } = splitLines(rest + text);
      rest = left;
      const events: ServerEvent[] = [];
      for (const line of lines) {
        const event = takeLine(line);
        if (event !== undefined) events.push(event);
      }
      if (rest.length + size > MAX_EVENT_CHARACTERS) throw new RangeError('an event is too long');
      return events;
    },
  };
}

/** Whole lines, and what may be the start of one. A CR at the very end waits: an LF may follow. */
function splitLines(text: string): { readonly lines: readonly string[]; readonly left: string } {
  const lines = text.replace(/\r$/, '').split(/\r\n|\n|\r/);
  const left = lines.pop() ?? '';
  return { lines, left: text.endsWith('\r') ? `${left}\r` : left };
}
