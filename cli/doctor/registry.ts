import { certificateAuthority } from './examination/certificate-authority.ts';
import { agentCertificate, collectorCertificate } from './examination/certificate-leaf.ts';
import { clockOfMachine } from './examination/clock.ts';
import { clockSynchronisation } from './examination/clock-synchronisation.ts';
import { collectorApi } from './examination/collector-api.ts';
import { collectorConnection } from './examination/collector-connection.ts';
import { dataDirectory } from './examination/data-directory.ts';
import { dataFileSystem } from './examination/data-file-system.ts';
import { dataLock } from './examination/data-lock.ts';
import { dataSpace } from './examination/data-space.ts';
import { dataStore } from './examination/data-store.ts';
import { nodeVersion } from './examination/node-version.ts';
import { operatorToken } from './examination/operator-token.ts';
import { apiPort, nodesPort } from './examination/port.ts';
import { programBuild } from './examination/program-build.ts';
import { settingsEnvironment } from './examination/settings-environment.ts';
import { settingsFile } from './examination/settings-file.ts';
import { settingsValues } from './examination/settings-values.ts';
import { sinkNdjson } from './examination/sink-ndjson.ts';
import { sinkSyslog } from './examination/sink-syslog.ts';
import { sinkSyslogFiles } from './examination/sink-syslog-files.ts';
import type { InstallationExamination } from './installation.ts';

/** Every examination of an installation, in the order in which people read them. A test compares it with the files. */
export const INSTALLATION_EXAMINATIONS: readonly InstallationExamination[] = Object.freeze([
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
