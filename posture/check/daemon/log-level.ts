import { allOf } from '../combine.ts';
import { daemonCheck, fromApi, judgeSetting } from './setting.ts';
import { isOn } from './configured-value.ts';

export const logLevel = daemonCheck({
  id: 'daemon.log-level',
  title: 'The daemon logs at level info',
  severity: 'low',
  rationale:
    'Above info, the messages that an investigation needs are missing; at debug, requests with what is in them fill the log.',
  remediation: 'Remove log-level and debug from daemon.json and from the flags of dockerd, or set "log-level": "info".',
  reference: 'https://docs.docker.com/engine/daemon/logs/',
  judge: (docker) =>
    allOf('low', [
      // Debug beats every level, and can be switched on at run time.
      judgeSetting(docker, {
        flag: 'debug',
        whenUnset: ['false'],
        expected: 'debug off',
        accepts: (values) => isOn(values) === false,
        live: () => fromApi(docker, 'Debug', ({ debug }) => [String(debug)]),
      }),
      judgeSetting(docker, {
        flag: 'log-level',
        whenUnset: ['info'],
        expected: 'info',
        accepts: (values) => values.at(-1) === 'info',
      }),
    ]),
});
