import { sysctlCheck } from './sysctl.ts';

export const routeLocalnet = sysctlCheck({
  id: 'kernel.route-localnet',
  title: 'Loopback addresses are not routed',
  failTitle: 'Loopback addresses are routed',
  severity: 'medium',
  rationale:
    'With route_localnet, other hosts on the network reach services that listen on 127.0.0.1 and trust it (CVE-2020-8558).',
  remediation:
    'Run sysctl -w net.ipv4.conf.all.route_localnet=0, and add the line to /etc/sysctl.d/99-zz-hardening.conf to keep it after a restart. kube-proxy in iptables mode sets it: disable iptables.localhostNodePorts there.',
  reference: 'https://docs.kernel.org/networking/ip-sysctl.html',
  rules: [
    {
      name: 'net.ipv4.conf.all.route_localnet',
      expected: '0',
      accepts: (value) => value === 0,
      whenAbsent: { notApplicable: 'this kernel has no IPv4' },
    },
  ],
});
