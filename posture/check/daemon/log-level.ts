import { allOf } from '../combine.ts';
import { daemonCheck, fromApi, judgeSetting } from './setting.ts';
import { isOn } from './configured-value.ts';

export const logLevel = daemonCheck({
  id: 'daemon.log-level',
  title: 'Daemon log level is info',
  failTitle: 'Daemon log level is not info',
  severity: 'low',
  rationale:
    'Above info, messages that an investigation needs are missing. At debug, requests and their content fill the log.',
  remediation: 'Remove log-level and debug from daemon.json and from the flags of dockerd, or set "log-level": "info".',
  reference: 'https://docs.docker.com/engine/daemon/logs/',
  judge: (docker) =>
    allOf('low', [
      // Debug overrides every level and can be enabled at run time.
      judgeSetting(docker, {
        flag: 'debug',
        whenUnset: ['false'],
        problem: 'debug logging is enabled',
        expected: 'debug off',
        accepts: (values) => isOn(values) === false,
        live: () => fromApi(docker, 'Debug', ({ debug }) => [String(debug)]),
      }),
      judgeSetting(docker, {
        flag: 'log-level',
        whenUnset: ['info'],
        problem: 'the daemon does not log at level info',
        expected: 'info',
        accepts: (values) => values.at(-1) === 'info',
      }),
    ]),
});
