import { typeNameOf } from './library-node.ts';
import { suggestion } from './nearest.ts';
import type { CelNode } from './translate.ts';
import type { TypeTable } from './types.ts';

/** What the CEL library says of an expression that it refuses. */
export interface Refusal {
  readonly code: string;
  readonly summary: string;
  readonly node: CelNode | undefined;
}

/** The library's refusal in words that help: what is not known, and what was probably meant. */
export function explain(refusal: Refusal, text: string, table: TypeTable): string {
  const { code, summary, node } = refusal;
  const name = node?.op === 'id' ? String(node.args) : undefined;
  if (code === 'unknown_variable' && name !== undefined)
    return `there is no fact \`${name}\`${suggestion(name, table.variables.keys())}`;
  if (node?.op === '.') return explainField(node, summary, text, table) ?? plain(summary);
  return plain(summary);
}

function explainField(node: CelNode, summary: string, text: string, table: TypeTable): string | undefined {
  const [of, field] = node.args as readonly [CelNode, string];
  const type = typeNameOf(of);
  const what = text.slice(of.start, of.end).slice(0, 80);
  if (type === undefined) return undefined;
  const fields = table.objects.get(type);
  if (fields !== undefined && !fields.has(field))
    return `${what} has no field \`${field}\`${suggestion(field, fields.keys())}`;
  if (type.startsWith('list<'))
    return `${what} is a list and has no field \`${field}\`: use filter, map, exists, all or an index`;
  return fields === undefined && !type.startsWith('map<') ? `${what} is a ${type} and has no fields` : plain(summary);
}

/** The words that a node can be, where it is a field that holds one of few. */
export function wordsOf(node: CelNode, table: TypeTable): readonly string[] | undefined {
  if (node.op !== '.') return undefined;
  const [of, field] = node.args as readonly [CelNode, string];
  const type = typeNameOf(of);
  return type === undefined ? undefined : table.objects.get(type)?.get(field)?.words;
}

function plain(summary: string): string {
  const [line = ''] = summary.split('\n');
  const text = line.replace('Unexpected token: EOF', 'the expression ends too early').replace('got EOF', 'got the end');
  return text.slice(0, 1).toLowerCase() + text.slice(1, 500);
}
