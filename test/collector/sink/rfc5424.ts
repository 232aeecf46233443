/*
 * A reader of RFC 5424 messages and of octet-counted frames, for tests: byte by byte after the ABNF of section 6, strict,
 * and sharing nothing with what writes them.
 */

/** A message in its parts; `undefined` where it has the nil value. */
export interface ParsedMessage {
  readonly facility: number;
  readonly severity: number;
  readonly timestamp: string | undefined;
  readonly hostname: string | undefined;
  readonly appName: string | undefined;
  readonly procId: string | undefined;
  readonly msgId: string | undefined;
  readonly elements: ReadonlyMap<string, ReadonlyMap<string, string>>;
  readonly text: string;
}

const SPACE = 0x20;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN = 0x5b;
const CLOSE = 0x5d;
const EQUALS = 0x3d;

/** Throws where the bytes are not exactly what the format asks for. */
export function parseMessage(bytes: Uint8Array): ParsedMessage {
  let at = 0;
  const fail = (what: string): never => {
    throw new Error(`${what} at byte ${String(at)} of ${JSON.stringify(Buffer.from(bytes).toString('latin1'))}`);
  };
  const expect = (byte: number): void => {
    if (bytes[at] !== byte) fail(`no ${String.fromCharCode(byte)}`);
    at += 1;
  };
  const word = (limit: number, stop: readonly number[] = [SPACE]): string => {
    const from = at;
    for (let byte = bytes[at]; byte !== undefined && !stop.includes(byte); byte = bytes[at]) {
      if (byte < 33 || byte > 126) fail('not PRINTUSASCII');
      at += 1;
    }
    const length = at - from;
    if (length < 1 || length > limit) fail(`a field of ${String(length)} characters`);
    return Buffer.from(bytes.subarray(from, at)).toString('latin1');
  };
  const field = (limit: number): string | undefined => {
    const text = word(limit);
    expect(SPACE);
    return text === '-' ? undefined : text;
  };
  const utf8 = (from: number, to: number): string =>
    new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(from, to));

  const priority = /^<(0|[1-9]\d{0,2})>1 /.exec(Buffer.from(bytes.subarray(0, 7)).toString('latin1'));
  const code = Number(priority?.[1]);
  if (priority === null || code > 191) return fail('no PRI and VERSION');
  at = priority[0].length;
  const timestamp = field(64);
  if (timestamp !== undefined && !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)$/.test(timestamp))
    fail('no TIMESTAMP');
  const hostname = field(255);
  const appName = field(48);
  const procId = field(128);
  const msgId = field(32);

  const elements = new Map<string, Map<string, string>>();
  if (bytes[at] === 0x2d) at += 1;
  else
    do {
      expect(OPEN);
      const id = word(32, [SPACE, EQUALS, CLOSE, QUOTE]);
      if (elements.has(id)) fail('an SD-ID twice');
      const parameters = new Map<string, string>();
      elements.set(id, parameters);
      while (bytes[at] === SPACE) {
        at += 1;
        const name = word(32, [SPACE, EQUALS, CLOSE, QUOTE]);
        expect(EQUALS);
        expect(QUOTE);
        let raw: number[] = [];
        for (let byte = bytes[at]; byte !== QUOTE; byte = bytes[at]) {
          if (byte === undefined || byte === CLOSE) return fail('a value that does not end, or ] unescaped');
          const next = bytes[at + 1];
          const isEscape = byte === BACKSLASH && (next === QUOTE || next === BACKSLASH || next === CLOSE);
          raw.push(isEscape ? next : byte);
          at += isEscape ? 2 : 1;
        }
        at += 1;
        parameters.set(name, new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(raw)));
        raw = [];
      }
      expect(CLOSE);
    } while (bytes[at] === OPEN);
  if (at < bytes.length) expect(SPACE);
  const text = utf8(at, bytes.length);
  return { facility: code >> 3, severity: code & 7, timestamp, hostname, appName, procId, msgId, elements, text };
}

/** Takes octet-counted frames from a stream of bytes: `LEN SP MSG`. Throws where there is no length. */
export function frameReader(): (chunk: Uint8Array) => readonly Buffer[] {
  let pending = Buffer.alloc(0);
  return (chunk) => {
    pending = Buffer.concat([pending, chunk]);
    const messages: Buffer[] = [];
    for (;;) {
      const space = pending.indexOf(SPACE);
      const head = pending.toString('latin1', 0, space === -1 ? Math.min(pending.length, 10) : space);
      if (head !== '' && !/^[1-9]\d{0,8}$/.test(head)) throw new Error(`no MSG-LEN: ${JSON.stringify(head)}`);
      if (space === -1 || pending.length < space + 1 + Number(head)) return messages;
      const end = space + 1 + Number(head);
      messages.push(pending.subarray(space + 1, end));
      pending = pending.subarray(end);
    }
  };
}
