import { didYouMean } from '../service/nearest.ts';

/** `unknown command "scna"; did you mean scan?` */
export function unknownCommandText(name: string, known: readonly string[]): string {
  return `unknown command ${JSON.stringify(name)}${didYouMean(name, known)}`;
}
