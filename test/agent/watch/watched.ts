import { UNTHROTTLED } from '../../../agent/budget/throttle-profile.ts';
import type { ThrottleProfile } from '../../../agent/budget/throttle-profile.ts';
import { openLiveNode } from '../../../agent/live-node.ts';
import { createNodeFindings } from '../../../agent/watch/node-findings.ts';
import type { NodeFindings, NodeUpdate } from '../../../agent/watch/node-findings.ts';
import { watchNode } from '../../../agent/watch/watch-node.ts';
import type { NodeWatch } from '../../../agent/watch/watch-node.ts';
import type { AgentFact } from '../../../posture/fact/agent.ts';
import type { FindingSet } from '../../../posture/delta.ts';
import type { Finding } from '../../../posture/finding.ts';
import { CHECKS } from '../../../posture/check/registry.ts';
import { systemClock } from '../../../service/clock.ts';
import type { Clock } from '../../../service/clock.ts';
import type { Logger } from '../../../service/log.ts';
import { noAgent } from '../../fixture/facts.ts';

/** A node that is watched for a test. */
export interface Watched {
  readonly watch: NodeWatch & Pick<NodeFindings, 'snapshot'>;
  readonly updates: NodeUpdate[];
  readonly logged: string[];
  /** What is said now about one check and subject id. */
  readonly finding: (check: string, subjectId: string) => Finding | undefined;
  /** Every finding of the subject that was ever said, oldest first. */
  readonly ever: (check: string, subjectId: string) => readonly Finding[];
  readonly stop: () => Promise<void>;
}

/** Watches this machine, or what lies under `hostRoot`, with all checks. */
export async function watched(
  test: { readonly teardown: (run: () => unknown) => void },
  options: {
    readonly dockerHost: string;
    readonly hostRoot?: string;
    readonly clock?: Clock;
    readonly sweepIntervalMs?: number;
    readonly pace?: () => ThrottleProfile;
    readonly agent?: () => AgentFact;
    readonly earlier?: FindingSet;
    /** Other engines of this machine are not looked at. */
    readonly isAlone?: boolean;
    readonly engineGraceMs?: number;
  },
): Promise<Watched> {
  const { dockerHost, hostRoot = '/', clock = systemClock(), sweepIntervalMs = 86_400_000 } = options;
  const { pace = () => UNTHROTTLED, agent = noAgent } = options;
  const controller = new AbortController();
  const { signal } = controller;
  const logged: string[] = [];
  const add = (fields: object, message: string): void => void logged.push(`${message} ${JSON.stringify(fields)}`);
  const log: Logger = { debug: add, info: add, warn: add, error: add };
  const node = { hostRoot, dockerHost, nodeName: '', dataDir: '/nonexistent', agentVersion: '0.0.0-test' };
  const { engineGraceMs } = options;
  const grace = engineGraceMs === undefined ? {} : { engineGraceMs };
  const opened = await openLiveNode({ ...node, ...grace, now: clock.now, signal, log, agent });
  const engines = { ...opened.engines, others: () => Promise.resolve([]) };
  const access = options.isAlone === true ? { ...opened, engines } : opened;
  const updates: NodeUpdate[] = [];
  const onChange = (update: NodeUpdate): void => void updates.push(update);
  const findings = createNodeFindings({ checks: CHECKS, now: clock.now, onChange, earlier: options.earlier });
  const watch = watchNode({
    access,
    onChange: findings.update,
    sweepIntervalMs,
    pace,
    clock,
    random: () => 0.5,
    signal,
    log,
  });
  const stop = async (): Promise<void> => {
    controller.abort();
    await watch.done;
  };
  test.teardown(stop);
  const idOf = (check: string, subjectId: string) => (finding: Finding) =>
    finding.check === check && finding.subject.id === subjectId;
  return {
    watch: { ...watch, snapshot: findings.snapshot },
    updates,
    logged,
    finding: (check, subjectId) => [...(findings.snapshot()?.findings.values() ?? [])].find(idOf(check, subjectId)),
    ever: (check, subjectId) =>
      updates.flatMap(({ delta }) => delta.added.concat(delta.changed)).filter(idOf(check, subjectId)),
    stop,
  };
}

/** Waits until `isTrue`; fails the test after twenty seconds. */
export async function until(what: string, isTrue: () => boolean): Promise<void> {
  for (let waited = 0; !isTrue(); waited += 5) {
    if (waited > 20_000) throw new Error(`not within twenty seconds: ${what}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
}
