import type { Summary } from '../../api/node.ts';
import { count, counted } from '../../api/format.ts';

/** How heavily the fleet is loaded: what the worst open failure is. */
export type Load = 'critical' | 'high' | 'some' | 'none' | 'unseen';

/** The worst that is open. `unseen`: nothing was judged yet. */
export function loadOf({ counts: { failures, verdicts } }: Summary): Load {
  if (failures.critical > 0) return 'critical';
  if (failures.high > 0) return 'high';
  if (failures.medium + failures.low > 0) return 'some';
  return Object.values(verdicts).some((value) => value > 0) ? 'none' : 'unseen';
}

/** The state of the fleet in one sentence. */
export function headline(summary: Summary): string {
  const { failures } = summary.counts;
  switch (loadOf(summary)) {
    case 'critical':
      return failures.high > 0
        ? `${count(failures.critical)} critical and ${counted(failures.high, 'high failure')} are open`
        : `${counted(failures.critical, 'critical failure')} ${failures.critical === 1 ? 'is' : 'are'} open`;
    case 'high':
      return `Nothing critical; ${counted(failures.high, 'high failure')} ${failures.high === 1 ? 'is' : 'are'} open`;
    case 'some':
      return 'Nothing critical or high is open';
    case 'none':
      return 'Nothing fails';
    case 'unseen':
      return 'Nothing has been judged yet';
  }
}

/** The nodes that it is about. */
export function fleetSentence({ nodes }: Summary): string {
  if (nodes.total === 0) return 'No node has connected yet. Start one: plimsoll agent';
  const missing =
    nodes.neverEnrolled === 0
      ? ''
      : ` ${counted(nodes.neverEnrolled, 'node')} of the cluster ${nodes.neverEnrolled === 1 ? 'has' : 'have'} no agent.`;
  if (nodes.offline === 0 && missing === '')
    return nodes.total === 1 ? 'The one node is connected.' : `All ${counted(nodes.total, 'node')} are connected.`;
  const lost = `; ${counted(nodes.offline, 'node')} ${nodes.offline === 1 ? 'is' : 'are'} offline, shown as last seen`;
  const connected = `${String(nodes.connected)} of ${counted(nodes.total, 'node')} connected`;
  return `${connected}${nodes.offline === 0 ? '' : lost}.${missing}`;
}
