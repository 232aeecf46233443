/**
 * Where an update of the vulnerability database comes from: a file, an HTTPS server or an OCI registry. Each serves the
 * database and, beside it, its checksum (`.sha256`) and signature (`.sig`).
 */
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import type * as http from 'node:http';
import * as https from 'node:https';
import { parseReference } from '../../policy/reference.ts';
import { errorCode } from '../../service/files.ts';
import type { CredentialSource } from '../registry/credentials.ts';
import type { ImageManifest } from '../registry/manifest.ts';
import { isUntrusted } from '../registry/http-exchange.ts';
import { createRegistryClient } from '../registry/registry-client.ts';

/** The files of an update. */
export interface UpdateSource {
  /** Reads the database; `consume` gets it in parts. The problem, or undefined once all of it was read. */
  readonly read: (consume: (part: Buffer) => Promise<void>) => Promise<string | undefined>;
  /** A small file beside it; `undefined` if absent. */
  readonly readBeside: (suffix: '.sha256' | '.sig') => Promise<BesideResult>;
  /** Whether `read` has compared the bytes with a digest that the source names. */
  readonly isDigestVerified: boolean;
}

/** A small file, its absence, or why it cannot be read. */
export type BesideResult =
  { readonly ok: true; readonly content: Buffer | undefined } | { readonly ok: false; readonly problem: string };

/** How sources are reached. */
export interface SourceOptions {
  /** Trusted authorities in PEM; undefined: those that Node trusts. */
  readonly ca: string | undefined;
  /** Variables that name a proxy: HTTPS_PROXY, NO_PROXY. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly credentials: CredentialSource;
  readonly signal: AbortSignal;
  /** Most bytes of the database as it is transferred. */
  readonly maxBytes: number;
}

/** The source, or why the text names none. */
export type OpenedSource =
  { readonly ok: true; readonly source: UpdateSource } | { readonly ok: false; readonly problem: string };

/** A checksum has 64 digits and a name, a signature at most some hundred bytes. */
const MAX_BESIDE_BYTES = 16 * 1024;
const MAX_REDIRECTS = 5;
/** A server that sends nothing for so long is given up. */
const IDLE_MS = 30_000;
/** The whole transfer from a registry. */
const REGISTRY_DEADLINE_MS = 3_600_000;

/** The source that a text names: `https://…`, `oci://REFERENCE`, or the path of a file. */
export function openUpdateSource(from: string, options: SourceOptions): OpenedSource {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(from)?.[1]?.toLowerCase();
  if (scheme === undefined) return { ok: true, source: fileSource(from) };
  if (scheme === 'oci') return registrySource(from.slice('oci://'.length), options);
  if (scheme === 'http')
    return { ok: false, problem: 'http:// is not protected against changes on the way: use https:// or a file' };
  if (scheme !== 'https' || !URL.canParse(from))
    return { ok: false, problem: 'not a file, an https:// URL or an oci:// reference' };
  const url = new URL(from);
  if (url.username !== '' || url.password !== '')
    return { ok: false, problem: 'a URL with a password is not accepted' };
  return { ok: true, source: httpsSource(url, options) };
}

function fileSource(path: string): UpdateSource {
  return {
    isDigestVerified: false,
    read: async (consume) => {
      try {
        if (!(await stat(path)).isFile()) return `${path}: not a file`;
        for await (const part of createReadStream(path, { highWaterMark: 1024 * 1024 }) as AsyncIterable<Buffer>)
          await consume(part);
        return undefined;
      } catch (error) {
        if (typeof (error as NodeJS.ErrnoException).syscall !== 'string') throw error;
        return `${path}: ${errorCode(error)}`;
      }
    },
    readBeside: async (suffix) => {
      try {
        const content = await readFile(`${path}${suffix}`);
        return content.length > MAX_BESIDE_BYTES
          ? { ok: false, problem: `${path}${suffix}: too large` }
          : { ok: true, content };
      } catch (error) {
        if (errorCode(error) === 'ENOENT') return { ok: true, content: undefined };
        return { ok: false, problem: `${path}${suffix}: ${errorCode(error)}` };
      }
    },
  };
}

function httpsSource(url: URL, options: SourceOptions): UpdateSource {
  const agent = new https.Agent({
    minVersion: 'TLSv1.2',
    proxyEnv: options.environment,
    ...(options.ca === undefined ? {} : { ca: options.ca }),
  });
  const beside = (suffix: string): URL => {
    const other = new URL(url);
    other.pathname += suffix;
    return other;
  };
  return {
    isDigestVerified: false,
    read: async (consume) => {
      const response = await request(url, agent, options.signal);
      if (typeof response === 'string') return response;
      if (response.statusCode !== 200) {
        response.destroy();
        return `${url.host} answers with HTTP ${String(response.statusCode)}`;
      }
      return readBody(response, consume, url);
    },
    readBeside: async (suffix) => {
      const response = await request(beside(suffix), agent, options.signal);
      if (typeof response === 'string') return { ok: false, problem: response };
      if (response.statusCode !== 200) {
        response.destroy();
        if (response.statusCode === 404 || response.statusCode === 403) return { ok: true, content: undefined };
        return { ok: false, problem: `${url.host} answers with HTTP ${String(response.statusCode)} for ${suffix}` };
      }
      const parts: Buffer[] = [];
      let length = 0;
      const problem = await readBody(
        response,
        (part) => {
          length += part.length;
          if (length <= MAX_BESIDE_BYTES) parts.push(part);
          else response.destroy();
          return Promise.resolve();
        },
        url,
      );
      if (length > MAX_BESIDE_BYTES) return { ok: false, problem: `${suffix} is too large` };
      return problem === undefined ? { ok: true, content: Buffer.concat(parts) } : { ok: false, problem };
    },
  };
}

/** The response after redirects, or the problem. A redirect may only lead to https. */
async function request(first: URL, agent: https.Agent, signal: AbortSignal): Promise<http.IncomingMessage | string> {
  let url = first;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
    const response = await get(url, agent, signal);
    if (typeof response === 'string') return response;
    const { location } = response.headers;
    if (![301, 302, 303, 307, 308].includes(response.statusCode ?? 0) || location === undefined) return response;
    response.destroy();
    if (!URL.canParse(location, url.href)) return `${url.host} redirects to what is no URL`;
    url = new URL(location, url);
    if (url.protocol !== 'https:') return `${first.host} redirects to ${url.protocol}//, which is not protected`;
  }
  return `${first.host} redirects too often`;
}

function get(url: URL, agent: https.Agent, signal: AbortSignal): Promise<http.IncomingMessage | string> {
  return new Promise((resolve) => {
    const sent = https.get(url, { agent, signal, timeout: IDLE_MS }, resolve);
    sent.on('timeout', () => sent.destroy(new Error('ETIMEDOUT')));
    sent.on('error', (error) => {
      resolve(`${url.host} cannot be reached: ${withRemedy(errorCode(error), isUntrusted(errorCode(error)))}`);
    });
  });
}

function withRemedy(reason: string, isAuthorityMissing: boolean): string {
  return isAuthorityMissing ? `${reason}: name its authority with --vulndb-ca` : reason;
}

/** The problem of reading the body, undefined where it is complete. */
async function readBody(
  response: http.IncomingMessage,
  consume: (part: Buffer) => Promise<void>,
  url: URL,
): Promise<string | undefined> {
  response.setTimeout(IDLE_MS, () => response.destroy(new Error('ETIMEDOUT')));
  const iterator = (response as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  for (;;) {
    let next: IteratorResult<Buffer>;
    try {
      next = await iterator.next();
    } catch (error) {
      return `the connection to ${url.host} broke: ${errorCode(error)}`;
    }
    if (next.done === true) return response.complete ? undefined : `the connection to ${url.host} broke`;
    await consume(next.value);
  }
}

/** `oras push REFERENCE vulndb.sqlite.gz vulndb.sqlite.gz.sig`: one layer a file, its name in the annotation. */
const TITLE = 'org.opencontainers.image.title';

function registrySource(text: string, options: SourceOptions): OpenedSource {
  const parsed = parseReference(text);
  if (!parsed.ok) return { ok: false, problem: `oci://${text}: ${parsed.reason}` };
  const { registry, path, tag, digest } = parsed.value;
  const client = createRegistryClient({
    registry,
    ca: options.ca,
    credentials: options.credentials,
    signal: options.signal,
  });
  let manifest: Promise<ImageManifest | string> | undefined;
  const layers = (): Promise<ImageManifest | string> => {
    manifest ??= client.manifest(path, digest ?? tag ?? 'latest').then((read) => {
      if (!read.ok) return `${registry}: ${withRemedy(read.reason, read.remedy === 'trust')}`;
      return read.value.kind === 'image' ? read.value : `${registry}: an index of several images, no database`;
    });
    return manifest;
  };
  const titleOf = (annotations: Readonly<Record<string, string>>): string => annotations[TITLE] ?? '';
  const isBeside = (title: string): boolean => title.endsWith('.sig') || title.endsWith('.sha256');
  const source: UpdateSource = {
    isDigestVerified: true,
    read: async (consume) => {
      const found = await layers();
      if (typeof found === 'string') return found;
      const [layer, ...others] = found.layers.filter(({ annotations }) => !isBeside(titleOf(annotations)));
      if (layer === undefined || others.length > 0) return `${registry}: expected one layer with the database`;
      const read = await client.readBlob(
        {
          path,
          digest: layer.digest,
          sizeBytes: layer.sizeBytes,
          maxBytes: options.maxBytes,
          deadlineMs: REGISTRY_DEADLINE_MS,
        },
        consume,
      );
      client.close();
      return read.ok ? undefined : `${registry}: ${read.reason}`;
    },
    readBeside: async (suffix) => {
      const found = await layers();
      if (typeof found === 'string') return { ok: false, problem: found };
      const layer = found.layers.find(({ annotations }) => titleOf(annotations).endsWith(suffix));
      if (layer === undefined) return { ok: true, content: undefined };
      const read = await client.blob({ path, digest: layer.digest, maxBytes: MAX_BESIDE_BYTES });
      return read.ok ? { ok: true, content: read.value } : { ok: false, problem: `${registry}: ${read.reason}` };
    },
  };
  return { ok: true, source };
}
