import { join } from 'node:path';
import type { Clock } from '../service/clock.ts';
import { isLoopback, usesApiTls } from '../service/config/api-url.ts';
import { formatAddress } from '../service/config/kind.ts';
import type { Settings } from '../service/config/settings.ts';
import type { Logger } from '../service/log.ts';
import { openRotatedFile } from '../service/rotated-file.ts';
import type { ClosingStep } from '../service/shutdown.ts';
import { openApiCertificate } from './api/api-certificate.ts';
import type { ApiOptions } from './api/api.ts';
import { auditIssues, createAuditLog } from './audit/audit-log.ts';
import { readAudit } from './audit/read-audit.ts';
import type { ActivityRecorder } from './event/activity-recorder.ts';
import { openTokenVerifier } from './oidc/open.ts';
import { StartError } from './start-error.ts';
import type { Issue } from './status/collector-status.ts';

const AUDIT_FILE = 'audit.ndjson';

/** Certificate, identity provider and audit log of the operator API, and what does not work of them. */
export async function openApiParts(
  { settings, clock, log }: { readonly settings: Settings; readonly clock: Clock; readonly log: Logger },
  activities: Pick<ActivityRecorder, 'noteCall'>,
  steps: ClosingStep[],
): Promise<Pick<ApiOptions, 'certificate' | 'oidc' | 'audit' | 'readAudit'> & { issues: () => readonly Issue[] }> {
  const auditFiles = { path: join(settings.dataDir, AUDIT_FILE), keep: settings.auditKeep };
  const file = openRotatedFile({ ...auditFiles, maxBytes: settings.auditMaxBytes });
  const audit = createAuditLog({ file, clock, log, onCall: activities.noteCall });
  const certificate = usesApiTls(settings)
    ? await openApiCertificate({ ...apiKeyPaths(settings), clock, log })
    : undefined;
  steps.push({ name: 'certificate of the API', close: () => certificate?.close() });
  const oidc = await openTokenVerifier(settings, { clock, log });
  steps.push({ name: 'audit log', close: audit.close });
  const parts = [certificate, oidc].filter((part) => part !== undefined);
  return {
    certificate,
    oidc,
    audit,
    readAudit: (query) => readAudit(auditFiles, query),
    issues: () => [...auditIssues(audit, auditFiles.path), ...parts.flatMap((part) => part.issues())],
  };
}

function apiKeyPaths({ apiTlsCert, apiTlsKey, tlsCert, tlsKey }: Settings): { certPath: string; keyPath: string } {
  return { certPath: apiTlsCert === 'own' ? tlsCert : apiTlsCert, keyPath: apiTlsKey === 'own' ? tlsKey : apiTlsKey };
}

/** Tokens must not cross a network in the clear. */
export function refusePlainHttp(settings: Settings): void {
  if (usesApiTls(settings) || isLoopback(settings.api)) return;
  throw new StartError(
    'address',
    `the operator API would use plain HTTP at ${formatAddress(settings.api)}, which others can reach`,
    'start with --api-tls auto, or with --api 127.0.0.1:PORT behind a proxy or a tunnel',
  );
}
