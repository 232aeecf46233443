import { certificateAuthority } from './diagnostics/certificate-authority.ts';
import { agentCertificate, collectorCertificate } from './diagnostics/certificate-leaf.ts';
import { clockOfMachine } from './diagnostics/clock.ts';
import { clockSynchronisation } from './diagnostics/clock-synchronisation.ts';
import { collectorApi } from './diagnostics/collector-api.ts';
import { collectorConnection } from './diagnostics/collector-connection.ts';
import { dataDirectory } from './diagnostics/data-directory.ts';
import { dataFileSystem } from './diagnostics/data-file-system.ts';
import { dataLock } from './diagnostics/data-lock.ts';
import { dataSpace } from './diagnostics/data-space.ts';
import { dataStore } from './diagnostics/data-store.ts';
import { nodeVersion } from './diagnostics/node-version.ts';
import { operatorToken } from './diagnostics/operator-token.ts';
import { apiPort, nodesPort } from './diagnostics/port.ts';
import { programBuild } from './diagnostics/program-build.ts';
import { settingsEnvironment } from './diagnostics/settings-environment.ts';
import { settingsFile } from './diagnostics/settings-file.ts';
import { settingsValues } from './diagnostics/settings-values.ts';
import { sinkNdjson } from './diagnostics/sink-ndjson.ts';
import { sinkSyslog } from './diagnostics/sink-syslog.ts';
import { sinkSyslogFiles } from './diagnostics/sink-syslog-files.ts';
import type { InstallationDiagnostic } from './installation.ts';

/** Every examination of an installation, in the order in which people read them. A test compares it with the files. */
export const INSTALLATION_DIAGNOSTICS: readonly InstallationDiagnostic[] = Object.freeze([
  nodeVersion,
  programBuild,
  settingsFile,
  settingsValues,
  settingsEnvironment,
  dataDirectory,
  dataSpace,
  dataFileSystem,
  dataLock,
  dataStore,
  certificateAuthority,
  collectorCertificate,
  agentCertificate,
  operatorToken,
  nodesPort,
  apiPort,
  collectorApi,
  collectorConnection,
  clockOfMachine,
  clockSynchronisation,
  sinkNdjson,
  sinkSyslog,
  sinkSyslogFiles,
]);
