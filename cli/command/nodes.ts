import { nodeList } from '../../api/node.ts';
import type { FleetNode } from '../../api/node.ts';
import { connect } from '../api/connect.ts';
import { defineCommand, EXIT_OK, OUTPUT_OPTION } from '../command.ts';
import { printError, printFailure } from '../print-error.ts';
import type { Context } from '../context.ts';
import { printListing } from '../output/listing.ts';
import { nodeLabel } from '../render/node-label.ts';
import type { Paint } from '../render/paint.ts';
import type { Cell } from '../render/table.ts';
import { dateTime, span } from '../../api/format.ts';

export const nodes = defineCommand({
  name: 'nodes',
  summary: 'list the nodes of the fleet, show one, or remove some',
  usage: [
    'nodes [options]',
    'nodes show NODE [options]',
    'nodes remove NODE… [options]',
    'nodes remove --stale-for DURATION [options]',
    'nodes revoke NODE… [options]',
    'nodes readmit ID… [options]',
  ],
  description: [
    'Lists the nodes that the collector knows: whether each is connected, offline, or a node of the Kubernetes cluster without an agent (never enrolled), or two agents use its identity (duplicate identity); its container engine, the number of running containers, and the number of failed checks by severity.',
    'show prints one node, by id (4 characters or more of it are enough) or name: identity, status, containers, and findings by severity. Its agent reads the status (uptime, load, memory, pressure, disks, clock) for the answer. For a node that is offline, show prints what is stored and its age.',
    'remove removes nodes that are not connected, with their findings. Open findings are resolved, in the history and for every sink. A node that connects again is a new node. See also the setting node-retention of the collector.',
    'revoke refuses every certificate that was issued to the nodes until now and ends their sessions, within seconds. A revoked host comes back only with a join token that was created for it, a revoked Kubernetes node only after readmit.',
    'readmit lets a revoked Kubernetes node, named by its id, get a certificate again. Its certificates from before stay revoked.',
  ],
  operands: { min: 0, max: 10_000, completes: 'nodeAction' },
  options: [
    OUTPUT_OPTION,
    {
      name: 'stale-for',
      value: 'DURATION',
      summary: 'remove: all nodes that sent nothing for this long, such as 7d or 12h',
    },
    { name: 'dry-run', summary: 'remove: only show what would be removed' },
    { name: 'yes', short: 'y', summary: 'remove: do not ask for confirmation; required without a terminal' },
  ],
  settings: ['client'],
  examples: [
    { line: 'plimsoll nodes', meaning: 'the fleet' },
    { line: 'plimsoll nodes -o wide', meaning: 'with ids, operating systems and agent versions' },
    { line: 'plimsoll nodes show web-3', meaning: 'one node and its current status' },
    { line: 'plimsoll nodes remove web-7', meaning: 'after web-7 was retired' },
    { line: 'plimsoll nodes remove --stale-for 7d --dry-run', meaning: 'which nodes have been silent for a week' },
  ],
  issue: 'show: the node does not answer; remove: a node was not removed',
  run: async (context) => {
    const { args, settings, clock } = context;
    const [action] = args.operands;
    // `forget` is what `remove` was called before; it stays for one version.
    const isRemoval = action === 'remove' || action === 'forget';
    const misplaced = isRemoval ? undefined : ['stale-for', 'dry-run', 'yes'].find(args.has);
    if (misplaced !== undefined) return printError(context, `--${misplaced} is for: plimsoll nodes remove`, SEE);
    if (isRemoval) {
      const { removeNodes } = await import('../nodes/remove.ts');
      return removeNodes(context);
    }
    if (action === 'revoke') {
      const { revokeNodes } = await import('../nodes/revoke.ts');
      return revokeNodes(context);
    }
    if (action === 'readmit') {
      const { readmitNodes } = await import('../nodes/revoke.ts');
      return readmitNodes(context);
    }
    if (action === 'show') {
      const { showNode } = await import('../nodes/show.ts');
      return showNode(context);
    }
    if (action !== undefined) return printError(context, `nodes does not know ${JSON.stringify(action)}`, SEE);
    const client = await connect(settings, new AbortController().signal);
    if (!client.ok) return printFailure(context, client.problem);
    const answer = await client.value.get('/v1/nodes', nodeList);
    if (!answer.ok) return printFailure(context, answer.problem);
    const { nodes: items } = answer.value;
    const nowMs = clock.now();
    await printListing(context, {
      document: { nodes: items },
      items,
      names: items.map(({ name, id }) => nodeLabel(name, id)),
      columns: [
        // The name is cut last: it tells nodes apart.
        { title: 'NODE', min: 24 },
        { title: 'STATE', min: 13 },
        { title: 'ID', wide: true },
        { title: 'RUNTIME' },
        { title: 'RUNNING', align: 'right' },
        { title: 'CRIT', align: 'right' },
        { title: 'HIGH', align: 'right' },
        { title: 'MED', align: 'right' },
        { title: 'LOW', align: 'right' },
        { title: 'OPERATING SYSTEM', wide: true },
        { title: 'KERNEL', wide: true },
        { title: 'AGENT', wide: true },
        { title: 'LAST SEEN', wide: true },
      ],
      rows: items.map((node) => nodeRow(node, nowMs, context)),
      empty: 'No node has connected yet.',
    });
    return EXIT_OK;
  },
});

const SEE = 'see: plimsoll nodes --help';

function stateCell(node: FleetNode, nowMs: number, paint: Paint): Cell {
  const { presence, connected, offlineSinceMs, duplicateIdentity } = node;
  if (duplicateIdentity) return { text: 'duplicate identity', value: 'duplicateIdentity', paint: paint.bad };
  if (presence === 'neverEnrolled') return { text: 'never enrolled', value: presence, paint: paint.bad };
  if (connected) return { text: 'connected', paint: paint.good };
  return { text: `offline ${span(nowMs - offlineSinceMs)}`, value: 'offline', paint: paint.bad };
}

function nodeRow(node: FleetNode, nowMs: number, { paint }: Context): readonly Cell[] {
  const isNew = node.presence === 'neverEnrolled';
  const { failures } = node.counts;
  const severity = (name: 'critical' | 'high' | 'medium' | 'low'): Cell =>
    failures[name] === 0
      ? { text: '0', paint: paint.dim }
      : { text: String(failures[name]), value: failures[name], paint: (text) => paint.severity(name, text) };
  return [
    { text: nodeLabel(node.name, node.id), paint: paint.bold },
    stateCell(node, nowMs, paint),
    { text: node.id },
    { text: isNew ? '' : node.runtime === '' ? 'none' : node.runtime.replace(/\+.*/, '') },
    { text: String(node.containerCount), value: node.containerCount },
    severity('critical'),
    severity('high'),
    severity('medium'),
    severity('low'),
    { text: node.operatingSystem },
    { text: node.kernelRelease },
    { text: node.agentVersion },
    isNew
      ? { text: 'never', value: '' }
      : { text: dateTime(node.lastSeenMs), value: new Date(node.lastSeenMs).toISOString() },
  ];
}
