import { canonicalRegistry } from '../../policy/reference.ts';
import { createAuthenticator } from './authenticator.ts';
import type { Authenticator } from './authenticator.ts';
import { anonymous } from './credentials.ts';
import type { CredentialSource } from './credentials.ts';
import { createTransport } from './http-exchange.ts';
import type { HttpResponse, HttpTransport } from './http-exchange.ts';
import { registryFailure } from './registry-result.ts';
import type { RegistryFailure, RegistryResult } from './registry-result.ts';

/** How one registry is reached. */
export interface RegistryOptions {
  /** As a reference names it: `docker.io`, `registry.example.com:5000`. */
  readonly registry: string;
  /** Trusted authorities in PEM; undefined: those that Node trusts. */
  readonly ca?: string | undefined;
  /** Speaks HTTP without TLS. Content is still verified by its digest, tags and credentials are not protected. */
  readonly plainHttp?: boolean;
  readonly credentials?: CredentialSource;
  /** Further hosts whose token servers may get the credentials of this registry. */
  readonly tokenHosts?: readonly string[];
  /**
   * Refuses a registry with a loopback or link-local address: for names of images that someone else chooses. What a
   * registry names otherwise is never at such an address, unless it is the host of the registry itself or in
   * `tokenHosts`.
   */
  readonly refuseLocalAddresses?: boolean;
  /** For a whole question, with its redirects and tokens. Default 10 s. */
  readonly deadlineMs?: number;
  /** Ends every question, which then fails with `timeout`. */
  readonly signal?: AbortSignal;
}

/** One question below `/v2/`. */
export interface RegistryQuestion {
  readonly method: 'GET' | 'HEAD';
  readonly repository: string;
  /** Below the repository, such as `manifests/latest`, or the absolute URL of a further page. */
  readonly path: string | URL;
  readonly accept: readonly string[];
  readonly signal: AbortSignal;
}

/** Sends questions to one registry: authentication, redirects and deadlines. */
export interface RegistrySession {
  /** Undefined where the name of the registry is not usable. */
  readonly base: URL | undefined;
  /** A response with status 200, its body unread. */
  readonly ask: (question: RegistryQuestion) => Promise<RegistryResult<HttpResponse>>;
  /** Aborts after `deadlineMs`, by default that of the session. */
  readonly deadline: (deadlineMs?: number) => AbortSignal;
  readonly close: () => void;
}

const DEADLINE_MS = 10_000;
const MAX_REDIRECTS = 5;
const MAX_RETRY_AFTER_MS = 3_600_000;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** Opens a session; connections are made when they are needed. */
export function openSession(options: RegistryOptions): RegistrySession {
  const base = baseUrl(options);
  const hostname = base?.hostname ?? '';
  const transport = createTransport({
    ca: options.ca,
    plainHttp: options.plainHttp ?? false,
    localHosts: options.refuseLocalAddresses === true ? [] : [hostname, ...(options.tokenHosts ?? [])],
  });
  const authenticator = createAuthenticator({
    transport,
    registry: options.registry,
    hostname,
    credentials: options.credentials ?? anonymous,
    tokenHosts: options.tokenHosts ?? [],
    monotonic: () => performance.now(),
  });
  return {
    base,
    ask: (question) =>
      base === undefined
        ? Promise.resolve(registryFailure('malformed', 'the name of the registry is not usable'))
        : ask({ transport, authenticator, base }, question),
    deadline: (deadlineMs = options.deadlineMs ?? DEADLINE_MS) => {
      const timeout = AbortSignal.timeout(deadlineMs);
      return options.signal === undefined ? timeout : AbortSignal.any([timeout, options.signal]);
    },
    close: () => transport.close(),
  };
}

function baseUrl({ registry, plainHttp }: RegistryOptions): URL | undefined {
  const host = canonicalRegistry(registry);
  // The API of Docker Hub has a host of its own.
  const text = `${plainHttp === true ? 'http' : 'https'}://${host === 'docker.io' ? 'registry-1.docker.io' : host}`;
  if (/[^\w.:[\]-]/.test(host) || !URL.canParse(text)) return undefined;
  return new URL(text);
}

interface Connection {
  readonly transport: HttpTransport;
  readonly authenticator: Authenticator;
  readonly base: URL;
}

async function ask(connection: Connection, question: RegistryQuestion): Promise<RegistryResult<HttpResponse>> {
  const { authenticator, base } = connection;
  const { repository, path, signal } = question;
  const url = typeof path === 'string' ? new URL(`/v2/${repository}/${path}`, base) : path;
  const first = await follow(connection, { question, url, authorization: authenticator.known(repository) });
  if (!first.ok || first.value.response.status !== 401 || !first.value.isRegistry) return judge(first);
  first.value.response.discard();
  const challenge = first.value.response.headers['www-authenticate'] ?? '';
  const answer = await authenticator.answer({ path: repository, challenge, signal });
  if (!answer.ok) return answer;
  if (answer.value === undefined)
    return registryFailure(
      'unauthorized',
      'the registry needs credentials, and there are none that it accepts',
      'login',
    );
  const { header, hasCredentials } = answer.value;
  const second = await follow(connection, { question, url, authorization: header });
  const judged = judge(second);
  if (!second.ok || judged.ok || judged.code !== 'unauthorized' || !second.value.isRegistry) return judged;
  const status = `HTTP ${String(second.value.response.status)}`;
  const reason = hasCredentials
    ? `the registry refuses the credentials of ${base.host} (${status})`
    : `the registry needs credentials for this repository, or does not have it (${status})`;
  return registryFailure('unauthorized', reason, 'login');
}

interface Step {
  readonly question: RegistryQuestion;
  readonly url: URL;
  readonly authorization: string | undefined;
}

interface Reached {
  readonly response: HttpResponse;
  /** Whether the registry itself answered, not what it redirected to. */
  readonly isRegistry: boolean;
}

/** Follows redirects. The authorization goes to the registry only; a redirect from TLS to none is refused. */
async function follow({ transport, base }: Connection, step: Step): Promise<RegistryResult<Reached>> {
  const { method, accept, signal } = step.question;
  let { url, authorization } = step;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
    const isRegistry = url.origin === base.origin;
    if (!isRegistry) authorization = undefined;
    const headers = { accept: accept.join(', '), ...(authorization === undefined ? {} : { authorization }) };
    const sent = await transport.send({ method, url, headers, signal });
    if (!sent.ok) return sent;
    if (!REDIRECTS.has(sent.value.status)) return { ok: true, value: { response: sent.value, isRegistry } };
    sent.value.discard();
    const next = redirectTarget(sent.value.headers.location ?? '', url);
    if (next === undefined) return registryFailure('malformed', 'the registry redirects to what is no HTTP address');
    if (url.protocol === 'https:' && next.protocol !== 'https:')
      return registryFailure('unreachable', 'the registry redirects to a connection without TLS');
    url = next;
  }
  return registryFailure('malformed', `the registry redirects more than ${String(MAX_REDIRECTS)} times`);
}

function redirectTarget(location: string, from: URL): URL | undefined {
  if (location === '' || location.length > 8192 || !URL.canParse(location, from.href)) return undefined;
  const url = new URL(location, from);
  return /^https?:$/.test(url.protocol) && url.username === '' && url.password === '' ? url : undefined;
}

function judge(reached: RegistryResult<Reached>): RegistryResult<HttpResponse> {
  if (!reached.ok) return reached;
  const { response } = reached.value;
  if (response.status === 200) return { ok: true, value: response };
  response.discard();
  return failureOfStatus(response, reached.value.isRegistry);
}

function failureOfStatus({ status, headers }: HttpResponse, isRegistry: boolean): RegistryFailure {
  const what = `${isRegistry ? 'the registry' : 'the host that the registry redirects to'} answered HTTP ${String(status)}`;
  if (status === 404)
    return isRegistry && isFromRegistry(headers)
      ? registryFailure('notFound', 'the registry has nothing by this name')
      : registryFailure('malformed', `${what}, not in the form of a registry`);
  if (status === 401 || status === 403) return registryFailure('unauthorized', what);
  if (status === 429) return { ...registryFailure('rateLimited', what), ...retryAfter(headers['retry-after']) };
  return registryFailure(status >= 500 ? 'unreachable' : 'malformed', what);
}

/** A proxy or a wrong address answers 404 too, which must not be taken for "does not exist". */
function isFromRegistry(headers: HttpResponse['headers']): boolean {
  return (
    headers['docker-distribution-api-version'] !== undefined ||
    /^application\/(?:[\w.+-]+\+)?json\b/i.test(headers['content-type'] ?? '')
  );
}

/** `Retry-After` in seconds or as a date (RFC 9110 section 10.2.3). */
function retryAfter(header: string | undefined): { readonly retryAfterMs?: number } {
  if (header === undefined) return {};
  const waitMs = /^\d{1,9}$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isNaN(waitMs) ? {} : { retryAfterMs: Math.min(Math.max(waitMs, 0), MAX_RETRY_AFTER_MS) };
}
