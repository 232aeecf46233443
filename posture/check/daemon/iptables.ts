import { settingCheck } from './setting.ts';
import { isOn } from './configured-value.ts';

export const iptables = settingCheck({
  id: 'daemon.iptables',
  title: 'Docker manages its packet filter rules',
  failTitle: 'Docker does not manage packet filter rules',
  severity: 'medium',
  rationale:
    'Without its own packet filter rules, dockerd does not separate networks from each other, and rules that are maintained by hand soon differ from the containers.',
  remediation:
    'Remove "iptables": false from daemon.json (or --iptables=false from the flags) and restart Docker. Put your own rules into the DOCKER-USER chain.',
  reference: 'https://docs.docker.com/engine/network/packet-filtering-firewalls/',
  rule: {
    flag: 'iptables',
    whenUnset: ['true'],
    problem: 'dockerd writes no packet filter rules',
    expected: 'not false',
    accepts: (values) => isOn(values) !== false,
  },
});
