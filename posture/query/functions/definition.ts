import type { Budget } from '../budget.ts';
import { parseType, splitTypes } from '../type.ts';
import type { CelType } from '../type.ts';

/**
 * What a function does with values that are all there. Gets the arguments, then the budget, of which it spends for all
 * that grows with the arguments. Throws a QueryError where it is not defined on them.
 */
export type Implementation = (...args: never[]) => unknown;

/** A function or an operator: what it is called, its meaning for each list of types, and how it is documented. */
export interface FunctionDefinition {
  /** `size`, `math.abs`, `+`. */
  readonly name: string;
  /** By signature: `string.charAt(int): string`. A single capital letter is a type variable, `A...` any number. */
  readonly overloads: Readonly<Record<string, Implementation>>;
  /** One sentence; empty for operators. */
  readonly doc: string;
  /** Expressions with their values, also written as expressions. A test evaluates them. */
  readonly examples: readonly (readonly [string, string])[];
}

/** One meaning of a function, its signature read. */
export interface Overload {
  readonly parameters: readonly CelType[];
  readonly isVariadic: boolean;
  readonly isMethod: boolean;
  readonly result: CelType;
  readonly run: Implementation;
}

/** A function of the table. */
export function define(
  name: string,
  overloads: FunctionDefinition['overloads'],
  doc = '',
  ...examples: FunctionDefinition['examples']
): FunctionDefinition {
  return { name, overloads, doc, examples };
}

/** The meanings of a function. The receiver of a method is its first parameter. */
export function overloadsOf({ name, overloads }: FunctionDefinition): readonly Overload[] {
  return Object.entries(overloads).map(([signature, run]) => {
    const open = signature.indexOf('(');
    const close = signature.lastIndexOf(')');
    const isMethod = signature.slice(0, open) !== name;
    const receiver = isMethod ? [signature.slice(0, open - name.length - 1)] : [];
    const texts = [...receiver, ...splitTypes(signature.slice(open + 1, close))];
    return {
      parameters: texts.map((text) => parseType(text.replace('...', ''))),
      isVariadic: texts.at(-1)?.endsWith('...') === true,
      isMethod,
      result: parseType(signature.slice(close + 2).trim()),
      run,
    };
  });
}

/** Spends for reading a text of this length, as every function on text does. */
export function spendText(budget: Budget, ...texts: readonly string[]): void {
  for (const text of texts) budget.spendString(text.length);
}

/** A call as messages show it: `string > int`, `string.charAt(bool)`. */
export function overloadText(name: string, types: readonly string[]): string {
  const [first = '', ...others] = types;
  if (/^[a-z]/i.test(name) && name !== 'in') return `${name}(${types.join(', ')})`;
  return types.length === 1 ? `${name.charAt(0)}${first}` : `${first} ${name} ${others.join(', ')}`;
}
