import { createHmac } from 'node:crypto';
import { safe } from '../../api/safe.ts';
import { isVocabulary, ITEMS } from '../../api/event-redaction.ts';
import type { RedactionRule } from '../../api/event-redaction.ts';
import type { OcsfEvent } from './ocsf/ocsf.ts';

/** An event without what must not leave the collector. */
export type Redact = (event: OcsfEvent) => OcsfEvent;

/** In place of a text. It is valid where OCSF wants a name. */
const REDACTED = 'redacted';
/** Hexadecimal digits of a hash: 128 bits. */
const HASH_DIGITS = 32;
/** Distinct values of an event that are searched in its other texts, and their length together. */
const MAX_VALUES = 500;
const MAX_CHARACTERS = 64 * 1024;
const MAX_DEPTH = 64;

/**
 * Redacts events by these rules. A value that a rule concerns is replaced wherever else it occurs in the event as well:
 * in the message, in evidence, in keys, in JSON within a text, in any case of its letters; not within a longer word.
 * Words of OCSF and of Plimsoll stay. Where there are too many values to search for, every other text is replaced.
 */
export function createRedact(rules: readonly RedactionRule[], key: string): Redact {
  const hashOf = (value: string): string =>
    `hmac-${createHmac('sha256', key).update(value).digest('hex').slice(0, HASH_DIGITS)}`;
  return (event) => {
    const values = new Map<string, string>();
    for (const rule of rules)
      for (const value of textsAt(event, rule.path)) {
        // The stricter rule counts.
        if (rule.action === 'hash' && !values.has(value)) values.set(value, hashOf(value));
        else if (rule.action !== 'hash') values.set(value, REDACTED);
      }
    const replace = createReplace(values);
    const searched = walk(event, '', replace, 0) as OcsfEvent;
    return rules.reduce<OcsfEvent>(
      (redacted, rule) => settle(redacted, { rule, at: 0, hashOf }) as OcsfEvent,
      withoutAddress(searched, event),
    );
  };
}

/** What a text becomes, wherever it is. */
type Replace = (text: string) => string;

function createReplace(values: ReadonlyMap<string, string>): Replace {
  const all = [...values.keys()];
  const characters = all.reduce((sum, value) => sum + value.length, 0);
  if (all.length > MAX_VALUES || characters > MAX_CHARACTERS) return (text) => values.get(text) ?? REDACTED;
  const forms = new Map<string, string>();
  for (const [value, replacement] of values)
    for (const form of [value, JSON.stringify(value).slice(1, -1), safe(value)])
      if (form !== '') forms.set(form.toLowerCase(), replacement);
  if (forms.size === 0) return (text) => text;
  const longestFirst = [...forms.keys()].toSorted((one, other) => other.length - one.length);
  const pattern = new RegExp(longestFirst.map(literal).join('|'), 'giu');
  return (text) => values.get(text) ?? text.replace(pattern, (found) => forms.get(found.toLowerCase()) ?? REDACTED);
}

/** The text itself; where it begins or ends with a letter or digit, not as a part of a longer word. */
function literal(text: string): string {
  const escaped = text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`);
  const before = /^[\p{L}\p{N}]/u.test(text) ? String.raw`(?<![\p{L}\p{N}])` : '';
  const after = /[\p{L}\p{N}]$/u.test(text) ? String.raw`(?![\p{L}\p{N}])` : '';
  return before + escaped + after;
}

/** A copy with each text and each key of objects without a type replaced, except words that no node chooses. */
function walk(value: unknown, path: string, replace: Replace, depth: number): unknown {
  if (depth > MAX_DEPTH) return REDACTED;
  if (typeof value === 'string') return isVocabulary(path) ? value : replace(value);
  if (Array.isArray(value)) return value.map((item) => walk(item, `${path}${ITEMS}`, replace, depth + 1));
  if (!isObject(value)) return value;
  const isOpen = /(?:^|\.)(?:data|unmapped)(?:$|[.[])/.test(path);
  const copy: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const [name, inner] of Object.entries(value)) {
    const inPath = path === '' ? name : `${path}.${name}`;
    const renamed = isOpen && !isVocabulary(inPath) ? freeName(replace(name), copy) : name;
    copy[renamed] = walk(inner, inPath, replace, depth + 1);
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

/** The texts of what a path leads to, without words that no node chooses. */
function textsAt(event: OcsfEvent, path: readonly string[]): readonly string[] {
  const texts: string[] = [];
  const visit = (value: unknown, at: number, text: string, depth: number): void => {
    if (depth > MAX_DEPTH) return;
    if (typeof value === 'string' && at >= path.length && value !== '' && !isVocabulary(text)) texts.push(value);
    if (Array.isArray(value)) {
      const next = path[at] === ITEMS ? at + 1 : at;
      if (at >= path.length || path[at] === ITEMS)
        for (const item of value) visit(item, next, `${text}${ITEMS}`, depth + 1);
    } else if (isObject(value))
      for (const [name, inner] of Object.entries(value))
        if (at >= path.length || path[at] === name)
          visit(inner, at + 1, text === '' ? name : `${text}.${name}`, depth + 1);
  };
  visit(event, 0, '', 0);
  return texts;
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
