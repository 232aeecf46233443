import { hash } from 'node:crypto';
import { sameValue } from '../same-value.ts';
import { createRoundMemory } from './round-memory.ts';
import type { RoundMemory } from './round-memory.ts';
import { createFailedLooks } from './unobserved/failed-looks.ts';
import type { FailedLooks } from './unobserved/failed-looks.ts';

/**
 * Everything that inspectors remember. It saves work and never decides: a round reads the node anew, and only what was
 * made of the same bytes is taken from here. With and without it the facts are equal.
 */
export interface ParseCache extends RoundMemory {
  /**
   * What `parse` makes of the bytes that were read at `place` of `subject`. `parse` must depend on the bytes alone, and
   * what it answers must not be changed.
   */
  readonly parsed: <T>(subject: string, place: string, bytes: Buffer, parse: (bytes: Buffer) => T) => T;
  /**
   * The text, of which there is then only one in memory: mount tables of hundreds of containers consist of the same
   * words, and a piece of a text would keep the whole text alive.
   */
  readonly intern: (text: string) => string;
  /**
   * What `read` answers, for a moment: events come in bursts, and each is about a container while the node around it is
   * the same.
   */
  readonly memoizeFor: <T>(place: string, read: () => Promise<T>) => Promise<T>;
  /** `value`, or the object that stood for `place` before where that says the same. */
  readonly canonical: <T>(place: string, value: T) => T;
  /** What was kept last for `subject` in this key. */
  readonly get: <T>(subject: string, key: CacheKey<T>) => T | undefined;
  readonly set: <T>(subject: string, key: CacheKey<T>, value: T) => void;
  /** The subject is gone. */
  readonly delete: (subject: string) => void;
  /** All others, but the node itself, are gone. */
  readonly retain: (subjects: ReadonlySet<string>) => void;
  /** What could not be looked at. It is no cache: a look that failed must not be forgotten. */
  readonly failed: FailedLooks;
}

/** Where values of one type are kept: one for each subject. */
export interface CacheKey<T> {
  readonly name: string;
  /** Holds the type, never a value. */
  readonly holds?: T;
}

interface Parsed {
  readonly digest: string;
  readonly value: unknown;
}

interface Subject {
  readonly parsed: Map<string, Parsed>;
  readonly kept: Map<string, unknown>;
}

/** The subject of what is kept about the node as a whole. */
export const NODE_SUBJECT = '';

/** Subjects whose end nobody told would stay for ever. */
const MAX_SUBJECTS = 10_000;
/** So long the node around the containers is taken for the same; a round takes as long. */
const SHORTLY_MS = 2000;
/** The words of a node with 200 containers are some thousand. */
const MAX_WORDS = 10_000;

/** Remembers nothing yet. One for each node that is looked at. */
export function createParseCache(): ParseCache {
  const known = new Map<string, Subject>();
  const moments = new Map<string, { readonly readMs: number; readonly value: Promise<unknown> }>();
  const steady = new Map<string, unknown>();
  let words = new Map<string, string>();
  const about = (subject: string): Subject => {
    const before = known.get(subject);
    if (before !== undefined) return before;
    if (known.size >= MAX_SUBJECTS) known.clear();
    const fresh: Subject = { parsed: new Map(), kept: new Map() };
    known.set(subject, fresh);
    return fresh;
  };
  return {
    ...createRoundMemory(),
    parsed: <T>(subject: string, place: string, bytes: Buffer, parse: (bytes: Buffer) => T): T => {
      const digest = hash('sha256', bytes, 'base64');
      const places = about(subject).parsed;
      const before = places.get(place);
      // The place decides what is parsed, so what stands there is of the same type.
      if (before?.digest === digest) return before.value as T;
      const value = parse(bytes);
      places.set(place, { digest, value });
      return value;
    },
    intern: (text) => {
      const known = words.get(text);
      if (known !== undefined) return known;
      if (words.size >= MAX_WORDS) words = new Map();
      // By way of its bytes it becomes a string of its own.
      const own = Buffer.from(text, 'utf8').toString('utf8');
      words.set(own, own);
      return own;
    },
    memoizeFor: <T>(place: string, read: () => Promise<T>): Promise<T> => {
      const nowMs = performance.now();
      const before = moments.get(place);
      if (before !== undefined && nowMs - before.readMs < SHORTLY_MS) return before.value as Promise<T>;
      const value = read();
      moments.set(place, { readMs: nowMs, value });
      value.catch(() => moments.delete(place));
      return value;
    },
    canonical: <T>(place: string, value: T): T => {
      const before = steady.get(place);
      // The place decides about the type.
      if (sameValue(before, value)) return before as T;
      steady.set(place, value);
      return value;
    },
    get: <T>(subject: string, { name }: CacheKey<T>) => known.get(subject)?.kept.get(name) as T | undefined,
    set: (subject, { name }, value) => void about(subject).kept.set(name, value),
    delete: (subject) => void known.delete(subject),
    retain: (subjects) => {
      for (const subject of known.keys()) if (subject !== NODE_SUBJECT && !subjects.has(subject)) known.delete(subject);
    },
    failed: createFailedLooks(),
  };
}
