import type { AuditTargetName } from '../../fact/audit.ts';
import type { Severity } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import type { NodeCheck } from '../check.ts';
import { judgeTarget } from './judge-target.ts';

/** One file or directory whose changes should be recorded. */
interface Audited {
  readonly target: AuditTargetName;
  readonly id: string;
  /** Short name in titles. */
  readonly name: string;
  /** Usual path, for the remediation. */
  readonly path: string;
  readonly severity: Severity;
  readonly rationale: string;
}

const PROGRAM = 'It runs as root. Whoever replaces it has root access, and the record says who and when.';

const AUDITED: readonly Audited[] = [
  {
    target: 'containerd',
    id: 'containerd-program',
    name: 'containerd program',
    path: '/usr/bin/containerd',
    severity: 'low',
    rationale: PROGRAM,
  },
  {
    target: 'containerdConfig',
    id: 'containerd-config',
    name: 'containerd configuration',
    path: '/etc/containerd/config.toml',
    severity: 'low',
    rationale:
      'The file names the programs that containerd runs as root. A record of its changes shows who made containerd run another one.',
  },
  {
    target: 'containerdRunDirectory',
    id: 'containerd-run-directory',
    name: 'containerd runtime directory',
    path: '/run/containerd',
    severity: 'low',
    rationale:
      'The directory contains the sockets and the state of running containers. A record shows who changes them outside of the engine.',
  },
  {
    target: 'containerdShim',
    id: 'containerd-shim',
    name: 'containerd-shim program',
    path: '/usr/bin/containerd-shim',
    severity: 'low',
    rationale: PROGRAM,
  },
  {
    target: 'containerdShimRuncV1',
    id: 'containerd-shim-runc-v1',
    name: 'containerd-shim-runc-v1 program',
    path: '/usr/bin/containerd-shim-runc-v1',
    severity: 'low',
    rationale: PROGRAM,
  },
  {
    target: 'containerdShimRuncV2',
    id: 'containerd-shim-runc-v2',
    name: 'containerd-shim-runc-v2 program',
    path: '/usr/bin/containerd-shim-runc-v2',
    severity: 'low',
    rationale: PROGRAM,
  },
  {
    target: 'containerdSocket',
    id: 'containerd-socket',
    name: 'containerd socket',
    path: '/run/containerd/containerd.sock',
    severity: 'low',
    rationale:
      'Whoever may write to the socket has root access. A record shows who opens its permissions or replaces it.',
  },
  {
    target: 'daemonJson',
    id: 'daemon-json',
    name: 'daemon.json',
    path: '/etc/docker/daemon.json',
    severity: 'low',
    rationale:
      'One line in daemon.json removes a protection from all containers. A record of its changes shows who wrote it.',
  },
  {
    target: 'defaultDocker',
    id: 'default-docker',
    name: '/etc/default/docker',
    path: '/etc/default/docker',
    severity: 'low',
    rationale:
      'Init scripts pass the content of this file to dockerd. A record of its changes shows who set an option.',
  },
  {
    target: 'dockerConfigDirectory',
    id: 'docker-config-directory',
    name: 'Docker configuration directory',
    path: '/etc/docker',
    severity: 'medium',
    rationale:
      'The directory contains daemon.json and the certificates of registries. A record shows who changes, adds or replaces one of them.',
  },
  {
    target: 'dockerDataRoot',
    id: 'docker-data-root',
    name: 'Docker data root',
    path: '/var/lib/docker',
    severity: 'low',
    rationale:
      'The directory contains the files of all images, containers and volumes. A record shows who changes them outside of the engine.',
  },
  {
    target: 'dockerServiceUnit',
    id: 'docker-service-unit',
    name: 'docker.service unit',
    path: '/usr/lib/systemd/system/docker.service',
    severity: 'low',
    rationale:
      'The unit and its drop-ins contain the command line of dockerd. A record of changes shows who added an option.',
  },
  {
    target: 'dockerSocket',
    id: 'docker-socket',
    name: 'Docker socket',
    path: '/run/docker.sock',
    severity: 'medium',
    rationale:
      'Whoever may write to the socket has root access. A record shows who opens its permissions or replaces it.',
  },
  {
    target: 'dockerd',
    id: 'dockerd-program',
    name: 'dockerd program',
    path: '/usr/bin/dockerd',
    severity: 'medium',
    rationale: PROGRAM,
  },
  {
    target: 'runc',
    id: 'runc-program',
    name: 'runc program',
    path: '/usr/bin/runc',
    severity: 'low',
    rationale:
      'runc creates each container as root, and containers have attacked it through its own file. A record of changes shows such an attack.',
  },
  {
    target: 'sysconfigDocker',
    id: 'sysconfig-docker',
    name: '/etc/sysconfig/docker',
    path: '/etc/sysconfig/docker',
    severity: 'low',
    rationale: 'Units pass the content of this file to dockerd. A record of its changes shows who set an option.',
  },
];

function auditCheck({ target, id, name, path, severity, rationale }: Audited): NodeCheck {
  return nodeCheck({
    id: `audit.${id}`,
    title: `Audit rules watch: ${name}`,
    failTitle: `No audit rule watches: ${name}`,
    judgedBy: 'configuration',
    severity,
    rationale,
    remediation: `Add the line -w ${path} -p wa -k docker to /etc/audit/rules.d/docker.rules, with the path as on this host. Load it with augenrules --load; auditctl -l must list it. For a program that is replaced by updates, the rule follows the path.`,
    references: [
      'https://man7.org/linux/man-pages/man7/audit.rules.7.html',
      'https://man7.org/linux/man-pages/man8/augenrules.8.html',
    ],
    judges: 'node',
    needs: ['audit', 'kernel', 'node'],
    judge: (facts) => judgeTarget(facts, target, severity),
  });
}

/** A check `audit.NAME` for each file or directory, sorted by id. */
export const AUDIT_CHECKS: readonly NodeCheck[] = Object.freeze(
  AUDITED.map(auditCheck).toSorted((one, other) => (one.id < other.id ? -1 : 1)),
);
