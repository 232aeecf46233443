import { admissionClients } from './diagnostics/admission-clients.ts';
import { certificates } from './diagnostics/certificates.ts';
import { collectorConnection } from './diagnostics/collector-connection.ts';
import { dataDirectory } from './diagnostics/data-directory.ts';
import { operatorApi } from './diagnostics/operator-api.ts';
import { operatorToken } from './diagnostics/operator-token.ts';
import { ports } from './diagnostics/ports.ts';
import { settings } from './diagnostics/settings.ts';
import { sinks } from './diagnostics/sinks.ts';
import { store } from './diagnostics/store.ts';
import type { InstallationDiagnostic } from './installation.ts';

/** Diagnostics of the installation, in display order. A test compares them with the directory. */
export const INSTALLATION_DIAGNOSTICS: readonly InstallationDiagnostic[] = Object.freeze([
  settings,
  dataDirectory,
  store,
  certificates,
  operatorToken,
  ports,
  operatorApi,
  collectorConnection,
  sinks,
  admissionClients,
]);
