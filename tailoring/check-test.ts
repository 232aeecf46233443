/**
 * Cases that custom checks are tested with: what is known, and the verdict that is expected.
 *
 * ```yaml
 * apiVersion: plimsoll.dev/v1
 * kind: CheckTest
 * cases:
 *   - name: an image of another registry fails
 *     check: acme.company-registry
 *     given: { container: { kind: container, image: docker.io/library/nginx:1 } }
 *     expect: fail
 *   - name: on a recorded node
 *     check: acme.company-registry
 *     recording: ./node-17
 *     subject: shop-db
 *     expect: pass
 * ```
 *
 * What a case does not give could not be read.
 */
import type { CelType } from '../posture/query/type.ts';
import { typeText } from '../posture/query/type.ts';
import { suggestion } from '../posture/query/nearest.ts';
import { Unread } from '../posture/query/unread.ts';
import { list, nullable, oneOf, record, string, unknown, withDefault } from '../posture/schema.ts';
import type { Infer, Parsed } from '../posture/schema.ts';
import { VERDICTS } from '../posture/verdict.ts';
import { strictObject } from '../policy/strict-object.ts';
import { parameterValue, TAILORING_API_VERSION } from './check-document.ts';

/** `kind` of the documents. */
export const CHECK_TEST_KIND = 'CheckTest';

const oneCase = strictObject({
  name: string('', 256),
  check: string('id of the check', 128),
  given: nullable(record(unknown(), 'values by variable of the check, such as `container`', 64)),
  recording: nullable(string('directory that plimsoll record wrote; relative to this file', 4096)),
  subject: nullable(string('with a recording: name or id; default: every subject has the verdict', 4096)),
  parameters: withDefault(record(parameterValue, 'parameters with other values', 32), {}),
  expect: oneOf(VERDICTS, 'the verdict'),
});

const checkTest = strictObject({
  apiVersion: oneOf([TAILORING_API_VERSION]),
  kind: oneOf([CHECK_TEST_KIND]),
  checks: withDefault(list(string('', 4096), 'files with checks; relative to this file', 64), []),
  cases: list(oneCase, '', 1000),
});
/** One case. */
export type CheckCase = Infer<typeof oneCase>;

/** A document with cases, or what is wrong with it and where. */
export function parseCheckTest(value: unknown): Parsed<Infer<typeof checkTest>> {
  const parsed = checkTest.parse(value);
  if (!parsed.ok) return { ok: false, problem: parsed.problem.replace(/^\./, '') };
  const { cases } = parsed.value;
  if (cases.length === 0) return { ok: false, problem: 'cases: expected at least one' };
  for (const [index, { given, recording, subject }] of cases.entries()) {
    const place = `cases[${String(index)}]`;
    if (given !== null && (recording !== null || subject !== null))
      return { ok: false, problem: `${place}.given: expected without recording and subject` };
  }
  return parsed;
}

/** The variables of a check from what a case gives. What it does not give could not be read. */
export function givenVariables(
  given: Readonly<Record<string, unknown>>,
  types: ReadonlyMap<string, CelType>,
): Parsed<ReadonlyMap<string, unknown>> {
  const stray = Object.keys(given).find((name) => !types.has(name) || name === 'parameters');
  if (stray !== undefined)
    return { ok: false, problem: `given: the check has no variable of this name${suggestion(stray, types.keys())}` };
  const values = new Map<string, unknown>();
  for (const [name, type] of types) {
    const value = Object.hasOwn(given, name) ? valueOf(given[name], type, name) : { ok: true, value: notGiven(name) };
    if (!value.ok) return { ok: false, problem: `given.${(value as { problem: string }).problem}` };
    values.set(name, (value as { value: unknown }).value);
  }
  return { ok: true, value: values };
}

function notGiven(path: string): Unread {
  return new Unread(path, 'the case does not give it');
}

function valueOf(value: unknown, type: CelType, path: string): Parsed<unknown> {
  if (value === null) return { ok: true, value: null };
  const wrong: Parsed<never> = { ok: false, problem: `${path}: expected ${typeText(type)}` };
  switch (type.kind) {
    case 'int':
      return Number.isSafeInteger(value) ? { ok: true, value: BigInt(value as number) } : wrong;
    case 'double':
      return typeof value === 'number' ? { ok: true, value } : wrong;
    case 'bool':
      return typeof value === 'boolean' ? { ok: true, value } : wrong;
    case 'string':
      if (typeof value !== 'string') return wrong;
      return (type.words?.includes(value) ?? true)
        ? { ok: true, value }
        : { ok: false, problem: `${path}: expected one of ${type.words?.join(', ') ?? ''}` };
    case 'list':
      return Array.isArray(value)
        ? all(value.map((item, index) => valueOf(item, type.item, `${path}[${String(index)}]`)))
        : wrong;
    case 'map':
    case 'object':
      return isRecord(value) ? recordOf(value, type, path) : wrong;
    case 'dyn':
      return { ok: true, value: looseValue(value) };
    case 'null_type':
    case 'parameter':
    case 'type':
    case 'uint':
    case 'google.protobuf.Timestamp':
    case 'google.protobuf.Duration':
    case 'net.IP':
    case 'net.CIDR':
      return wrong;
  }
}

function recordOf(
  value: Readonly<Record<string, unknown>>,
  type: Extract<CelType, { readonly kind: 'map' | 'object' }>,
  path: string,
): Parsed<unknown> {
  const known = type.kind === 'object' ? [...type.fields.keys()] : (type.keys?.collected ?? []);
  const stray = Object.keys(value).find((key) => known.length > 0 && !known.includes(key));
  if (stray !== undefined) return { ok: false, problem: `${path}: has no such field${suggestion(stray, known)}` };
  const fields = Object.create(null) as Record<string, unknown>;
  for (const key of known) fields[key] = notGiven(`${path}.${key}`);
  for (const [key, item] of Object.entries(value)) {
    const own = type.kind === 'object' ? type.fields.get(key) : type.value;
    const made = valueOf(item, own ?? { kind: 'dyn' }, `${path}.${key}`);
    if (!made.ok) return made;
    fields[key] = made.value;
  }
  return { ok: true, value: fields };
}

function all(parts: readonly Parsed<unknown>[]): Parsed<unknown> {
  const wrong = parts.find((part) => !part.ok);
  return wrong ?? { ok: true, value: parts.map((part) => (part as { readonly value: unknown }).value) };
}

/** A value of no known type: whole numbers are CEL's `int`. */
function looseValue(value: unknown): unknown {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(looseValue);
  if (!isRecord(value)) return value ?? null;
  const fields = Object.create(null) as Record<string, unknown>;
  for (const [key, item] of Object.entries(value)) fields[key] = looseValue(item);
  return fields;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
