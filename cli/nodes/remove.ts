import { removedNode, nodeList } from '../../api/node.ts';
import type { FleetNode } from '../../api/node.ts';
import { safe } from '../../api/safe.ts';
import { parseDuration } from '../../service/duration.ts';
import type { ApiClient, RequestFailure } from '../../api/client.ts';
import { connect } from '../api/connect.ts';
import { EXIT_OK, EXIT_ISSUES } from '../command.ts';
import { printError, printFailure } from '../print-error.ts';
import type { Context } from '../context.ts';
import { printListing } from '../output/listing.ts';
import { nodeLabel } from '../render/node-label.ts';
import type { Cell } from '../render/table.ts';
import { span } from '../../api/format.ts';
import { fit } from '../render/width.ts';
import { chooseByName, chooseStale } from './choose.ts';
import type { Chosen } from './choose.ts';

/** What became of one node; `resolved`: open findings that were closed with it, or would be. */
interface Result {
  readonly id: string;
  readonly name: string;
  readonly lastSeenMs: number;
  readonly outcome: 'removed' | 'wouldBeRemoved' | 'refused';
  readonly findings: number;
  readonly resolved: number;
  /** Why it was refused. */
  readonly problem?: string;
}

/** Nodes that are named before the question. */
const MAX_LISTED = 10;

/** `plimsoll nodes remove`: answers the exit code. */
export async function removeNodes(context: Context): Promise<number> {
  const { args, settings } = context;
  const [, ...words] = args.operands;
  const staleFor = args.value('stale-for');
  const staleMs = parseDuration(staleFor ?? '');
  if (staleFor !== undefined && (staleMs === undefined || staleMs <= 0))
    return printError(context, `--stale-for: ${JSON.stringify(staleFor)} is not a duration such as 7d, 12h or 30m`);
  if ((words.length === 0) === (staleMs === undefined))
    return printError(context, 'no node is named: give ids or names, or --stale-for', 'see: plimsoll nodes --help');
  const client = await connect(settings, new AbortController().signal);
  if (!client.ok) return printFailure(context, client.problem);
  const list = await client.value.get('/v1/nodes', nodeList);
  if (!list.ok) return printFailure(context, list.problem);
  const known = list.value.nodes;
  const chosen: Chosen =
    staleMs === undefined
      ? chooseByName(words, known, true)
      : { ok: true, nodes: chooseStale(staleMs, context.clock.now(), known) };
  if (!chosen.ok) return printError(context, chosen.problem);
  const { nodes } = chosen;
  if (args.has('dry-run')) return print(context, nodes.map(foresee));
  if (nodes.length > 0 && !args.has('yes')) {
    if (context.prompter === undefined)
      return printError(
        context,
        'this asks for confirmation, and there is no terminal',
        'to remove without asking: --yes',
      );
    await context.stderr.write(describe(nodes, context));
    if (!/^y(es)?$/i.test(await context.prompter.ask(question(nodes))))
      return printError(context, 'nothing was removed');
  }
  const { results, failure } = await removeEach(client.value, nodes);
  const code = await print(context, results);
  return failure === undefined ? code : printFailure(context, failure);
}

/** One after the other; what is refused is a result, anything else ends it. */
async function removeEach(
  client: ApiClient,
  nodes: readonly FleetNode[],
): Promise<{ readonly results: readonly Result[]; readonly failure?: RequestFailure }> {
  const results: Result[] = [];
  for (const node of nodes) {
    const { id, name, lastSeenMs } = node;
    const answer = await client.delete(`/v1/nodes/${encodeURIComponent(id)}`, removedNode);
    if (answer.ok) {
      const { findings, resolved } = answer.value;
      results.push({ id, name, lastSeenMs, outcome: 'removed', findings, resolved });
    } else if (['refused', 'notFound', 'failed'].includes(answer.problem.kind))
      results.push({ ...foresee(node), outcome: 'refused', resolved: 0, problem: answer.problem.message });
    else return { results, failure: answer.problem };
  }
  return { results };
}

/** What would become of a node. */
function foresee({ id, name, lastSeenMs, connected, counts }: FleetNode): Result {
  const { fail, unknown, manual, pass, notApplicable } = counts.verdicts;
  const open = fail + unknown + manual;
  const node = { id, name, lastSeenMs, findings: open + pass + notApplicable };
  if (connected) return { ...node, outcome: 'refused', resolved: 0, problem: 'the node is connected' };
  return { ...node, outcome: 'wouldBeRemoved', resolved: open };
}

async function print(context: Context, results: readonly Result[]): Promise<number> {
  const nowMs = context.clock.now();
  await printListing(context, {
    document: { nodes: results },
    items: results,
    names: results.map(({ name, id }) => nodeLabel(name, id)),
    columns: [
      { title: 'NODE', min: 24 },
      { title: 'LAST SEEN', min: 9 },
      { title: 'RESOLVED', align: 'right' },
      { title: 'OUTCOME', min: 17 },
    ],
    rows: results.map((result) => rowOf(result, nowMs, context)),
    empty: 'No matching nodes.',
  });
  return results.some(({ outcome }) => outcome === 'refused') ? EXIT_ISSUES : EXIT_OK;
}

function rowOf({ id, name, lastSeenMs, outcome, resolved, problem }: Result, nowMs: number, { paint }: Context) {
  const said: Readonly<Record<Result['outcome'], Cell>> = {
    removed: { text: 'removed', paint: paint.good },
    wouldBeRemoved: { text: 'would be removed' },
    refused: { text: `refused: ${problem ?? ''}`, paint: paint.bad },
  };
  return [
    { text: nodeLabel(name, id), paint: paint.bold },
    { text: lastSeen(lastSeenMs, nowMs) },
    { text: String(resolved) },
    said[outcome],
  ];
}

/** `5 min ago`; 0: the node never had a session. */
function lastSeen(lastSeenMs: number, nowMs: number): string {
  return lastSeenMs === 0 ? 'never' : `${span(nowMs - lastSeenMs)} ago`;
}

/** The first nodes, one a line. */
function describe(nodes: readonly FleetNode[], { clock, width }: Context): string {
  const nowMs = clock.now();
  const lines = nodes
    .slice(0, MAX_LISTED)
    .map(({ id, name, lastSeenMs }) => `  ${safe(nodeLabel(name, id))}, last seen ${lastSeen(lastSeenMs, nowMs)}`);
  if (nodes.length > MAX_LISTED) lines.push(`  and ${String(nodes.length - MAX_LISTED)} more`);
  return lines.map((line) => `${fit(line, width)}\n`).join('');
}

function question(nodes: readonly FleetNode[]): string {
  const open = nodes.map(foresee).reduce((sum, { resolved }) => sum + resolved, 0);
  const what = nodes.length === 1 ? 'this node' : `these ${String(nodes.length)} nodes`;
  return `Remove ${what}, and resolve ${String(open)} open finding${open === 1 ? '' : 's'}? [y/N] `;
}
