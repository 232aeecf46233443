import { seen } from '../../observed.ts';
import { settingCheck } from './setting.ts';
import { isOn } from './configured-value.ts';

export const userlandProxy = settingCheck({
  id: 'daemon.userland-proxy',
  title: 'Userland proxy is disabled',
  failTitle: 'Userland proxy is enabled',
  severity: 'low',
  rationale:
    'docker-proxy runs as root once for each published port, hides the address of the client from the container, and does what the kernel can do without it.',
  remediation:
    'Set "userland-proxy": false in daemon.json and restart Docker. dockerd then sets route_localnet on its bridges: containers reach services on 127.0.0.1 of the host where no packet filter rule stops them (kernel.route-localnet).',
  reference: 'https://docs.docker.com/engine/network/packet-filtering-firewalls/',
  rule: {
    flag: 'userland-proxy',
    whenUnset: ['true'],
    problem: 'docker-proxy forwards published ports as root',
    expected: 'false',
    accepts: (values) => isOn(values) === false,
    // Running proxies show what is in force; none may only mean that no port is published.
    live: ({ userlandProxies: running }) =>
      running.state === 'seen' && running.value > 0
        ? seen({ values: ['true'], seen: `docker-proxy processes: ${String(running.value)}` }, running.source)
        : undefined,
  },
});
