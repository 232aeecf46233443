import { fromApi, securityOption, settingCheck } from './setting.ts';
import { isOn } from './configured-value.ts';

export const noNewPrivileges = settingCheck({
  id: 'daemon.no-new-privileges',
  title: 'New containers cannot gain privileges by default',
  severity: 'high',
  rationale:
    'Without no_new_privs, one forgotten set-id program in an image makes root of a process that was started as an ordinary user.',
  remediation:
    'Set "no-new-privileges": true in daemon.json and restart Docker. Containers that need sudo or ping with set-id must ask for an exception of their own.',
  reference: 'https://docs.docker.com/reference/cli/dockerd/',
  rule: {
    flag: 'no-new-privileges',
    whenUnset: ['false'],
    expected: 'true',
    accepts: (values) => isOn(values) === true,
    // Only recent engines list it: where it is missing, flags and file decide.
    live: (docker) =>
      docker.api.state === 'seen' && securityOption(docker.api.value, 'no-new-privileges') === undefined
        ? undefined
        : fromApi(
            docker,
            'SecurityOptions',
            () => ['true'],
            () => 'name=no-new-privileges',
          ),
  },
});
