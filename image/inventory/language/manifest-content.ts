import type { TreeFile } from '../file-tree.ts';

/** The content of a manifest, or one clause that says why it is not known. */
export type Content<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reason: string };

/** A whole text file as UTF-8 (invalid bytes are replaced), of at most `maxBytes`. Throws what `TreeFile.read` throws. */
export function readText(file: TreeFile, maxBytes: number): Content<string> {
  if (file.sizeBytes > maxBytes) return { ok: false, reason: `is larger than ${String(maxBytes)} bytes` };
  const bytes = file.read(0, maxBytes + 1);
  if (bytes.length > maxBytes) return { ok: false, reason: `is larger than ${String(maxBytes)} bytes` };
  return { ok: true, value: decode(bytes) };
}

/** The first `maxBytes` of a text file, and whether that is all of it. Throws what `TreeFile.read` throws. */
export function readTextStart(file: TreeFile, maxBytes: number): { readonly text: string; readonly complete: boolean } {
  const bytes = file.read(0, maxBytes + 1);
  return { text: decode(bytes.subarray(0, maxBytes)), complete: bytes.length <= maxBytes };
}

/** A whole JSON file of at most `maxBytes`. The value is untrusted. Throws what `TreeFile.read` throws. */
export function readJson(file: TreeFile, maxBytes: number): Content<unknown> {
  const text = readText(file, maxBytes);
  return text.ok ? parseJson(text.value) : text;
}

/** Parses JSON text; the reason of a failure never quotes it. */
export function parseJson(text: string): Content<unknown> {
  try {
    return { ok: true, value: JSON.parse(text) as unknown };
  } catch {
    return { ok: false, reason: 'is not valid JSON' };
  }
}

/** Whether an untrusted value is an object; its fields are read with `field`. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The own field of an untrusted value; undefined where it is no object or has none, never something inherited. */
export function field(value: unknown, name: string): unknown {
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

/** The own entries of an untrusted object; none where it is no object. */
export function entries(value: unknown): readonly (readonly [string, unknown])[] {
  return isObject(value) ? Object.entries(value) : [];
}

/** The items of an untrusted list; none where it is no list. */
export function items(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The directory of an absolute path; `/` for entries of the root. */
export function directoryOf(path: string): string {
  const end = path.lastIndexOf('/');
  return end <= 0 ? '/' : path.slice(0, end);
}

/** The last name of a path. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** The path of an entry of a directory. */
export function joinPath(directory: string, name: string): string {
  return directory === '/' ? `/${name}` : `${directory}/${name}`;
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
