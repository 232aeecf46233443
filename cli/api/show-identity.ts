import { identity } from '../../api/access.ts';
import type { ApiClient } from '../../api/client.ts';
import { dateTime } from '../../api/format.ts';
import { safe } from '../../api/safe.ts';
import { EXIT_OK } from '../command.ts';
import type { Context } from '../context.ts';
import { describeUnlistable, isTable, printDocument } from '../output/listing.ts';
import { printError, printFailure } from '../print-error.ts';

/** Prints who the collector takes this caller for. Answers the exit code. */
export async function showIdentity(client: ApiClient, context: Context, command: string): Promise<number> {
  const unlistable = describeUnlistable(context, command);
  if (unlistable !== undefined)
    return printError(context, unlistable, `see: plimsoll ${command.split(' ')[0] ?? ''} --help`);
  const answer = await client.get('/v1/identity', identity);
  if (!answer.ok) return printFailure(context, answer.problem);
  if (!isTable(context)) {
    await printDocument(context, answer.value);
    return EXIT_OK;
  }
  const { name, id, role, scopes, expiresMs } = answer.value;
  const until = expiresMs === null ? 'does not expire' : `until ${dateTime(expiresMs)}`;
  const restricted = scopes.length === 0 ? '' : `, scopes ${scopes.join(', ')}`;
  await context.stdout.write(`${safe(name)} (${safe(id)}): role ${role}${restricted}; ${until}\n`);
  return EXIT_OK;
}
