import type { SysctlName } from '../../fact/kernel.ts';
import type { NodeCheck } from '../check.ts';
import { sysctlCheck } from './sysctl.ts';
import type { SysctlRule } from './sysctl.ts';

const REFERENCE = 'https://docs.kernel.org/networking/ip-sysctl.html';
const NO_IPV6 = { notApplicable: 'this kernel has no IPv6' };

/** One value of several sysctls. */
function each(names: readonly SysctlName[], value: number): readonly SysctlRule[] {
  return names.map((name) => ({
    name,
    expected: String(value),
    accepts: (actual) => actual === value,
    whenAbsent: name.includes('.ipv6.') ? NO_IPV6 : { notApplicable: 'this kernel has no such setting' },
  }));
}

/** How to set sysctls for good. */
function lines(values: string): string {
  return `Add ${values} to a file below /etc/sysctl.d and run sysctl --system.`;
}

/**
 * Checks of sysctls of the network, sorted by id. Forwarding is not among them: containers need it. The value of `all`
 * and that of an interface count together, so both `all` and `default`, which new interfaces take, are judged.
 */
export const SYSCTL_CHECKS: readonly NodeCheck[] = Object.freeze([
  sysctlCheck({
    id: 'kernel.broadcast-replies',
    title: 'Pings to broadcast addresses are ignored',
    failTitle: 'Pings to broadcast addresses are answered',
    severity: 'low',
    rationale:
      'A host that answers broadcast pings multiplies traffic that an attacker sends with the address of a victim.',
    remediation: lines('net.ipv4.icmp_echo_ignore_broadcasts = 1'),
    reference: REFERENCE,
    rules: each(['net.ipv4.icmp_echo_ignore_broadcasts'], 1),
  }),
  sysctlCheck({
    id: 'kernel.icmp-redirects',
    title: 'ICMP redirects are not accepted',
    failTitle: 'ICMP redirects are accepted',
    severity: 'low',
    rationale:
      'A machine in the same network, or a container on a bridge, can have the traffic of the host sent through itself.',
    remediation: lines(
      'net.ipv4.conf.all.accept_redirects = 0, net.ipv4.conf.default.accept_redirects = 0, the same below net.ipv6, and net.ipv4.conf.all.secure_redirects = 0, net.ipv4.conf.default.secure_redirects = 0',
    ),
    reference: REFERENCE,
    rules: each(
      [
        'net.ipv4.conf.all.accept_redirects',
        'net.ipv4.conf.default.accept_redirects',
        'net.ipv4.conf.all.secure_redirects',
        'net.ipv4.conf.default.secure_redirects',
        'net.ipv6.conf.all.accept_redirects',
        'net.ipv6.conf.default.accept_redirects',
      ],
      0,
    ),
  }),
  sysctlCheck({
    id: 'kernel.modules-disabled',
    title: 'No further kernel modules can be loaded',
    failTitle: 'Further kernel modules can be loaded',
    severity: 'info',
    rationale:
      'Once it is set, not even root loads a module until the next boot: no rootkit in the kernel. Network plugins, storage drivers and eBPF tools have to load theirs before.',
    remediation:
      'On hosts whose modules are all loaded at boot, run sysctl -w kernel.modules_disabled=1 as the last step of boot. Do not set it in /etc/sysctl.d, which is read too early.',
    rules: each(['kernel.modules_disabled'], 1),
  }),
  sysctlCheck({
    id: 'kernel.router-advertisements',
    title: 'Router advertisements are ignored on a forwarding host',
    failTitle: 'Router advertisements set routes of a forwarding host',
    severity: 'low',
    rationale:
      'With accept_ra = 2, a host that forwards still believes router advertisements: a container with NET_RAW can become the router of the host (CVE-2020-10749).',
    remediation: lines('net.ipv6.conf.all.accept_ra = 0 and net.ipv6.conf.default.accept_ra = 0'),
    reference: REFERENCE,
    rules: (['net.ipv6.conf.all.accept_ra', 'net.ipv6.conf.default.accept_ra'] as const).map((name) => ({
      name,
      expected: '0 or 1 (1 counts only without forwarding)',
      accepts: (value: number) => value === 0 || value === 1,
      whenAbsent: NO_IPV6,
    })),
  }),
  sysctlCheck({
    id: 'kernel.send-redirects',
    title: 'ICMP redirects are not sent',
    failTitle: 'ICMP redirects are sent',
    severity: 'low',
    rationale: 'A host that forwards for containers tells them by redirects how the network around it looks.',
    remediation: lines('net.ipv4.conf.all.send_redirects = 0 and net.ipv4.conf.default.send_redirects = 0'),
    reference: REFERENCE,
    rules: each(['net.ipv4.conf.all.send_redirects', 'net.ipv4.conf.default.send_redirects'], 0),
  }),
  sysctlCheck({
    id: 'kernel.source-routing',
    title: 'Source-routed packets are dropped',
    failTitle: 'Source-routed packets are accepted',
    severity: 'low',
    rationale: 'A packet that names its own route reaches networks behind the host that no route leads to.',
    remediation: lines(
      'net.ipv4.conf.all.accept_source_route = 0, net.ipv4.conf.default.accept_source_route = 0, and the same below net.ipv6',
    ),
    reference: REFERENCE,
    rules: each(
      [
        'net.ipv4.conf.all.accept_source_route',
        'net.ipv4.conf.default.accept_source_route',
        'net.ipv6.conf.all.accept_source_route',
        'net.ipv6.conf.default.accept_source_route',
      ],
      0,
    ),
  }),
]);
