import { escapeJson, safe } from '../../api/safe.ts';

/** An event in the format of a receiver: a JSON object, or a line of text. */
export type RenderedEvent = Readonly<Record<string, unknown>> | string;

/** The event as one line without a newline, and without a raw control, bidirectional or invisible character. */
export function toText(event: RenderedEvent): string {
  // Tabs separate the attributes of LEEF.
  if (typeof event === 'string') return event.split('\t').map(safe).join('\t');
  const text = JSON.stringify(event);
  return isPrintable(text) ? text : escapeJson(text);
}

/**
 * Is this JSON text printable ASCII? One byte a character says that it is ASCII, a tenth of the time of a regular
 * expression; of the controls, JSON.stringify leaves only DEL.
 */
function isPrintable(text: string): boolean {
  return Buffer.byteLength(text) === text.length && !text.includes('\x7f');
}

/** As {@link toText}, with a newline. */
export function toLine(event: RenderedEvent): string {
  return `${toText(event)}\n`;
}
