import t from 'tap';
import { enrollment } from '../../../../posture/check/agent/enrollment.ts';
import type { ClusterNode } from '../../../../posture/fact/cluster-node.ts';
import { judgeAll, judgeClusterNode } from '../../../../posture/judge.ts';
import { factsOf } from '../../../fixture/facts.ts';

const node: ClusterNode = {
  id: '11111111-2222-3333-4444-555555555555',
  name: 'worker-3',
  operatingSystem: 'linux',
  missingSinceMs: Date.UTC(2026, 10, 25, 11, 0, 0),
};
const failure = { sinceMs: Date.UTC(2026, 10, 25, 12, 30, 0), reason: 'the API server did not answer within 10 s' };

void t.test('a node of the cluster without an agent fails, whatever it says of itself', async (t) => {
  const cases: readonly (readonly [string, Partial<ClusterNode>, object])[] = [
    ['a Linux node', {}, { verdict: 'fail', severity: 'high', reason: /no agent has ever connected/ }],
    ['no label', { operatingSystem: '' }, { verdict: 'fail', severity: 'high' }],
    // The kubelet sets this label: it may lower the severity, and never ends the finding.
    ['another system', { operatingSystem: 'windows' }, { verdict: 'fail', severity: 'low', reason: /says windows/ }],
    [
      'no list',
      { failure },
      { verdict: 'unknown', reason: /since 2026-11-25T12:30:00Z: the API server did not answer/ },
    ],
  ];
  for (const [name, over, expected] of cases) {
    const finding = judgeClusterNode(enrollment, { ...node, ...over });
    t.match(finding, { ...expected, subject: { kind: 'node', id: node.id, name: 'worker-3' } }, name);
    t.match(finding.evidence[0], {
      source: 'Kubernetes API server, node worker-3',
      seen: 'listed without an agent since 2026-11-25T11:00:00Z',
    });
  }
});

void t.test('agents have no finding of it', async (t) => {
  t.equal(judgeAll([enrollment], factsOf({})).size, 0);
});
