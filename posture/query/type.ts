import type { CollectedKeys } from '../schema.ts';

/*
 * The types of CEL as data, how they are written (`list<string>`), and whether a value of one fits where another is
 * wanted. Missing values are of any type, so `dyn` and `null` fit everywhere.
 */

/**
 * A type of CEL. `words`: the only texts that a string can be. `keys`: where a map does not
 * hold every key that there is on a node. `parameter`: a type variable of a signature.
 */
export type CelType =
  | { readonly kind: SimpleKind }
  | { readonly kind: 'string'; readonly words?: readonly string[] }
  | { readonly kind: 'list'; readonly item: CelType }
  | { readonly kind: 'map'; readonly key: CelType; readonly value: CelType; readonly keys?: NamedKeys }
  | { readonly kind: 'object'; readonly path: string; readonly fields: ReadonlyMap<string, CelType> }
  | { readonly kind: 'parameter'; readonly name: string };

/** `isNamedOnly`: nothing but an entry by its constant key may be used, since an answer about all of them would be wrong. */
interface NamedKeys extends CollectedKeys {
  readonly isNamedOnly?: boolean;
}

/** Types without parts. */
export type SimpleKind = (typeof SIMPLE_KINDS)[number];

const SIMPLE_KINDS = [
  'dyn',
  'null_type',
  'bool',
  'int',
  'uint',
  'double',
  'type',
  'google.protobuf.Timestamp',
  'google.protobuf.Duration',
  'net.IP',
  'net.CIDR',
] as const;

/** Names that signatures use for long ones. */
const SHORT_NAMES: Readonly<Record<string, SimpleKind>> = {
  timestamp: 'google.protobuf.Timestamp',
  duration: 'google.protobuf.Duration',
};

/** The type of which nothing is known before the evaluation. */
export const DYN: CelType = Object.freeze({ kind: 'dyn' });

/** A type without parts. */
export function simple(kind: SimpleKind | 'string'): CelType {
  return { kind };
}

/** A type as it is written: `map<string, list<int>>`; an object by its path among the facts. */
export function typeText(type: CelType): string {
  if (type.kind === 'list') return `list<${typeText(type.item)}>`;
  if (type.kind === 'map') return `map<${typeText(type.key)}, ${typeText(type.value)}>`;
  if (type.kind === 'object') return type.path;
  if (type.kind === 'parameter') return type.name;
  return type.kind
    .replace('google.protobuf.', '')
    .replace(/^[DT](?=uration|imestamp)/, (letter) => letter.toLowerCase());
}

/** Reads what {@link typeText} writes. A single capital letter is a type variable. */
export function parseType(text: string): CelType {
  if (/^[A-Z]$/.test(text)) return { kind: 'parameter', name: text };
  if (text === 'string') return simple('string');
  if (text === 'list') return { kind: 'list', item: DYN };
  if (text === 'map') return { kind: 'map', key: DYN, value: DYN };
  if (text.startsWith('list<')) return { kind: 'list', item: parseType(text.slice(5, -1)) };
  if (text.startsWith('map<')) {
    const [key = 'dyn', value = 'dyn'] = splitTypes(text.slice(4, -1));
    return { kind: 'map', key: parseType(key), value: parseType(value) };
  }
  const kind = SHORT_NAMES[text] ?? SIMPLE_KINDS.find((each) => each === text);
  if (kind === undefined) throw new Error(`no CEL type ${text}`);
  return simple(kind);
}

/** `string, map<int, A>` in its parts. */
export function splitTypes(text: string): readonly string[] {
  const parts: string[] = [];
  let depth = 0;
  let part = '';
  for (const letter of text) {
    depth += letter === '<' ? 1 : letter === '>' ? -1 : 0;
    if (letter === ',' && depth === 0) {
      parts.push(part.trim());
      part = '';
    } else part += letter;
  }
  return part.trim() === '' ? parts : [...parts, part.trim()];
}

/** The types of the type variables of one call. */
export type Bindings = Map<string, CelType>;

/** Is a value of type `given` allowed where `wanted` is? Binds the type variables of `wanted`. */
export function fits(wanted: CelType, given: CelType, bindings: Bindings): boolean {
  if (given.kind === 'dyn' || given.kind === 'null_type' || wanted.kind === 'dyn') return true;
  if (wanted.kind === 'parameter') {
    const bound = bindings.get(wanted.name);
    if (bound === undefined) bindings.set(wanted.name, given);
    return bound === undefined || fits(bound, given, bindings) || fits(given, bound, bindings);
  }
  if (wanted.kind === 'list') return given.kind === 'list' && fits(wanted.item, given.item, bindings);
  if (wanted.kind === 'map') {
    // An object of the facts is a map from the names of its fields.
    if (given.kind === 'object') return fits(wanted.key, simple('string'), bindings);
    return given.kind === 'map' && fits(wanted.key, given.key, bindings) && fits(wanted.value, given.value, bindings);
  }
  if (wanted.kind === 'object') return given.kind === 'map' || (given.kind === 'object' && given.path === wanted.path);
  return wanted.kind === given.kind;
}

/** `type` with its type variables replaced; those that nothing is bound to are dyn. */
export function substitute(type: CelType, bindings: Bindings): CelType {
  if (type.kind === 'parameter') return bindings.get(type.name) ?? DYN;
  if (type.kind === 'list') return { kind: 'list', item: substitute(type.item, bindings) };
  if (type.kind !== 'map') return type;
  return { kind: 'map', key: substitute(type.key, bindings), value: substitute(type.value, bindings) };
}

/** The type of a value that is of one of `types`: theirs where they agree, otherwise dyn. */
export function commonType(types: readonly CelType[]): CelType {
  const [first, ...others] = types.filter(({ kind }) => kind !== 'null_type');
  if (first === undefined) return DYN;
  const text = typeText(first);
  return others.every((other) => typeText(other) === text) ? first : DYN;
}
