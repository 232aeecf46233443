import { fail, pass } from '../../verdict.ts';
import { judgeCluster, swarmCheck } from './swarm-check.ts';
import { parameterized } from '../parameter.ts';

/** More managers make each change slower and each of them can read all secrets; docs.docker.com names seven. */
const PARAMETERS = { maxManagers: { doc: 'managers of the swarm', default: 7, minimum: 1, maximum: 99 } };

export const managerCount = parameterized(PARAMETERS, ({ maxManagers }) =>
  swarmCheck({
    id: 'swarm.manager-count',
    title: `Swarm has an odd number of managers, at most ${String(maxManagers)}`,
    failTitle: `Number of swarm managers is even or above ${String(maxManagers)}`,
    severity: 'low',
    rationale:
      'Each manager holds all secrets and can start anything on each node. An even number survives no more failures than one manager less.',
    remediation: `Run docker node demote NODE until an odd number of at most ${String(maxManagers)} is left; 3 or 5 are usual.`,
    reference: 'https://docs.docker.com/engine/swarm/admin_guide/#maintain-the-quorum-of-managers',
    judge: (facts) =>
      judgeCluster(facts, ({ managers }) => {
        const evidence = {
          source: 'GET /info Swarm.Managers',
          seen: String(managers),
          expected: `an odd number, at most ${String(maxManagers)}`,
        };
        if (managers > maxManagers) return fail(`${String(managers)} managers can read all secrets`, evidence);
        return managers % 2 === 1 ? pass(evidence) : fail('an even number of managers adds no safety', evidence);
      }),
  }),
);
