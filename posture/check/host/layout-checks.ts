import { notApplicable, unknownBecause } from '../../verdict.ts';
import type { Evidence } from '../../verdict.ts';
import type { NodeCheck } from '../check.ts';
import { quote } from '../evidence-text.ts';
import { judgeList } from '../judge-list.ts';
import { hostCheck } from './host-checks.ts';

/** Types that the policy does not confine, or that were meant for other programs. */
const UNCONFINED_TYPES: ReadonlySet<string> = new Set(['init_t', 'initrc_t', 'unconfined_service_t', 'unconfined_t']);

/** Checks of the file systems and the daemons of the host, sorted by id. */
export const HOST_LAYOUT_CHECKS: readonly NodeCheck[] = Object.freeze([
  hostCheck({
    id: 'host.runtime-labels',
    title: 'SELinux knows the container runtime and the kubelet',
    failTitle: 'SELinux does not confine the runtime or the kubelet',
    severity: 'medium',
    rationale:
      'A runtime without a type of its own starts containers without a transition to container_t, and files that it makes have the wrong label.',
    remediation:
      'Install container-selinux (kubelet: kubernetes-selinux or the policy of the distribution), run restorecon -Rv on the program, and restart the service.',
    reference: 'https://github.com/containers/container-selinux',
    reads: 'daemons',
    whenAbsent: () => notApplicable('no container runtime runs on this host'),
    judge: (daemons, source, { kernel: { selinux } }) => {
      if (selinux.state === 'unreadable') return unknownBecause(`${selinux.source}: ${selinux.reason}`);
      if (selinux.state === 'absent' || selinux.value === 'disabled')
        return notApplicable('SELinux is not active on this host');
      const runtimes = daemons.filter(({ name }) => name !== 'sshd');
      if (runtimes.length === 0) return notApplicable('no container runtime runs on this host');
      const expected = 'a type of its own, such as container_runtime_t or kubelet_t';
      return judgeList({
        failed: runtimes.flatMap(({ name, label }): readonly Evidence[] =>
          label.state === 'seen' && UNCONFINED_TYPES.has(label.value.split(':')[2] ?? '')
            ? [{ source: label.source, seen: quote(`${name}: ${label.value}`), expected }]
            : [],
        ),
        unread: runtimes.flatMap(({ label }) =>
          label.state === 'seen'
            ? []
            : [`${label.source}: ${label.state === 'unreadable' ? label.reason : 'not there'}`],
        ),
        passed: { source, seen: runtimes.map(({ name }) => name).join(', '), expected },
        reason: 'a runtime runs without a type of its own',
      });
    },
  }),
  hostCheck({
    id: 'host.separate-file-systems',
    title: 'Logs and containers cannot fill the root file system',
    failTitle: 'Logs or containers can fill the root file system',
    severity: 'low',
    rationale:
      'When the root file system is full, services, logins and the kubelet fail with it. Logs and data of containers grow with what containers do.',
    remediation:
      'Give the named directories file systems of their own; or set limits: SystemMaxUse in journald.conf, containerLogMaxSize and evictionHard of the kubelet.',
    reference: 'https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/',
    reads: 'fileSystems',
    whenAbsent: () => notApplicable('none of these directories exist'),
    judge: (all, source) => {
      if (all.length === 0) return notApplicable('none of these directories exist');
      const expected = 'a file system of its own';
      return judgeList({
        failed: all
          .filter(({ isRoot }) => isRoot)
          .map(({ path, mountPoint }) => ({
            source,
            seen: `${path} is on the root file system${mountPoint === '/' ? '' : `, which is mounted once more at ${quote(mountPoint)}`}`,
            expected,
          })),
        unread: [],
        passed: { source, seen: 'none is on the root file system', expected },
        reason: 'a directory that fills up is on the root file system',
      });
    },
  }),
]);
