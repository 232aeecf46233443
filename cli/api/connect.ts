import { open } from 'node:fs/promises';
import { createApiClient } from '../../api/client.ts';
import type { ApiClient, FailureTexts, Result } from '../../api/client.ts';
import * as s from '../../posture/schema.ts';
import { apiUrl } from '../../service/config/api-url.ts';
import type { Settings } from '../../service/config/settings.ts';
import { systemClock } from '../../service/clock.ts';
import { errorCode } from '../../service/files.ts';
import { currentToken } from '../login/current-token.ts';
import { tlsHint, trustApi } from './trust-api.ts';

/** Tokens of identity providers are long; a longer file is not a token. */
const MAX_TOKEN_BYTES = 16 * 1024;

/** A client of the operator API, and where it sends its requests: `http://127.0.0.1:7480`. */
export interface CliClient extends ApiClient {
  readonly url: string;
}

/** What a client needs. `signal` ends every request of it. */
export interface CliClientOptions {
  readonly settings: ApiSettings;
  readonly token: string;
  /** The token is of `plimsoll login`, not of a token file. */
  readonly isLogin?: boolean;
  readonly signal: AbortSignal;
}

/** What a client needs to know of the operator API. */
export type ApiSettings = Pick<Settings, 'api' | 'apiTls' | 'apiTlsCa' | 'dataDir'>;

/** A client of the operator API that the settings name. */
export function createCliClient({ settings, token, isLogin, signal }: CliClientOptions): CliClient {
  const url = apiUrl(settings);
  const client = createApiClient({
    fetch: (path, init) => fetch(url + path, { ...init, signal: AbortSignal.any([signal, init.signal ?? signal]) }),
    token: () => token,
    texts: failureTexts(url, isLogin === true),
  });
  return { url, ...client };
}

/** A client for the collector that the settings name, with the token of `plimsoll login` or of the token file. */
export async function connect(settings: Settings, signal: AbortSignal): Promise<Result<CliClient>> {
  // First: after it, this process trusts only the authority of the operator API.
  const login = await currentToken(settings, { nowMs: systemClock().now(), signal });
  if (!login.ok) return login;
  const trusted = await trustApi(settings);
  if (!trusted.ok) return trusted;
  if (login.value !== undefined)
    return { ok: true, value: createCliClient({ settings, token: login.value, isLogin: true, signal }) };
  const token = await readToken(settings.tokenFile);
  if (token.ok) return { ok: true, value: createCliClient({ settings, token: token.value, signal }) };
  // A collector that does not run is the likelier reason for a missing token, and the more useful message.
  const health = await createCliClient({ settings, token: '', signal }).get('/healthz', s.object({}));
  return !health.ok && health.problem.kind === 'unreachable' ? health : token;
}

function failureTexts(url: string, isLogin: boolean): FailureTexts {
  return {
    unreachable: (error) => {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      const code = (cause as { code?: unknown } | null)?.code;
      return [
        `no collector answers at ${url}${typeof code === 'string' ? ` (${code})` : ''}`,
        tlsHint(url, String(code)) ?? 'start one with: plimsoll up   or name another with --api HOST:PORT',
      ];
    },
    signedOut: (said) =>
      isLogin
        ? [`the collector does not accept the token of plimsoll login: ${said}`, 'sign in again: plimsoll login']
        : [
            `the collector does not accept this operator token: ${said}`,
            'name the token file of that collector with --token-file or its --data-dir',
          ],
    late: [
      `the collector at ${url} did not answer in time`,
      'it may be overloaded, or its disk may hang (frozen, or a network file system): see its log and dmesg',
    ],
    tooLarge: ['the answer of the collector is too large', ''],
    unreadable: (problem) => [
      `the answer of the collector has a form that this version does not understand (${problem})`,
      '',
    ],
  };
}

async function readToken(path: string): Promise<Result<string>> {
  try {
    const file = await open(path, 'r');
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_TOKEN_BYTES), 0, MAX_TOKEN_BYTES, 0);
      const token = buffer.toString('latin1', 0, bytesRead).trim();
      return /^[\w\-.~+/=]+$/.test(token) ? { ok: true, value: token } : unusable(path, 'it contains no token');
    } finally {
      await file.close();
    }
  } catch (error) {
    return unusable(path, errorCode(error));
  }
}

function unusable(path: string, reason: string): Result<never> {
  const hint =
    reason === 'EACCES'
      ? 'only the user who runs the collector may read it: become that user, or copy the token'
      : 'the collector creates it at its first start; name it with --token-file or --data-dir';
  const message = `the operator token could not be read from ${path}: ${reason}`;
  return { ok: false, problem: { kind: 'refused', message, hint, retryAfterMs: 0 } };
}
