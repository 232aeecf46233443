import { safe } from '../api/safe.ts';
import { asTyped } from './invocation.ts';
import { EXIT_FAILURE } from './command.ts';
import type { CliEnvironment } from './context.ts';

/** Says on standard error what went wrong and, if there is something, what to do. Answers the exit code. */
export async function printError(
  world: Pick<CliEnvironment, 'stderr' | 'invocation'>,
  problem: string,
  ...hints: readonly (string | undefined)[]
): Promise<number> {
  const lines = [`plimsoll: ${problem}`, ...hints.filter((hint) => hint !== undefined).map((hint) => `  ${hint}`)];
  await world.stderr.write(`${lines.map((line) => asTyped(safe(line), world.invocation)).join('\n')}\n`);
  return EXIT_FAILURE;
}

/** Prints why a request to the collector failed. Answers the exit code. */
export function printFailure(
  world: Pick<CliEnvironment, 'stderr' | 'invocation'>,
  { message, hint }: { readonly message: string; readonly hint: string },
): Promise<number> {
  return printError(world, message, hint === '' ? undefined : hint);
}
