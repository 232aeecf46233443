import { fieldPath, itemPath } from './fact-index.ts';
import type { FactIndex } from './fact-index.ts';
import { tokens } from './token.ts';
import type { Token } from './token.ts';

/** The context of the caret. Paths are those of the fact index. */
export type CaretPlace =
  /** A name begins: a fact, a variable of a macro, a function. */
  | { readonly kind: 'name'; readonly from: number; readonly prefix: string; readonly variables: Variables }
  /** After a dot: a field or a method of the value at `path`; undefined: its type is unknown. */
  | {
      readonly kind: 'member';
      readonly from: number;
      readonly prefix: string;
      readonly path: string | undefined;
      readonly variables: Variables;
    }
  /** In a string that is compared with the value at `path`. */
  | { readonly kind: 'word'; readonly from: number; readonly prefix: string; readonly path: string };

/** Variables of macros by name, each with the path of what it is; undefined: not known. */
export type Variables = ReadonlyMap<string, string | undefined>;

/** Methods whose first argument is a variable for the items of what they are called on. */
export const MACROS: readonly string[] = Object.freeze(['filter', 'map', 'all', 'exists', 'exists_one']);

/** The context of a caret at the end of `text`; undefined where nothing can be completed. */
export function placeOfCaret(text: string, index: FactIndex): CaretPlace | undefined {
  const all = tokens(text);
  const last = all.at(-1);
  if (last?.kind === 'string' && !last.closed) return wordPlace(all, last, index);
  if (last?.kind === 'string' || last?.kind === 'number') {
    if (last.end === text.length) return undefined;
  }
  const touching = last?.kind === 'name' && last.end === text.length ? last : undefined;
  const before = touching === undefined ? all : all.slice(0, -1);
  const from = touching?.start ?? text.length;
  const prefix = touching?.text ?? '';
  const reading = read(before, index);
  const variables = reading.variables();
  if (before.at(-1)?.text === '.') return { kind: 'member', from, prefix, path: reading.value(), variables };
  return { kind: 'name', from, prefix, variables };
}

function wordPlace(all: readonly Token[], string: Token, index: FactIndex): CaretPlace | undefined {
  const operator = all.at(-2)?.text;
  if (operator !== '==' && operator !== '!=') return undefined;
  const path = read(all.slice(0, -2), index).value();
  if (path === undefined) return undefined;
  return { kind: 'word', from: string.start + 1, prefix: string.text.slice(1), path };
}

/** An open bracket: what is before it, and what it binds. */
interface Frame {
  readonly open: string;
  /** What a method is called on, or an index reads from. */
  readonly receiver: string | undefined;
  readonly method: string | undefined;
  variable: string | undefined;
  bound: boolean;
}

interface Reading {
  /** Path of the value that ends here; undefined: none, or not known. */
  readonly value: () => string | undefined;
  readonly variables: () => Variables;
}

/** Reads tokens from left to right, and keeps what is open. */
function read(all: readonly Token[], index: FactIndex): Reading {
  const frames: Frame[] = [];
  let value: string | undefined;
  /** What the last name was a member of. */
  let owner: string | undefined;
  const variables = (): Variables =>
    new Map(
      frames.flatMap(({ receiver, variable, bound }) =>
        variable === undefined || !bound
          ? []
          : [[variable, receiver === undefined ? undefined : itemPath(index, receiver)] as const],
      ),
    );
  const takeName = (name: string, previous: Token | undefined): void => {
    if (previous?.text === '.') {
      owner = value;
      value = value === undefined ? undefined : fieldPath(index, value, name);
      return;
    }
    owner = undefined;
    const known = variables();
    value = known.has(name) ? known.get(name) : fieldPath(index, '', name);
    const frame = frames.at(-1);
    const isFirst =
      frame !== undefined && !frame.bound && frame.variable === undefined && previous?.text === frame.open;
    if (isFirst && MACROS.includes(frame.method ?? '')) frame.variable = name;
  };
  const open = (symbol: string, previous: Token | undefined): void => {
    const called = symbol === '(' && previous?.kind === 'name' ? previous.text : undefined;
    const indexed = symbol === '[' && isValueEnd(previous) ? value : undefined;
    const receiver = called === undefined ? indexed : owner;
    frames.push({ open: symbol, receiver, method: called, variable: undefined, bound: false });
    value = undefined;
  };
  const close = (symbol: string): void => {
    const frame = frames.pop();
    if (frame === undefined) value = undefined;
    else if (symbol === ']') value = frame.receiver === undefined ? undefined : itemPath(index, frame.receiver);
    else if (frame.method !== undefined) value = frame.method === 'filter' ? frame.receiver : undefined;
    else if (symbol === '}') value = undefined;
  };
  for (const [position, token] of all.entries()) {
    const previous = all[position - 1];
    if (token.kind === 'name') takeName(token.text, previous);
    else if (token.text === '(' || token.text === '[' || token.text === '{') open(token.text, previous);
    else if (token.text === ')' || token.text === ']' || token.text === '}') close(token.text);
    else if (token.text !== '.') {
      const frame = frames.at(-1);
      if (token.text === ',' && frame?.variable !== undefined) frame.bound = true;
      value = undefined;
    }
  }
  return { value: () => value, variables };
}

function isValueEnd(token: Token | undefined): boolean {
  return token !== undefined && (token.kind === 'name' || token.text === ')' || token.text === ']');
}
