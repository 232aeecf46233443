import { fail, pass } from '../../verdict.ts';
import { evidenceOf, sshCheck } from './setting.ts';

export const forwarding = sshCheck({
  id: 'ssh.forwarding',
  title: 'SSH forwards neither ports nor sockets nor agents',
  severity: 'medium',
  rationale:
    'An account that may forward sockets needs no docker command on the node: it forwards docker.sock to its own machine. Forwarded ports lead past the firewall, forwarded agents lend keys to whoever is root here.',
  remediation:
    'Set DisableForwarding yes, and allow single kinds in a Match block for those who need them; reload sshd.',
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
    // Sockets first: on a container node they are the worst. Gateway ports are nothing without forwarded ports.
    const kinds = ports.value === 'no' ? [sockets, ports, agents, tunnel] : [sockets, ports, gateway, agents, tunnel];
    const open = kinds.filter(({ value }) => value !== 'no');
    return open.length === 0
      ? pass(...kinds.map((kind) => evidenceOf(kind, 'no')))
      : fail(...open.map((kind) => evidenceOf(kind, 'no')));
  },
});
