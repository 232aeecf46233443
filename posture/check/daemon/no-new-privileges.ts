import { fromApi, securityOption, settingCheck } from './setting.ts';
import { isOn } from './configured-value.ts';

export const noNewPrivileges = settingCheck({
  id: 'daemon.no-new-privileges',
  title: 'New containers cannot gain privileges',
  failTitle: 'New containers can gain privileges by default',
  severity: 'high',
  rationale:
    'Without no_new_privs, one forgotten set-user-ID program in an image turns an unprivileged process into root.',
  remediation:
    'Set "no-new-privileges": true in daemon.json and restart Docker. Containers that need sudo or a set-user-ID ping need an exception of their own.',
  reference: 'https://docs.docker.com/reference/cli/dockerd/',
  rule: {
    flag: 'no-new-privileges',
    whenUnset: ['false'],
    problem: 'set-user-ID programs in new containers raise privileges',
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
