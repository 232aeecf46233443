import { createReadStream } from 'node:fs';
import { resolve } from 'node:path';
import { readBoundedText } from '../../image/policy/bounded-text.ts';
import { parseYamlDocuments } from '../../image/policy/yaml-documents.ts';
import { errorCode } from '../../service/files.ts';

/** An object of Kubernetes in a file, not parsed further. */
export interface ManifestObject {
  readonly kind: string;
  readonly name: string;
  /** Undefined: the object names none. */
  readonly namespace: string | undefined;
  readonly object: unknown;
}

/** Objects, or why there are none. `reason` quotes nothing of the file. */
export type ReadObjects =
  { readonly ok: true; readonly objects: readonly ManifestObject[] } | { readonly ok: false; readonly reason: string };

/** Standard input as an operand. */
const STDIN = '-';
/** `kubectl get pods -A -o json` of a large cluster; YAML takes the parser a second for a megabyte. */
const MAX_JSON_BYTES = 64 * 1024 * 1024;
const MAX_YAML_BYTES = 2 * 1024 * 1024;
const MAX_OBJECTS = 10_000;
const MAX_NAME = 253;

/** Whether an operand names a file, or standard input, instead of an image. */
export function isManifestOperand(operand: string): boolean {
  return operand === STDIN || /^\.{0,2}\//.test(operand) || /\.(?:ya?ml|json)$/.test(operand);
}

/** The objects of a file (YAML with several documents, or JSON) or of standard input; those of lists one by one. */
export async function readObjects(operand: string, directory: string): Promise<ReadObjects> {
  const read = await readText(operand, directory);
  if (!read.ok) return read;
  const documents = parseDocuments(read.text);
  if (!documents.ok) return documents;
  const objects = documents.documents.flatMap(itemsOf);
  if (objects.length === 0) return { ok: false, reason: 'contains no object' };
  if (objects.length > MAX_OBJECTS) return { ok: false, reason: `has more than ${String(MAX_OBJECTS)} objects` };
  const named = objects.map(describeObject);
  const bad = named.findIndex((one) => one === undefined);
  return bad === -1
    ? { ok: true, objects: named.filter((one) => one !== undefined) }
    : { ok: false, reason: `document ${String(bad + 1)} is not an object of Kubernetes: it has no kind` };
}

type Text = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly reason: string };

async function readText(operand: string, directory: string): Promise<Text> {
  if (operand !== STDIN) return readBoundedText(resolve(directory, operand), MAX_JSON_BYTES);
  const parts: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const part of createReadStream('', { fd: 0, autoClose: false }) as AsyncIterable<Uint8Array>) {
      bytes += part.length;
      if (bytes > MAX_JSON_BYTES) return { ok: false, reason: `is larger than ${String(MAX_JSON_BYTES)} bytes` };
      parts.push(part);
    }
    return { ok: true, text: Buffer.concat(parts).toString('utf8') };
  } catch (error) {
    return { ok: false, reason: `cannot be read (${errorCode(error)})` };
  }
}

type Documents =
  { readonly ok: true; readonly documents: readonly unknown[] } | { readonly ok: false; readonly reason: string };

function parseDocuments(text: string): Documents {
  if (text.trimStart().startsWith('{'))
    try {
      return { ok: true, documents: [JSON.parse(text)] };
    } catch {
      // YAML can begin with a brace as well.
    }
  return text.length > MAX_YAML_BYTES
    ? { ok: false, reason: `is larger than ${String(MAX_YAML_BYTES)} bytes, which only JSON may be` }
    : parseYamlDocuments(text);
}

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

/** The items of a list (`List`, `PodList`), which have no kind of their own in an answer of the API server. */
function itemsOf(document: unknown): readonly unknown[] {
  const { kind, items, apiVersion } = fieldsOf(document);
  if (typeof kind !== 'string' || !kind.endsWith('List') || !Array.isArray(items)) return [document];
  const kindOfItems = kind === 'List' ? {} : { kind: kind.slice(0, -'List'.length), apiVersion };
  return items.map((item: unknown) => Object.assign({}, kindOfItems, fieldsOf(item)));
}

function describeObject(object: unknown): ManifestObject | undefined {
  const { kind, metadata } = fieldsOf(object);
  if (typeof kind !== 'string' || kind === '' || kind.length > MAX_NAME) return undefined;
  const { name, generateName, namespace } = fieldsOf(metadata);
  const text = (value: unknown): string => (typeof value === 'string' ? value.slice(0, MAX_NAME) : '');
  const isNamed = text(name) !== '' || text(generateName) === '';
  return {
    kind,
    name: isNamed ? text(name) : `${text(generateName)}*`,
    namespace: text(namespace) === '' ? undefined : text(namespace),
    object,
  };
}
