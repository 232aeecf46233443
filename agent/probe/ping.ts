/** Services whose ports are probed. */
export const PROBED_SERVICES = ['containerd', 'docker', 'etcd', 'etcdMetrics', 'kubelet', 'streaming'] as const;
/** One of {@link PROBED_SERVICES}. */
export type ProbedService = (typeof PROBED_SERVICES)[number];

/**
 * The one path that a service is ever asked for: it answers to anybody whom it lets in, and it changes nothing. The
 * kubelet authenticates requests for paths that it knows only. containerd and a streaming server know no such path, but
 * whatever they say, they say it to somebody whom TLS let in.
 */
export const PROBED_PATHS: Readonly<Record<ProbedService, string>> = Object.freeze({
  containerd: '/',
  docker: '/_ping',
  etcd: '/version',
  etcdMetrics: '/health',
  kubelet: '/healthz',
  streaming: '/',
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
  return isHttp2(received) || received.includes('\n') || received.length >= MAX_STATUS_LINE_BYTES;
}

/** Status of an HTTP answer (RFC 9112 section 4); undefined where the bytes are none. */
export function httpStatus(received: Buffer): number | undefined {
  const match = STATUS_LINE.exec(received.subarray(0, MAX_STATUS_LINE_BYTES).toString('latin1'));
  return match === null ? undefined : Number(match[1]);
}

/** A server of HTTP/2 (gRPC) begins with a SETTINGS frame of stream 0, whatever the client says, RFC 9113 section 3.4. */
export function isHttp2(received: Buffer): boolean {
  const SETTINGS = 4;
  return (
    received.length >= 9 &&
    received.readUIntBE(0, 3) <= 1024 &&
    received[3] === SETTINGS &&
    received.readUInt32BE(5) === 0
  );
}
