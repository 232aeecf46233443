import type { SimpleKind } from './type.ts';
import { Unread } from './unread.ts';

/*
 * Values of CEL that JavaScript has no type for. The others are boolean, bigint (int), number (double), string, null,
 * array (list), and Map or an object without a prototype (map).
 */

/** CEL's `uint`: 0 to 2^64 - 1. */
export class Uint {
  readonly value: bigint;
  constructor(value: bigint) {
    this.value = value;
  }
}

/** CEL's `timestamp`, in nanoseconds since 1970. */
export class Timestamp {
  readonly nanos: bigint;
  constructor(nanos: bigint) {
    this.nanos = nanos;
  }
}

/** CEL's `duration`, in nanoseconds. */
export class Duration {
  readonly nanos: bigint;
  constructor(nanos: bigint) {
    this.nanos = nanos;
  }
}

/** A type as a value: what `type(1)` and `int` are. */
export class TypeValue {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/** An IP address: 4 or 16 bytes. */
export class IpAddress {
  readonly bytes: readonly number[];
  constructor(bytes: readonly number[]) {
    this.bytes = bytes;
  }
}

/** A block of IP addresses; `address` may have bits behind the prefix. */
export class Cidr {
  readonly address: IpAddress;
  readonly prefix: number;
  constructor(address: IpAddress, prefix: number) {
    this.address = address;
    this.prefix = prefix;
  }
}

/** The name of a value's type; undefined for what is unread, which is of no type. */
export function kindOf(value: unknown): Exclude<SimpleKind, 'dyn'> | 'string' | 'list' | 'map' | undefined {
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'bigint') return 'int';
  if (typeof value === 'number') return 'double';
  return typeof value === 'string' ? 'string' : objectKind(value);
}

const CLASSES = [
  [Uint, 'uint'],
  [Timestamp, 'google.protobuf.Timestamp'],
  [Duration, 'google.protobuf.Duration'],
  [TypeValue, 'type'],
  [IpAddress, 'net.IP'],
  [Cidr, 'net.CIDR'],
] as const;

function objectKind(value: unknown): ReturnType<typeof kindOf> {
  if (value === null) return 'null_type';
  if (Array.isArray(value)) return 'list';
  if (value instanceof Unread) return undefined;
  return CLASSES.find(([type]) => value instanceof type)?.[1] ?? 'map';
}

/** The key of a map as it is stored: 1, 1u and 1.0 are one key. Undefined where it cannot be one. */
export function mapKey(key: unknown): string | bigint | boolean | undefined {
  if (typeof key === 'string' || typeof key === 'bigint' || typeof key === 'boolean') return key;
  if (key instanceof Uint) return key.value;
  return typeof key === 'number' && Number.isInteger(key) ? BigInt(key) : undefined;
}

/** The entry of a map, undefined if absent. */
export function mapEntry(map: unknown, key: unknown): unknown {
  const stored = mapKey(key);
  if (map instanceof Map) return stored === undefined ? undefined : (map as ReadonlyMap<unknown, unknown>).get(stored);
  if (typeof stored !== 'string' || map === null || typeof map !== 'object') return undefined;
  return Object.hasOwn(map, stored) ? (map as Readonly<Record<string, unknown>>)[stored] : undefined;
}

/** Keys and values of a map. */
export function mapEntries(map: unknown): readonly (readonly [unknown, unknown])[] {
  return map instanceof Map ? [...(map as ReadonlyMap<unknown, unknown>)] : Object.entries(map as object);
}
