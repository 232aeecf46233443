import { failAs, unknownBecause } from '../../verdict.ts';
import { clusterNodeCheck } from '../check.ts';
import { isoTime } from '../evidence-text.ts';

export const enrollment = clusterNodeCheck({
  id: 'agent.enrollment',
  title: 'Agent reports from each host of the Kubernetes cluster',
  failTitle: 'No agent has reported from this Kubernetes host',
  judgedBy: 'effect',
  severity: 'high',
  severityLevels: [
    { severity: 'high', when: 'the host can run an agent' },
    { severity: 'low', when: 'the label kubernetes.io/os names another system than linux' },
  ],
  rationale:
    'Nothing is known about a node without an agent: its containers, kernel and files are not checked, and it is missing in every count. An attacker who keeps the agent from starting, or who adds a node of their own to the cluster, works unseen there.',
  remediation:
    'kubectl -n plimsoll-agents get pods -o wide shows whether a pod of the agent runs on the node; its events and its log say why not. Typical causes: a node selector or taint, an image that cannot be pulled, a network policy. If nobody knows the node, find out who created the Node object.',
  references: [
    'https://kubernetes.io/docs/concepts/architecture/nodes/',
    'https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/',
  ],
  judges: 'clusterNode',
  needs: [],
  judge: ({ name, operatingSystem, missingSinceMs, failure }) => {
    const source = `Kubernetes API server, node ${name}`;
    const missing = {
      source,
      seen: `listed without an agent since ${isoTime(missingSinceMs)}`,
      expected: 'a session of its agent',
    };
    if (failure !== undefined)
      return unknownBecause(
        `the nodes of the cluster cannot be listed since ${isoTime(failure.sinceMs)}: ${failure.reason}`,
        missing,
      );
    if (operatingSystem === '' || operatingSystem === 'linux')
      return failAs('high', 'no agent has ever connected from this node, so nothing on it is checked', missing);
    return failAs('low', `agents run on Linux only, and the label of this node says ${operatingSystem}`, missing, {
      source: `${source}, label kubernetes.io/os`,
      seen: operatingSystem,
      expected: 'linux',
    });
  },
});
