import type { ApiClient, Result } from '../../api/client.ts';
import { nodeList } from '../../api/node.ts';
import { joinTokenList, readmittedNode, revokedNode } from '../../api/join-token.ts';
import { safe } from '../../api/safe.ts';
import { isNodeUid } from '../../service/tls/node-identity.ts';
import { connect } from '../api/connect.ts';
import { EXIT_OK } from '../command.ts';
import type { Context } from '../context.ts';
import { asTyped } from '../invocation.ts';
import { printError, printFailure } from '../print-error.ts';
import { nodeLabel } from '../render/node-label.ts';
import { chooseByName } from './choose.ts';

/** `plimsoll nodes revoke NODE…`: revokes the certificates of nodes, by id or name. Returns the exit code. */
export async function revokeNodes(context: Context): Promise<number> {
  const { args, settings, stdout, invocation } = context;
  const [, ...words] = args.operands;
  if (words.length === 0)
    return printError(context, 'name at least one node, by id or name', 'see: plimsoll nodes --help');
  const client = await connect(settings, new AbortController().signal);
  if (!client.ok) return printFailure(context, client.problem);
  const known = await readEnrolled(client.value);
  if (!known.ok) return printFailure(context, known.problem);
  const chosen = chooseByName(words, known.value, true);
  if (!chosen.ok) return printError(context, chosen.problem);
  for (const { id, name } of chosen.nodes) {
    const answer = await client.value.post(`/v1/nodes/${encodeURIComponent(id)}/revoke`, revokedNode, { body: {} });
    if (!answer.ok) return printFailure(context, answer.problem);
    const action = isNodeUid(id) ? 'nodes readmit' : 'join-token create --node';
    const hint = asTyped(`plimsoll ${action} ${safe(id)}`, invocation);
    await stdout.write(`${safe(nodeLabel(name, id))}: certificates revoked; to enrol it again: ${hint}\n`);
  }
  return EXIT_OK;
}

/** `plimsoll nodes readmit ID…`: lets revoked Kubernetes nodes get certificates again. Returns the exit code. */
export async function readmitNodes(context: Context): Promise<number> {
  const { args, settings, stdout } = context;
  const [, ...ids] = args.operands;
  if (ids.length === 0) return printError(context, 'name at least one node, by id', 'see: plimsoll nodes --help');
  const client = await connect(settings, new AbortController().signal);
  if (!client.ok) return printFailure(context, client.problem);
  for (const id of ids) {
    const answer = await client.value.post(`/v1/nodes/${encodeURIComponent(id)}/readmit`, readmittedNode, { body: {} });
    if (!answer.ok) return printFailure(context, answer.problem);
    await stdout.write(`${safe(id)}: may get a certificate again\n`);
  }
  return EXIT_OK;
}

interface EnrolledNode {
  readonly id: string;
  readonly name: string;
}

/** The nodes that have connected, and the hosts that have a certificate but never connected: those by id only. */
async function readEnrolled(client: ApiClient): Promise<Result<readonly EnrolledNode[]>> {
  const list = await client.get('/v1/nodes', nodeList);
  if (!list.ok) return list;
  const tokens = await client.get('/v1/join-tokens', joinTokenList);
  if (!tokens.ok) return tokens;
  const nodes = list.value.nodes.map(({ id, name }) => ({ id, name }));
  const listed = new Set(nodes.map(({ id }) => id));
  const others = new Set(tokens.value.tokens.map(({ usedBy }) => usedBy).filter((id) => id !== '' && !listed.has(id)));
  return { ok: true, value: [...nodes, ...[...others].map((id) => ({ id, name: id }))] };
}
