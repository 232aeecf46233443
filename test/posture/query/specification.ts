import { tests } from '@bufbuild/cel-spec/testdata/conformance.js';
import { createBudget } from '../../../posture/query/budget.ts';
import { compileTree } from '../../../posture/query/compile.ts';
import { evaluateTree } from '../../../posture/query/evaluator.ts';
import { durationText, timestampText } from '../../../posture/query/functions/time.ts';
import { parse } from '../../../posture/query/parser.ts';
import { DYN, parseType } from '../../../posture/query/type.ts';
import type { CelType } from '../../../posture/query/type.ts';
import { Unread } from '../../../posture/query/unread.ts';
import { Duration, kindOf, mapEntries, Timestamp, TypeValue, Uint } from '../../../posture/query/values.ts';

/** A test of google/cel-spec, as `@bufbuild/cel-spec` has it: protobuf in JSON. */
export interface SpecificationTest {
  readonly id: string;
  readonly expr: string;
  readonly original: Readonly<Record<string, unknown>>;
}

interface Suite {
  readonly name: string;
  readonly suites?: readonly Suite[];
  readonly tests?: readonly { readonly original: Readonly<Record<string, unknown>> & { readonly expr: string } }[];
}

/** The tests of these files of the specification, in order. */
export function specificationTests(files: readonly string[]): readonly SpecificationTest[] {
  const collect = (suite: Suite, path: string): readonly SpecificationTest[] => [
    ...(suite.tests ?? []).map(({ original }) => ({
      id: `${path}/${String(original['name'])}`,
      expr: original.expr,
      original,
    })),
    ...(suite.suites ?? []).flatMap((inner) => collect(inner, `${path}/${inner.name}`)),
  ];
  return ((tests as Suite).suites ?? [])
    .filter(({ name }) => files.includes(name))
    .flatMap((suite) => collect(suite, suite.name));
}

/** What a test expects, and what we make of it, both as text; `error` stands for any error. */
export function outcomes({ expr, original }: SpecificationTest): {
  readonly expected: string;
  readonly actual: string;
  readonly detail: string;
} {
  const expected = 'evalError' in original ? 'error' : JSON.stringify(expectedValue(original));
  try {
    const bindings = Object.entries((original['bindings'] ?? {}) as Record<string, { readonly value?: unknown }>);
    const values = new Map(bindings.map(([name, { value }]) => [name, fromSpecification(value)] as const));
    const types = new Map<string, CelType>(bindings.map(([name]) => [name, DYN]));
    for (const { name, ident } of (original['typeEnv'] ?? []) as readonly Declaration[])
      if (ident !== undefined) types.set(name, typeOf(ident.type));
    const { tree } = compileTree(parse(expr), expr, types);
    const noted: Unread[] = [];
    const run = {
      variables: values,
      budget: createBudget(),
      note: (unread: Unread) => void noted.push(unread),
      isStrict: false,
    };
    const result = evaluateTree(tree, undefined, run);
    if (result instanceof Unread) return { expected, actual: 'error', detail: result.reason };
    return { expected, actual: JSON.stringify(toSpecification(result)), detail: noted.map(String).join() };
  } catch (error) {
    return { expected, actual: 'error', detail: String(error) };
  }
}

interface Declaration {
  readonly name: string;
  readonly ident?: { readonly type: unknown };
}

function typeOf(type: unknown): CelType {
  const { primitive } = type as { readonly primitive?: string };
  if (primitive === undefined) return DYN;
  const name = primitive.toLowerCase().replace('64', '');
  return name === 'bytes' ? DYN : parseType(name);
}

/** Where a test expects nothing, it expects true. */
function expectedValue(original: Readonly<Record<string, unknown>>): unknown {
  const typed = original['typedResult'] as { readonly result?: unknown } | undefined;
  return toSpecification(fromSpecification(original['value'] ?? typed?.result ?? { boolValue: true }));
}

interface Message {
  readonly '@type': string;
  readonly value?: string;
}

/** A value of `cel.expr.Value` as ours. Messages other than times are kept as they are. */
function fromSpecification(value: unknown): unknown {
  const [[kind, content] = ['', undefined]] = Object.entries(value as object) as [string, unknown][];
  switch (kind) {
    case 'nullValue':
      return null;
    case 'int64Value':
      return BigInt(content as string);
    case 'uint64Value':
      return new Uint(BigInt(content as string));
    case 'doubleValue':
      return Number(content);
    case 'typeValue':
      return new TypeValue(content as string);
    case 'listValue':
      return ((content as { values?: unknown[] }).values ?? []).map(fromSpecification);
    case 'mapValue': {
      const entries = (content as { entries?: { key: unknown; value: unknown }[] }).entries ?? [];
      return new Map(
        entries.map((entry) => {
          const key = fromSpecification(entry.key);
          return [key instanceof Uint ? key.value : key, fromSpecification(entry.value)];
        }),
      );
    }
    case 'objectValue':
      return fromMessage(content as Message);
    default:
      return content;
  }
}

function fromMessage(message: Message): unknown {
  const { value = '' } = message;
  if (message['@type'].endsWith('.Timestamp'))
    return new Timestamp(BigInt(Date.parse(value.replace(/\.\d+/, ''))) * 1_000_000n + fraction(value));
  if (message['@type'].endsWith('.Duration'))
    return new Duration(BigInt(value.replace(/[.s].*/, '')) * 1_000_000_000n + fraction(value));
  return message;
}

function fraction(text: string): bigint {
  return BigInt((/\.(\d+)/.exec(text)?.[1] ?? '').padEnd(9, '0'));
}

/** Our value in a form that can be compared: of each number its type, of maps the keys in order. */
function toSpecification(value: unknown): unknown {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'bigint') return { int: String(value) };
  if (typeof value === 'number') return { double: Object.is(value, -0) ? '-0' : String(value) };
  if (value instanceof Uint) return { uint: String(value.value) };
  if (value instanceof Timestamp) return { timestamp: timestampText(value) };
  if (value instanceof Duration) return { duration: durationText(value) };
  if (value instanceof TypeValue) return { type: value.name };
  if (value instanceof Unread) return { error: value.reason };
  if (Array.isArray(value)) return value.map(toSpecification);
  if (kindOf(value) !== 'map') return value;
  const entries = mapEntries(value).map(([key, item]) => [toSpecification(key), toSpecification(item)] as const);
  return { map: entries.toSorted((left, right) => (JSON.stringify(left) < JSON.stringify(right) ? -1 : 1)) };
}
