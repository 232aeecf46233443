import { fromApi, settingCheck } from './setting.ts';

export const authorizationPlugin = settingCheck({
  id: 'daemon.authorization-plugin',
  title: 'Authorization plugin is active',
  failTitle: 'No authorization plugin is active',
  severity: 'medium',
  rationale:
    'Docker has no roles: without a plugin, everyone who can reach the API may do everything, including starting a privileged container.',
  remediation:
    'Install an authorization plugin, name it in "authorization-plugins" in daemon.json, and reload Docker. Keep the engine current: older ones let an empty request body bypass a plugin (CVE-2024-41110).',
  reference: 'https://docs.docker.com/engine/extend/plugins_authorization/',
  rule: {
    flag: 'authorization-plugin',
    key: 'authorization-plugins',
    whenUnset: [],
    problem: 'everyone who can reach the API may do everything',
    expected: 'at least one plugin',
    accepts: (values) => values.some((value) => value !== ''),
    live: (docker) => fromApi(docker, 'Plugins.Authorization', (api) => api.authorizationPlugins),
  },
});
