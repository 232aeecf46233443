import { readFileSync } from 'node:fs';

/**
 * Holds events to the facts of the OCSF 1.8 schema (`required.json`: classes, objects, types, enumerations, extracted
 * from the published schema): attributes required, unknown, of the wrong type, outside their enumeration, of a profile
 * that the event does not name, deprecated; constraints; type_uid; milliseconds.
 */
export type Validate = (event: unknown) => readonly string[];

/** `[R required | r recommended | o optional, type, profile that adds it]` */
type Attribute = readonly [requirement: string, type: string, profile?: string];
type Enumeration = Readonly<Record<string, string>>;

interface Shape {
  readonly attrs: Readonly<Record<string, Attribute>>;
  readonly enums?: Readonly<Record<string, string | Enumeration>>;
  readonly constraints?: Readonly<Record<'at_least_one' | 'just_one', readonly string[] | undefined>>;
  readonly deprecatedAttrs?: Readonly<Record<string, string>>;
}

interface ClassShape extends Shape {
  readonly class_uid: number;
  readonly category_uid: number;
  readonly caption: string;
  readonly category_name: string;
  readonly activity: Enumeration;
  readonly deprecated?: unknown;
}

interface Schema {
  readonly version: string;
  readonly types: Readonly<
    Record<string, { type?: string; regex?: string; max_len?: number; range?: [number, number] }>
  >;
  readonly classes: Readonly<Record<string, ClassShape>>;
  readonly objects: Readonly<Record<string, Shape>>;
  readonly sharedEnums: Readonly<Record<string, Enumeration>>;
  readonly opaqueObjects: readonly string[];
}

type Json = Readonly<Record<string, unknown>>;

/** What holds where an event is looked at. */
interface Scope {
  readonly schema: Schema;
  readonly profiles: readonly unknown[];
  readonly problems: string[];
}

/** A validator on the schema facts in this file. */
export function readValidator(path: string): Validate {
  const schema = JSON.parse(readFileSync(path, 'utf8')) as Schema;
  return (event) => {
    if (!isObject(event)) return ['the event is no object'];
    const shape = schema.classes[String(event['class_uid'])];
    if (shape === undefined) return [`no class ${String(event['class_uid'])}`];
    const metadata = isObject(event['metadata']) ? event['metadata'] : {};
    const profiles = Array.isArray(metadata['profiles']) ? metadata['profiles'] : [];
    const scope: Scope = { schema, profiles, problems: [] };
    checkClass(event, shape, scope);
    if (metadata['version'] !== schema.version) scope.problems.push('metadata.version is not that of the schema');
    checkObject(event, shape, '', scope);
    return scope.problems;
  };
}

function checkClass(event: Json, shape: ClassShape, { problems }: Scope): void {
  const activity = event['activity_id'];
  if (shape.deprecated !== undefined) problems.push('the class is deprecated');
  if (shape.activity[String(activity)] === undefined) problems.push('activity_id does not belong to this class');
  if (event['type_uid'] !== shape.class_uid * 100 + Number(activity)) problems.push('type_uid is wrong');
  if (event['category_uid'] !== shape.category_uid) problems.push('category_uid is wrong');
  const names = [
    ['activity_name', shape.activity[String(activity)]],
    ['class_name', shape.caption],
    ['category_name', shape.category_name],
  ] as const;
  for (const [key, name] of names)
    if (event[key] !== undefined && event[key] !== name && activity !== 99)
      problems.push(`${key} is not ${String(name)}`);
  if (activity === 99 && isCaption(event['activity_name'], shape.activity))
    problems.push('activity_name is not the value of the source');
}

/** Beside 99, a text that the enumeration has itself says nothing. */
function isCaption(text: unknown, captions: Enumeration | undefined): boolean {
  return text === undefined || Object.values(captions ?? {}).some((caption) => caption === text);
}

function checkObject(value: Json, shape: Shape, at: string, scope: Scope): void {
  const { problems, profiles } = scope;
  const applies = ([, , profile]: Attribute): boolean => profile === undefined || profiles.includes(profile);
  for (const [name, attribute] of Object.entries(shape.attrs))
    if (attribute[0] === 'R' && applies(attribute) && value[name] === undefined)
      problems.push(`${at}${name} is required`);
  for (const [name, inner] of Object.entries(value)) {
    const attribute = shape.attrs[name];
    if (attribute === undefined) problems.push(`${at}${name} is unknown`);
    else if (!applies(attribute)) problems.push(`${at}${name} needs the profile ${String(attribute[2])}`);
    else checkValue(inner, attribute[1], at + name, scope);
    if (shape.deprecatedAttrs?.[name] !== undefined) problems.push(`${at}${name} is deprecated`);
  }
  checkEnums(value, shape, at, scope);
  const { at_least_one: some, just_one: one } = shape.constraints ?? {};
  const has = (path: string): boolean => path.split('.').reduce<unknown>(step, value) !== undefined;
  if (some?.some(has) === false) problems.push(`${at || 'the event '}has none of ${some.join(', ')}`);
  if (one !== undefined && one.filter(has).length !== 1) problems.push(`${at} has not just one of ${one.join(', ')}`);
}

function step(value: unknown, key: string): unknown {
  return isObject(value) ? value[key] : undefined;
}

function checkEnums(value: Json, shape: Shape, at: string, { schema, problems }: Scope): void {
  for (const [name, reference] of Object.entries(shape.enums ?? {})) {
    const id = value[name];
    if (id === undefined) continue;
    const captions = typeof reference === 'string' ? schema.sharedEnums[reference.slice(1)] : reference;
    const caption = captions?.[JSON.stringify(id)];
    if (caption === undefined) problems.push(`${at}${name} has no ${JSON.stringify(id)}`);
    const sibling = value[name.replace(/_id$/, '')];
    if (id === 99 && isCaption(sibling, captions)) problems.push(`${at}${name} is 99 and its text is missing`);
    if (id !== 99 && sibling !== undefined && sibling !== caption)
      problems.push(`${at}${name} says ${String(caption)}, its text ${JSON.stringify(sibling)}`);
  }
}

function checkValue(value: unknown, type: string, at: string, scope: Scope): void {
  if (type.endsWith('[]')) {
    if (!Array.isArray(value)) scope.problems.push(`${at} is no list`);
    else
      for (const [index, item] of value.entries())
        checkValue(item, type.slice(0, -2), `${at}[${String(index)}]`, scope);
    return;
  }
  if (type.startsWith('$')) {
    const name = type.slice(1);
    const shape = scope.schema.objects[name];
    const isOpaque = name === 'object' || scope.schema.opaqueObjects.includes(name);
    if (!isObject(value)) scope.problems.push(`${at} is no object`);
    else if (shape !== undefined && !isOpaque) checkObject(value, shape, `${at}.`, scope);
    else if (!isOpaque) scope.problems.push(`${at} is of an unknown kind`);
    return;
  }
  const problem = scalarProblem(value, type, scope.schema);
  if (problem !== undefined) scope.problems.push(`${at} ${problem}`);
}

function scalarProblem(value: unknown, type: string, schema: Schema): string | undefined {
  const { type: base = type, regex, max_len: maxLength, range } = schema.types[type] ?? {};
  switch (base) {
    case 'json_t':
      return undefined;
    case 'boolean_t':
      return typeof value === 'boolean' ? undefined : 'is no boolean';
    case 'float_t':
      return typeof value === 'number' ? undefined : 'is no number';
    case 'integer_t':
    case 'long_t': {
      if (!Number.isSafeInteger(value)) return 'is no integer';
      const [least, most] = range ?? (base === 'integer_t' ? [-(2 ** 31), 2 ** 31 - 1] : [-Infinity, Infinity]);
      if (Number(value) < least || Number(value) > most) return 'is out of range';
      // Between 2001 and 5138: seconds since 1970 are far below.
      return type === 'timestamp_t' && !(Number(value) > 1e12 && Number(value) < 1e14)
        ? 'is not in milliseconds'
        : undefined;
    }
    case 'string_t':
      if (typeof value !== 'string') return 'is no string';
      if (maxLength !== undefined && value.length > maxLength) return 'is too long';
      return regex === undefined || new RegExp(regex).test(value) ? undefined : 'has the wrong form';
    default:
      return `is of the unknown type ${base}`;
  }
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
