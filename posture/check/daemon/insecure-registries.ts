import { isLoopbackRegistry } from './loopback-registry.ts';
import { fromApi, settingCheck } from './setting.ts';

export const insecureRegistries = settingCheck({
  id: 'daemon.insecure-registries',
  title: 'No registry is trusted without TLS',
  severity: 'high',
  rationale:
    'Images from an unverified registry can be exchanged by anybody on the way, and run on this node with whatever rights their containers have.',
  remediation:
    'Take the registry out of "insecure-registries" (--insecure-registry), give it a certificate, put its CA into /etc/docker/certs.d/HOST/ca.crt, and reload Docker.',
  reference: 'https://docs.docker.com/reference/cli/dockerd/#insecure-registries',
  rule: {
    flag: 'insecure-registry',
    key: 'insecure-registries',
    whenUnset: [],
    expected: 'none but loopback',
    accepts: (values) => values.every(isLoopbackRegistry),
    live: (docker) =>
      fromApi(docker, 'RegistryConfig', (api) => api.insecureRegistries.filter((name) => !isLoopbackRegistry(name))),
  },
});
