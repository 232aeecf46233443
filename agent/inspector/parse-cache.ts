import { hash } from 'node:crypto';
import type { Host } from '../host/host.ts';
import { sameValue } from '../same-value.ts';
import { createRoundMemory } from './round-memory.ts';
import type { RoundMemory } from './round-memory.ts';

/**
 * Everything that inspectors remember, in one place. It saves work and decides nothing: each look reads the node, and
 * what is taken from here was made of the same bytes. A cache that is switched off remembers nothing, and the facts are
 * equal to those with one that is switched on; a test holds the inspectors to that.
 */
export interface ParseCache extends RoundMemory {
  /** false: about subjects other than the node itself nothing is kept, so nothing needs to be noted for the next look. */
  readonly keepsSubjects: boolean;
  /**
   * What `parse` makes of the bytes that were read at `place` of `subject`. `parse` must depend on the bytes alone, and
   * what it returns must not be changed.
   */
  readonly parsed: <T>(subject: string, place: string, bytes: Buffer, parse: (bytes: Buffer) => T) => T;
  /**
   * An equal text that is in memory once: mount tables of hundreds of containers consist of the same words, and a slice
   * of a text keeps the whole text alive.
   */
  readonly intern: (text: string) => string;
  /**
   * What `read` returns, for at most 2 s: events come in bursts, and each is about a container while the node around it
   * is the same. A failure is not remembered.
   */
  readonly memoizeFor: <T>(place: string, read: () => Promise<T>) => Promise<T>;
  /** `value`, or an equal object that was returned for `place` before. */
  readonly canonical: <T>(place: string, value: T) => T;
  /** What was set last for `subject`, with what is needed to see whether it still holds. */
  readonly get: <T>(subject: string, key: CacheKey<T>) => T | undefined;
  readonly set: <T>(subject: string, key: CacheKey<T>, value: T) => void;
  /** Removes what is kept for a subject that is gone. */
  readonly delete: (subject: string) => void;
  /** Removes what is kept for all other subjects, except the node itself. */
  readonly retain: (subjects: ReadonlySet<string>) => void;
}

/** A host, and what was remembered of it. */
export interface CachedHost {
  readonly host: Host;
  readonly cache: ParseCache;
}

/** Where values of one type are kept: one for each subject. */
export interface CacheKey<T> {
  readonly name: string;
  /** Holds the type, never a value. */
  readonly holds?: T;
}

/** What a cache is made with. */
export interface ParseCacheOptions {
  /** false: nothing is remembered; for comparison in tests. Default: true. */
  readonly enabled?: boolean;
  /** true: for a single look, after which nothing would be taken from what was kept of single subjects. Default: false. */
  readonly isSingleLook?: boolean;
}

/** The subject of what is kept about the node as a whole. */
export const NODE_SUBJECT = '';

/** An empty cache. One for each node that is inspected. */
export function createParseCache({ enabled = true, isSingleLook = false }: ParseCacheOptions = {}): ParseCache {
  if (!enabled) return DISABLED;
  return { ...createRoundMemory(), ...createTexts(), ...createMoments(), ...createSubjects(!isSingleLook) };
}

/** Holds no state. */
const DISABLED: ParseCache = Object.freeze({
  keepsSubjects: false,
  openRound: (host) => host,
  shared: (_host, _place, read) => read(),
  parsed: (_subject, _place, bytes, parse) => parse(bytes),
  intern: (text) => text,
  memoizeFor: (_place, read) => read(),
  canonical: (_place, value) => value,
  get: () => undefined,
  set: () => undefined,
  delete: () => undefined,
  retain: () => undefined,
} satisfies ParseCache);

/** A node with 200 containers has some thousand words. */
const MAX_WORDS = 10_000;

function createTexts(): Pick<ParseCache, 'intern'> {
  let words = new Map<string, string>();
  return {
    intern: (text) => {
      const known = words.get(text);
      if (known !== undefined) return known;
      if (words.size >= MAX_WORDS) words = new Map();
      // By way of its bytes it becomes a string of its own.
      const own = Buffer.from(text, 'utf8').toString('utf8');
      words.set(own, own);
      return own;
    },
  };
}

/** A round takes about as long. */
const MEMOIZE_MS = 2000;

function createMoments(): Pick<ParseCache, 'memoizeFor' | 'canonical'> {
  const moments = new Map<string, { readonly readMs: number; readonly value: Promise<unknown> }>();
  const values = new Map<string, unknown>();
  return {
    memoizeFor: <T>(place: string, read: () => Promise<T>): Promise<T> => {
      const nowMs = performance.now();
      const before = moments.get(place);
      if (before !== undefined && nowMs - before.readMs < MEMOIZE_MS) return before.value as Promise<T>;
      const value = read();
      moments.set(place, { readMs: nowMs, value });
      value.catch(() => moments.delete(place));
      return value;
    },
    canonical: <T>(place: string, value: T): T => {
      const before = values.get(place);
      // The place decides about the type.
      if (sameValue(before, value)) return before as T;
      values.set(place, value);
      return value;
    },
  };
}

interface Subject {
  readonly parsed: Map<string, { readonly digest: string; readonly value: unknown }>;
  readonly kept: Map<string, unknown>;
}

/** Bounds what stays of subjects whose end was never reported. */
const MAX_SUBJECTS = 10_000;

function createSubjects(
  keepsSubjects: boolean,
): Pick<ParseCache, 'keepsSubjects' | 'parsed' | 'get' | 'set' | 'delete' | 'retain'> {
  const known = new Map<string, Subject>();
  const about = (subject: string): Subject => {
    const before = known.get(subject);
    if (before !== undefined) return before;
    if (known.size >= MAX_SUBJECTS) known.clear();
    const fresh: Subject = { parsed: new Map(), kept: new Map() };
    known.set(subject, fresh);
    return fresh;
  };
  const isKept = (subject: string): boolean => keepsSubjects || subject === NODE_SUBJECT;
  return {
    keepsSubjects,
    parsed: <T>(subject: string, place: string, bytes: Buffer, parse: (bytes: Buffer) => T): T => {
      if (!isKept(subject)) return parse(bytes);
      const digest = hash('sha256', bytes, 'base64');
      const places = about(subject).parsed;
      const before = places.get(place);
      // The place decides what is parsed, so what was parsed there is of the same type.
      if (before?.digest === digest) return before.value as T;
      const value = parse(bytes);
      places.set(place, { digest, value });
      return value;
    },
    get: <T>(subject: string, { name }: CacheKey<T>) => known.get(subject)?.kept.get(name) as T | undefined,
    set: (subject, { name }, value) => {
      if (isKept(subject)) about(subject).kept.set(name, value);
    },
    delete: (subject) => void known.delete(subject),
    retain: (subjects) => {
      for (const subject of known.keys()) if (subject !== NODE_SUBJECT && !subjects.has(subject)) known.delete(subject);
    },
  };
}
