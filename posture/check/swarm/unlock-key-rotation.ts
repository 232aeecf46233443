import { manual, notApplicable } from '../../verdict.ts';
import { judgeCluster, swarmCheck } from './swarm-check.ts';

export const unlockKeyRotation = swarmCheck({
  id: 'swarm.unlock-key-rotation',
  title: 'Unlock key of the managers is changed regularly',
  failTitle: 'Unlock key of the managers is old',
  severity: 'info',
  rationale:
    'People who leave keep the keys that they knew. The swarm does not record when its unlock key was changed, so a person has to.',
  remediation: 'Run docker swarm unlock-key --rotate at least once a year, and note when.',
  reference: 'https://docs.docker.com/engine/swarm/swarm_manager_locking/#rotate-the-unlock-key',
  judge: (facts) =>
    judgeCluster(facts, ({ autoLock }) =>
      autoLock
        ? manual('no field of the API says when the key was changed: compare with your records', {
            source: 'GET /swarm Spec.EncryptionConfig.AutoLockManagers',
            seen: 'true',
            expected: 'a record of the last change',
          })
        : notApplicable('there is no unlock key: swarm.auto-lock judges that'),
    ),
});
