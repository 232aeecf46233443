import { foldCase } from '../strict-json.ts';

/** The members of a JSON object. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Whether a value of JSON is an object. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The member that Go stores in the field `name`: its encoding/json ignores the case of keys. The document holds no two
 * such keys (`parseStrictJson`). undefined where it is absent.
 */
export function field(object: JsonObject, name: string): unknown {
  const folded = foldCase(name);
  return Object.entries(object).find(([key]) => foldCase(key) === folded)?.[1];
}

/** Whether Go reads the value as the zero value of its field, which is the same as leaving the field out. */
export function isZero(value: unknown): boolean {
  if (value === undefined || value === null || value === false || value === 0 || value === '') return true;
  if (Array.isArray(value)) return value.every((item) => item === 0);
  return isObject(value) && Object.keys(value).length === 0;
}
