import { fail, pass } from '../../verdict.ts';
import { evidenceOf, inEffect, sshCheck } from './setting.ts';

export const forwarding = sshCheck({
  id: 'ssh.forwarding',
  title: 'SSH forwarding is disabled',
  failTitle: 'SSH forwarding is enabled',
  severity: 'medium',
  rationale:
    'An account that may forward sockets can forward docker.sock to another machine. Forwarded ports bypass the firewall, and root on this host can use forwarded agents.',
  remediation:
    'Set DisableForwarding yes, allow single kinds in a Match block for those who need them, and reload sshd.',
  keywords: [
    'DisableForwarding',
    'AllowTcpForwarding',
    'AllowStreamLocalForwarding',
    'AllowAgentForwarding',
    'PermitTunnel',
    'GatewayPorts',
  ],
  judge: ({ DisableForwarding: all, GatewayPorts: gateway, AllowTcpForwarding: ports, ...others }) => {
    if (all.value === 'yes') return pass(evidenceOf(all, 'yes'));
    const { AllowStreamLocalForwarding: sockets, AllowAgentForwarding: agents, PermitTunnel: tunnel } = others;
    // Sockets first: on a container host they are the worst. Gateway ports have no effect without forwarded ports.
    const kinds = ports.value === 'no' ? [sockets, ports, agents, tunnel] : [sockets, ports, gateway, agents, tunnel];
    const open = kinds.filter(({ value }) => value !== 'no');
    return open.length === 0
      ? pass(...kinds.map((kind) => evidenceOf(kind, 'no')))
      : fail(`forwarding is possible: ${open.map(inEffect).join(', ')}`, ...open.map((kind) => evidenceOf(kind, 'no')));
  },
});
