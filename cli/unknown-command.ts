import { didYouMean } from '../service/nearest.ts';

/** `there is no command "scna"; did you mean scan?` */
export function unknownCommandText(name: string, known: readonly string[]): string {
  return `there is no command ${JSON.stringify(name)}${didYouMean(name, known)}`;
}
