import { suggestion } from '../query/nearest.ts';
import type { Check } from './check.ts';

/** The value of a parameter of a check. */
export type ParameterValue = boolean | number | string | readonly string[] | readonly number[];

/** What operators may set of a check. */
export interface CheckParameter<T extends ParameterValue = ParameterValue> {
  readonly doc: string;
  readonly default: T;
  /** Of a number. */
  readonly minimum?: number;
  readonly maximum?: number;
  /** Of a list of texts: what one of them can be, and how another spelling is written. */
  readonly choices?: readonly string[];
  readonly spell?: (text: string) => string;
  /** Of a list of texts of one form: whether a text has it, and a list as an example. */
  readonly form?: { readonly accepts: (text: string) => boolean; readonly example: string };
}

/** Parameters by name, as a profile names them: `maxDays`. */
export type CheckParameters = Readonly<Record<string, CheckParameter>>;

type Values<P extends CheckParameters> = { readonly [N in keyof P]: P[N]['default'] };

/**
 * A check with parameters: `make` makes it for their values. It is made for the defaults, and `withParameters` makes it
 * for others, which {@link parameterProblem} has accepted.
 */
export function parameterized<P extends CheckParameters, C extends Check>(
  parameters: P,
  make: (values: Values<P>) => C,
): C {
  const defaults = Object.fromEntries(
    Object.entries(parameters).map(([name, parameter]) => [name, parameter.default]),
  ) as Values<P>;
  const withParameters = (changed: Readonly<Record<string, ParameterValue>>): C => {
    const parameterValues = { ...defaults, ...changed };
    return Object.freeze({ ...make(parameterValues), parameters, parameterValues, withParameters });
  };
  return withParameters({});
}

/** What is wrong with the value of a parameter; undefined: it can be set. */
export function parameterProblem(parameter: CheckParameter, value: ParameterValue): string | undefined {
  const { default: preset, minimum = -Infinity, maximum = Infinity, choices, spell = String, form } = parameter;
  const kind = parameterKind(preset);
  const example = form === undefined ? '' : `, such as ${form.example}`;
  if (parameterKind(value) !== kind) return `expected ${kind}${example}`;
  if (form !== undefined && Array.isArray(value)) {
    const other = value.map(String).find((text) => !form.accepts(text));
    if (other !== undefined) return `unknown value ${JSON.stringify(other.slice(0, 128))}: expected ${kind}${example}`;
  }
  if (choices !== undefined && Array.isArray(value)) {
    const unknown = value.map(String).find((text) => !choices.includes(spell(text)));
    if (unknown !== undefined)
      return `unknown value ${JSON.stringify(unknown.slice(0, 128))}${suggestion(spell(unknown), choices)}`;
  }
  if (typeof value !== 'number' || (value >= minimum && value <= maximum)) return undefined;
  return `expected a number from ${String(minimum)} to ${String(maximum)}`;
}

/** What a parameter holds, for people. An empty list is one of texts. */
export function parameterKind(value: ParameterValue): string {
  if (typeof value === 'boolean') return 'true or false';
  if (typeof value === 'number') return 'a number';
  if (typeof value === 'string') return 'a text';
  return typeof value[0] === 'number' ? 'a list of numbers' : 'a list of texts';
}

/** A number with what it counts, for texts of checks: `1 day`, `30 days`. */
export function counted(count: number, noun: string): string {
  return `${String(count)} ${noun}${count === 1 ? '' : 's'}`;
}
