/** Services whose ports are probed. */
export const PROBED_SERVICES = ['docker', 'kubelet'] as const;
/** One of {@link PROBED_SERVICES}. */
export type ProbedService = (typeof PROBED_SERVICES)[number];

/**
 * The one path that a service is ever asked for: it answers to anybody whom it lets in, and it changes nothing. The
 * kubelet authenticates requests for paths that it knows only.
 */
export const PROBED_PATHS: Readonly<Record<ProbedService, string>> = Object.freeze({
  docker: '/_ping',
  kubelet: '/healthz',
});

/** The request for that path. */
export function probeRequest(service: ProbedService): Buffer {
  return Buffer.from(
    `GET ${PROBED_PATHS[service]} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: plimsoll\r\nConnection: close\r\n\r\n`,
  );
}

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
