import { containerSchema, runtimeContainerSchema } from '../posture/fact/container.ts';
import { FACT_SCHEMAS } from '../posture/fact/facts.ts';
import type { FactName, Facts } from '../posture/fact/facts.ts';
import { fileSchema } from '../posture/fact/file.ts';
import { imageSchema } from '../posture/fact/image.ts';
import { listenerSchema } from '../posture/fact/listener.ts';
import type { Unobserved } from '../posture/fact/unobserved.ts';
import { projectPart } from '../posture/projection.ts';
import { judgedFactTypes } from '../posture/query/fact-types.ts';
import type { CelType } from '../posture/query/type.ts';
import { Unread } from '../posture/query/unread.ts';
import type { Schema } from '../posture/schema.ts';
import type { ParameterValue } from '../posture/check/parameter.ts';
import type { CHECK_SUBJECTS } from './check-document.ts';

/** What a custom check judges. */
export type CheckSubject = (typeof CHECK_SUBJECTS)[number];

/** Subjects that are a variable of their own, and the fact that lists them. */
const LISTED = { container: 'containers', image: 'images', listener: 'listeners' } as const;
const SUBJECT_SCHEMAS = {
  container: containerSchema,
  image: imageSchema,
  file: fileSchema,
  listener: listenerSchema,
} as const satisfies Partial<Record<CheckSubject, Schema<unknown>>>;

/** The name of the variable with the parameters of a check. */
const PARAMETERS = 'parameters';

/**
 * The types of the variables of a check: what it judges by its name (`container`), the parameters, and all facts. A check
 * of files has no facts beside the file.
 */
export function variableTypes(
  subject: CheckSubject,
  parameters: Readonly<Record<string, ParameterValue>>,
): ReadonlyMap<string, CelType> {
  const facts = judgedFactTypes();
  const types = new Map<string, CelType>(subject === 'file' ? [] : facts);
  const list = subject === 'file' ? facts.get('files') : subject in LISTED ? facts.get(listOf(subject)) : undefined;
  if (list?.kind === 'list') types.set(subject, list.item);
  const fields = Object.entries(parameters).map(([name, value]) => [name, typeOf(value)] as const);
  return types.set(PARAMETERS, { kind: 'object', path: PARAMETERS, fields: new Map(fields) });
}

function listOf(subject: CheckSubject): FactName {
  return LISTED[subject as keyof typeof LISTED];
}

function typeOf(value: ParameterValue): CelType {
  if (typeof value === 'boolean') return { kind: 'bool' };
  if (typeof value === 'string') return { kind: 'string' };
  if (typeof value === 'number') return { kind: Number.isSafeInteger(value) ? 'int' : 'double' };
  const items = value as readonly (string | number)[];
  if (typeof items[0] === 'string' || items.length === 0) return { kind: 'list', item: { kind: 'string' } };
  return { kind: 'list', item: { kind: items.every(Number.isSafeInteger) ? 'int' : 'double' } };
}

/** Parameters as the variable that expressions read. Whole numbers are CEL's `int`, unless others are in their list. */
export function parametersVariable(parameters: Readonly<Record<string, ParameterValue>>): unknown {
  const fields = Object.create(null) as Record<string, unknown>;
  for (const [name, value] of Object.entries(parameters)) fields[name] = valueOf(value);
  return fields;
}

function valueOf(value: ParameterValue): unknown {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value;
  if (typeof value === 'string' || typeof value === 'boolean') return value;
  const items: readonly unknown[] = value;
  return items.every(Number.isSafeInteger) ? items.map((item) => BigInt(item as number)) : items;
}

/** Values of variables. What was projected once is kept as long as the fact: most facts stay the same for days. */
export interface CheckVariables {
  /** `names`: the facts that are named; containers and images hold an entry for each that could not be read. */
  readonly facts: (facts: Facts, names: readonly FactName[]) => ReadonlyMap<string, unknown>;
  readonly subject: (kind: keyof typeof SUBJECT_SCHEMAS, subject: object) => unknown;
}

/** Creates variables that remember what they projected. */
export function createCheckVariables(): CheckVariables {
  const projected = new WeakMap<object, unknown>();
  const remember = (fact: object, project: () => unknown): unknown => {
    const known = projected.get(fact);
    if (known !== undefined) return known;
    const made = project();
    projected.set(fact, made);
    return made;
  };
  return {
    facts: (facts, names) =>
      new Map(
        names.map((name) => {
          const value = remember(facts[name], () => projectPart(facts[name], FACT_SCHEMAS[name].shape, name));
          return [name, name === 'containers' || name === 'images' ? complete(name, value, facts) : value];
        }),
      ),
    subject: (kind, subject) => remember(subject, () => projectPart(subject, SUBJECT_SCHEMAS[kind].shape, kind)),
  };
}

/** The list with an unread item for each subject that is known to be there and could not be read. */
function complete(name: 'containers' | 'images', value: unknown, { unobserved }: Facts): unknown {
  if (value instanceof Unread) return value;
  if (unobserved.state === 'unreadable') return new Unread(name, `${unobserved.source}: ${unobserved.reason}`);
  if (unobserved.state === 'absent' || unobserved.value.length === 0) return value;
  // Containers of an engine that could not be asked are in no list, and neither are the images of containers.
  const missing = unobserved.value.filter(({ kind }) => name === 'images' || kind !== 'image');
  return [...(value as readonly unknown[]), ...missing.map((entry) => unreadItem(name, entry))];
}

function unreadItem(name: string, { id, name: label, reason }: Unobserved): Unread {
  return new Unread(`${name}[${(label || id).slice(0, 128)}]`, reason);
}

/** Fields of a container that follow from its threads: if not every thread was read, none of them lets a check pass. */
export const THREAD_FIELDS: ReadonlySet<string> = kernelFields();

function kernelFields(): ReadonlySet<string> {
  const [all, declared] = [containerSchema.shape, runtimeContainerSchema.shape];
  if (all.kind !== 'object' || declared.kind !== 'object') return new Set();
  return new Set(Object.keys(all.fields).filter((field) => !(field in declared.fields)));
}
