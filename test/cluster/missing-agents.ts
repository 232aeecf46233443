import type { Test } from 'tap';
import { waitFor } from './cluster.ts';
import type { Deployment } from './deployment.ts';

const GHOST = 'ghost';
const CHECK = 'agent.enrollment';
const LIST_NODES = '/rules/1/verbs';

/** A Node object without a machine, and a collector that may not list nodes any more. */
export async function findsMissingAgents(t: Test, plimsoll: Deployment): Promise<void> {
  const { kubectl, apply } = plimsoll.cluster;
  const removeNode = async (): Promise<void> => {
    await kubectl('delete', 'node', GHOST, '--ignore-not-found');
    // The DaemonSet has made a pod for the node, which no node can run. Its controller does not act on the deletion of a
    // node; without this, the pod stays until the scheduler tries it again, 60 to 90 s after the first time.
    await kubectl('-n', 'plimsoll-agents', 'delete', 'pods', '--field-selector=spec.nodeName=', '--ignore-not-found');
  };
  t.teardown(removeNode);
  const verdictIs = (verdict: string | undefined): Promise<unknown> =>
    waitFor(`the verdict ${verdict ?? 'to go'}`, 60_000, async () => {
      const all = await plimsoll.findings({ check: CHECK });
      const found = all.find(({ nodeName }) => nodeName === GHOST);
      return found?.verdict === verdict || undefined;
    });
  const metadata = { name: GHOST, labels: { 'kubernetes.io/os': 'linux' } };
  // DaemonSets of other tests must not wait for it; the one of the agent tolerates everything.
  const spec = { taints: [{ key: 'plimsoll-test', effect: 'NoSchedule' }] };
  await apply({ apiVersion: 'v1', kind: 'Node', metadata, spec });
  await verdictIs('fail');
  t.match(await plimsoll.plimsoll('nodes'), /^ghost +never enrolled /m);
  t.match(await plimsoll.ask('status'), { nodes: { neverEnrolled: 1 } });

  const role = ['clusterrole', 'plimsoll-collector'] as const;
  const mayList = async (may: boolean): Promise<void> => {
    const value = may ? ['get', 'list'] : ['get'];
    const patch = [
      // The rule of nodes, and no other.
      { op: 'test', path: '/rules/1/resources', value: ['nodes'] },
      { op: 'replace', path: LIST_NODES, value },
    ];
    await kubectl('patch', ...role, '--type=json', `--patch=${JSON.stringify(patch)}`);
  };
  await mayList(false);
  await verdictIs('unknown');
  const { issues } = await plimsoll.ask<{ issues: readonly { code: string; text: string }[] }>('status');
  t.match(issues.find(({ code }) => code === 'clusterUnreadable')?.text, /cannot be listed since .*HTTP 403/);
  await removeNode();
  await mayList(true);
  await verdictIs(undefined);
  const history = (await plimsoll.history()).filter(
    ({ check, subjectName }) => check === CHECK && subjectName === GHOST,
  );
  t.strictSame(
    history.map(({ action, verdict, cause }) => [action, verdict, cause]).toReversed(),
    [
      ['opened', 'fail', null],
      ['changed', 'unknown', null],
      ['resolved', 'unknown', 'nodeRemoved'],
    ],
    'it is resolved once it is known to have left the cluster',
  );
}
