import { Environment } from '@marcbachmann/cel-js';
import { syntaxHint } from './syntax-hint.ts';
import { QueryError } from './query-error.ts';
import type { Span } from './query-error.ts';

/** A node of the syntax tree as cel-js makes it. What `args` holds depends on `op`. */
export interface CelNode extends Span {
  readonly op: string;
  readonly args: unknown;
}

/** What the parser takes: far more than people write, far less than what hurts. */
const LIMITS = { maxAstNodes: 1000, maxDepth: 64, maxListElements: 256, maxMapEntries: 64, maxCallArguments: 8 };

/** The syntax tree of an expression. Throws a QueryError with a hint where it has none or is beyond a limit. */
export function parse(text: string): CelNode {
  try {
    return new Environment({ limits: LIMITS }).parse(text).ast;
  } catch (error) {
    const { range, summary, message } = error as { range?: Span; summary?: unknown; message?: unknown };
    const problem = problemOf(String(summary ?? message), text.slice(range?.start, range?.end));
    throw new QueryError(problem + syntaxHint(text, range?.start), range);
  }
}

function problemOf(summary: string, at: string): string {
  // The library names the last letter of a word that it did not expect.
  if (summary.startsWith('Unexpected character')) return `unexpected \`${at.slice(0, 40)}\``;
  const [line = ''] = summary.split('\n');
  const text = line.replace('Unexpected token: EOF', 'the expression ends too early').replace('got EOF', 'got the end');
  return text.slice(0, 1).toLowerCase() + text.slice(1, 500);
}
