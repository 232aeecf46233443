/** A piece of a CEL expression: enough of the grammar to find the context of the caret. */
export interface Token {
  readonly kind: 'name' | 'string' | 'number' | 'symbol';
  readonly text: string;
  readonly start: number;
  readonly end: number;
  /** False for a string whose end is missing. */
  readonly closed: boolean;
}

const PATTERN =
  /(?<space>\s+)|(?<name>[A-Za-z_]\w*)|(?<number>\d[\w.]*)|(?<string>"(?:[^"\\\n]|\\.)*(?:"|$)|'(?:[^'\\\n]|\\.)*(?:'|$))|(?<symbol>[=!<>]=|&&|\|\||[^\s])/gsu;

/** The tokens of `text`, in order. Never throws: what is no CEL comes as symbols. */
export function tokens(text: string): readonly Token[] {
  const found: Token[] = [];
  for (const { groups, index, 0: whole } of text.matchAll(PATTERN)) {
    const kind = (['name', 'number', 'string', 'symbol'] as const).find((kind) => groups?.[kind] !== undefined);
    if (kind === undefined) continue;
    const closed = kind !== 'string' || (whole.length > 1 && whole.endsWith(whole.charAt(0)));
    found.push({ kind, text: whole, start: index, end: index + whole.length, closed });
  }
  return found;
}
