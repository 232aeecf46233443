import { DETECTION_TITLES } from '../../api/detection.ts';
import type { DetectionRuleId } from '../../api/detection.ts';
import type { SubjectKind } from '../../posture/finding.ts';
import type { Evidence, Severity, Verdict } from '../../posture/verdict.ts';

/** Of MITRE ATT&CK for Enterprise (https://attack.mitre.org), from which the techniques below are. */
export const ATTACK_VERSION = '19.2';

/** A technique of MITRE ATT&CK, and the tactic that it serves here. */
export interface AttackTechnique {
  readonly id: string;
  readonly name: string;
  readonly tactic: { readonly id: string; readonly name: string };
}

/**
 * When a change of a finding is a detection.
 * - failure: the check fails at least as badly as `from`, and did not before; of a container, once it was started.
 * - evidence: the finding has a piece of evidence that it did not have; with `from` only while the check fails as badly.
 * - appearance: the subject is new, whatever the verdict.
 */
export type Trigger =
  | { readonly on: 'failure'; readonly from: Severity }
  | {
      readonly on: 'evidence';
      readonly from?: Severity;
      /**
       * What a piece is about, several things where it names them in short; empty: the piece does not count. Absent:
       * source and value. With it, the evidence of an `unknown` finding counts as far as it goes.
       */
      readonly itemsOf?: (evidence: Evidence) => readonly string[];
    }
  | { readonly on: 'appearance'; readonly subject: SubjectKind };

/** What the collector reports as it happens. */
export interface DetectionRule {
  readonly id: DetectionRuleId;
  readonly title: string;
  /** The check whose findings tell; absent: the collector itself sees it. */
  readonly check?: string;
  readonly trigger?: Trigger;
  /** Where it is not that of the finding. */
  readonly severity?: (found: { readonly verdict: Verdict; readonly severity: Severity }) => Severity;
  readonly attack: AttackTechnique;
}

const TACTICS = {
  privilegeEscalation: { id: 'TA0004', name: 'Privilege Escalation' },
  defenseImpairment: { id: 'TA0112', name: 'Defense Impairment' },
  persistence: { id: 'TA0003', name: 'Persistence' },
  lateralMovement: { id: 'TA0008', name: 'Lateral Movement' },
  credentialAccess: { id: 'TA0006', name: 'Credential Access' },
} as const;

const ESCAPE = { id: 'T1611', name: 'Escape to Host', tactic: TACTICS.privilegeEscalation } as const;
const IMPAIR = {
  id: 'T1685',
  name: 'Disable or Modify Tools',
  tactic: TACTICS.defenseImpairment,
} as const;
const IN_THE_MIDDLE = { id: 'T1557', name: 'Adversary-in-the-Middle', tactic: TACTICS.credentialAccess } as const;

/** Id of the rule about agents that are not heard of. */
export const AGENT_SILENT = 'agent-silent' satisfies DetectionRuleId;

/** Of `seen`, which is `NAME; NAME …` where the list is long. */
function namesIn(seen: string, pattern: RegExp): readonly string[] {
  return seen.split('; ').filter((name) => pattern.test(name));
}

/** Process and user: the time of the start is computed from the clock of the node, which is adjusted. */
function sessionsOf({ source, seen }: Evidence): readonly string[] {
  if (/^\/proc\/\d+$/.test(source)) return [`${source}: ${seen.replace(/ since .*$/s, '')}`];
  return namesIn(seen, /^\/proc\/\d+: /);
}

/** Account, start of the fingerprint, options. No name of an account has a colon. */
function keysOf({ seen }: Evidence): readonly string[] {
  const [, account, fingerprint, options] = /^([^:]*): .* bits (SHA256:[\w+/]{16})[\w+/]*, (.*)$/s.exec(seen) ?? [];
  if (account !== undefined && fingerprint !== undefined) return [`${account}: ${fingerprint}, ${options ?? ''}`];
  return namesIn(seen, /^[^:]*: SHA256:[\w+/]{16}, /);
}

const RULES: readonly Omit<DetectionRule, 'title'>[] = [
  { id: AGENT_SILENT, attack: IMPAIR },
  {
    id: 'certificate-expired',
    check: 'tls.certificate-validity',
    trigger: { on: 'evidence', from: 'high' },
    attack: IN_THE_MIDDLE,
  },
  {
    id: 'docker-certificate-expired',
    check: 'tls.docker-certificate-validity',
    trigger: { on: 'failure', from: 'high' },
    attack: IN_THE_MIDDLE,
  },
  {
    id: 'docker-port-opened',
    check: 'tls.docker-client-cert',
    trigger: { on: 'appearance', subject: 'listener' },
    severity: ({ verdict, severity }) => (verdict === 'pass' ? 'medium' : severity),
    attack: { id: 'T1133', name: 'External Remote Services', tactic: TACTICS.persistence },
  },
  {
    id: 'lsm-disabled',
    check: 'kernel.mandatory-access-control',
    trigger: { on: 'failure', from: 'high' },
    attack: IMPAIR,
  },
  {
    id: 'lsm-permissive',
    check: 'kernel.selinux-enforcing',
    trigger: { on: 'failure', from: 'high' },
    attack: IMPAIR,
  },
  {
    id: 'privileged-container',
    check: 'container.privileged',
    trigger: { on: 'failure', from: 'high' },
    attack: ESCAPE,
  },
  {
    id: 'root-group-member-added',
    check: 'host.root-equivalent-groups',
    trigger: { on: 'evidence', from: 'high' },
    attack: {
      id: 'T1098.007',
      name: 'Account Manipulation: Additional Local or Domain Groups',
      tactic: TACTICS.persistence,
    },
  },
  {
    id: 'runtime-socket-mounted',
    check: 'container.runtime-socket',
    trigger: { on: 'failure', from: 'high' },
    attack: ESCAPE,
  },
  {
    id: 'seccomp-disabled',
    check: 'container.seccomp-filter',
    trigger: { on: 'failure', from: 'high' },
    attack: IMPAIR,
  },
  {
    id: 'ssh-key-added',
    check: 'ssh.authorized-key-strength',
    trigger: {
      on: 'evidence',
      itemsOf: keysOf,
    },
    severity: () => 'medium',
    attack: { id: 'T1098.004', name: 'Account Manipulation: SSH Authorized Keys', tactic: TACTICS.persistence },
  },
  {
    id: 'ssh-session',
    check: 'ssh.root-session',
    trigger: { on: 'evidence', itemsOf: sessionsOf },
    severity: ({ verdict }) => (verdict === 'fail' ? 'medium' : 'low'),
    attack: { id: 'T1021.004', name: 'Remote Services: SSH', tactic: TACTICS.lateralMovement },
  },
];

/** All rules, sorted by id. */
export const DETECTION_RULES: readonly DetectionRule[] = Object.freeze(
  RULES.map((rule) => Object.freeze({ ...rule, title: DETECTION_TITLES[rule.id] })),
);
