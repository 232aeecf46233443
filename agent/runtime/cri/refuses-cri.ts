import { connect } from 'node:net';
import { readUntil } from '../../probe/exchange.ts';

/** Services whose absence means that the CRI is not served: of Kubernetes before 1.26 the second. */
const SERVICES = ['runtime.v1.RuntimeService', 'runtime.v1alpha2.RuntimeService'];
const TIMEOUT_MS = 1000;

/** Types and flags of frames, RFC 9113 section 6. */
const FRAME = Object.freeze({ data: 0, headers: 1, settings: 4 });
const END_STREAM = 1;
const END_HEADERS = 4;
const FRAME_HEADER_BYTES = 9;
const STREAM = 1;

/**
 * Does a gRPC server say that it does not know the CRI? The containerd of a dockerd does, which is most of those that
 * serve no Kubernetes: gRPC and the adapter for the CRI are not loaded for them. `false`: anything else, which is for that
 * adapter to find out. Never rejects.
 */
export async function refusesCri(socketPath: string): Promise<boolean> {
  for (const service of SERVICES) if (!(await isUnimplemented(socketPath, `/${service}/Version`))) return false;
  return true;
}

async function isUnimplemented(socketPath: string, target: string): Promise<boolean> {
  const call = callOf(target);
  const isOver = (bytes: Buffer): boolean => answerIn(bytes) !== undefined;
  const { received } = await readUntil(connect({ path: socketPath }), 'connect', call, isOver, TIMEOUT_MS);
  const answer = answerIn(received);
  return answer !== undefined && UNIMPLEMENTED.some((field) => answer.includes(field));
}

/** The connection preface (RFC 9113, section 3.4) and one call with an empty message. */
function callOf(target: string): Buffer {
  const text = (value: string): readonly number[] => [value.length, ...Buffer.from(value, 'latin1')];
  // Fields of RFC 7541: `POST` and `http` of the static table, then literals that are not indexed.
  const method = [0x83, 0x86, 0x04, ...text(target), 0x01, ...text('localhost')];
  const type = [0x0f, 0x10, ...text('application/grpc'), 0x00, ...text('te'), ...text('trailers')];
  return Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1'),
    frame(FRAME.settings, 0, 0, []),
    frame(FRAME.headers, END_HEADERS, STREAM, [...method, ...type]),
    // Not compressed, no bytes.
    frame(FRAME.data, END_STREAM, STREAM, [0, 0, 0, 0, 0]),
  ]);
}

function frame(type: number, flags: number, stream: number, payload: readonly number[]): Buffer {
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  header.writeUIntBE(payload.length, 0, 3);
  header.writeUInt8(type, 3);
  header.writeUInt8(flags, 4);
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, Buffer.from(payload)]);
}

const NOTHING = Buffer.alloc(0);

/**
 * The fields of a response that ends with them, without a message: the status of a call that failed at once. Empty: the
 * response is another one, or not of HTTP/2. undefined: it is not complete yet.
 */
export function answerIn(bytes: Buffer): Buffer | undefined {
  for (let at = 0; at + FRAME_HEADER_BYTES <= bytes.length;) {
    const length = bytes.readUIntBE(at, 3);
    const [type, flags] = [bytes.readUInt8(at + 3), bytes.readUInt8(at + 4)];
    const stream = bytes.readUInt32BE(at + 5) & 0x7fff_ffff;
    const payload = bytes.subarray(at + FRAME_HEADER_BYTES, at + FRAME_HEADER_BYTES + length);
    if (at === 0 && type !== FRAME.settings) return NOTHING;
    if (payload.length < length) return undefined;
    // With padding or a priority (other flags) the fields would begin later.
    if (stream === STREAM) return type === FRAME.headers && flags === (END_STREAM | END_HEADERS) ? payload : NOTHING;
    at += FRAME_HEADER_BYTES + length;
  }
  return undefined;
}

/** `grpc-status: 12` as HPACK writes it: each of the two texts is plain, or coded if that is no longer (RFC 7541, appendix B). */
const UNIMPLEMENTED: readonly Buffer[] = Object.freeze(
  ['0b677270632d737461747573', '889acac8b21234da8f'].flatMap((name) =>
    ['023132', '8208bf'].map((value) => Buffer.from(name + value, 'hex')),
  ),
);
