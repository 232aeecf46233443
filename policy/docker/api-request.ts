/**
 * Requests of the Docker Engine API, as the router of dockerd sees them: the path is percent-decoded once, a version
 * before it is optional (`/v1.45/containers/create`, `/containers/create`).
 */

/** One request, without its body. */
export interface ApiRequest {
  /** As sent; the router compares it with upper-case names. */
  readonly method: string;
  /** `1.45`; undefined where the path names none, which means the newest that the engine knows. */
  readonly version: string | undefined;
  /** The decoded path after the version; none is empty, `.` or `..`. */
  readonly segments: readonly string[];
  readonly query: URLSearchParams;
}

/** Outcome of {@link parseApiRequest}; `reason` is for people and quotes nothing. */
export type ParsedApiRequest =
  { readonly ok: true; readonly value: ApiRequest } | { readonly ok: false; readonly reason: string };

/** The query of a build holds arguments and labels. */
const MAX_TARGET = 64 * 1024;
const MAX_PATH = 4096;
/** `versionMatcher` of dockerd. */
const VERSION = /^v([0-9.]+)$/;

/**
 * Parses the method and the target of a request line. Accepts the origin form only (`/path?query`): no client of Docker
 * sends the absolute form, which reaches the same routes. A path that dockerd would redirect (empty segments, `..`) is
 * refused. Never throws.
 */
export function parseApiRequest(method: string, target: string): ParsedApiRequest {
  const failed = (reason: string): ParsedApiRequest => ({ ok: false, reason });
  if (target.length > MAX_TARGET) return failed('the request target is too long');
  if (!target.startsWith('/')) return failed('the request target is not a path that starts with /');
  const mark = target.indexOf('?');
  const path = decode(mark === -1 ? target : target.slice(0, mark));
  if (path === undefined) return failed('the path is not valid percent-encoded UTF-8');
  if (path.length > MAX_PATH) return failed('the path is too long');
  // oxlint-disable-next-line no-control-regex
  if (/[\u0000-\u001F\u007F]/.test(path)) return failed('the path holds control characters');
  const segments = path.slice(1).split('/');
  if (segments.some((segment) => segment === '' || segment === '.' || segment === '..'))
    return failed('the path holds empty segments or segments of dots');
  const version = VERSION.exec(segments[0] ?? '')?.[1];
  return {
    ok: true,
    value: {
      method,
      version,
      segments: version === undefined ? segments : segments.slice(1),
      query: new URLSearchParams(mark === -1 ? '' : target.slice(mark + 1)),
    },
  };
}

function decode(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}

/** Whether the API version of the request is older than `major.minor`. Without a version it is the newest. */
export function isOlderThan({ version }: ApiRequest, major: number, minor: number): boolean {
  if (version === undefined) return false;
  const [ownMajor = 0, ownMinor = 0] = version.split('.').map(Number);
  return ownMajor < major || (ownMajor === major && ownMinor < minor);
}
