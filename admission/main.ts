import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { openCollectorReporter } from '../image/policy/collector-reporter.ts';
import { fetchSnapshots } from '../image/policy/fetch-snapshots.ts';
import type { CollectorReporter } from '../image/policy/collector-reporter.ts';
import { toAdmittedPod } from './admitted-pod.ts';
import type { Clock } from '../service/clock.ts';
import { isLoopback } from '../service/config/api-url.ts';
import { formatAddress } from '../service/config/kind.ts';
import type { Address } from '../service/config/kind.ts';
import type { Settings } from '../service/config/settings.ts';
import type { DenialRecord } from '../policy/denial-record.ts';
import { makePrivateDirectory } from '../service/files.ts';
import type { Logger } from '../service/log.ts';
import { keepCertificate } from './certificate-source.ts';
import { toDenialRecord } from './denial-record.ts';
import { createEventWriter } from './event-writer.ts';
import type { EventOutput } from './event-writer.ts';
import { judgeRequest } from './judge-request.ts';
import type { RequestJudgement } from './judge-request.ts';
import { fetchFromPeers, shareSnapshot } from './peer-snapshot.ts';
import { pinImages } from './pin-images.ts';
import { openPolicySource } from './policy-source.ts';
import type { PolicySource } from './policy-source.ts';
import { responseOf } from './response.ts';
import { startScanRequests } from './scan-requests.ts';
import type { ScanRequests } from './scan-requests.ts';
import { openWebhookServer } from './webhook-server.ts';
import type { Respond, WebhookTls } from './webhook-server.ts';

/** What the admission webhook runs with. */
export interface AdmissionOptions {
  readonly settings: Settings;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Aborts: requests that are being read are answered, then it ends. */
  readonly signal: AbortSignal;
  readonly onReady: (ready: AdmissionReady) => void;
  /** Where events go, one a line. */
  readonly events: EventOutput;
}

/** The webhook answers. */
export interface AdmissionReady {
  readonly listen: Address;
}

/**
 * The API server opens connections to this replica until every kube-proxy has left it out of the Service: usually a
 * second, longer in large clusters. `terminationGracePeriodSeconds` of the manifests is 15.
 */
const DRAIN = Object.freeze({ leastMs: 4_000, quietMs: 2_000, mostMs: 10_000 });
const VERSION_FILE = 'snapshot-version';

/**
 * Runs the admission webhook until `signal` aborts. It is ready once it has policies. Rejects with what stopped it from
 * starting.
 */
export async function runAdmission(options: AdmissionOptions): Promise<void> {
  const { settings, clock, log, signal, onReady } = options;
  requireSettings(settings);
  await makePrivateDirectory(settings.dataDir);
  const source = await openPolicySource({
    locations: {
      policies: settings.admissionPolicies,
      snapshot: settings.policySnapshot,
      snapshotKey: settings.policySnapshotKey,
      versionFile: join(settings.dataDir, VERSION_FILE),
    },
    clock,
    log,
    signal,
  });
  const fetching = await fetchSnapshots({ settings, minVersion: source.minVersion, clock, log, signal });
  const scans =
    fetching.server === undefined ? undefined : startScanRequests({ server: fetching.server, clock, log, signal });
  let caBundle = '';
  // What is admitted while the replica drains is reported too: an unreported pod would be a finding.
  const answered = new AbortController();
  const reporter = await openCollectorReporter({
    program: 'admission',
    name: hostname(),
    caBundle: () => caBundle,
    settings,
    clock,
    log,
    signal: answered.signal,
  });
  const first = Promise.withResolvers<WebhookTls | undefined>();
  let present: (tls: WebhookTls) => void = first.resolve;
  let presented: WebhookTls | undefined;
  signal.addEventListener('abort', () => first.resolve(undefined), { once: true });
  const keeping = keepCertificate(
    {
      ...options,
      onBundle: (bundle) => (caBundle = createHash('sha256').update(bundle, 'latin1').digest('hex')),
    },
    (tls) => {
      presented = tls;
      present(tls);
    },
  );
  keeping.catch(first.reject);
  const tls = await first.promise.finally(() => {
    if (signal.aborted) answered.abort();
  });
  if (tls === undefined) return;
  const server = await openWebhookServer(settings.admissionListen, tls, {
    respond: responder(options, source.current, { reporter, scans }),
    share: settings.policySnapshotPeers === 'off' ? undefined : shareSnapshot(settings),
    onError: (error) => log.error({ error }, 'a request could not be answered'),
    clock,
  });
  present = server.replaceCertificate;
  const peers = fetchFromPeers({
    settings,
    hasSnapshot: () => source.current() !== undefined,
    authorities: () => presented?.authorities,
    identity: () => presented && { cert: presented.cert, key: presented.key },
    minVersion: source.minVersion,
    clock,
    log,
    signal,
  });
  const { address } = server;
  try {
    log.info({ listen: formatAddress(address) }, 'admission webhook listens');
    void source.ready.then(() => onReady({ listen: address }));
    await keeping;
    if (!isLoopback(settings.admissionListen)) await server.drain(DRAIN);
    log.info({ reason: String(signal.reason) }, 'admission webhook is ending');
  } finally {
    await server.close();
    answered.abort();
    await Promise.all([fetching.ended, scans?.over, reporter?.over, peers]);
  }
}

function requireSettings({
  admissionPolicies,
  policySnapshot,
  policySnapshotCollector,
  admissionTlsSecret,
  kubernetes,
}: Settings): void {
  const oneOf = 'set either --admission-policies or --policy-snapshot';
  const fail = (message: string, hint = oneOf): never => {
    throw Object.assign(new Error(message), { code: 'settings', hint });
  };
  if (admissionPolicies === 'none' && policySnapshot === 'off') fail('there are no policies to decide by');
  if (admissionPolicies !== 'none' && policySnapshot !== 'off')
    fail('policies come from files or from the snapshot of the collector, not from both');
  if (policySnapshotCollector !== 'off' && policySnapshot === 'off')
    fail('there is no directory for the snapshot of the collector', 'set --policy-snapshot DIRECTORY');
  if (admissionTlsSecret !== 'off' && kubernetes === 'off')
    fail(
      'the certificate is kept in a Secret, but there is no access to the API server',
      'set --kubernetes in-cluster',
    );
}

/** Answers reviews, and writes what was denied, overridden or observed. */
function responder(
  { settings, version, clock, events }: AdmissionOptions,
  current: PolicySource['current'],
  { reporter, scans }: { readonly reporter: CollectorReporter | undefined; readonly scans: ScanRequests | undefined },
): Respond {
  const requestScan: ScanRequests['add'] = (image) => scans?.add(image) ?? 'off';
  const report = (record: DenialRecord): void => reporter?.add({ denial: record });
  const writer = createEventWriter({ output: events, report, version, now: clock.now });
  const exemptNamespaces = settings.admissionExemptNamespaces;
  return (path, request) => {
    const snapshot = current();
    if (snapshot === undefined) return undefined;
    if (path === '/mutate') {
      const isExempt = exemptNamespaces.includes(request.namespace);
      return responseOf(request, ALLOWED, isExempt ? [] : pinImages(request, snapshot));
    }
    const judgement = judgeRequest(request, snapshot, { exemptNamespaces, now: clock.now(), requestScan });
    // A dry run has no side effects.
    if (!request.dryRun) {
      if (hasReasons(judgement)) writer.write((context) => toDenialRecord(request, judgement, context));
      const admitted = reporter && toAdmittedPod(request, judgement, snapshot, clock.now());
      if (admitted !== undefined) reporter?.add({ admitted });
    }
    return responseOf(request, judgement);
  };
}

function hasReasons({ decision: { reasons, warnings, observed } }: RequestJudgement): boolean {
  return reasons.length + warnings.length + observed.length > 0;
}

const ALLOWED = Object.freeze({
  allowed: true,
  decision: { outcome: 'allow', policies: [], reasons: [], warnings: [], observed: [] },
} as const);
