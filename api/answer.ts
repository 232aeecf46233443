import type { Parsed, Schema } from '../posture/schema.ts';

/** The value of a JSON text, held to `schema`. Never throws. */
export function parseJson<T>(text: string, schema: Schema<T>): Parsed<T> {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    return { ok: false, problem: 'not JSON' };
  }
}

/** The body of a response as text, at most `maxBytes`; throws a RangeError beyond, and what reading throws. */
export async function readBounded(response: Response, maxBytes: number): Promise<string> {
  const reader = response.body?.getReader();
  if (reader === undefined) return '';
  const decoder = new TextDecoder();
  let text = '';
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    size += value.byteLength;
    if (size > maxBytes) {
      await reader.cancel();
      throw new RangeError(`more than ${String(maxBytes)} bytes`);
    }
    text += decoder.decode(value, { stream: true });
  }
}
