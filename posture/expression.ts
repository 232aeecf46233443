import type { QueryView } from './projection.ts';
import { createBudget } from './query/budget.ts';
import { requireBool } from './query/compilation.ts';
import { compileTree } from './query/compile.ts';
import type { CompiledTree } from './query/compile.ts';
import { evaluateTree } from './query/evaluator.ts';
import { factTypes } from './query/fact-types.ts';
import { toJson } from './query/json.ts';
import type { Json } from './query/json.ts';
import { truth } from './query/logic.ts';
import { parse } from './query/parser.ts';
import { placed, QueryError, queryErrorText } from './query/query-error.ts';
import type { CelType } from './query/type.ts';
import { Failure } from './query/unread.ts';
import type { Unread } from './query/unread.ts';

/*
 * A library parses; types, functions and evaluation are ours, because an evaluation must be bounded in work and memory,
 * and must not fail as a whole over one fact that is missing. See docs/decisions/0006-cel-evaluator.md.
 */

/** A CEL expression that was checked, with the facts that it names (and `unread`) and the sysctls and fields that it names. */
export interface Expression extends CompiledTree {
  readonly text: string;
}

/** The outcome of compiling. `problem` is one line for people with the place: `… (at character 12)`. */
export type Compiled =
  { readonly ok: true; readonly expression: Expression } | { readonly ok: false; readonly problem: string };

/**
 * The outcome of evaluating. `rows` counts the items of a list, otherwise 1; `truncated`: a list had more than
 * `maxRows`. `unread` names what could not be read or computed and would have mattered to the answer.
 */
export type Evaluated =
  | {
      readonly ok: true;
      readonly value: Json;
      readonly rows: number;
      readonly truncated: boolean;
      readonly unread: readonly string[];
    }
  | { readonly ok: false; readonly problem: string };

/** UTF-16 units of an expression. Stated in fleet.proto. */
export const MAX_EXPRESSION_LENGTH = 4096;
/** Entries of `unread`, and UTF-16 units of one. Stated in fleet.proto. */
const MAX_UNREAD = 100;
const MAX_UNREAD_LENGTH = 512;
/** UTF-16 units of an expression's part in a message. */
const MAX_QUOTED = 80;
/** Rows of an answer where the caller names no number. */
const DEFAULT_MAX_ROWS = 100_000;

/** Compiles an expression over the facts, checking names, types and bounds. Never throws. */
export function compileExpression(text: string, types: ReadonlyMap<string, CelType> = factTypes()): Compiled {
  try {
    if (text.length > MAX_EXPRESSION_LENGTH)
      throw new QueryError(`an expression has at most ${String(MAX_EXPRESSION_LENGTH)} characters`);
    return { ok: true, expression: { text, ...compileTree(parse(text), text, types) } };
  } catch (error) {
    return { ok: false, problem: queryErrorText(error) };
  }
}

/** The value of `expression` over `view`, as JSON. Bounded in work and memory; never throws. */
export function evaluate(expression: Expression, view: QueryView, maxRows = DEFAULT_MAX_ROWS): Evaluated {
  const noted = new Map<string, string>();
  const note = (unread: Unread): void => {
    if (noted.size >= MAX_UNREAD) return;
    const text = unreadText(unread, expression.text);
    noted.set(unread instanceof Failure ? text : unread.path, text);
  };
  try {
    const run = { variables: view.variables, budget: createBudget(), note, isStrict: false };
    const result = evaluateTree(expression.tree, undefined, run);
    if (result instanceof Failure) return { ok: false, problem: placed(result.reason, result.at) };
    const rows = Array.isArray(result) ? Math.min(result.length, maxRows) : 1;
    const truncated = Array.isArray(result) && result.length > rows;
    const value = toJson(truncated ? result.slice(0, rows) : result, run);
    return { ok: true, value, rows, truncated, unread: [...noted.values()] };
  } catch (error) {
    return { ok: false, problem: queryErrorText(error) };
  }
}

/** As {@link compileExpression}, for an expression that must be true or false. */
export function compileCondition(text: string, types: ReadonlyMap<string, CelType>): Compiled {
  const compiled = compileExpression(text, types);
  if (!compiled.ok) return compiled;
  try {
    requireBool(compiled.expression);
    return compiled;
  } catch (error) {
    return { ok: false, problem: queryErrorText(error) };
  }
}

/** True or false, or why that is not known. */
export type ConditionValue =
  { readonly known: true; readonly value: boolean } | { readonly known: false; readonly reason: string };

/** Steps of one evaluation of a condition: some milliseconds. */
const MAX_CONDITION_UNITS = 200_000;

/**
 * Whether a condition holds. It is known only if everything was read that the answer depends on: `has`, a comparison with
 * null and the macros do not take what could not be read for absent. Bounded in work; never throws.
 */
export function evaluateCondition(
  { tree, text }: Expression,
  variables: ReadonlyMap<string, unknown>,
  maxUnits = MAX_CONDITION_UNITS,
): ConditionValue {
  const run = { variables, budget: createBudget(maxUnits), note: () => undefined, isStrict: true };
  try {
    const value = truth(evaluateTree(tree, undefined, run), tree.at);
    if (typeof value === 'boolean') return { known: true, value };
    if (value !== null) return { known: false, reason: unreadText(value, text) };
    return { known: false, reason: 'a value that the condition compares is absent; test it first with has(…)' };
  } catch (error) {
    return { known: false, reason: queryErrorText(error) };
  }
}

/** `containers[shop-db].uid: no such process`, or `int(c.name): int() cannot convert …` for a part without a value. */
function unreadText(unread: Unread, text: string): string {
  const what =
    unread instanceof Failure ? text.slice(unread.at.start, unread.at.end).slice(0, MAX_QUOTED) : unread.path;
  return `${what}: ${unread.reason}`.slice(0, MAX_UNREAD_LENGTH);
}
