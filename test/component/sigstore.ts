import { createHash, generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fulcioHandler, initializeCA, initializeCTLog, initializeTLog, rekorHandler } from '@sigstore/mock';
import { SignJWT } from 'jose';
import type { Test } from 'tap';
import type { Cosign } from './cosign.ts';

/** A private Sigstore: certificate authority, certificate transparency log and transparency log, over HTTP. */
export interface TestSigstore {
  /** Its trusted root, as JSON. */
  readonly trustedRoot: TrustedRootJson;
  /** Runs a command of cosign that signs with a certificate for the identity. */
  readonly sign: (cosign: Cosign, identity: string, args: readonly string[]) => Promise<string>;
  /** Logs an entry as it is, at a time (default: that of the log); resolves to what a bundle says of it. */
  readonly logEntry: (entry: { readonly kind: string; readonly apiVersion: string }, time?: Date) => Promise<object>;
}

/** The parts of a trusted root that tests change. */
export interface TrustedRootJson {
  readonly mediaType: string;
  readonly tlogs: readonly object[];
  readonly certificateAuthorities: readonly object[];
  readonly ctlogs: readonly object[];
  readonly timestampAuthorities: readonly object[];
}

/** What is wrong with a Sigstore of a test. */
export interface SigstoreForm {
  /** Time of its log; default: now. */
  readonly logTime?: Date;
  /** Without it, certificates hold no proof that their issue was logged. */
  readonly hasCtLog?: boolean;
}

export const TEST_ISSUER = 'https://issuer.example.com';

/**
 * Starts one with the services of @sigstore/mock; it is gone when the test is over. The certificate authority speaks the
 * first version of its API, which cosign 2 uses.
 */
export async function startSigstore(t: Test, { logTime, hasCtLog = true }: SigstoreForm = {}): Promise<TestSigstore> {
  const [caKeys, ctKeys, logKeys] = [newKeys(), newKeys(), newKeys()];
  const ctLog = await initializeCTLog(ctKeys);
  const ca = await initializeCA(caKeys, hasCtLog ? ctLog : undefined);
  const root = ca.rootCertificate as Buffer;
  let handlers: Readonly<Record<string, Handler>> = {};
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const answer = handlers[request.url ?? '']?.(
        Buffer.concat(parts).toString(),
        request.headers.authorization ?? '',
      );
      void answer?.then(({ status, type, body }) => response.writeHead(status, { 'content-type': type }).end(body));
      if (answer === undefined) response.writeHead(404).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://localhost:${String((server.address() as AddressInfo).port)}`;
  const log = await initializeTLog(url, logKeys, logTime);
  const [fulcio, rekor] = [fulcioHandler(ca), rekorHandler(log)];
  handlers = {
    '/api/v1/signingCert': async (body, authorization) => {
      const { publicKey } = JSON.parse(body) as { publicKey: { content: string } };
      // The bytes of a key in PEM.
      const content = Buffer.from(publicKey.content, 'base64').toString();
      const credentials = { oidcIdentityToken: authorization.replace('Bearer ', '') };
      const { statusCode, response } = await fulcio.fn(
        JSON.stringify({ credentials, publicKeyRequest: { publicKey: { content } } }),
      );
      if (statusCode !== 201) return { status: statusCode, type: 'text/plain', body: textOf(response) };
      const issued = JSON.parse(textOf(response)) as {
        signedCertificateEmbeddedSct: { chain: { certificates: string[] } };
      };
      const { certificates } = issued.signedCertificateEmbeddedSct.chain;
      return { status: 201, type: 'application/pem-certificate-chain', body: certificates.join('') };
    },
    '/api/v1/log/entries': async (body) => {
      const { statusCode, response } = await rekor.fn(canonicalEntry(body));
      return { status: statusCode, type: 'application/json', body: textOf(response) };
    },
  };
  return {
    logEntry: async (entry, time) => {
      const at = time === undefined ? log : await initializeTLog(url, logKeys, time);
      const [logged] = Object.values(await at.log(entry)) as readonly LoggedEntry[];
      if (logged === undefined) throw new Error('the log has no entry');
      return {
        logIndex: String(logged.logIndex),
        logId: { keyId: Buffer.from(logged.logID, 'hex').toString('base64') },
        kindVersion: { kind: entry.kind, version: entry.apiVersion },
        integratedTime: String(logged.integratedTime),
        inclusionPromise: { signedEntryTimestamp: logged.verification.signedEntryTimestamp },
        canonicalizedBody: logged.body,
      };
    },
    trustedRoot: trustedRootOf({ url, rootCertificate: root, log: logKeys, ctLog: ctKeys }),
    sign: async (cosign, identity, args) => {
      const token = await new SignJWT({})
        .setProtectedHeader({ alg: 'ES256' })
        .setIssuer(TEST_ISSUER)
        .setSubject(identity)
        .setAudience('sigstore')
        .setExpirationTime('5 minutes')
        .sign(newKeys().privateKey);
      const places = [`--fulcio-url=${url}`, `--rekor-url=${url}`, `--identity-token=${token}`];
      const [command = '', ...others] = args;
      return cosign.run([command, ...places, ...others], {
        SIGSTORE_ROOT_FILE: cosign.file('root.pem', pemOf(root, 'CERTIFICATE')),
        SIGSTORE_CT_LOG_PUBLIC_KEY_FILE: cosign.file('ct.pem', pemOf(derOf(ctKeys), 'PUBLIC KEY')),
        SIGSTORE_REKOR_PUBLIC_KEY: cosign.file('rekor.pem', pemOf(derOf(logKeys), 'PUBLIC KEY')),
      });
    },
  };
}

type Handler = (
  body: string,
  authorization: string,
) => Promise<{ readonly status: number; readonly type: string; readonly body: string }>;

/** What the API of Rekor says of an entry, as far as it is used here. */
interface LoggedEntry {
  readonly body: string;
  readonly integratedTime: number;
  readonly logID: string;
  readonly logIndex: number;
  readonly verification: { readonly signedEntryTimestamp: string };
}

type Keys = ReturnType<typeof newKeys>;

function newKeys() {
  return generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
}

/** What Rekor stores for a proposed entry of the kind `dsse`; the service of @sigstore/mock stores it as proposed. */
function canonicalEntry(body: string): string {
  const entry = JSON.parse(body) as {
    kind: string;
    spec: { proposedContent?: { envelope: string; verifiers: string[] } };
  };
  const proposed = entry.spec.proposedContent;
  if (entry.kind !== 'dsse' || proposed === undefined) return body;
  const envelope = JSON.parse(proposed.envelope) as { payload: string; signatures: { sig: string }[] };
  const sha256 = (content: string | Buffer): object => ({
    algorithm: 'sha256',
    value: createHash('sha256').update(content).digest('hex'),
  });
  const spec = {
    envelopeHash: sha256(proposed.envelope),
    payloadHash: sha256(Buffer.from(envelope.payload, 'base64')),
    signatures: envelope.signatures.map(({ sig }, at) => ({ signature: sig, verifier: proposed.verifiers[at] })),
  };
  return JSON.stringify({ ...entry, spec });
}

interface RootParts {
  readonly url: string;
  readonly rootCertificate: Buffer;
  readonly log: Keys;
  readonly ctLog: Keys;
}

function trustedRootOf({ url, rootCertificate, log, ctLog }: RootParts): TrustedRootJson {
  const validFor = { start: new Date(Date.now() - 3_600_000).toISOString() };
  const logOf = (baseUrl: string, keys: Keys): object => ({
    baseUrl,
    hashAlgorithm: 'SHA2_256',
    logId: { keyId: createHash('sha256').update(derOf(keys)).digest('base64') },
    publicKey: { rawBytes: derOf(keys).toString('base64'), keyDetails: 'PKIX_ECDSA_P256_SHA_256', validFor },
  });
  return {
    mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
    tlogs: [logOf(url, log)],
    certificateAuthorities: [
      {
        subject: { organization: 'sigstore.mock', commonName: 'sigstore' },
        uri: url,
        certChain: { certificates: [{ rawBytes: rootCertificate.toString('base64') }] },
        validFor,
      },
    ],
    ctlogs: [logOf(`${url}/ct`, ctLog)],
    timestampAuthorities: [],
  };
}

function derOf({ publicKey }: Keys): Buffer {
  return publicKey.export({ type: 'spki', format: 'der' });
}

function pemOf(der: Buffer, label: string): string {
  return `-----BEGIN ${label}-----\n${der.toString('base64').replaceAll(/(.{64})/g, '$1\n')}\n-----END ${label}-----\n`;
}

function textOf(response: unknown): string {
  return Buffer.isBuffer(response) ? response.toString() : typeof response === 'string' ? response : '';
}
