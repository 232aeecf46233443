import { observed } from '../observed.ts';
import * as s from '../schema.ts';

/** What belongs to Docker and containerd, and whose changes the kernel can record. */
export const AUDIT_TARGETS = [
  'containerd',
  'containerdConfig',
  'containerdRunDirectory',
  'containerdShim',
  'containerdShimRuncV1',
  'containerdShimRuncV2',
  'containerdSocket',
  'daemonJson',
  'defaultDocker',
  'dockerConfigDirectory',
  'dockerDataRoot',
  'dockerServiceUnit',
  'dockerSocket',
  'dockerd',
  'runc',
  'sysconfigDocker',
] as const;
/** One of {@link AUDIT_TARGETS}. */
export type AuditTargetName = (typeof AUDIT_TARGETS)[number];

/** Rules of one file or directory that are kept. */
export const MAX_AUDIT_RULES = 4096;

/** One rule, auditctl(8). */
export const auditRuleSchema = s.object({
  source: s.string('file and line, `/etc/audit/rules.d/docker.rules:3`', 4128),
  text: s.string('the line', 512),
  action: s.oneOf(['always', 'never'], 'whether a match is recorded'),
  list: s.oneOf(['exit', 'task', 'other'], '`exit`: system calls; `task`: processes, when they are created'),
  path: s.string(
    'what is watched, links resolved; empty: the rule names no path, or its directory does not exist',
    4096,
  ),
  namesPath: s.boolean('whether the rule names a path'),
  recursive: s.boolean('a directory with everything below it'),
  permissions: s.string('kinds of access, of `rwxa`; without any, all four', 4),
  architecture: s.oneOf(['all', 'b64', 'b32'], 'width of the system calls'),
  syscalls: s.list(s.string('', 256), 'system calls by name; empty: all', 64),
  conditions: s.list(s.string('', 256), 'further conditions of a match, `auid>=1000`', 64),
});
/** See {@link auditRuleSchema}. */
export type AuditRule = s.Infer<typeof auditRuleSchema>;

const auditRuleSetSchema = s.object({
  enabled: s.nullable(s.integer('what `-e` sets: 0 off, 1 on, 2 on and locked; null: it is not set')),
  rules: s.list(auditRuleSchema, 'in the order in which they are loaded', MAX_AUDIT_RULES),
  notUnderstood: s.list(s.string('', 4128), 'file and line of what is not understood', 64),
});
/** Audit rules on disk. */
export type AuditRuleSet = s.Infer<typeof auditRuleSetSchema>;

/** What the node records, as far as its files say. */
export const auditSchema = s.object(
  {
    supported: observed(s.boolean(), '`/proc/1/loginuid` exists: the kernel is built with audit'),
    rulesDirectory: observed(
      auditRuleSetSchema,
      'what augenrules makes of `/etc/audit/rules.d/*.rules`; absent: no such file',
    ),
    rulesFile: observed(auditRuleSetSchema, '`/etc/audit/audit.rules`, which is loaded at start'),
    targets: s.list(
      s.object({
        target: s.oneOf(AUDIT_TARGETS, 'what it is'),
        path: s.string('as the configuration names it', 4096),
        real: observed(
          s.object({
            path: s.string('path after symbolic links were followed', 4096),
            isDirectory: s.boolean('whether it is a directory'),
          }),
          'absent: it does not exist',
        ),
      }),
      'what should be audited',
      1024,
    ),
  },
  'audit rules on disk; the rules that the kernel has loaded can be read only over a netlink socket, which is not done',
);
/** See {@link auditSchema}. */
export type AuditFact = s.Infer<typeof auditSchema>;
/** One path that should be audited. */
export type AuditTarget = AuditFact['targets'][number];
