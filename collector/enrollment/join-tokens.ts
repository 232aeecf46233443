import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import * as s from '../../posture/schema.ts';
import type { Clock } from '../../service/clock.ts';
import { openListFile } from './list-file.ts';

/** A join token as it is kept: without its secret. */
export interface JoinToken {
  /** The part of the token before the dot. */
  readonly id: string;
  /** SHA-256 of the secret, hexadecimal. A secret has 256 random bits, so a plain hash is enough. */
  readonly hash: string;
  readonly createdMs: number;
  readonly expiresMs: number;
  /** The only node that may use it; empty: any node that the collector does not know yet. */
  readonly nodeId: string;
  /** When it was used; 0: it was not. */
  readonly usedMs: number;
  /** The node that used it. */
  readonly usedBy: string;
}

/** A token that was just created. `text` is `id.secret`; it is shown once and not kept. */
export interface CreatedJoinToken {
  readonly token: JoinToken;
  readonly text: string;
}

/** Why a token was not accepted. */
export type TokenRefusal = 'unknown' | 'expired' | 'used' | 'otherNode';

/** The join tokens of a collector. */
export interface JoinTokens {
  readonly all: () => readonly JoinToken[];
  /** Resolves to undefined where {@link MAX_TOKENS} tokens exist that can be used. */
  readonly create: (request: {
    readonly ttlMs: number;
    readonly nodeId: string;
  }) => Promise<CreatedJoinToken | undefined>;
  /** Resolves to false where there is no such token. */
  readonly remove: (id: string) => Promise<boolean>;
  /** The token that `text` is, if `nodeId` may use it now; otherwise why not. */
  readonly check: (text: string, nodeId: string) => JoinToken | TokenRefusal;
  /** Marks a token as used, durably. Resolves to false where it was used or removed meanwhile. */
  readonly use: (id: string, nodeId: string) => Promise<boolean>;
}

/** Longest lifetime of a token. */
export const MAX_TOKEN_TTL_MS = 86_400_000;
/** Tokens that are kept; of expired and used ones the oldest go first. */
export const MAX_TOKENS = 1_000;
/** How long a used or expired token is listed. */
const KEPT_MS = 7 * 86_400_000;

const TOKEN = /^(?<id>[a-z0-9]{10})\.(?<secret>[A-Za-z0-9_-]{43})$/;

const tokenSchema = s.object({
  id: s.string('', 10),
  hash: s.string('', 64),
  createdMs: s.integer(),
  expiresMs: s.integer(),
  nodeId: s.string('', 200),
  usedMs: s.integer(),
  usedBy: s.string('', 200),
});

/** Opens the tokens that are kept at `path`. Throws StartError. */
export async function openJoinTokens(path: string, clock: Pick<Clock, 'now'>): Promise<JoinTokens> {
  const file = await openListFile<JoinToken>(path, s.list(tokenSchema, '', 2 * MAX_TOKENS));
  const find = (id: string): JoinToken | undefined => file.all().find((token) => token.id === id);
  return {
    all: file.all,
    create: async ({ ttlMs, nodeId }) => {
      const [id, secret] = [randomId(), randomBytes(32).toString('base64url')];
      const createdMs = clock.now();
      const expiresMs = createdMs + Math.min(ttlMs, MAX_TOKEN_TTL_MS);
      const token = { id, hash: hashOf(secret).toString('hex'), createdMs, expiresMs, nodeId, usedMs: 0, usedBy: '' };
      let isFull = false;
      await file.update((list) => {
        const listed = list.filter((each) => isListed(each, createdMs));
        const usable = listed.filter((each) => isUsable(each, createdMs));
        isFull = usable.length >= MAX_TOKENS;
        if (isFull) return list;
        // The newest of those that cannot be used any more stay listed, as far as there is room.
        const room = MAX_TOKENS - usable.length - 1;
        const ended = new Set(room > 0 ? listed.filter((each) => !isUsable(each, createdMs)).slice(-room) : []);
        return [...listed.filter((each) => ended.has(each) || isUsable(each, createdMs)), token];
      });
      return isFull ? undefined : { token, text: `${id}.${secret}` };
    },
    remove: async (id) => {
      let found = false;
      await file.update((list) => {
        const kept = list.filter((token) => token.id !== id);
        found = kept.length < list.length;
        return found ? kept : list;
      });
      return found;
    },
    check: (text, nodeId) => {
      const { id = '', secret = '' } = TOKEN.exec(text)?.groups ?? {};
      const token = find(id);
      // The secret first: who does not have it learns nothing about a token, not even that it exists.
      if (!isSecretOf(token, secret) || token === undefined) return 'unknown';
      if (token.usedMs > 0) return 'used';
      if (clock.now() >= token.expiresMs) return 'expired';
      return token.nodeId === '' || token.nodeId === nodeId ? token : 'otherNode';
    },
    use: async (id, nodeId) => {
      let used = false;
      await file.update((list) =>
        list.map((token) => {
          if (token.id !== id || token.usedMs > 0) return token;
          used = true;
          return { ...token, usedMs: clock.now(), usedBy: nodeId };
        }),
      );
      return used;
    },
  };
}

function isUsable({ expiresMs, usedMs }: JoinToken, nowMs: number): boolean {
  return usedMs === 0 && nowMs < expiresMs;
}

function isListed({ expiresMs, usedMs }: JoinToken, nowMs: number): boolean {
  return Math.max(expiresMs, usedMs) + KEPT_MS > nowMs;
}

const NO_HASH = Buffer.alloc(32).toString('hex');

/** Compares in constant time, also for a token that does not exist. */
function isSecretOf(token: JoinToken | undefined, secret: string): boolean {
  return timingSafeEqual(hashOf(secret), Buffer.from(token?.hash ?? NO_HASH, 'hex'));
}

function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

function randomId(): string {
  return randomBytes(8).readBigUInt64BE().toString(36).padStart(10, '0').slice(-10);
}
