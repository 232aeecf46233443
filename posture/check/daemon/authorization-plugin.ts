import { fromApi, settingCheck } from './setting.ts';

export const authorizationPlugin = settingCheck({
  id: 'daemon.authorization-plugin',
  title: 'API requests pass an authorization plugin',
  severity: 'medium',
  rationale:
    'Docker knows no roles: without a plugin, everybody who reaches the API may do everything, a privileged container included.',
  remediation:
    'Install an authorization plugin, name it in "authorization-plugins" in daemon.json, and reload Docker. Keep the engine current: old ones let an empty request body pass by a plugin (CVE-2024-41110).',
  reference: 'https://docs.docker.com/engine/extend/plugins_authorization/',
  rule: {
    flag: 'authorization-plugin',
    key: 'authorization-plugins',
    whenUnset: [],
    expected: 'at least one plugin',
    accepts: (values) => values.some((value) => value !== ''),
    live: (docker) => fromApi(docker, 'Plugins.Authorization', (api) => api.authorizationPlugins),
  },
});
