/**
 * References of images (`registry.example.com:5000/team/app:1.2@sha256:…`), parsed and completed as
 * distribution/reference does it, which Docker, containerd, CRI-O and the kubelet use. Grammar:
 * https://github.com/distribution/reference/blob/main/reference.go
 *
 * Stricter in three points: a text beyond 1,024 characters and a registry beyond 255 are too long, the first part of a
 * name that looks like a registry must be a valid one, and `sha256:` with 64 digits is an id, not a tag of `sha256`.
 */

/** A reference with its registry and, where it names neither tag nor digest, the tag `latest`. */
export interface ImageReference {
  /** Registry as written, with its port: `docker.io`, `localhost:5000`, `[::1]:5000`. Host names keep their case. */
  readonly registry: string;
  /** Path of the repository in the registry, such as `library/alpine`; at most 255 characters. */
  readonly path: string;
  /** At most 128 characters. Absent where only a digest is named. */
  readonly tag?: string;
  /** `sha256:…`, `sha384:…` or `sha512:…`. Where it is present, the runtime uses it and ignores the tag. */
  readonly digest?: string;
  /**
   * Whether Docker may take the text as the beginning of the id of an image that the node already has (`cafe`,
   * `sha256:12ab`). Such a text does not prove which registry the image came from.
   */
  readonly mayBeId: boolean;
}

/** Why a text is no reference. `identifier`: the id of an image, which names no registry. */
export type ReferenceProblem = 'empty' | 'tooLong' | 'malformed' | 'uppercase' | 'identifier' | 'unsupportedDigest';

/** Outcome of {@link parseReference}; `reason` is for people and quotes nothing. */
export type ParsedReference =
  | { readonly ok: true; readonly value: ImageReference }
  | { readonly ok: false; readonly code: ReferenceProblem; readonly reason: string };

/** Registry of names without one. */
export const DEFAULT_REGISTRY = 'docker.io';

const MAX_TEXT = 1024;
const MAX_REGISTRY = 255;
/** RepositoryNameTotalLengthMax of distribution/reference. */
const MAX_PATH = 255;

const LABEL = '(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])';
const REGISTRY = new RegExp(`^(?:${LABEL}(?:\\.${LABEL})*|\\[[A-Fa-f0-9:]+\\])(?::[0-9]+)?$`);
const PATH_COMPONENT = /^[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const ID = /^[a-f0-9]{64}$/;
const ID_PREFIX = /^(?:sha256:)?[a-f0-9]{1,64}$/;
/** Digests that go-digest knows, with the number of their hexadecimal digits. */
const DIGEST_DIGITS: ReadonlyMap<string, number> = new Map([
  ['sha256', 64],
  ['sha384', 96],
  ['sha512', 128],
]);

/** Parses a reference as a user, a manifest or a runtime writes it. Never throws; linear in the length of the text. */
export function parseReference(text: string): ParsedReference {
  if (text === '') return failure('empty', 'an image reference must not be empty');
  if (text.length > MAX_TEXT)
    return failure('tooLong', `an image reference has at most ${String(MAX_TEXT)} characters`);
  if (ID.test(text.startsWith('sha256:') ? text.slice(7) : text))
    return failure('identifier', 'this is the id of an image, which names no registry');
  const at = text.indexOf('@');
  const digest = at < 0 ? undefined : text.slice(at + 1);
  const { registry, rest } = splitRegistry(at < 0 ? text : text.slice(0, at));
  const colon = rest.indexOf(':');
  const path = colon < 0 ? rest : rest.slice(0, colon);
  const tag = colon < 0 ? undefined : rest.slice(colon + 1);
  const problem = problemOf({ registry, path, tag, digest });
  if (problem !== undefined) return problem;
  return {
    ok: true,
    value: {
      registry,
      path,
      ...(tag === undefined ? (digest === undefined ? { tag: 'latest' } : {}) : { tag }),
      ...(digest === undefined ? {} : { digest }),
      mayBeId: ID_PREFIX.test(text),
    },
  };
}

/** The complete form: `docker.io/library/alpine:latest`, with tag and digest where both are named. */
export function formatReference({ registry, path, tag, digest }: ImageReference): string {
  return `${registry}/${path}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}

/** Whether the text is a digest that registries use: `sha256:`, `sha384:` or `sha512:` and its hexadecimal digits. */
export function isDigest(text: string): boolean {
  const colon = text.indexOf(':');
  const digits = text.slice(colon + 1);
  return digits.length === DIGEST_DIGITS.get(text.slice(0, colon)) && /^[a-f0-9]+$/.test(digits);
}

/** Whether the text is the path of a repository in a registry, such as `library/alpine`. */
export function isRepositoryPath(text: string): boolean {
  return text.length <= MAX_PATH && text.split('/').every((component) => PATH_COMPONENT.test(component));
}

/** Whether the text is a tag. */
export function isTag(text: string): boolean {
  return TAG.test(text);
}

/**
 * The registry in the one form in which registries are compared: host in lower case, without the port 443 and leading
 * zeros of a port, and `docker.io` for the other names of Docker Hub. An attacker chooses the spelling of a reference;
 * without this, a spelling would escape the policy of a registry.
 */
export function canonicalRegistry(registry: string): string {
  const match = /^(.*?)(?::0*([0-9]+))?$/s.exec(registry.toLowerCase());
  const host = match?.[1] ?? registry;
  const port = match?.[2];
  if (port !== undefined && port !== '443') return `${host}:${port}`;
  return host === 'index.docker.io' || host === 'registry-1.docker.io' ? DEFAULT_REGISTRY : host;
}

interface Parts {
  readonly registry: string;
  readonly path: string;
  readonly tag: string | undefined;
  readonly digest: string | undefined;
}

function problemOf({ registry, path, tag, digest }: Parts): Extract<ParsedReference, { ok: false }> | undefined {
  if (registry.length > MAX_REGISTRY) return failure('tooLong', 'the name of the registry is too long');
  if (!REGISTRY.test(registry)) return failure('malformed', 'the part before the first / is not a registry');
  if (path.toLowerCase() !== path) return failure('uppercase', 'the name of a repository must be in lower case');
  if (path.length > MAX_PATH)
    return failure('tooLong', `the name of a repository has at most ${String(MAX_PATH)} characters`);
  if (!isRepositoryPath(path)) return failure('malformed', 'the name of the repository is not valid');
  if (tag !== undefined && !isTag(tag)) return failure('malformed', 'the tag is not valid');
  if (digest === undefined || isDigest(digest)) return undefined;
  return /^[A-Za-z][\w.+-]*:[A-Fa-f0-9]{32,}$/.test(digest)
    ? failure('unsupportedDigest', 'the digest is not a sha256, sha384 or sha512 in lower case')
    : failure('malformed', 'the digest is not valid');
}

/**
 * Splits off the registry: the part before the first `/`, where it contains a dot, a colon or an upper-case letter, or
 * is `localhost`. Otherwise the registry is Docker Hub, where names of one component are below `library/`.
 */
function splitRegistry(name: string): { readonly registry: string; readonly rest: string } {
  const slash = name.indexOf('/');
  const first = name.slice(0, Math.max(slash, 0));
  const isRegistry = slash >= 0 && looksLikeRegistry(first);
  const registry = isRegistry && first !== 'index.docker.io' ? first : DEFAULT_REGISTRY;
  const rest = isRegistry ? name.slice(slash + 1) : name;
  return { registry, rest: registry === DEFAULT_REGISTRY && !rest.includes('/') ? `library/${rest}` : rest };
}

/** Whether the first part of a name with several parts is a registry and not a namespace of Docker Hub. */
export function looksLikeRegistry(first: string): boolean {
  return first === 'localhost' || /[.:]/.test(first) || first.toLowerCase() !== first;
}

function failure(code: ReferenceProblem, reason: string): Extract<ParsedReference, { ok: false }> {
  return { ok: false, code, reason };
}
