import { safe } from '../api/safe.ts';
import { EXIT_FAILURE } from './command.ts';
import type { Context, CliEnvironment } from './context.ts';

/** Says on standard error what went wrong and, if there is something, what to do. Answers the exit code. */
export async function printError(
  world: Pick<CliEnvironment, 'stderr'> | Pick<Context, 'stderr'>,
  problem: string,
  ...hints: readonly (string | undefined)[]
): Promise<number> {
  const lines = [`plimsoll: ${problem}`, ...hints.filter((hint) => hint !== undefined).map((hint) => `  ${hint}`)];
  await world.stderr.write(`${lines.map(safe).join('\n')}\n`);
  return EXIT_FAILURE;
}

/** Prints why a request to the collector failed. Answers the exit code. */
export function printFailure(
  world: Pick<CliEnvironment, 'stderr'>,
  { message, hint }: { readonly message: string; readonly hint: string },
): Promise<number> {
  return printError(world, message, hint === '' ? undefined : hint);
}
