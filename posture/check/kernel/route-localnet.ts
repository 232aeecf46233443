import { fail, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import { quoteList } from '../evidence-text.ts';

export const routeLocalnet = nodeCheck({
  id: 'kernel.route-localnet',
  title: 'Loopback addresses are not routed',
  failTitle: 'Loopback addresses are routed',
  severity: 'medium',
  rationale:
    'With route_localnet, other hosts on the network reach services that listen on 127.0.0.1 and trust it (CVE-2020-8558).',
  remediation:
    'Run sysctl -w net.ipv4.conf.all.route_localnet=0, and add the line to /etc/sysctl.d/99-zz-hardening.conf to keep it after a restart. kube-proxy in iptables mode sets it: disable iptables.localhostNodePorts there.',
  references: ['https://docs.kernel.org/networking/ip-sysctl.html'],
  judges: 'node',
  judgedBy: 'effect',
  needs: ['kernel'],
  judge: ({ kernel: { routeLocalnet: on } }) => {
    if (on.state === 'unreadable') return unknownBecause(`${on.source}: ${on.reason}`);
    if (on.state === 'absent') return notApplicable('this kernel has no IPv4');
    const evidence = { source: `${on.source}/*/route_localnet`, expected: '0 for every interface, all and default' };
    const [first] = on.value;
    if (first === undefined) return pass({ ...evidence, seen: '0 everywhere' });
    const where =
      first === 'all' ? 'on every interface' : first === 'default' ? 'on interfaces that are added' : 'on an interface';
    return fail(`packets for loopback addresses are accepted ${where}`, {
      ...evidence,
      seen: `1: ${quoteList(on.value.slice(0, 16))}`,
    });
  },
});
