import { connect } from '../api/connect.ts';
import { nodeList } from '../api/shape.ts';
import type { FleetNode } from '../api/shape.ts';
import { defineCommand, EXIT_OK, OUTPUT_OPTION } from '../command.ts';
import { complain } from '../complain.ts';
import type { Context } from '../context.ts';
import { printListing } from '../print.ts';
import { nodeLabel } from '../render/node-label.ts';
import type { Cell } from '../render/table.ts';
import { span } from '../render/time.ts';

export const nodes = defineCommand({
  name: 'nodes',
  summary: 'list the nodes of the fleet',
  usage: ['nodes [options]'],
  description: [
    'Asks the collector for every node that it knows: whether it is connected or since when it is not, what it runs, how many containers run there, and how many checks fail on it, by severity.',
  ],
  operands: { min: 0, max: 0 },
  options: [OUTPUT_OPTION],
  settings: ['client'],
  examples: [
    { line: 'plimsoll nodes', meaning: 'the fleet' },
    { line: 'plimsoll nodes --output ndjson', meaning: 'one JSON object a node' },
  ],
  run: async (context) => {
    const { settings, clock } = context;
    const client = await connect(settings, new AbortController().signal);
    if (!client.ok) return complain(context, client.problem, client.hint);
    const answer = await client.value.get('/v1/nodes', nodeList);
    if (!answer.ok) return complain(context, answer.problem, answer.hint);
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
