import { nodeList } from '../../api/node.ts';
import type { FleetNode } from '../../api/node.ts';
import { connect } from '../api/connect.ts';
import { defineCommand, EXIT_OK, OUTPUT_OPTION } from '../command.ts';
import { printError, printFailure } from '../print-error.ts';
import type { Context } from '../context.ts';
import { printListing } from '../print.ts';
import { nodeLabel } from '../render/node-label.ts';
import type { Cell } from '../render/table.ts';
import { span } from '../../api/format.ts';

export const nodes = defineCommand({
  name: 'nodes',
  summary: 'list the nodes of the fleet, or remove some',
  usage: [
    'nodes [options]',
    'nodes remove NODE… [options]',
    'nodes remove --stale-for DURATION [options]',
    'nodes revoke NODE… [options]',
  ],
  description: [
    'Asks the collector for every node that it knows: whether it is connected or since when it is not, what it runs, how many containers run there, and how many checks fail on it, by severity.',
    'remove removes nodes that are not connected, by id or name, with their findings: each open one is resolved, in the history and for every sink. A node that comes back is a new one. See also the setting node-retention of the collector.',
    'revoke refuses every certificate that was issued to the nodes until now and ends their sessions, within seconds. A revoked node comes back only with a join token that was created for it.',
  ],
  operands: { min: 0, max: 10_000, completes: 'nodeAction' },
  options: [
    OUTPUT_OPTION,
    {
      name: 'stale-for',
      value: 'DURATION',
      summary: 'remove: all nodes that were not heard of for so long, such as 7d or 12h',
    },
    { name: 'dry-run', summary: 'remove: only say what would be removed' },
    { name: 'yes', summary: 'remove: do not ask; needed where there is no terminal' },
  ],
  settings: ['client'],
  examples: [
    { line: 'plimsoll nodes', meaning: 'the fleet' },
    { line: 'plimsoll nodes --output ndjson', meaning: 'one JSON object a node' },
    { line: 'plimsoll nodes remove web-7', meaning: 'web-7 was retired' },
    { line: 'plimsoll nodes remove --stale-for 7d --dry-run', meaning: 'what has been gone for a week' },
  ],
  issue: 'remove: a node was not removed, the list says why',
  run: async (context) => {
    const { args, settings, clock } = context;
    const [action] = args.operands;
    // `forget` is what `remove` was called before; it stays for one version.
    if (action === 'remove' || action === 'forget') {
      const { removeNodes } = await import('../nodes/remove.ts');
      return removeNodes(context);
    }
    if (action === 'revoke') {
      const { revokeNodes } = await import('../nodes/revoke.ts');
      return revokeNodes(context);
    }
    if (action !== undefined) return printError(context, `nodes does not know ${JSON.stringify(action)}`, SEE);
    const meant = ['stale-for', 'dry-run', 'yes'].find(args.has);
    if (meant !== undefined) return printError(context, `--${meant} is for: plimsoll nodes remove`, SEE);
    const client = await connect(settings, new AbortController().signal);
    if (!client.ok) return printFailure(context, client.problem);
    const answer = await client.value.get('/v1/nodes', nodeList);
    if (!answer.ok) return printFailure(context, answer.problem);
    const { nodes: items } = answer.value;
    const nowMs = clock.now();
    await printListing(context, {
      document: { nodes: items },
      items,
      columns: [
        // What tells nodes from each other gives last; short titles leave it the room.
        { title: 'NODE', min: 24 },
        { title: 'STATE', min: 13 },
        { title: 'RUNTIME' },
        { title: 'RUNNING', align: 'right' },
        { title: 'CRIT', align: 'right' },
        { title: 'HIGH', align: 'right' },
        { title: 'MED', align: 'right' },
        { title: 'LOW', align: 'right' },
      ],
      rows: items.map((node) => nodeRow(node, nowMs, context)),
      empty: 'No node has connected yet.',
    });
    return EXIT_OK;
  },
});

const SEE = 'see: plimsoll nodes --help';

function nodeRow(node: FleetNode, nowMs: number, { paint }: Context): readonly Cell[] {
  const { failures } = node.counts;
  const severity = (name: 'critical' | 'high' | 'medium' | 'low'): Cell =>
    failures[name] === 0
      ? { text: '0', paint: paint.dim }
      : { text: String(failures[name]), paint: (text) => paint.severity(name, text) };
  return [
    { text: nodeLabel(node.name, node.id), paint: paint.bold },
    node.connected
      ? { text: 'connected', paint: paint.good }
      : { text: `offline ${span(nowMs - node.offlineSinceMs)}`, paint: paint.bad },
    { text: node.runtime === '' ? 'no docker' : node.runtime.replace(/\+.*/, '') },
    { text: String(node.containerCount) },
    severity('critical'),
    severity('high'),
    severity('medium'),
    severity('low'),
  ];
}
