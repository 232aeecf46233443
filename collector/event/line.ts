import { safe, safeJson } from '../../api/safe.ts';

/** An event in the format of a receiver: a JSON object, or a line of text. */
export type RenderedEvent = Readonly<Record<string, unknown>> | string;

/** The event as one line without a newline, and without a raw control, bidirectional or invisible character. */
export function toText(event: RenderedEvent): string {
  // Tabs separate the attributes of LEEF.
  return typeof event === 'string' ? event.split('\t').map(safe).join('\t') : safeJson(event);
}

/** As {@link toText}, with a newline. */
export function toLine(event: RenderedEvent): string {
  return `${toText(event)}\n`;
}
