import * as s from '../../posture/schema.ts';

/*
 * Schemas of what a request contains: as those of answers, with limits that the document names. Query parameters are
 * text, and one that may be repeated is a list only where it is repeated.
 */

/** Text of 1 to `maxLength` UTF-16 units. */
export function text(doc: string, maxLength: number): s.Schema<string> {
  const any = s.string(doc, maxLength);
  return {
    shape: { kind: 'string', doc, minimum: 1, maximum: maxLength },
    parse: (value, at = '') =>
      value === '' ? { ok: false, problem: `${at}: must not be empty` } : any.parse(value, at),
  };
}

/** An integer as a query parameter. */
export function numeric(doc: string, minimum: number, maximum?: number): s.Schema<number> {
  const { shape, parse } = s.integer(doc, minimum, maximum);
  return {
    shape,
    parse: (value, at) => parse(typeof value === 'string' && /^-?\d{1,16}$/.test(value) ? Number(value) : value, at),
  };
}

/** `true` or `false` as a query parameter. */
export function flag(doc: string): s.Schema<boolean> {
  const word = s.oneOf(['true', 'false']);
  return {
    shape: { kind: 'boolean', doc },
    parse: (value, at) => {
      const parsed = word.parse(value, at);
      return parsed.ok ? { ok: true, value: parsed.value === 'true' } : parsed;
    },
  };
}

/** A query parameter that may be repeated; absent: null. */
export function repeated<T>(item: s.Schema<T>, doc: string, maxItems: number): s.Schema<readonly T[] | null> {
  const all = s.list(item, doc, maxItems);
  const list = {
    ...all,
    parse: (value: unknown, at?: string) => all.parse(Array.isArray(value) ? value : [value], at),
  };
  return s.nullable(list, doc === '' ? 'may be repeated' : `${doc}; may be repeated`);
}
