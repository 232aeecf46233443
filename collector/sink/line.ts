/**
 * What JSON leaves as it is, but a reader may take for a control: DEL and C1 (U+009B starts an escape sequence on some
 * terminals), and the line and paragraph separators, which some tools take for the end of a line. C0 is escaped by JSON
 * itself.
 */
// oxlint-disable-next-line no-control-regex -- controls are what is looked for
const CONTROLS = /[\u007f-\u009f\u2028\u2029]/g;

/** A value as one line of JSON without a newline, free of raw control characters. */
export function toJson(value: unknown): string {
  const json = JSON.stringify(value);
  return json.replace(CONTROLS, (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** An event as one line of JSON with its newline. */
export function toLine(event: Readonly<Record<string, unknown>>): string {
  return `${toJson(event)}\n`;
}
