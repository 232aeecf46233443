import { settingCheck } from './setting.ts';
import { isOn } from './configured-value.ts';

export const iptables = settingCheck({
  id: 'daemon.iptables',
  title: 'The daemon may write packet filter rules',
  severity: 'medium',
  rationale:
    'Told to keep its hands off the packet filter, dockerd no longer separates networks from each other, and what an administrator writes by hand is soon out of step with the containers.',
  remediation:
    'Remove "iptables": false from daemon.json (or --iptables=false from the flags) and restart Docker. Put rules of your own into the DOCKER-USER chain.',
  reference: 'https://docs.docker.com/engine/network/packet-filtering-firewalls/',
  rule: {
    flag: 'iptables',
    whenUnset: ['true'],
    expected: 'not false',
    accepts: (values) => isOn(values) !== false,
  },
});
