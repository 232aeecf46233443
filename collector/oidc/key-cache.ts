import { createLocalJWKSet, errors } from 'jose';
import type { JWTVerifyGetKey } from 'jose';
import * as s from '../../posture/schema.ts';
import type { Clock } from '../../service/clock.ts';
import { errorCode } from '../../service/files.ts';
import type { Logger } from '../../service/log.ts';

/** The keys of an issuer, from its discovery document (OpenID Connect Discovery 1.0) and its JWKS (RFC 7517). */
export interface KeyCache {
  /** For jose. Rejects with {@link KeysUnavailable} where no keys are known. */
  readonly find: JWTVerifyGetKey;
  /** Why the last attempt to read the keys failed; undefined: it worked. */
  readonly problem: () => string | undefined;
}

/** Keys are read again in the background once they are so old. */
const REFRESH_MS = 10 * 60_000;
/** An issuer is asked at most so often: tokens with unknown key ids must not turn the collector against it. */
const COOLDOWN_MS = 30_000;
/** While the issuer does not answer, keys are used for so long. Then it may have withdrawn one long ago. */
export const MAX_AGE_MS = 24 * 3_600_000;

const discoverySchema = s.object({ issuer: s.string('', 2048), jwks_uri: s.string('', 2048) });
const keySetSchema = s.object({ keys: s.list(s.record(s.unknown()), '', 100) });

/** No keys: the issuer cannot be reached, or not for too long. */
export class KeysUnavailable extends Error {
  override readonly name = 'KeysUnavailable';
}

/** What the cache works with. */
export interface KeyCacheOptions {
  readonly issuer: string;
  readonly getJson: (url: string) => Promise<unknown>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** An empty cache. Nothing is read before the first token. */
export function createKeyCache({ issuer, getJson, clock, log }: KeyCacheOptions): KeyCache {
  let keys: { readonly find: JWTVerifyGetKey; readonly readMs: number } | undefined;
  let attemptedMs = -Infinity;
  let running: Promise<void> | undefined;
  let problem: string | undefined;
  const read = async (): Promise<void> => {
    try {
      keys = { find: await readKeys(issuer, getJson), readMs: clock.monotonic() };
      if (problem !== undefined) log.info({ issuer }, 'the keys of the identity provider are read again');
      problem = undefined;
    } catch (error) {
      const reason = error instanceof SyntaxError ? 'not JSON' : errorCode(error);
      if (problem === undefined) log.warn({ issuer, reason }, 'the keys of the identity provider cannot be read');
      problem = reason;
    }
  };
  const refresh = (): Promise<void> => {
    if (running !== undefined) return running;
    if (clock.monotonic() - attemptedMs < COOLDOWN_MS) return Promise.resolve();
    attemptedMs = clock.monotonic();
    running = read().finally(() => (running = undefined));
    return running;
  };
  const ageMs = (): number => (keys === undefined ? Infinity : clock.monotonic() - keys.readMs);
  return {
    problem: () => problem,
    find: async (header, token) => {
      if (ageMs() > MAX_AGE_MS) await refresh();
      else if (ageMs() > REFRESH_MS) void refresh();
      if (keys === undefined || ageMs() > MAX_AGE_MS) throw new KeysUnavailable(problem ?? 'the keys are not read yet');
      try {
        return await keys.find(header, token);
      } catch (error) {
        // A key that the issuer has begun to use since.
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
        await refresh();
        return keys.find(header, token);
      }
    },
  };
}

async function readKeys(issuer: string, getJson: KeyCacheOptions['getJson']): Promise<JWTVerifyGetKey> {
  const discovery = discoverySchema.parse(
    await getJson(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`),
  );
  if (!discovery.ok) throw new Error(`discovery document: ${discovery.problem}`);
  const { issuer: named, jwks_uri: url } = discovery.value;
  // Section 4.3: otherwise one issuer could speak for another.
  if (named !== issuer)
    throw new Error(`the discovery document is of another issuer: ${JSON.stringify(named.slice(0, 200))}`);
  if (!url.startsWith('https://')) throw new Error('jwks_uri is not an https URL');
  const keySet = keySetSchema.parse(await getJson(url));
  if (!keySet.ok) throw new Error(`JWKS: ${keySet.problem}`);
  return createLocalJWKSet(keySet.value as Parameters<typeof createLocalJWKSet>[0]);
}
