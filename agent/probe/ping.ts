/** The one request that is ever sent: the engine answers it to anybody whom it lets in, and it changes nothing. */
export const PING = Buffer.from(
  'GET /_ping HTTP/1.1\r\nHost: localhost\r\nUser-Agent: plimsoll\r\nConnection: close\r\n\r\n',
);

const STATUS_LINE = /^HTTP\/\d(?:\.\d)? ([1-5]\d\d)\b/;

/** Longest first line that we wait for. */
const MAX_STATUS_LINE_BYTES = 1024;

/** Is there enough to tell whether this is an HTTP answer? */
export function hasStatusLine(received: Buffer): boolean {
  return received.includes('\n') || received.length >= MAX_STATUS_LINE_BYTES;
}

/** Status of an HTTP answer (RFC 9112 section 4); undefined where the bytes are none. */
export function httpStatus(received: Buffer): number | undefined {
  const match = STATUS_LINE.exec(received.subarray(0, MAX_STATUS_LINE_BYTES).toString('latin1'));
  return match === null ? undefined : Number(match[1]);
}
