/** A place in the text of an expression: UTF-16 units, `end` excluded. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Why an expression does not compile or cannot be evaluated. Thrown within posture/query only, and caught there. */
export class QueryError extends Error {
  /** What it is about; undefined where no place can be named. */
  readonly at: Span | undefined;
  /** True: a limit was reached, so nothing may go on as if this part of the expression did not matter. */
  readonly final: boolean;

  constructor(message: string, at?: Span, final = false) {
    super(message);
    this.name = 'QueryError';
    this.at = at;
    this.final = final;
  }
}

/** The problem for people, in one line with its place: `unknown fact foo (at character 12)`. */
export function queryErrorText(error: unknown): string {
  if (error instanceof QueryError) return placed(error.message, error.at);
  // The engine ran out of stack or of what a string may hold: the expression asks for too much.
  return error instanceof Error ? `the expression cannot be evaluated: ${error.message}` : 'unknown error';
}

/** A message with its place in the expression, counted from 1. */
export function placed(message: string, at: Span | undefined): string {
  return at === undefined ? message : `${message} (at character ${String(at.start + 1)})`;
}
