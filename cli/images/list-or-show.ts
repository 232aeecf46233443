import { safe } from '../../api/safe.ts';
import { connect } from '../api/connect.ts';
import type { CliClient } from '../api/connect.ts';
import type { Context } from '../context.ts';
import { printError, printFailure } from '../print-error.ts';

/** A command with the actions `list`, the default, and `show WORD`. */
interface ListOrShow {
  /** Name of the command. */
  readonly command: string;
  /** What WORD is, such as `an image`. */
  readonly operand: string;
  readonly list: (context: Context, client: CliClient) => Promise<number>;
  readonly show: (context: Context, client: CliClient, word: string) => Promise<number>;
}

/** Runs the action that the operands name with a connection to the collector; answers the exit code. */
export async function runListOrShow(context: Context, { command, operand, list, show }: ListOrShow): Promise<number> {
  const [action = 'list', word] = context.args.operands;
  if (action === 'show' && word === undefined)
    return printError(context, `show needs ${operand}`, `see: plimsoll ${command}`);
  if (action !== 'show' && (action !== 'list' || word !== undefined))
    return printError(
      context,
      `${command} has no action ${JSON.stringify(safe(action))}`,
      `see: plimsoll ${command} --help`,
    );
  const client = await connect(context.settings, new AbortController().signal);
  if (!client.ok) return printFailure(context, client.problem);
  return action === 'show' ? show(context, client.value, word ?? '') : list(context, client.value);
}
