import type { QueryResult } from '../../proto/fleet.ts';

/** What one node said, once it is whole. */
export type NodeReply =
  | {
      readonly ok: true;
      readonly value: unknown;
      readonly rows: number;
      readonly truncated: boolean;
      readonly unread: readonly string[];
    }
  | { readonly ok: false; readonly error: string };

/** Puts the messages of one node's answer together. */
export interface Reassembly {
  /** Takes the next message. Undefined: there is more to come. */
  readonly take: (result: QueryResult) => NodeReply | undefined;
}

/** What a node may add to the bytes that it was asked for: a node that counts a little differently is not cut off. */
const SLACK_BYTES = 64 * 1024;
/** Bounds of what else a node says. Stated in fleet.proto. */
const MAX_UNREAD = 100;
const MAX_UNREAD_LENGTH = 512;
const MAX_ERROR_LENGTH = 1000;
/** Levels of an answer: agents send at most 64, and who shows it must not run out of stack. */
const MAX_DEPTH = 100;

/**
 * An answer of at most `maxBytes` and a little. `claim` is called with each part before it is kept, and returns whether there
 * is still room for it beside the answers of the other nodes.
 */
export function createReassembly(maxBytes: number, claim: (bytes: number) => boolean): Reassembly {
  const chunks: Uint8Array[] = [];
  let size = 0;
  return {
    take: (result) => {
      const chunk = result.chunk ?? new Uint8Array();
      size += chunk.length;
      if (size > maxBytes + SLACK_BYTES) return failed('the node sent more than it was asked for');
      if (!claim(chunk.length)) return failed('the answers of all nodes together are too large: ask for less');
      if (chunk.length > 0) chunks.push(chunk);
      if (result.last !== true) return undefined;
      if (typeof result.error === 'string' && result.error !== '')
        return failed(result.error.slice(0, MAX_ERROR_LENGTH));
      return parse(chunks.length === 1 ? chunk : Buffer.concat(chunks), result);
    },
  };
}

/** Holds no state between calls. */
const UTF8 = new TextDecoder('utf-8', { fatal: true });

function parse(bytes: Uint8Array, result: QueryResult): NodeReply {
  try {
    const text = UTF8.decode(bytes);
    if (isDeeperThan(text, MAX_DEPTH)) return failed('the node sent an answer that is nested too deep');
    const value: unknown = JSON.parse(text);
    const rows = Array.isArray(value) ? value.length : 1;
    return { ok: true, value, rows, truncated: result.truncated === true, unread: unreadOf(result) };
  } catch {
    return failed('the node sent an answer that is not JSON');
  }
}

function unreadOf(result: QueryResult): readonly string[] {
  return (result.unread ?? []).slice(0, MAX_UNREAD).map((entry) => entry.slice(0, MAX_UNREAD_LENGTH));
}

/** Are lists and objects of a JSON text nested deeper than `most`? Brackets within strings do not count. */
function isDeeperThan(text: string, most: number): boolean {
  let depth = 0;
  let inString = false;
  for (let index = 0; index < text.length; index += 1) {
    const letter = text[index];
    if (inString) {
      if (letter === '\\') index += 1;
      else if (letter === '"') inString = false;
    } else if (letter === '"') inString = true;
    else if (letter === '[' || letter === '{') depth += 1;
    else if (letter === ']' || letter === '}') depth -= 1;
    if (depth > most) return true;
  }
  return false;
}

function failed(error: string): NodeReply {
  return { ok: false, error };
}
