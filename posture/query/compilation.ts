import type { FunctionDefinition } from './functions/definition.ts';
import type { CelNode } from './parser.ts';
import { QueryError } from './query-error.ts';
import type { Span } from './query-error.ts';
import type { Tree } from './tree.ts';
import { fits, simple, typeText } from './type.ts';
import type { CelType } from './type.ts';

/** A part of an expression with its type. */
export interface Typed {
  readonly tree: Tree;
  readonly type: CelType;
}

/** What one compilation gathers on its way. */
export interface Compilation {
  readonly text: string;
  readonly types: ReadonlyMap<string, CelType>;
  readonly functions: ReadonlyMap<string, FunctionDefinition>;
  readonly variables: Set<string>;
  readonly sysctls: Set<string>;
  readonly fields: Set<string>;
  /** Compiles a node and all below it. */
  readonly visit: (pass: Compilation, node: CelNode, outer: Place) => Typed;
}

/** The position of a node: how deep, within how many macros, and what they bound. */
export interface Place {
  readonly depth: number;
  readonly nesting: number;
  readonly bound: ReadonlyMap<string, CelType>;
}

/** Throws unless a value of this type can be true or false. */
export function requireBool({ tree, type }: Typed): Tree {
  if (!fits(simple('bool'), type, new Map()))
    throw new QueryError(`a condition must be true or false, not ${typeText(type)}`, tree.at);
  return tree;
}

/** The place of a node in the text. */
export function spanOf({ start, end }: CelNode): Span {
  return { start, end };
}
