import { nodeList } from '../../api/node.ts';
import { revokedNode } from '../../api/join-token.ts';
import { safe } from '../../api/safe.ts';
import { connect } from '../api/connect.ts';
import { EXIT_OK } from '../command.ts';
import type { Context } from '../context.ts';
import { printError, printFailure } from '../print-error.ts';
import { chooseByName } from './choose.ts';

/** `plimsoll nodes revoke NODE…`: revokes the certificates of nodes, by id or name. Returns the exit code. */
export async function revokeNodes(context: Context): Promise<number> {
  const { args, settings, stdout } = context;
  const [, ...words] = args.operands;
  if (words.length === 0)
    return printError(context, 'name at least one node, by id or name', 'see: plimsoll nodes --help');
  const client = await connect(settings, new AbortController().signal);
  if (!client.ok) return printFailure(context, client.problem);
  const list = await client.value.get('/v1/nodes', nodeList);
  if (!list.ok) return printFailure(context, list.problem);
  const chosen = chooseByName(words, list.value.nodes, true);
  if (!chosen.ok) return printError(context, chosen.problem);
  for (const { id, name } of chosen.nodes) {
    const answer = await client.value.post(`/v1/nodes/${encodeURIComponent(id)}/revoke`, revokedNode, { body: {} });
    if (!answer.ok) return printFailure(context, answer.problem);
    await stdout.write(
      `${safe(name)}: certificates revoked; to enrol it again: plimsoll join-token create --node ${safe(id)}\n`,
    );
  }
  return EXIT_OK;
}
