import { Environment } from '@marcbachmann/cel-js';
import type { ParseResult } from '@marcbachmann/cel-js';
import type { QueryView } from './projection.ts';
import { createBudget } from './query/budget.ts';
import { evaluateTree } from './query/evaluator.ts';
import { explain, wordsOf } from './query/explain.ts';
import { toJson } from './query/json.ts';
import type { Json } from './query/json.ts';
import { widen } from './query/library-node.ts';
import { suggestion } from './query/nearest.ts';
import { QueryError, queryErrorText } from './query/problem.ts';
import { translate } from './query/translate.ts';
import type { CelNode, Language, Translation } from './query/translate.ts';
import type { Program, Tree } from './query/tree.ts';
import { typeTable } from './query/types.ts';
import type { TypeTable } from './query/types.ts';
import { Unread } from './query/unread.ts';

/*
 * The library parses, checks types, and says what operators and functions mean. We walk the tree ourselves, because an
 * evaluation must be bounded in work and memory, and must not fail as a whole over one fact that is missing.
 */

/** A CEL expression over the facts that was checked. `variables`: the facts that it names, and `unread` if it does. */
export interface Expression {
  readonly text: string;
  readonly variables: ReadonlySet<string>;
  readonly tree: Tree;
}

/** The outcome of compiling. `problem` is one line for people with the place: `… (at character 12)`. */
export type Compiled =
  { readonly ok: true; readonly expression: Expression } | { readonly ok: false; readonly problem: string };

/**
 * The outcome of evaluating. `rows` counts the items of a list, otherwise 1; `truncated`: a list had more than
 * `maxRows`. `unread` names what could not be read and would have mattered to the answer.
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
/** Rows of an answer where the caller names no number. */
const DEFAULT_MAX_ROWS = 100_000;

/** What the parser takes: far more than people write, far less than what hurts. */
const LIMITS = { maxAstNodes: 1000, maxDepth: 64, maxListElements: 256, maxMapEntries: 64, maxCallArguments: 8 };

/** Compiles an expression, checking names, types and bounds. Never throws. */
export function compileExpression(text: string): Compiled {
  try {
    return { ok: true, expression: compile(text) };
  } catch (error) {
    return { ok: false, problem: queryErrorText(error) };
  }
}

/** The value of `expression` over `view`, as JSON. Bounded in work and memory; never throws. */
export function evaluate(expression: Expression, view: QueryView, maxRows = DEFAULT_MAX_ROWS): Evaluated {
  const noted = new Map<string, string>();
  const note = ({ path, reason }: Unread): void => {
    if (noted.size < MAX_UNREAD) noted.set(path, `${path}: ${reason}`.slice(0, MAX_UNREAD_LENGTH));
  };
  try {
    const run = { variables: view.variables, budget: createBudget(), note };
    const result = evaluateTree(expression.tree, undefined, run);
    const rows = Array.isArray(result) ? Math.min(result.length, maxRows) : 1;
    const truncated = Array.isArray(result) && result.length > rows;
    const value = toJson(truncated ? result.slice(0, rows) : result, run);
    return { ok: true, value, rows, truncated, unread: [...noted.values()] };
  } catch (error) {
    return { ok: false, problem: queryErrorText(error) };
  }
}

function compile(text: string): Expression {
  if (text.length > MAX_EXPRESSION_LENGTH)
    throw new QueryError(`an expression has at most ${String(MAX_EXPRESSION_LENGTH)} characters`);
  const source = sourceOf(text);
  const { variables, tree, tests } = check(text, source);
  // The library does not look at the field in has(…). It does in dyn(…), which has as many letters.
  let asked = text;
  for (const { start } of tests) asked = `${asked.slice(0, start)}dyn${asked.slice(start + 3)}`;
  if (tests.length > 0) check(asked, source);
  return { text, variables, tree };
}

/** What expressions are checked against. */
interface Source {
  /** As it was written, for messages. */
  readonly text: string;
  readonly table: TypeTable;
  readonly checker: Environment;
  readonly language: Language;
}

function sourceOf(text: string): Source {
  const table = typeTable();
  const checker = checkerOf(table);
  return { text, table, checker, language: languageOf(checker) };
}

/** An environment that knows the types of all facts, for checking only. */
function checkerOf(table: TypeTable): Environment {
  const checker = new Environment({ homogeneousAggregateLiterals: false, limits: LIMITS });
  const never = (): boolean => false;
  for (const [name, fields] of table.objects) {
    checker.registerType(name, { fields: Object.fromEntries([...fields].map(([field, { type }]) => [field, type])) });
    checker.registerOperator(`${name} == ${name}`, never);
  }
  // What is missing is null, so anything can be compared with it.
  for (const type of ['string', 'int', 'double', 'bool', 'list', 'map', ...table.objects.keys()])
    checker.registerOperator(`${type} == null`, never);
  for (const [name, type] of table.variables) checker.registerVariable(name, type);
  return checker;
}

function languageOf(checker: Environment): Language {
  const { functions, variables } = checker.getDefinitions();
  const names = (method: boolean): ReadonlySet<string> =>
    new Set(functions.filter((definition) => isUsable(definition, method)).map(({ name }) => name));
  const constants = new Set(variables.filter(({ type }) => type === 'type').map(({ name }) => name));
  return { functions: names(false), methods: names(true), constants, program: programs() };
}

/** Methods of bytes, optional values and namespaces belong to values that no query has. */
function isUsable({ receiverType }: { readonly receiverType: string | null }, method: boolean): boolean {
  return method ? receiverType !== null && !/^(bytes|optional|\w+Namespace)/.test(receiverType) : receiverType === null;
}

/** Programs by their source, each compiled once. Their arguments can be of any type. */
function programs(): (source: string) => Program {
  const environment = new Environment({ homogeneousAggregateLiterals: false });
  for (let index = 0; index <= LIMITS.maxCallArguments; index += 1)
    environment.registerVariable(`a${String(index)}`, 'dyn');
  // Lists and maps may hold what could not be read; as a type of its own it equals nothing.
  environment.registerType('unread', Unread);
  const known = new Map<string, Program>();
  return (source) => {
    const program = known.get(source) ?? programOf(environment.parse(source));
    known.set(source, program);
    return program;
  };
}

function programOf(parsed: ParseResult): Program {
  return (args) => {
    const context: Record<string, unknown> = {};
    for (const [index, arg] of args.entries()) context[`a${String(index)}`] = arg;
    try {
      return parsed(context) as unknown;
    } catch (error) {
      // The library's message quotes the program's source, which nobody wrote.
      throw new Error(summaryOf(error), { cause: error });
    }
  };
}

/** Parses `text`, and checks its bounds, names and types. */
function check(text: string, source: Source): Translation {
  const parsed = parse(text, source);
  const translation = translate(parsed.ast, source.language);
  translation.literals.forEach(widen);
  const { error } = parsed.check();
  if (error !== undefined) throw refused(error, source);
  // Names that the library brings along for its own use.
  for (const name of translation.variables)
    if (!source.table.variables.has(name)) throw new QueryError(`there is no fact \`${name}\``);
  for (const [left, right] of translation.comparisons) {
    checkWord(left, right, source.table);
    checkWord(right, left, source.table);
  }
  return translation;
}

function parse(text: string, source: Source): ParseResult {
  try {
    return source.checker.parse(text);
  } catch (error) {
    throw refused(error, source);
  }
}

/** A word that the field can never hold makes a comparison that is false for ever: most likely a slip. */
function checkWord(field: CelNode, word: CelNode, table: TypeTable): void {
  if (word.op !== 'value' || typeof word.args !== 'string') return;
  const words = wordsOf(field, table);
  if (words === undefined || words.includes(word.args)) return;
  const known = suggestion(word.args, words);
  throw new QueryError(`\`${word.args.slice(0, 80)}\` is none of ${words.join(', ')}${known}`, word);
}

function refused(error: unknown, { text, table }: Source): QueryError {
  const { code, node, range } = error as { code?: string; node?: CelNode; range?: { start: number; end: number } };
  const refusal = { code: code ?? '', summary: summaryOf(error), node };
  return new QueryError(explain(refusal, text, table), range);
}

function summaryOf(error: unknown): string {
  const { summary, message } = error as { summary?: unknown; message?: unknown };
  // `dyn<int>` is an int whose type is only known now.
  return String(summary ?? message)
    .replaceAll(/dyn<(\w+)>/g, '$1')
    .slice(0, 500);
}
