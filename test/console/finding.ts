import type { FleetFinding, FindingEvent } from '../../api/finding.ts';
import type { FleetNode } from '../../api/node.ts';

/** A finding as the page has it; what is not said is a failing sshd. */
export function shown(over: Partial<FleetFinding> = {}): FleetFinding {
  const check = over.check ?? 'ssh.root-login';
  const subject = over.subject ?? { kind: 'daemon', id: 'sshd', name: 'sshd' };
  return {
    uid: `${over.nodeId ?? 'n1'}/${check}/${subject.id}`,
    id: `${check}/${subject.kind}/${subject.id}`,
    nodeId: 'n1',
    nodeName: 'web-1',
    check,
    title: 'root cannot log in',
    verdict: 'fail',
    severity: 'medium',
    subject,
    evidence: [{ source: '/etc/ssh/sshd_config:3', seen: 'PermitRootLogin yes', expected: 'no' }],
    reason: null,
    waiver: null,
    controls: [],
    firstSeenMs: 1000,
    changedMs: 1000,
    ...over,
  };
}

/** Something that happened to a finding. */
export function happened(
  action: FindingEvent['action'],
  finding: FleetFinding,
  previousVerdict: FindingEvent['previousVerdict'] = null,
  position = 1,
): FindingEvent {
  return { position, uid: `event-${String(position)}`, action, cause: null, atMs: 2000, previousVerdict, finding };
}

/** A node as the page has it. */
export function fleetNode(over: Partial<FleetNode> = {}): FleetNode {
  return {
    id: 'n1',
    name: 'web-1',
    agentVersion: '0.1.0',
    operatingSystem: 'Debian GNU/Linux 13',
    kernelRelease: '6.12.9',
    architecture: 'x86_64',
    cpus: 4,
    memoryBytes: 8 * 1024 ** 3,
    runtime: 'docker 26.1.5',
    securityModules: 'lockdown,capability',
    containerCount: 1,
    connected: true,
    presence: 'connected',
    duplicateIdentity: false,
    firstSeenMs: 0,
    lastSeenMs: 1000,
    offlineSinceMs: 0,
    agentRssBytes: 1,
    agentCpuMs: 1,
    dropped: 0,
    counts: {
      verdicts: { fail: 0, unknown: 0, manual: 0, pass: 0, notApplicable: 0 },
      failures: { critical: 0, high: 0, medium: 0, low: 0, info: 0 },
      waived: 0,
    },
    ...over,
  };
}
