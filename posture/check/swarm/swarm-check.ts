import type { ClockFact } from '../../fact/clock.ts';
import type { DockerFact } from '../../fact/docker.ts';
import type { Swarm, SwarmCluster } from '../../fact/swarm.ts';
import { notApplicable, unknownBecause } from '../../verdict.ts';
import type { Judgement } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import type { NodeCheck, RuleText } from '../check.ts';
import { unseenReason } from '../daemon/setting.ts';

/** What a check of a swarm judges. */
export interface SwarmFacts {
  readonly swarm: Swarm;
  readonly docker: DockerFact;
  readonly clock: ClockFact;
}

/** A check of the swarm that the engine is part of; it does not apply to an engine in none. */
export function swarmCheck({
  judge,
  reference,
  ...text
}: RuleText & { readonly reference: string; readonly judge: (facts: SwarmFacts) => Judgement }): NodeCheck {
  return nodeCheck({
    judgedBy: 'effect',
    ...text,
    references: [reference],
    judges: 'docker',
    needs: ['clock', 'docker'],
    judge: ({ clock, docker }) => {
      const { api, swarm, present } = docker;
      if (present.state === 'absent') return notApplicable('Docker is not installed on this host');
      if (api.state !== 'seen') return unknownBecause(unseenReason(api));
      if (api.value.swarm === 'inactive') return notApplicable('the engine is not part of a swarm');
      // A manager that is locked, or a node that has lost its managers, answers nothing.
      if (api.value.swarm !== 'active') return unknownBecause(`the node is ${api.value.swarm} in its swarm`);
      return swarm.state === 'seen'
        ? judge({ swarm: swarm.value, docker, clock })
        : unknownBecause(unseenReason(swarm));
    },
  });
}

/** Judges what only a manager knows. */
export function judgeCluster({ swarm }: SwarmFacts, judge: (cluster: SwarmCluster) => Judgement): Judgement {
  const { cluster, isManager } = swarm;
  if (!isManager) return notApplicable('a worker: its managers answer for the swarm');
  return cluster.state === 'seen' ? judge(cluster.value) : unknownBecause(unseenReason(cluster));
}
