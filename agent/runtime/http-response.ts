/** A response as it comes in. */
export interface ResponseListener {
  /** The status, once all headers were read. */
  readonly onHead: (status: number) => void;
  /** The next part of the body. The bytes are valid during the call only. */
  readonly onBody: (part: Buffer) => void;
}

/**
 * How far a response was read. `over`: it is complete; `reusable` says whether the connection may carry another.
 * `broken`: it is no response that can be understood.
 */
export type Progress =
  | { readonly state: 'reading' }
  | { readonly state: 'over'; readonly reusable: boolean }
  | { readonly state: 'broken'; readonly problem: string };

/** Reads one response after the other off the bytes of a connection. */
export interface ResponseReader {
  readonly push: (bytes: Buffer) => Progress;
  /** The peer sends nothing more. */
  readonly end: () => Progress;
  /** The next response is awaited. */
  readonly restart: () => void;
}

/** Of the headers, and of the trailer, together. An engine sends some hundred bytes. */
const MAX_HEAD_BYTES = 64 * 1024;
/** Of the line with the size of a chunk; extensions are not used by any engine. */
const MAX_CHUNK_LINE_BYTES = 1024;

const READING: Progress = Object.freeze({ state: 'reading' });

type Place = 'head' | 'sized' | 'untilClose' | 'chunkSize' | 'chunk' | 'chunkEnd' | 'trailer';

/** What the headers said about the body. */
interface Head {
  status: number;
  /** Bytes of the body; undefined: the headers do not say. */
  length: number | undefined;
  chunked: boolean;
  keptOpen: boolean;
}

/**
 * A reader for the response to one GET, HTTP/1.1 (RFC 9112): a status line, headers, and a body that is as long as
 * Content-Length says, comes in chunks, or lasts until the connection ends. Interim responses (1xx) are skipped.
 */
export function createResponseReader({ onHead, onBody }: ResponseListener): ResponseReader {
  const lines = createLines();
  let place: Place = 'head';
  let head: Head | undefined;
  let left = 0;
  let progress: Progress = READING;

  const over = (reusable: boolean): void => {
    progress = { state: 'over', reusable };
  };
  const broken = (problem: string): void => {
    progress = { state: 'broken', problem };
  };
  const startBody = (of: Head): void => {
    // Switching protocols (101) is not asked for; every other 1xx comes before the real answer.
    if (of.status === 101) return broken('the engine changes the protocol');
    head = undefined;
    if (of.status < 200) return;
    onHead(of.status);
    head = of;
    if (of.status === 204 || of.status === 304) return over(of.keptOpen);
    if (of.chunked) place = 'chunkSize';
    else if (of.length === undefined) place = 'untilClose';
    else if (of.length === 0) over(of.keptOpen);
    else [place, left] = ['sized', of.length];
  };
  const onLine = (line: string): void => {
    if (place === 'head') {
      if (head === undefined) {
        head = parseStatusLine(line);
        if (head === undefined) broken('the answer is not HTTP/1.1');
      } else if (line === '') {
        startBody(head);
        // The bound is for all interim responses together with the final one.
        if (place !== 'head') lines.restart(MAX_CHUNK_LINE_BYTES);
      } else {
        const problem = readHeader(line, head);
        if (problem !== undefined) broken(problem);
      }
    } else if (place === 'chunkSize') {
      const size = parseChunkSize(line);
      if (size === undefined) return broken('the size of a chunk is not understood');
      left = size;
      place = size === 0 ? 'trailer' : 'chunk';
      lines.restart(size === 0 ? MAX_HEAD_BYTES : MAX_CHUNK_LINE_BYTES);
    } else if (place === 'chunkEnd') {
      if (line !== '') return broken('a chunk is longer than it said');
      place = 'chunkSize';
      lines.restart(MAX_CHUNK_LINE_BYTES);
    } else if (line === '') over(head?.keptOpen === true);
  };
  const takeBody = (bytes: Buffer, from: number): number => {
    if (place === 'untilClose') {
      onBody(from === 0 ? bytes : bytes.subarray(from));
      return bytes.length;
    }
    const to = Math.min(bytes.length, from + left);
    onBody(bytes.subarray(from, to));
    left -= to - from;
    if (left === 0 && place === 'sized') over(head?.keptOpen === true);
    else if (left === 0) place = 'chunkEnd';
    return to;
  };

  return {
    push: (bytes) => {
      let at = 0;
      while (at < bytes.length && progress.state === 'reading') {
        if (place === 'sized' || place === 'chunk' || place === 'untilClose') at = takeBody(bytes, at);
        else {
          at = lines.take(bytes, at);
          if (at === TOO_LONG) {
            broken('the headers of the answer are too long');
            return progress;
          }
          const line = lines.text();
          if (line !== undefined) onLine(line);
        }
      }
      // What comes after a response that nobody asked for makes the next answer worthless.
      if (at < bytes.length && progress.state === 'over') over(false);
      return progress;
    },
    end: () => {
      if (progress.state !== 'reading') return progress;
      if (place === 'untilClose') over(false);
      else broken('the connection was closed before the answer was complete');
      return progress;
    },
    restart: () => {
      place = 'head';
      head = undefined;
      left = 0;
      progress = READING;
      lines.restart(MAX_HEAD_BYTES);
    },
  };
}

function parseStatusLine(line: string): Head | undefined {
  const match = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: |$)/.exec(line);
  if (match === null) return undefined;
  return { status: Number(match[2]), length: undefined, chunked: false, keptOpen: match[1] === '1' };
}

const HEADER_LENGTHS: ReadonlySet<number> = new Set(
  ['content-length', 'transfer-encoding', 'connection'].map(({ length }) => length),
);

/** Notes what a header says about the body; answers what is wrong with it. */
function readHeader(line: string, head: Head): string | undefined {
  const colon = line.indexOf(':');
  if (colon < 1) return 'a header of the answer is not understood';
  // Most headers are none of these: their names need not be made.
  if (!HEADER_LENGTHS.has(colon)) return undefined;
  const value = line.slice(colon + 1).trim();
  switch (line.slice(0, colon).toLowerCase()) {
    case 'content-length': {
      const length = /^\d{1,15}$/.test(value) ? Number(value) : undefined;
      if (length === undefined || (head.length ?? length) !== length)
        return 'the length of the answer is not understood';
      head.length = length;
      return undefined;
    }
    case 'transfer-encoding':
      if (value.toLowerCase() !== 'chunked') return `the answer is encoded in a way that was not asked for`;
      head.chunked = true;
      return undefined;
    case 'connection':
      if (/\bclose\b/i.test(value)) head.keptOpen = false;
  }
  return undefined;
}

/** Hexadecimal, perhaps followed by extensions. */
function parseChunkSize(line: string): number | undefined {
  const match = /^([\da-f]{1,12})[ \t]*(?:;|$)/i.exec(line);
  return match?.[1] === undefined ? undefined : Number.parseInt(match[1], 16);
}

/** Answered by `take` for more bytes than there may be. */
const TOO_LONG = -1;

interface Lines {
  /** Takes a line from `from` on, or what there is of it; answers where the next begins. */
  readonly take: (bytes: Buffer, from: number) => number;
  /** The line that was taken, without its end; undefined: it goes on in the next bytes. */
  readonly text: () => string | undefined;
  /** Forgets how much was taken; from now on at most `maxBytes` in all. */
  readonly restart: (maxBytes: number) => void;
}

function createLines(): Lines {
  let partial = '';
  let text: string | undefined;
  let leftBytes = MAX_HEAD_BYTES;
  return {
    take: (bytes, from) => {
      const found = bytes.indexOf(0x0a, from);
      const next = found === -1 ? bytes.length : found + 1;
      text = undefined;
      leftBytes -= next - from;
      if (leftBytes < 0) return TOO_LONG;
      const part = bytes.toString('latin1', from, found === -1 ? next : found);
      if (found === -1) partial += part;
      else {
        const whole = partial === '' ? part : partial + part;
        text = whole.endsWith('\r') ? whole.slice(0, -1) : whole;
        partial = '';
      }
      return next;
    },
    text: () => text,
    restart: (maxBytes) => {
      partial = '';
      leftBytes = maxBytes;
    },
  };
}
