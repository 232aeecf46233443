import { fail, pass } from '../../verdict.ts';
import { judgeCluster, swarmCheck } from './swarm-check.ts';

export const autoLock = swarmCheck({
  id: 'swarm.auto-lock',
  title: 'Swarm managers start locked',
  failTitle: 'Swarm managers start without an unlock key',
  severity: 'low',
  rationale:
    'The state of the swarm is encrypted on the disk of each manager, with a key beside it. With a copy of that disk all secrets can be read, unless an unlock key is needed at start.',
  remediation: 'Run docker swarm update --autolock=true, and keep the key that it prints outside of the swarm.',
  reference: 'https://docs.docker.com/engine/swarm/swarm_manager_locking/',
  judge: (facts) =>
    judgeCluster(facts, ({ autoLock: isOn }) => {
      const evidence = {
        source: 'GET /swarm Spec.EncryptionConfig.AutoLockManagers',
        seen: String(isOn),
        expected: 'true',
      };
      return isOn ? pass(evidence) : fail('a copy of the disk of a manager is enough to read all secrets', evidence);
    }),
});
