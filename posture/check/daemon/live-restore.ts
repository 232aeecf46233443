import { notApplicable } from '../../verdict.ts';
import { daemonCheck, fromApi, judgeSetting } from './setting.ts';
import { isOn } from './configured-value.ts';

export const liveRestore = daemonCheck({
  id: 'daemon.live-restore',
  title: 'Containers survive a restart of the daemon',
  severity: 'low',
  rationale:
    'Where every container stops with dockerd, updates of the engine are put off, and a crash of the daemon takes all services of the node with it.',
  remediation: 'Set "live-restore": true in daemon.json and reload Docker (systemctl reload docker).',
  reference: 'https://docs.docker.com/engine/daemon/live-restore/',
  judge: (docker) => {
    if (docker.api.state === 'seen' && docker.api.value.swarm === 'active')
      return notApplicable('this node is in a swarm, which the engine does not combine with live-restore');
    return judgeSetting(docker, {
      flag: 'live-restore',
      whenUnset: ['false'],
      expected: 'true',
      accepts: (values) => isOn(values) === true,
      live: () => fromApi(docker, 'LiveRestoreEnabled', (api) => [String(api.liveRestore)]),
    });
  },
});
