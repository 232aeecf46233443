import { nodeDetail } from '../../api/node.ts';
import { nodeStatusAnswer } from '../../api/node-status.ts';
import { connect } from '../api/connect.ts';
import { EXIT_ISSUES, EXIT_OK } from '../command.ts';
import type { Context } from '../context.ts';
import { describeUnlistable, isTable, printDocument } from '../output/listing.ts';
import { printError, printFailure } from '../print-error.ts';
import { renderNode } from './render-node.ts';

/** `plimsoll nodes show NODE`: what is stored about one node, and how it is doing now. */
export async function showNode(context: Context): Promise<number> {
  const { args, settings, stdout, width, paint, clock, invocation } = context;
  const [, word, ...others] = args.operands;
  if (word === undefined || others.length > 0)
    return printError(context, 'nodes show needs one node', 'usage: plimsoll nodes show NODE; see: plimsoll nodes');
  const unlistable = describeUnlistable(context, 'nodes show');
  if (unlistable !== undefined) return printError(context, unlistable);
  const client = await connect(settings, new AbortController().signal);
  if (!client.ok) return printFailure(context, client.problem);
  const path = `/v1/nodes/${encodeURIComponent(word)}`;
  const node = await client.value.get(path, nodeDetail);
  if (!node.ok) return printFailure(context, node.problem);
  // By its id: the name may belong to several a moment later.
  const status = await client.value.get(`/v1/nodes/${encodeURIComponent(node.value.id)}/status`, nodeStatusAnswer);
  if (!status.ok) return printFailure(context, status.problem);
  if (isTable(context)) {
    const lines = renderNode(node.value, status.value, { width, paint, nowMs: clock.now(), invocation });
    await stdout.write(`${lines.join('\n')}\n`);
  } else await printDocument(context, { node: node.value, status: status.value });
  return status.value.outcome === 'ok' ? EXIT_OK : EXIT_ISSUES;
}
