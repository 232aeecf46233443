import { settingCheck } from './setting.ts';

export const iptablesChains = settingCheck({
  id: 'kubelet.iptables-chains',
  title: 'Kubelet maintains its iptables chains',
  failTitle: 'Kubelet does not maintain its iptables chains',
  severity: 'low',
  rationale:
    'The chains of the kubelet drop packets that are marked for it and block martian packets to loopback. Without them components that rely on the chains leave holes.',
  remediation:
    'Set makeIPTablesUtilChains: true in the configuration of the kubelet or remove the key (default true), and restart it.',
  rule: {
    setting: 'makeIPTablesUtilChains',
    expected: 'true',
    accepts: (value) => value === 'true',
    problem: 'the firewall chains are left to others',
    remedy: 'makeIPTablesUtilChains: true',
  },
});
