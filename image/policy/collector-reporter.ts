import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { AdmittedPod } from '../../policy/admitted-pod.ts';
import type { DenialRecord, EnforcingProgram } from '../../policy/denial-record.ts';
import type { Clock } from '../../service/clock.ts';
import type { Settings } from '../../service/config/settings.ts';
import { makePrivateDirectory } from '../../service/files.ts';
import type { Logger } from '../../service/log.ts';
import { openReportQueue } from '../../service/report/report-queue.ts';
import { startReporter } from '../../service/report/reporter.ts';
import { readCertificate } from '../../service/tls/pem-file.ts';
import { TlsError } from '../../service/tls/tls-error.ts';
import { readCollectorToken } from './collector-token.ts';

/** What a reporter is opened with. */
export interface CollectorReporterOptions {
  readonly program: EnforcingProgram;
  /** Name of this replica or host. */
  readonly name: string;
  /** SHA-256, hexadecimal, of what it publishes as `caBundle`; empty: nothing. Default: always empty. */
  readonly caBundle?: () => string;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

const PATH = '/v1/denials';
const QUEUE_DIRECTORY = 'reports';
/** How often the collector hears from a program that has nothing to report. */
const IDLE_MS = { admission: 3_000, authz: 60_000 } as const satisfies Record<EnforcingProgram, number>;

/** What is reported. */
export type ReportRecord = { readonly denial: DenialRecord } | { readonly admitted: AdmittedPod };

/** Sends records to the collector; see `Reporter`. */
export interface CollectorReporter {
  readonly add: (record: ReportRecord) => void;
  readonly over: Promise<void>;
}

/**
 * Opens what sends the records of an enforcing program to the collector, where the setting `report-collector` names one.
 * Rejects with TlsError or the error of the file system where the settings cannot be used.
 */
export async function openCollectorReporter(options: CollectorReporterOptions): Promise<CollectorReporter | undefined> {
  const { program, name, caBundle = () => '', settings, clock, log, signal } = options;
  const { reportCollector: address, reportTokenFile, reportCa } = settings;
  if (address === 'off') return undefined;
  const authorities = reportCa === 'system' ? undefined : await readCertificate(reportCa);
  if (authorities === undefined && reportCa !== 'system')
    throw new TlsError('absent', `${reportCa} is missing: the authorities of the collector`);
  await makePrivateDirectory(settings.dataDir);
  const queue = await openReportQueue({ directory: join(settings.dataDir, QUEUE_DIRECTORY), log });
  const reporter = { program, name, instance: randomUUID() };
  return startReporter({
    server: { address, ca: authorities?.pem, token: () => readCollectorToken(reportTokenFile) },
    path: PATH,
    queue,
    render: ({ records, ...state }) => {
      const tagged = records as readonly ReportRecord[];
      return {
        reporter: { ...reporter, caBundle: caBundle() },
        ...state,
        denials: tagged.flatMap((record) => ('denial' in record ? [record.denial] : [])),
        admitted: tagged.flatMap((record) => ('admitted' in record ? [record.admitted] : [])),
      };
    },
    clock,
    log,
    signal,
    idleMs: IDLE_MS[program],
  });
}
