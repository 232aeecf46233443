import { createHmac } from 'node:crypto';
import { EVENT_PLACE, ITEMS, placeWithin } from '../../api/event-redaction.ts';
import type { EventPlace, RedactionRule } from '../../api/event-redaction.ts';
import type { OcsfEvent } from './ocsf/ocsf.ts';
import { createReplaceValues } from './replace-values.ts';
import type { ReplaceValues } from './replace-values.ts';

/** An event without what must not leave the collector. */
export type Redact = (event: OcsfEvent) => OcsfEvent;

/** In place of a text. It is valid where OCSF wants a name. */
const REDACTED = 'redacted';
/** Hexadecimal digits of a hash: 128 bits. */
const HASH_DIGITS = 32;
/** Hashes that are kept, and the length of a value whose hash is: most names come again with the next event. */
const MAX_HASHES = 4096;
const MAX_HASHED_LENGTH = 256;
const MAX_DEPTH = 64;

/**
 * Redacts events by these rules. A value that a rule concerns is replaced wherever else it occurs in the event as well:
 * in the message, in evidence, in keys, in JSON within a text, in any case of its letters; not within a longer word.
 * Words of OCSF and of Plimsoll stay. Where there are too many values to search for, every other text is replaced.
 */
export function createRedact(rules: readonly RedactionRule[], key: string): Redact {
  const hashOf = createHash(key);
  // The others concern texts alone, which are replaced already.
  const settling = rules.filter(({ action, isOpen }) => action === 'remove' || isOpen);
  return (event) => {
    const values = new Map<string, string>();
    for (const rule of rules)
      visitTexts(event, rule.path, (value) => {
        // The stricter rule counts.
        if (rule.action !== 'hash') values.set(value, REDACTED);
        else if (!values.has(value)) values.set(value, hashOf(value));
      });
    const replace = createReplaceValues(values, REDACTED);
    const searched = walk(event, { place: EVENT_PLACE, replace, depth: 0 }) as OcsfEvent;
    return settling.reduce<OcsfEvent>(
      (redacted, rule) => settle(redacted, { rule, at: 0, hashOf }) as OcsfEvent,
      withoutAddress(searched, event),
    );
  };
}

/** The keyed hash of a value. */
function createHash(key: string): (value: string) => string {
  const known = new Map<string, string>();
  const compute = (value: string): string =>
    `hmac-${createHmac('sha256', key).update(value).digest('hex').slice(0, HASH_DIGITS)}`;
  return (value) => {
    if (value.length > MAX_HASHED_LENGTH) return compute(value);
    const before = known.get(value);
    if (before !== undefined) return before;
    if (known.size >= MAX_HASHES) known.clear();
    const hash = compute(value);
    known.set(value, hash);
    return hash;
  };
}

interface Walking {
  readonly place: EventPlace;
  readonly replace: ReplaceValues;
  readonly depth: number;
}

/** A copy with each text and each key of objects without a type replaced, except words that no node chooses. */
function walk(value: unknown, { place, replace, depth }: Walking): unknown {
  if (depth > MAX_DEPTH) return REDACTED;
  if (place.isVocabulary) return value;
  if (typeof value === 'string') return replace(value);
  if (Array.isArray(value)) {
    const inner = { place: placeWithin(place, ITEMS), replace, depth: depth + 1 };
    return value.map((item) => walk(item, inner));
  }
  if (!isObject(value)) return value;
  // A key of a node can be `__proto__`. Other objects are plain: they are read three times as fast.
  const copy = (place.isOpen ? Object.create(null) : {}) as Record<string, unknown>;
  for (const name of Object.keys(value)) {
    const inner = placeWithin(place, name);
    const renamed = place.isOpen && !inner.isVocabulary ? freeName(replace(name), copy) : name;
    copy[renamed] = walk(value[name], { place: inner, replace, depth: depth + 1 });
  }
  return copy;
}

/** Two keys can become the same text: none of their values may be lost. */
function freeName(name: string, taken: Readonly<Record<string, unknown>>): string {
  if (!Object.hasOwn(taken, name)) return name;
  let number = 2;
  while (Object.hasOwn(taken, `${name}-${String(number)}`)) number += 1;
  return `${name}-${String(number)}`;
}

/** Calls `take` with each text of what a path leads to, without words that no node chooses. */
function visitTexts(event: OcsfEvent, path: readonly string[], take: (text: string) => void): void {
  const visit = (value: unknown, place: EventPlace, at: number): void => {
    if (at > MAX_DEPTH || place.isVocabulary) return;
    const isEnd = at >= path.length;
    if (Array.isArray(value)) {
      if (!isEnd && path[at] !== ITEMS) return;
      const inner = placeWithin(place, ITEMS);
      for (const item of value) visit(item, inner, at + 1);
    } else if (isObject(value)) {
      if (isEnd) for (const name of Object.keys(value)) visit(value[name], placeWithin(place, name), at + 1);
      else {
        const name = path[at] ?? '';
        if (Object.hasOwn(value, name)) visit(value[name], placeWithin(place, name), at + 1);
      }
    } else if (isEnd && typeof value === 'string' && value !== '') take(value);
  };
  visit(event, EVENT_PLACE, 0);
}

interface Settling {
  readonly rule: RedactionRule;
  /** Place within the path. */
  readonly at: number;
  readonly hashOf: (value: string) => string;
}

/** A copy in which what a rule leads to is removed, or replaced as a whole where it has no type and is no text. */
function settle(value: unknown, { rule, at, hashOf }: Settling): unknown {
  const { path, action, isOpen } = rule;
  const next = { rule, at: at + 1, hashOf };
  if (at >= path.length) {
    if (!isOpen || typeof value === 'string' || value === null || value === undefined) return value;
    return action === 'hash' ? hashOf(JSON.stringify(value)) : REDACTED;
  }
  const name = path[at] ?? '';
  if (name === ITEMS) {
    if (!Array.isArray(value)) return value;
    return action === 'remove' && next.at >= path.length ? [] : value.map((item) => settle(item, next));
  }
  if (!isObject(value) || !Object.hasOwn(value, name)) return value;
  const { [name]: inner, ...rest } = value;
  return action === 'remove' && next.at >= path.length ? rest : { ...value, [name]: settle(inner, next) };
}

/** An address of OCSF must be one: in its place, the endpoint gets a name. */
function withoutAddress(redacted: OcsfEvent, event: OcsfEvent): OcsfEvent {
  const endpoint = redacted['src_endpoint'];
  const was = event['src_endpoint'];
  if (!isObject(endpoint) || !isObject(was) || endpoint['ip'] === was['ip']) return redacted;
  const { ip, ...rest } = endpoint;
  return { ...redacted, src_endpoint: { name: ip, ...rest } };
}

function isObject(value: unknown): value is OcsfEvent {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
