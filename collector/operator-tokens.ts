import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { MAX_TOKEN_NAME, MAX_TOKEN_TTL_MS, role, scopes } from '../api/access.ts';
import type { OperatorTokenInfo, Role, Scope } from '../api/access.ts';
import * as s from '../posture/schema.ts';
import type { Clock } from '../service/clock.ts';
import { openListFile } from './enrollment/list-file.ts';

/** An operator token as it is kept: without its secret. */
export interface OperatorToken extends OperatorTokenInfo {
  /** SHA-256 of the secret, hexadecimal. A secret has 256 random bits, so a plain hash is enough. */
  readonly hash: string;
}

/** What is asked of a new token. */
export interface OperatorTokenRequest {
  readonly name: string;
  readonly role: Role;
  /** Empty: all. */
  readonly scopes: readonly Scope[];
  readonly ttlMs: number;
  readonly createdBy: string;
}

/** The operator tokens of a collector, besides the one in the token file. */
export interface OperatorTokens {
  readonly all: () => readonly OperatorToken[];
  /** Resolves to undefined where {@link MAX_OPERATOR_TOKENS} valid tokens exist. `text` is shown once and not kept. */
  readonly create: (
    request: OperatorTokenRequest,
  ) => Promise<{ readonly token: OperatorToken; readonly text: string } | undefined>;
  /** Revokes the token: requests with it are refused from then on. Resolves to it; undefined: it does not exist. */
  readonly revoke: (id: string) => Promise<OperatorToken | undefined>;
  readonly find: (id: string) => OperatorToken | undefined;
  /** The token whose text this is, also one that has expired. Takes the same time whether or not its id exists. */
  readonly match: (text: string) => OperatorToken | undefined;
  /** Calls back with the id of each token that is revoked from now on. */
  readonly onRevoked: (callback: (id: string) => void) => void;
}

/** Valid tokens that can exist at a time. */
export const MAX_OPERATOR_TOKENS = 500;
/** How long an expired token stays listed. */
const KEPT_MS = 7 * 86_400_000;
/** `plo.<id>.<secret>`: the prefix lets scanners for leaked secrets recognise it. */
const TOKEN = /^plo\.(?<id>[0-9a-z]{10})\.(?<secret>[\w-]{43})$/;
const ID_CHARACTERS = 10;

const tokenSchema = s.object({
  id: s.string('', ID_CHARACTERS),
  hash: s.string('', 64),
  name: s.string('', MAX_TOKEN_NAME),
  role,
  scopes,
  createdMs: s.integer(),
  expiresMs: s.integer(),
  createdBy: s.string('', 512),
});

/** Opens the tokens that are kept at `path`. Throws StartError for a file that cannot be used. */
export async function openOperatorTokens(path: string, clock: Pick<Clock, 'now'>): Promise<OperatorTokens> {
  const file = await openListFile<OperatorToken>(path, s.list(tokenSchema, '', 2 * MAX_OPERATOR_TOKENS));
  const callbacks: ((id: string) => void)[] = [];
  const find = (id: string): OperatorToken | undefined => file.all().find((token) => token.id === id);
  return {
    all: file.all,
    find,
    create: async ({ ttlMs, ...request }) => {
      const secret = randomBytes(32).toString('base64url');
      const createdMs = clock.now();
      const expiresMs = createdMs + Math.min(ttlMs, MAX_TOKEN_TTL_MS);
      const token = { id: randomId(), hash: hashOf(secret).toString('hex'), ...request, createdMs, expiresMs };
      let isFull = false;
      await file.update((list) => {
        const listed = list.filter((each) => each.expiresMs + KEPT_MS > createdMs);
        const valid = listed.filter((each) => each.expiresMs > createdMs);
        isFull = valid.length >= MAX_OPERATOR_TOKENS;
        if (isFull) return list;
        // Of the expired ones, the newest that there is room for.
        const expired = listed.filter((each) => each.expiresMs <= createdMs);
        const room = MAX_OPERATOR_TOKENS - valid.length - 1;
        return [...expired.slice(Math.max(0, expired.length - room)), ...valid, token];
      });
      return isFull ? undefined : { token, text: `plo.${token.id}.${secret}` };
    },
    revoke: async (id) => {
      const revoked = find(id);
      if (revoked === undefined) return undefined;
      await file.update((list) => list.filter((token) => token.id !== id));
      for (const callback of callbacks) callback(id);
      return revoked;
    },
    match: (text) => {
      const { id = '', secret = '' } = TOKEN.exec(text)?.groups ?? {};
      const token = find(id);
      const isMatch = timingSafeEqual(hashOf(secret), Buffer.from(token?.hash ?? NO_HASH, 'hex'));
      return isMatch ? token : undefined;
    },
    onRevoked: (callback) => void callbacks.push(callback),
  };
}

const NO_HASH = Buffer.alloc(32).toString('hex');

function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

/** 50 random bits: the id is no secret, it only has to be unique. */
function randomId(): string {
  return randomBytes(8).readBigUInt64BE().toString(36).padStart(ID_CHARACTERS, '0').slice(-ID_CHARACTERS);
}
