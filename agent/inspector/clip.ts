/** `text` cut to what a fact may hold. Facts are bounded; a longer name or line from outside loses its end. */
export function clip(text: string, maxLength: number): string {
  return text.length <= maxLength ? text : text.slice(0, maxLength);
}
