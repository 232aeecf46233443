import type { Issue } from '../status/collector-status.ts';
import type { AuditLog } from './audit-log.ts';

/** What does not work of the audit log at `path`. */
export function auditIssues({ problem }: Pick<AuditLog, 'problem'>, path: string): readonly Issue[] {
  const reason = problem();
  if (reason === undefined) return [];
  return [
    {
      code: 'auditUnwritable',
      subject: path,
      text: `the audit log cannot be written (${reason}): calls that change something are refused`,
      advice: 'make room on the disk, or make the file and its directory writable for the collector',
    },
  ];
}
