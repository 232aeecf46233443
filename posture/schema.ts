/**
 * A small schema language: what a value from outside must look like before the program believes it, and the
 * documentation of each field. Written here because `posture` imports nothing; it covers what facts, answers of the
 * container engine and the operator API need and no more.
 */

/** The outcome of `parse`: the value, or what was wrong and where (`.State.Pid: expected an integer`). */
export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string };

/** One schema. `shape` is data for documentation and for walking; `parse` never throws. */
export interface Schema<T> {
  readonly shape: Shape;
  readonly parse: (value: unknown, at?: string) => Parsed<T>;
}

/** The TypeScript type that a schema accepts. */
export type Infer<S> = S extends Schema<infer T> ? T : never;

/** What a schema accepts, as data. `doc` is one sentence for people; empty where the name says it all. */
export type Shape =
  | ({ readonly kind: 'string' | 'integer' | 'number' } & Bounds & Documented)
  | ({ readonly kind: 'boolean' | 'unknown' } & Documented)
  | ({ readonly kind: 'oneOf'; readonly values: readonly string[] } & Documented)
  | ({ readonly kind: 'list' | 'nullable' | 'observed'; readonly item: Shape } & Bounds & Documented)
  | ({ readonly kind: 'record'; readonly item: Shape; readonly keys?: CollectedKeys } & Bounds & Documented)
  | ({ readonly kind: 'object'; readonly fields: Readonly<Record<string, Shape>> } & Documented)
  | ({ readonly kind: 'union'; readonly items: readonly Shape[] } & Documented);

/** The keys of a record that are collected. `onDemand`: others are read when a query names them. */
export interface CollectedKeys {
  readonly collected: readonly string[];
  readonly onDemand: boolean;
}

interface Documented {
  readonly doc: string;
  /** Stands in for a missing value. */
  readonly preset?: unknown;
  /** How queries show it where they do not show it as it is stored: names of capabilities, octal text. */
  readonly view?: 'capabilities' | 'mode';
}

/** Limits that documentation names: of a number, of the length of a string, of the items of a list. */
interface Bounds {
  readonly minimum?: number;
  readonly maximum?: number;
}

/** The shape beneath what may be missing. */
export function presentShape(shape: Shape): Shape {
  return shape.kind === 'observed' || shape.kind === 'nullable' ? presentShape(shape.item) : shape;
}

/** Bounds that hold where a schema states none of its own. */
const DEFAULT_MAX_LENGTH = 64 * 1024;
const DEFAULT_MAX_ITEMS = 20_000;

const good = <T>(value: T): Parsed<T> => ({ ok: true, value });
const bad = (at: string, expected: string): { ok: false; problem: string } => ({
  ok: false,
  problem: `${at === '' ? 'value' : at}: expected ${expected}`,
});

/** A string of at most `maxLength` UTF-16 units. */
export function string(doc = '', maxLength?: number): Schema<string> {
  const most = maxLength ?? DEFAULT_MAX_LENGTH;
  return {
    shape: { kind: 'string', doc, ...(maxLength !== undefined && { maximum: maxLength }) },
    parse: (value, at = '') => {
      if (typeof value !== 'string') return bad(at, 'a string');
      return value.length <= most ? good(value) : bad(at, `at most ${String(most)} characters`);
    },
  };
}

/** An integer within the safe range, at least `minimum` and at most `maximum` where they are given. */
export function integer(doc = '', minimum?: number, maximum?: number): Schema<number> {
  const bounds = { ...(minimum !== undefined && { minimum }), ...(maximum !== undefined && { maximum }) };
  return {
    shape: { kind: 'integer', doc, ...bounds },
    parse: (value, at = '') => {
      if (!Number.isSafeInteger(value)) return bad(at, 'an integer');
      const number = value as number;
      if (minimum !== undefined && number < minimum) return bad(at, `at least ${String(minimum)}`);
      return maximum !== undefined && number > maximum ? bad(at, `at most ${String(maximum)}`) : good(number);
    },
  };
}

/** A finite number, which may have decimals. */
export function number(doc = ''): Schema<number> {
  return {
    shape: { kind: 'number', doc },
    parse: (value, at = '') => (Number.isFinite(value) ? good(value as number) : bad(at, 'a number')),
  };
}

/** `true` or `false`. */
export function boolean(doc = ''): Schema<boolean> {
  return {
    shape: { kind: 'boolean', doc },
    parse: (value, at = '') => (typeof value === 'boolean' ? good(value) : bad(at, 'true or false')),
  };
}

/** Anything; the reader must narrow it. */
export function unknown(doc = ''): Schema<unknown> {
  return { shape: { kind: 'unknown', doc }, parse: (value) => good(value) };
}

/** One of the listed words. */
export function oneOf<const V extends string>(values: readonly V[], doc = ''): Schema<V> {
  const known = new Set<unknown>(values);
  return {
    shape: { kind: 'oneOf', doc, values },
    parse: (value, at = '') => (known.has(value) ? good(value as V) : bad(at, `one of ${values.join(', ')}`)),
  };
}

/** Documented as one of these words; accepts any other, which a newer sender may know. */
export function openOneOf(values: readonly string[], doc = ''): Schema<string> {
  return { ...string(doc, 64), shape: { kind: 'oneOf', doc, values } };
}

/** The first of `items` that accepts the value. */
export function union<const I extends readonly Schema<unknown>[]>(items: I, doc = ''): Schema<Infer<I[number]>> {
  return {
    shape: { kind: 'union', doc, items: items.map(({ shape }) => shape) },
    parse: (value, at = '') => {
      for (const item of items) {
        const parsed = item.parse(value, at);
        if (parsed.ok) return parsed as Parsed<Infer<I[number]>>;
      }
      return bad(at, `one of ${String(items.length)} documented forms`);
    },
  };
}

/** A list of at most `maxItems`. */
export function list<T>(item: Schema<T>, doc = '', maxItems?: number): Schema<readonly T[]> {
  const most = maxItems ?? DEFAULT_MAX_ITEMS;
  return {
    shape: { kind: 'list', doc, item: item.shape, ...(maxItems !== undefined && { maximum: maxItems }) },
    parse: (value, at = '') => {
      if (!Array.isArray(value)) return bad(at, 'a list');
      if (value.length > most) return bad(at, `at most ${String(most)} items`);
      const items: T[] = [];
      for (let index = 0; index < value.length; index += 1) {
        const parsed = item.parse(value[index], `${at}[${String(index)}]`);
        if (!parsed.ok) return parsed;
        items.push(parsed.value);
      }
      return good(items);
    },
  };
}

/**
 * A map from any string to `item`, of at most `maxItems` entries. `keys`: where not
 * every key that there is on a node is collected.
 */
export function record<T>(
  item: Schema<T>,
  doc = '',
  maxItems = DEFAULT_MAX_ITEMS,
  keys?: CollectedKeys,
): Schema<Readonly<Record<string, T>>> {
  return {
    shape: { kind: 'record', doc, item: item.shape, ...(keys === undefined ? {} : { keys }) },
    parse: (value, at = '') => {
      if (!isPlainObject(value)) return bad(at, 'an object');
      const keys = Object.keys(value);
      if (keys.length > maxItems) return bad(at, `at most ${String(maxItems)} entries`);
      // A null prototype: a key such as __proto__ from outside is an entry, not a prototype.
      const entries = Object.create(null) as Record<string, T>;
      for (const [index, key] of keys.entries()) {
        // The key itself is content, and a problem must not quote any.
        const parsed = item.parse(value[key], `${at}{${String(index)}}`);
        if (!parsed.ok) return parsed;
        entries[key] = parsed.value;
      }
      return good(entries);
    },
  };
}

/** `null`, a missing field, or `item`. A missing field reads as `null`. */
export function nullable<T>(item: Schema<T>, doc = ''): Schema<T | null> {
  return {
    shape: { kind: 'nullable', doc, item: item.shape },
    parse: (value, at = '') => (value === null || value === undefined ? good(null) : item.parse(value, at)),
  };
}

/** `item`, or `fallback` where the field is missing or null: for answers that leave out empty fields. */
export function withDefault<T>(item: Schema<T>, fallback: T): Schema<T> {
  return {
    shape: { ...item.shape, preset: fallback },
    parse: (value, at = '') => (value === null || value === undefined ? good(fallback) : item.parse(value, at)),
  };
}

/** `item`, which queries show in another form. */
export function shownAs<T>(view: 'capabilities' | 'mode', item: Schema<T>): Schema<T> {
  return { ...item, shape: { ...item.shape, view } };
}

/** An object with these fields; further fields are dropped. */
export function object<F extends Readonly<Record<string, Schema<unknown>>>>(
  fields: F,
  doc = '',
): Schema<{ readonly [K in keyof F]: Infer<F[K]> }> {
  const names = Object.keys(fields);
  const shapes: Record<string, Shape> = {};
  for (const [name, field] of Object.entries(fields)) shapes[name] = field.shape;
  return {
    shape: { kind: 'object', doc, fields: shapes },
    parse: (value, at = '') => {
      if (!isPlainObject(value)) return bad(at, 'an object');
      const result: Record<string, unknown> = {};
      for (const name of names) {
        const own = Object.hasOwn(value, name) ? value[name] : undefined;
        const parsed = (fields[name] as Schema<unknown>).parse(own, `${at}.${name}`);
        if (!parsed.ok) return parsed;
        result[name] = parsed.value;
      }
      return good(result as { [K in keyof F]: Infer<F[K]> });
    },
  };
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
