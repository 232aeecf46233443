import { bundleFromJSON } from '@sigstore/bundle';
import type { Bundle } from '@sigstore/bundle';
import { createHash, X509Certificate } from 'node:crypto';
import * as s from '../../posture/schema.ts';
import { parseStrictJson } from '../../policy/strict-json.ts';

/** Outcome of reading a bundle; `problem` quotes nothing. */
export type ParsedBundle =
  | { readonly ok: true; readonly value: Bundle }
  | {
      readonly ok: false;
      readonly problem: string;
      /** It may be valid in a version that is not known here. */
      readonly isUnsupported?: true;
    };

const MAX_ENTRIES = 4;

/** Bounds that the library does not have. */
const boundsSchema = s.object({
  verificationMaterial: s.object({
    tlogEntries: s.withDefault(
      s.list(
        s.object({
          inclusionProof: s.nullable(
            s.object({
              hashes: s.withDefault(s.list(s.string('', 128), '', 64), []),
              checkpoint: s.nullable(s.object({ envelope: s.string('', 8192) })),
            }),
          ),
        }),
        '',
        MAX_ENTRIES,
      ),
      [],
    ),
    timestampVerificationData: s.nullable(
      s.object({ rfc3161Timestamps: s.withDefault(s.list(s.unknown(), '', MAX_ENTRIES), []) }),
    ),
    x509CertificateChain: s.nullable(s.object({ certificates: s.list(s.unknown(), '', 8) })),
  }),
});

/**
 * Parses a Sigstore bundle (versions 0.1 to 0.3, JSON). The library takes the names in a checkpoint as regular
 * expressions, so only names without special characters are let through.
 */
export function parseSigstoreBundle(bytes: Uint8Array): ParsedBundle {
  const json = parseStrictJson(bytes);
  if (!json.ok) return { ok: false, problem: `the bundle is not valid: ${json.problem}` };
  const version = versionSchema.parse(json.value);
  const [, ofType, ofParameter] = version.ok ? (BUNDLE_TYPE.exec(version.value.mediaType) ?? []) : [];
  const number = ofType ?? ofParameter;
  if (number !== undefined && !VERSIONS.has(number))
    return { ok: false, isUnsupported: true, problem: 'a signature is a bundle of a version that is not supported' };
  return toBundle(json.value);
}

/** Media types of bundles; the version is in one of the two groups. */
export const BUNDLE_TYPE = /^application\/vnd\.dev\.sigstore\.bundle(?:\.v(\d+\.\d+)\+json|\+json;version=(\d+\.\d+))$/;
const VERSIONS: ReadonlySet<string> = new Set(['0.1', '0.2', '0.3']);
const versionSchema = s.object({ mediaType: s.string('', 256) });

/**
 * The bytes that a signature of an envelope is over:
 * https://github.com/secure-systems-lab/dsse/blob/master/protocol.md
 */
export function preAuthEncoding({
  payloadType,
  payload,
}: {
  readonly payloadType: string;
  readonly payload: Buffer;
}): Buffer {
  const head = `DSSEv1 ${String(Buffer.byteLength(payloadType))} ${payloadType} ${String(payload.length)} `;
  return Buffer.concat([Buffer.from(head), payload]);
}

function toBundle(json: unknown): ParsedBundle {
  const bounds = boundsSchema.parse(json);
  if (!bounds.ok) return { ok: false, problem: `the bundle is not valid: ${bounds.problem}` };
  for (const { inclusionProof } of bounds.value.verificationMaterial.tlogEntries)
    if (!hasPlainNames(inclusionProof?.checkpoint?.envelope ?? ''))
      return { ok: false, problem: 'the bundle has a checkpoint with an unusual name' };
  try {
    return { ok: true, value: bundleFromJSON(json) };
  } catch {
    return { ok: false, problem: 'the bundle is not valid' };
  }
}

/** Whether every signature line of a checkpoint, `— name signature`, has a name that is no regular expression. */
function hasPlainNames(envelope: string): boolean {
  return [...envelope.matchAll(/\u2014 (\S+) /g)].every(([, name = '']) => /^[\w./:-]+$/.test(name));
}

/** A signature of cosign before bundles: payload, signature, and in annotations the certificate and the log entry. */
export interface DetachedSignature {
  readonly payload: Buffer;
  readonly signature: Buffer;
  /** PEM. */
  readonly certificate: string;
  /** JSON of `dev.sigstore.cosign/bundle`: the entry of the transparency log with its promise. */
  readonly logEntry: string;
}

const base64 = s.string('', 64 * 1024);
const logEntrySchema = s.object({
  SignedEntryTimestamp: base64,
  Payload: s.object({
    body: base64,
    integratedTime: s.integer('', 0),
    logIndex: s.integer('', 0),
    logID: s.string('', 64),
  }),
});
const bodySchema = s.object({ kind: s.string('', 64), apiVersion: s.string('', 64) });

/** The same as a bundle of version 0.1, so that one verifier judges both. */
export function toSigstoreBundle({ payload, signature, certificate, logEntry }: DetachedSignature): ParsedBundle {
  const entry = parseAs(Buffer.from(logEntry), logEntrySchema);
  if (entry === undefined) return { ok: false, problem: 'the entry of the transparency log is missing or not valid' };
  const { SignedEntryTimestamp, Payload } = entry;
  const body = parseAs(Buffer.from(Payload.body, 'base64'), bodySchema);
  if (body === undefined) return { ok: false, problem: 'the body of the log entry is not valid' };
  let leaf: Buffer;
  try {
    leaf = new X509Certificate(certificate).raw;
  } catch {
    return { ok: false, problem: 'the certificate of the signature is not valid' };
  }
  return toBundle({
    mediaType: 'application/vnd.dev.sigstore.bundle+json;version=0.1',
    verificationMaterial: {
      x509CertificateChain: { certificates: [{ rawBytes: leaf.toString('base64') }] },
      tlogEntries: [
        {
          logIndex: String(Payload.logIndex),
          logId: { keyId: Buffer.from(Payload.logID, 'hex').toString('base64') },
          kindVersion: { kind: body.kind, version: body.apiVersion },
          integratedTime: String(Payload.integratedTime),
          inclusionPromise: { signedEntryTimestamp: SignedEntryTimestamp },
          canonicalizedBody: Payload.body,
        },
      ],
    },
    messageSignature: {
      messageDigest: { algorithm: 'SHA2_256', digest: createHash('sha256').update(payload).digest('base64') },
      signature: signature.toString('base64'),
    },
  });
}

function parseAs<T>(bytes: Uint8Array, schema: s.Schema<T>): T | undefined {
  const json = parseStrictJson(bytes);
  const parsed = json.ok ? schema.parse(json.value) : undefined;
  return parsed?.ok === true ? parsed.value : undefined;
}
