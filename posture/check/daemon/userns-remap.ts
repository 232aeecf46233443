import { fromApi, securityOption, settingCheck } from './setting.ts';

export const usernsRemap = settingCheck({
  id: 'daemon.userns-remap',
  title: 'Container root is mapped to another user',
  failTitle: 'Container root is root of the host',
  severity: 'medium',
  rationale:
    'Without user namespace remapping, a process that is root in its container is root of the host as soon as it escapes.',
  remediation:
    'Set "userns-remap": "default" in daemon.json and restart Docker, or run the daemon rootless. Images, containers and volumes of the old data directory are not visible in the new one: save them before. Containers that are privileged or use namespaces of the host need --userns=host.',
  reference: 'https://docs.docker.com/engine/security/userns-remap/',
  rule: {
    flag: 'userns-remap',
    whenUnset: [''],
    problem: 'root in a container is root of the host',
    expected: 'name=userns or name=rootless',
    accepts: (values) => (values.at(-1) ?? '') !== '',
    live: (docker) =>
      fromApi(
        docker,
        'SecurityOptions',
        (api) =>
          ['userns', 'rootless']
            .filter((name) => securityOption(api, name) !== undefined)
            .map((name) => `name=${name}`),
        (names) => (names.length === 0 ? 'neither name=userns nor name=rootless' : names.join(', ')),
      ),
  },
});
