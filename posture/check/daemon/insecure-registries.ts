import { isLoopbackRegistry } from './loopback-registry.ts';
import { fromApi, settingCheck } from './setting.ts';

export const insecureRegistries = settingCheck({
  id: 'daemon.insecure-registries',
  title: 'All remote registries require TLS',
  failTitle: 'Insecure registries are trusted',
  severity: 'high',
  rationale:
    'An attacker on the network can replace images from an unverified registry. They run on this host with the rights of their containers.',
  remediation:
    'Remove the registry from "insecure-registries" (--insecure-registry), give it a certificate, put its CA into /etc/docker/certs.d/HOST/ca.crt, and reload Docker.',
  reference: 'https://docs.docker.com/reference/cli/dockerd/#insecure-registries',
  rule: {
    flag: 'insecure-registry',
    key: 'insecure-registries',
    whenUnset: [],
    problem: 'images of these registries are downloaded without verification',
    expected: 'none but loopback',
    accepts: (values) => values.every(isLoopbackRegistry),
    live: (docker) =>
      fromApi(docker, 'RegistryConfig', (api) => api.insecureRegistries.filter((name) => !isLoopbackRegistry(name))),
  },
});
