import type { SysctlName } from '../../fact/kernel.ts';
import { notApplicable, unknownBecause } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import type { NodeCheck } from '../check.ts';
import { allOf } from '../combine.ts';
import { quoteList } from '../evidence-text.ts';
import { withoutKubelet } from '../kubelet/setting.ts';
import { judgeSysctl, sysctlCheck } from './sysctl.ts';
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
  return `Add ${values} to /etc/sysctl.d/99-zz-hardening.conf and run sysctl --system.`;
}

/** What the kubelet sets if the host has other values: `--protect-kernel-defaults`, its startup code. */
const KUBELET_TUNABLES: readonly SysctlRule[] = (
  [
    ['vm.overcommit_memory', 1],
    ['vm.panic_on_oom', 0],
    ['kernel.panic', 10],
    ['kernel.panic_on_oops', 1],
    ['kernel.keys.root_maxkeys', 1_000_000],
    ['kernel.keys.root_maxbytes', 25_000_000],
  ] as const
).flatMap(([name, value]) => each([name], value));

const kubeletTunables = nodeCheck({
  id: 'kernel.kubelet-tunables',
  title: 'Kernel tunables are those that the kubelet needs',
  failTitle: 'Kernel tunables differ from what the kubelet needs',
  severity: 'low',
  rationale:
    'A kubelet with protectKernelDefaults does not start where these differ. Without it, the kubelet changes values that the host was configured with.',
  remediation: lines(
    'vm.overcommit_memory = 1, vm.panic_on_oom = 0, kernel.panic = 10, kernel.panic_on_oops = 1, kernel.keys.root_maxkeys = 1000000 and kernel.keys.root_maxbytes = 25000000',
  ),
  references: ['https://kubernetes.io/docs/reference/command-line-tools-reference/kubelet/'],
  judges: 'node',
  needs: ['kernel', 'kubelet'],
  judge: ({ kernel, kubelet }) =>
    withoutKubelet(kubelet) ??
    allOf(
      'low',
      KUBELET_TUNABLES.map((rule) => judgeSysctl(kernel, rule)),
    ),
});

/** ip-sysctl.rst: of `all` and the value of an interface the higher one counts. */
const reversePathFilter = nodeCheck({
  id: 'kernel.reverse-path-filter',
  title: 'Packets with a forged source are dropped',
  failTitle: 'Packets with a forged source are accepted',
  severity: 'low',
  rationale: 'Without this filter a machine on one network sends packets in the name of a machine on another.',
  remediation: `${lines('net.ipv4.conf.all.rp_filter = 1 and net.ipv4.conf.default.rp_filter = 1')} Cilium, Calico and the AWS plugin need 0 or 2.`,
  references: [REFERENCE],
  judges: 'node',
  needs: ['kernel'],
  judge: ({ kernel }) => {
    const parts = (['net.ipv4.conf.all.rp_filter', 'net.ipv4.conf.default.rp_filter'] as const).map((name) =>
      judgeSysctl(kernel, {
        name,
        expected: '1, or 2',
        accepts: (value) => value === 1 || value === 2,
        whenAbsent: { notApplicable: 'this kernel has no IPv4' },
      }),
    );
    const decided = parts.find(({ verdict }) => verdict === 'pass') ?? parts.find(({ verdict }) => verdict !== 'fail');
    if (decided !== undefined) return decided;
    const { networkPlugins: plugins } = kernel;
    if (plugins.state === 'unreadable') return unknownBecause(`${plugins.source}: ${plugins.reason}`);
    return plugins.state === 'seen' && plugins.value.length > 0
      ? notApplicable(`the network plugin of ${quoteList(plugins.value.slice(0, 4))} routes packets back another way`)
      : allOf('low', parts);
  },
});

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
  kubeletTunables,
  sysctlCheck({
    id: 'kernel.martian-packets',
    title: 'Packets with impossible addresses are logged',
    failTitle: 'Packets with impossible addresses are not logged',
    severity: 'info',
    rationale: 'A packet that claims an address of the host itself, or none that can exist, is a forged one.',
    remediation: lines('net.ipv4.conf.all.log_martians = 1 and net.ipv4.conf.default.log_martians = 1'),
    reference: REFERENCE,
    rules: each(['net.ipv4.conf.all.log_martians', 'net.ipv4.conf.default.log_martians'], 1),
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
  reversePathFilter,
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
