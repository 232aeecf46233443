import { isDigest, isRepositoryPath, isTag } from '../../policy/reference.ts';
import * as s from '../../posture/schema.ts';
import { sha256Digest, verifyDigest } from './digest.ts';
import { consumeBody, readBody } from './http-exchange.ts';
import type { HttpResponse } from './http-exchange.ts';
import { MANIFEST_TYPES, MAX_MANIFEST_BYTES, MEDIA_TYPE, parseManifest } from './manifest.ts';
import type { Descriptor, Manifest } from './manifest.ts';
import { registryFailure } from './registry-result.ts';
import type { RegistryFailure, RegistryResult } from './registry-result.ts';
import { openSession } from './registry-session.ts';
import type { RegistryOptions, RegistrySession } from './registry-session.ts';

/**
 * Reads one registry by the OCI distribution specification 1.1. Every question has a deadline, every response a limit;
 * content that a digest names is verified. Failures are values. Paths are those of a parsed reference.
 */
export interface RegistryClient {
  /** What a tag names now: one HEAD request, so by the registry's word; a GET where the registry gives no digest. */
  readonly resolve: (path: string, tag: string) => Promise<RegistryResult<ResolvedTag>>;
  /** The manifest or index that a tag or digest names, at most 4 MiB. */
  readonly manifest: (path: string, tagOrDigest: string) => Promise<RegistryResult<Manifest>>;
  /** The bytes of the manifest that a digest names, at most 4 MiB. */
  readonly manifestBytes: (path: string, digest: string) => Promise<RegistryResult<Buffer>>;
  /** A blob in memory. */
  readonly blob: (request: BlobRequest) => Promise<RegistryResult<Buffer>>;
  /**
   * A blob in parts, for what is too large for memory. The parts are verified only when the result is ok: until then
   * they must not be used. Gives the number of bytes. Rejects only with what `consume` throws.
   */
  readonly readBlob: (
    request: BlobRequest,
    consume: (part: Buffer) => Promise<void> | void,
  ) => Promise<RegistryResult<number>>;
  /** Tags of a repository, at most 10,000. */
  readonly tags: (path: string) => Promise<RegistryResult<TagList>>;
  /**
   * Manifests whose `subject` is the digest: by the referrers API, or by the tag `sha256-…` where the registry does not
   * have it. Empty where there are none. Entries are not verified.
   */
  readonly referrers: (path: string, digest: string) => Promise<RegistryResult<Referrers>>;
  readonly close: () => void;
}

/** What a tag names. */
export interface ResolvedTag {
  readonly digest: string;
  readonly mediaType: string;
}

/** Which blob, and how much of it is read. */
export interface BlobRequest {
  readonly path: string;
  readonly digest: string;
  /** As its descriptor says; anything else is `malformed`. */
  readonly sizeBytes?: number;
  readonly maxBytes: number;
  /** Default: that of the client. */
  readonly deadlineMs?: number;
}

/** Tags of a repository, sorted as the registry does. */
export interface TagList {
  readonly tags: readonly string[];
  /** Whether these are all. */
  readonly isComplete: boolean;
}

/** Manifests that refer to another. */
export interface Referrers {
  readonly manifests: readonly Descriptor[];
  /** Whether these are all. */
  readonly isComplete: boolean;
}

const MAX_TAGS = 10_000;
const MAX_PAGES = 20;
const PAGE_SIZE = 1000;
const JSON_TYPES: readonly string[] = ['application/json'];
const tagsSchema = s.object({ tags: s.withDefault(s.list(s.string('', 256), '', MAX_TAGS), []) });

/** Opens a client for one registry; `close` ends its connections. */
export function createRegistryClient(options: RegistryOptions): RegistryClient {
  const session = openSession(options);
  const manifest: RegistryClient['manifest'] = (path, tagOrDigest) => readManifest(session, path, tagOrDigest);
  return {
    manifest,
    manifestBytes: async (path, digest) => {
      if (!isDigest(digest)) return INVALID_NAME;
      const raw = await readRawManifest(session, path, digest);
      return raw.ok ? { ok: true, value: raw.value.bytes } : raw;
    },
    resolve: (path, tag) => resolveTag(session, path, tag),
    blob: async (request) => {
      const parts: Buffer[] = [];
      const read = await readBlob(session, request, (part) => void parts.push(part));
      return read.ok ? { ok: true, value: Buffer.concat(parts) } : read;
    },
    readBlob: (request, consume) => readBlob(session, request, consume),
    tags: (path) => listTags(session, path),
    referrers: (path, digest) => listReferrers(session, path, digest),
    close: () => session.close(),
  };
}

async function resolveTag(session: RegistrySession, path: string, tag: string): Promise<RegistryResult<ResolvedTag>> {
  if (!isRepositoryPath(path) || !isTag(tag)) return INVALID_NAME;
  const signal = session.deadline();
  const head = await session.ask({
    method: 'HEAD',
    repository: path,
    path: `manifests/${tag}`,
    accept: MANIFEST_TYPES,
    signal,
  });
  // Some registries answer HEAD without the headers that prove who answers.
  if (!head.ok && head.code !== 'malformed') return head;
  if (head.ok) {
    head.value.discard();
    const digest = contentDigest(head.value);
    if (digest !== undefined) return { ok: true, value: { digest, mediaType: contentType(head.value) } };
  }
  const manifest = await readManifest(session, path, tag);
  if (!manifest.ok) return manifest;
  return { ok: true, value: { digest: manifest.value.digest, mediaType: manifest.value.mediaType } };
}

async function readManifest(
  session: RegistrySession,
  path: string,
  tagOrDigest: string,
): Promise<RegistryResult<Manifest>> {
  const raw = await readRawManifest(session, path, tagOrDigest);
  if (!raw.ok) return raw;
  const parsed = parseManifest(raw.value.bytes, raw.value);
  return parsed.ok ? parsed : registryFailure('malformed', `the manifest is not valid: ${parsed.problem}`);
}

interface RawManifest {
  readonly bytes: Buffer;
  readonly contentType: string;
  /** Verified. */
  readonly digest: string;
}

async function readRawManifest(
  session: RegistrySession,
  path: string,
  tagOrDigest: string,
): Promise<RegistryResult<RawManifest>> {
  if (!isRepositoryPath(path) || !(isTag(tagOrDigest) || isDigest(tagOrDigest))) return INVALID_NAME;
  const signal = session.deadline();
  const sent = await session.ask({
    method: 'GET',
    repository: path,
    path: `manifests/${tagOrDigest}`,
    accept: MANIFEST_TYPES,
    signal,
  });
  if (!sent.ok) return sent;
  const body = await readBody(sent.value, MAX_MANIFEST_BYTES, signal);
  if (!body.ok) return body;
  const said = contentDigest(sent.value);
  const digest = isDigest(tagOrDigest) ? tagOrDigest : (said ?? sha256Digest(body.value));
  if (!isContent(body.value, digest))
    return registryFailure('digestMismatch', 'the manifest is not the one that its digest names');
  return { ok: true, value: { bytes: body.value, contentType: contentType(sent.value), digest } };
}

async function readBlob(
  session: RegistrySession,
  { path, digest, sizeBytes, maxBytes, deadlineMs }: BlobRequest,
  consume: (part: Buffer) => Promise<void> | void,
): Promise<RegistryResult<number>> {
  const verifier = verifyDigest(digest);
  if (!isRepositoryPath(path) || verifier === undefined) return INVALID_NAME;
  const tooLarge = registryFailure('tooLarge', `the blob is larger than ${String(maxBytes)} bytes`);
  if (sizeBytes !== undefined && sizeBytes > maxBytes) return tooLarge;
  const signal = session.deadline(deadlineMs);
  const sent = await session.ask({
    method: 'GET',
    repository: path,
    path: `blobs/${digest}`,
    accept: ['*/*'],
    signal,
  });
  if (!sent.ok) return sent;
  if (Number(sent.value.headers['content-length'] ?? 0) > maxBytes) {
    sent.value.discard();
    return tooLarge;
  }
  const read = await consumeBody(sent.value, {
    maxBytes: sizeBytes ?? maxBytes,
    signal,
    consume: (part) => {
      verifier.update(part);
      return consume(part);
    },
  });
  if (!read.ok) return read;
  if (!verifier.matches()) return registryFailure('digestMismatch', 'the blob is not the one that its digest names');
  if (sizeBytes !== undefined && read.value !== sizeBytes)
    return registryFailure('malformed', 'the blob has another size than its descriptor says');
  return read;
}

async function listTags(session: RegistrySession, path: string): Promise<RegistryResult<TagList>> {
  if (!isRepositoryPath(path)) return INVALID_NAME;
  const signal = session.deadline();
  const tags: string[] = [];
  let next: string | URL | undefined = `tags/list?n=${String(PAGE_SIZE)}`;
  for (let page = 0; next !== undefined; page += 1) {
    if (page === MAX_PAGES || tags.length >= MAX_TAGS) return { ok: true, value: { tags, isComplete: false } };
    const sent = await session.ask({ method: 'GET', repository: path, path: next, accept: JSON_TYPES, signal });
    if (!sent.ok) return sent;
    const body = await readBody(sent.value, MAX_MANIFEST_BYTES, signal);
    if (!body.ok) return body;
    const parsed = tagsSchema.parse(parseJson(body.value));
    if (!parsed.ok) return registryFailure('malformed', `the list of tags is not valid: ${parsed.problem}`);
    tags.push(...parsed.value.tags.filter(isTag).slice(0, MAX_TAGS - tags.length));
    next = nextPage(session, sent.value);
    if (next === UNUSABLE) return { ok: true, value: { tags, isComplete: false } };
  }
  return { ok: true, value: { tags, isComplete: true } };
}

/** Statuses that mean that the registry has no referrers API; then the tag counts. */
const NO_REFERRERS_API: ReadonlySet<RegistryFailure['code']> = new Set(['notFound', 'malformed']);

async function listReferrers(
  session: RegistrySession,
  path: string,
  digest: string,
): Promise<RegistryResult<Referrers>> {
  if (!isRepositoryPath(path) || !isDigest(digest)) return INVALID_NAME;
  const signal = session.deadline();
  const manifests: Descriptor[] = [];
  let next: string | URL | undefined = `referrers/${digest}`;
  for (let page = 0; next !== undefined; page += 1) {
    if (page === MAX_PAGES) return { ok: true, value: { manifests, isComplete: false } };
    const sent = await session.ask({
      method: 'GET',
      repository: path,
      path: next,
      accept: [MEDIA_TYPE.ociIndex],
      signal,
    });
    if (!sent.ok) return page === 0 && NO_REFERRERS_API.has(sent.code) ? referrersByTag(session, path, digest) : sent;
    const body = await readBody(sent.value, MAX_MANIFEST_BYTES, signal);
    if (!body.ok) return body;
    const index = parseManifest(body.value, { contentType: contentType(sent.value), digest: sha256Digest(body.value) });
    if (!index.ok || index.value.kind !== 'index')
      return page === 0 && contentType(sent.value) !== MEDIA_TYPE.ociIndex
        ? referrersByTag(session, path, digest)
        : registryFailure('malformed', 'the list of referrers is not a valid index');
    manifests.push(...index.value.manifests);
    next = nextPage(session, sent.value);
    if (next === UNUSABLE) return { ok: true, value: { manifests, isComplete: false } };
  }
  return { ok: true, value: { manifests, isComplete: true } };
}

async function referrersByTag(
  session: RegistrySession,
  path: string,
  digest: string,
): Promise<RegistryResult<Referrers>> {
  const index = await readManifest(session, path, digest.replace(':', '-'));
  if (!index.ok) return index.code === 'notFound' ? { ok: true, value: { manifests: [], isComplete: true } } : index;
  if (index.value.kind !== 'index') return registryFailure('malformed', 'the referrers tag does not name an index');
  return { ok: true, value: { manifests: index.value.manifests, isComplete: true } };
}

const INVALID_NAME = registryFailure('malformed', 'the name of the repository, tag or digest is not valid');

/** A further page that is not on the registry, or not in a form that we understand. */
const UNUSABLE = '';

/** `Link: <…>; rel="next"` (RFC 8288), only on the registry itself; undefined where this is the last page. */
function nextPage({ base }: RegistrySession, { headers }: HttpResponse): URL | undefined | typeof UNUSABLE {
  if (headers.link === undefined) return undefined;
  const header = Array.isArray(headers.link) ? headers.link.join(',') : headers.link;
  const target = /^\s*<([^>]{1,4096})>\s*;\s*rel="?next"?/i.exec(header)?.[1];
  if (target === undefined || base === undefined || !URL.canParse(target, base.href)) return UNUSABLE;
  const url = new URL(target, base);
  return url.origin === base.origin ? url : UNUSABLE;
}

function isContent(bytes: Uint8Array, digest: string): boolean {
  const verifier = verifyDigest(digest);
  verifier?.update(bytes);
  return verifier?.matches() === true;
}

function contentDigest({ headers }: HttpResponse): string | undefined {
  const said = headers['docker-content-digest'];
  return typeof said === 'string' && isDigest(said) ? said : undefined;
}

function contentType({ headers }: HttpResponse): string {
  return (headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8')) as unknown;
  } catch {
    return undefined;
  }
}
