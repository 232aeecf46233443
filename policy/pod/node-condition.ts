import { list, nullable, oneOf, string, withDefault } from '../../posture/schema.ts';
import type { Infer } from '../../posture/schema.ts';
import { describeDuration, duration } from '../duration.ts';
import type { SnapshotNode, SnapshotNodes } from '../node-posture.ts';
import type { Objection } from '../reason.ts';
import { MODES, someOf, unknown, violation } from '../rule/judging.ts';
import type { Mode } from '../rule/judging.ts';
import { strictObject } from '../strict-object.ts';
import { isPossibleOn } from './node-selection.ts';
import type { Pod } from './pod.ts';

/** Severities that a condition can name, the worst first. */
export const NODE_SEVERITIES = ['critical', 'high', 'medium', 'low'] as const;

/** The schema of the field `spec.nodes` of a pod policy. */
export const nodeCondition = strictObject(
  {
    severity: oneOf(NODE_SEVERITIES, 'failed checks of this severity or a worse one, of the node itself'),
    possible: withDefault(
      oneOf(
        ['every', 'some'],
        '`every`: no node on which the pod can be scheduled has such a failed check; `some`: at least one of them has none',
      ),
      'every',
    ),
    maxAge: withDefault(
      duration(
        'how long ago the agent of a node may have reported; otherwise its posture is not known. Default: `15m`',
      ),
      900_000,
    ),
    unknown: withDefault(
      oneOf(
        ['deny', 'warn', 'allow'],
        'what a pod gets that depends on a node whose posture is not known; `deny`: it is refused in mode `enforce`; `warn`: a warning; `allow`: nothing',
      ),
      'deny',
    ),
    mode: nullable(oneOf(MODES), 'what a violation leads to, where that is milder than the mode of the policy'),
    except: withDefault(
      list(string('', 253), 'names of nodes that are not looked at, such as those of the control plane', 256),
      [],
    ),
  },
  'what must be true of the nodes on which the pod can be scheduled',
);
/** See {@link nodeCondition}. */
export type NodeCondition = Infer<typeof nodeCondition>;

/** An objection to the nodes of a pod. */
export interface NodeObjection {
  /** The mode of it, where that is milder than that of the policy. */
  readonly mode: Mode;
  readonly objection: Objection;
}

/** What is known of one node. `reason`: why it is not known. */
type NodeState =
  | { readonly state: 'clean' }
  | { readonly state: 'failing'; readonly count: number }
  | { readonly state: 'unknown'; readonly reason: string };

interface Judged {
  readonly node: SnapshotNode;
  /** Undefined: whether the pod can be scheduled on it is not known. */
  readonly isPossible: boolean | undefined;
  readonly state: NodeState;
}

/**
 * What a condition has against the nodes on which a pod can be scheduled. Taints, resources and preferences are not
 * looked at, so that more nodes count as possible than the scheduler takes, never fewer. Pure.
 */
export function judgeNodes(
  condition: NodeCondition,
  pod: Pod,
  { nodes, now }: { readonly nodes: SnapshotNodes | undefined; readonly now: number },
): readonly NodeObjection[] {
  const expected = expectation(condition);
  const unclear = (actual: string): readonly NodeObjection[] => {
    if (condition.unknown === 'allow') return [];
    const objection = unknown({ code: 'node-posture-unknown', actual, expected, action: LOOK });
    return [{ mode: condition.unknown === 'deny' ? (condition.mode ?? 'enforce') : 'warn', objection }];
  };
  if (nodes === undefined) return unclear('the snapshot of policies names no nodes of the cluster');
  if (now - nodes.listedAt > condition.maxAge)
    return unclear(`the nodes of the cluster were listed ${describeDuration(now - nodes.listedAt)} ago`);
  const judged = nodes.nodes
    .filter(({ name }) => !condition.except.includes(name))
    .map((node): Judged => ({
      node,
      isPossible: isPossibleOn(pod, node),
      state: stateOf(condition, node, now),
    }))
    .filter(({ isPossible }) => isPossible !== false);
  const pinned = pod.spec.nodeName ?? '';
  if (judged.length === 0 && (pinned === '' || !condition.except.includes(pinned)))
    return unclear(pinned === '' ? 'no known node is one on which it can be scheduled' : `${pinned} is no known node`);
  // Nodes that were not read matter to no pod that names one that was.
  const isComplete = nodes.isComplete || pinned !== '';
  return (condition.possible === 'every' ? judgeEvery : judgeSome)(judged, {
    condition,
    expected,
    unclear,
    isComplete,
  });
}

interface Judging {
  readonly condition: NodeCondition;
  readonly expected: string;
  readonly unclear: (actual: string) => readonly NodeObjection[];
  readonly isComplete: boolean;
}

function judgeEvery(
  judged: readonly Judged[],
  { condition, expected, unclear, isComplete }: Judging,
): readonly NodeObjection[] {
  const failing = judged.filter(({ state }) => state.state === 'failing');
  if (failing.length > 0) return [failingObjection(failing, { condition, expected })];
  const notKnown = judged.flatMap(({ node, state }) =>
    state.state === 'unknown' ? [`${node.name}: ${state.reason}`] : [],
  );
  if (notKnown.length > 0) return unclear(someOf(notKnown));
  return isComplete ? [] : unclear('the cluster has more nodes than the collector reads');
}

function judgeSome(judged: readonly Judged[], { condition, expected, unclear }: Judging): readonly NodeObjection[] {
  const failing = judged.filter(({ state }) => state.state === 'failing');
  const isClean = judged.some(({ isPossible, state }) => isPossible === true && state.state === 'clean');
  if (isClean)
    return failing.length === 0 ? [] : [{ ...failingObjection(failing, { condition, expected }), mode: 'warn' }];
  const rest = judged.filter(({ state }) => state.state !== 'failing');
  if (rest.length === 0) return [failingObjection(failing, { condition, expected })];
  return unclear(
    someOf(
      rest.map(
        ({ node, state }) =>
          `${node.name}: ${state.state === 'unknown' ? state.reason : 'its labels are too many to be read'}`,
      ),
    ),
  );
}

function failingObjection(
  failing: readonly Judged[],
  { condition, expected }: Pick<Judging, 'condition' | 'expected'>,
): NodeObjection {
  const names = failing.map(({ node, state }) =>
    state.state === 'failing' ? `${node.name} (${String(state.count)})` : node.name,
  );
  return {
    mode: condition.mode ?? 'enforce',
    objection: violation({
      code: 'node-posture',
      severity: condition.severity,
      actual: `it can be scheduled on nodes with failed checks: ${someOf(names)}`,
      expected,
      action:
        'Correct the findings (plimsoll findings --node NAME), or keep the pod off these nodes by nodeSelector or required node affinity.',
    }),
  };
}

/** What the agent of the node says, if it has said it lately. A check that could not be answered could fail. */
function stateOf(condition: NodeCondition, { seenAt, failed, unknown: notRead }: SnapshotNode, now: number): NodeState {
  if (seenAt === 0) return { state: 'unknown', reason: 'no agent has reported from it' };
  const most = NODE_SEVERITIES.indexOf(condition.severity);
  const sum = (counts: readonly number[]): number => counts.slice(0, most + 1).reduce((all, one) => all + one, 0);
  // What failed stays a failure, however old it is.
  const count = sum(failed);
  if (count > 0) return { state: 'failing', count };
  if (now - seenAt > condition.maxAge)
    return { state: 'unknown', reason: `its agent last reported ${describeDuration(now - seenAt)} ago` };
  const open = sum(notRead);
  if (open > 0) return { state: 'unknown', reason: `${String(open)} checks could not be answered there` };
  return { state: 'clean' };
}

/** The condition in words. */
export function describeNodeCondition(condition: NodeCondition): string {
  return `the pod can be scheduled on ${expectation(condition)}`;
}

function expectation({ severity, possible, maxAge }: NodeCondition): string {
  const which = possible === 'every' ? 'only nodes' : 'a node';
  return `${which} without an open failed check of severity ${severity}${severity === 'critical' ? '' : ' or worse'}, reported within ${describeDuration(maxAge)}`;
}

const LOOK =
  'Look at the agents and at the collector (plimsoll nodes, plimsoll status); spec.nodes.unknown of the pod policy says what counts meanwhile.';
