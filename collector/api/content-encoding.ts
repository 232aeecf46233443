import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';

/** How an answer can be packed, the best first. */
const ENCODINGS = ['br', 'gzip', 'identity'] as const;
/** A content coding that we can make. */
export type Encoding = (typeof ENCODINGS)[number];

/** Smaller answers do not get noticeably smaller. */
const MIN_BYTES = 1024;
/** Images and fonts of these kinds are packed by themselves. */
const PACKED_TYPE = /^(?:image\/(?:png|webp)|font\/)/;

/**
 * The best coding that the Accept-Encoding of a request allows (RFC 9110, 12.5.3). Identity where it allows nothing:
 * a readable answer is worth more than a refusal.
 */
export function chooseEncoding(accepted: string | undefined): Encoding {
  const weights = new Map<string, number>();
  for (const item of (accepted ?? '').slice(0, 1024).split(',')) {
    const [coding = '', ...parameters] = item.split(';').map((part) => part.trim().toLowerCase());
    const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
    if (coding !== '') weights.set(coding, weight === undefined ? 1 : Number(weight) || 0);
  }
  const weightOf = (coding: Encoding): number =>
    weights.get(coding) ?? (coding === 'identity' ? 0 : (weights.get('*') ?? 0));
  const best = ENCODINGS.reduce((chosen, coding) => (weightOf(coding) > weightOf(chosen) ? coding : chosen));
  return weightOf(best) > 0 ? best : 'identity';
}

/** Bytes that are packed once for each coding, when somebody first asks for it. */
export interface PackedBytes {
  /** Resolves with the bytes and the coding that they really have. */
  readonly as: (encoding: Encoding) => Promise<{ readonly encoding: Encoding; readonly bytes: Buffer }>;
}

/** `bytes` of this media type, ready to be sent in any coding. Packing runs beside the main thread. */
export function packed(bytes: Buffer, type: string): PackedBytes {
  const plain = Promise.resolve({ encoding: 'identity' as const, bytes });
  if (bytes.length < MIN_BYTES || PACKED_TYPE.test(type)) return { as: () => plain };
  const made = new Map<Encoding, ReturnType<PackedBytes['as']>>([['identity', plain]]);
  return {
    as: (encoding) => {
      const known = made.get(encoding);
      if (known !== undefined) return known;
      const making = pack(bytes, encoding).then((result) => ({ encoding, bytes: result }));
      made.set(encoding, making);
      return making;
    },
  };
}

function pack(bytes: Buffer, encoding: Encoding): Promise<Buffer> {
  switch (encoding) {
    case 'br':
      return promisify(brotliCompress)(bytes, {
        params: { [constants.BROTLI_PARAM_QUALITY]: 9, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
      });
    case 'gzip':
      return promisify(gzip)(bytes, { level: 9 });
    case 'identity':
      return Promise.resolve(bytes);
  }
}
