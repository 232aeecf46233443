import t from 'tap';
import { AUDIT_CHECKS } from '../../../../posture/check/audit/audit-checks.ts';
import { AUDIT_TARGETS } from '../../../../posture/fact/audit.ts';
import type { AuditRule } from '../../../../posture/fact/audit.ts';
import { seen, unreadable } from '../../../../posture/observed.ts';
import { auditFact, factsOf } from '../../../fixture/facts.ts';

const IDS = [
  'audit.containerd-config',
  'audit.containerd-program',
  'audit.containerd-run-directory',
  'audit.containerd-shim',
  'audit.containerd-shim-runc-v1',
  'audit.containerd-shim-runc-v2',
  'audit.containerd-socket',
  'audit.daemon-json',
  'audit.default-docker',
  'audit.docker-config-directory',
  'audit.docker-data-root',
  'audit.docker-service-unit',
  'audit.docker-socket',
  'audit.dockerd-program',
  'audit.runc-program',
  'audit.sysconfig-docker',
];

t.test('one check for each target, and each judges its own', (t) => {
  t.same(
    AUDIT_CHECKS.map(({ id }) => id),
    IDS,
  );
  const rule: AuditRule = {
    source: '/etc/audit/audit.rules:2',
    text: '-w /x -p wa',
    action: 'always',
    list: 'exit',
    path: '/x',
    namesPath: true,
    recursive: false,
    permissions: 'wa',
    architecture: 'all',
    syscalls: [],
    conditions: [],
  };
  const judged = new Set<string>();
  for (const target of AUDIT_TARGETS) {
    const audit = auditFact({
      rulesFile: seen({ enabled: 1, rules: [rule], notUnderstood: [] }, '/etc/audit/audit.rules'),
      targets: [{ target, path: '/x', real: seen({ path: '/x', isDirectory: false }, '/x') }],
    });
    const applicable = AUDIT_CHECKS.filter((check) => check.judge(factsOf({ audit })).verdict !== 'notApplicable');
    for (const { id, judge } of applicable) {
      judged.add(id);
      t.equal(judge(factsOf({ audit })).verdict, 'unknown', 'the loaded rules are not read');
      const other = {
        ...audit,
        targets: audit.targets.map((entry) => ({ ...entry, real: seen({ path: '/y', isDirectory: false }, '/y') })),
      };
      t.equal(judge(factsOf({ audit: other })).verdict, 'fail');
      const hidden = {
        ...audit,
        targets: audit.targets.map((entry) => ({ ...entry, real: unreadable('/x', 'permission denied') })),
      };
      t.equal(judge(factsOf({ audit: hidden })).verdict, 'unknown');
      const unread = { ...audit, rulesFile: unreadable('/etc/audit/audit.rules', 'permission denied (EACCES)') };
      t.match(judge(factsOf({ audit: unread })), { verdict: 'unknown', reason: /EACCES/ });
    }
    t.equal(applicable.length, 1, target);
  }
  t.same([...judged].sort(), IDS);
  t.end();
});
