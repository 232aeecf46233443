import { fromApi, settingCheck } from './setting.ts';
import { isOn } from './configured-value.ts';

export const experimental = settingCheck({
  id: 'daemon.experimental',
  title: 'Experimental features are disabled',
  failTitle: 'Experimental features are enabled',
  severity: 'low',
  rationale: 'Experimental features change without notice and are reviewed less than the rest of the engine.',
  remediation: 'Remove "experimental": true from daemon.json and --experimental from the flags, and restart Docker.',
  rule: {
    flag: 'experimental',
    whenUnset: ['false'],
    problem: 'experimental features are active',
    expected: 'false',
    accepts: (values) => isOn(values) === false,
    live: (docker) => fromApi(docker, 'ExperimentalBuild', (api) => [String(api.experimental)]),
  },
});
