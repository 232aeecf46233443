import { notApplicable } from '../../verdict.ts';
import { daemonCheck, fromApi, judgeSetting } from './setting.ts';
import { isOn } from './configured-value.ts';

export const liveRestore = daemonCheck({
  id: 'daemon.live-restore',
  title: 'Live restore is enabled',
  failTitle: 'Live restore is disabled',
  severity: 'low',
  rationale:
    'If every container stops with dockerd, updates of the engine are postponed, and a crash of the daemon stops all services of the host.',
  remediation: 'Set "live-restore": true in daemon.json and reload Docker (systemctl reload docker).',
  reference: 'https://docs.docker.com/engine/daemon/live-restore/',
  judge: (docker) => {
    if (docker.api.state === 'seen' && docker.api.value.swarm === 'active')
      return notApplicable('this host is in a swarm, which the engine does not combine with live-restore');
    return judgeSetting(docker, {
      flag: 'live-restore',
      whenUnset: ['false'],
      problem: 'all containers stop when the daemon stops',
      expected: 'true',
      accepts: (values) => isOn(values) === true,
      live: () => fromApi(docker, 'LiveRestoreEnabled', (api) => [String(api.liveRestore)]),
    });
  },
});
