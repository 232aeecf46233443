import { nearestName } from '../service/nearest.ts';

/** `there is no command "scna"; did you mean scan?` */
export function unknownCommandText(name: string, known: readonly string[]): string {
  const nearest = nearestName(name, known);
  return `there is no command ${JSON.stringify(name)}${nearest === undefined ? '' : `; did you mean ${nearest}?`}`;
}
