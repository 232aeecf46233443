import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../service/clock.ts';
import { apiUrl } from '../service/config/api-url.ts';
import { formatAddress } from '../service/config/kind.ts';
import type { Address } from '../service/config/kind.ts';
import type { Settings } from '../service/config/settings.ts';
import { errorCode, makePrivateDirectory } from '../service/files.ts';
import { takeLock } from '../service/lock.ts';
import type { Logger } from '../service/log.ts';
import { closeInOrder } from '../service/shutdown.ts';
import { allChecks, exclusions, loadCatalog, problemsText } from '../tailoring/catalog.ts';
import type { Catalog } from '../tailoring/catalog.ts';
import type { ClosingStep } from '../service/shutdown.ts';
import { startApi } from './api/api.ts';
import type { ApiOptions } from './api/api.ts';
import {
  startAdmissionWatch,
  startAdmittedFindings,
  startImageFindings,
  startDetections,
  startMissingAgents,
  startNodeRetention,
  startMatcher,
  startPolicies,
  startProbe,
  startReports,
  startPublication,
  startTlsKeeper,
  startUpkeep,
  startWaivers,
} from './background-work.ts';
import { createActivityRecorder } from './event/activity-recorder.ts';
import { createEventBus } from './store/event-bus.ts';
import { ensureOperatorToken } from './operator-token.ts';
import { openOperatorTokens } from './operator-tokens.ts';
import { createAttestation } from './enrollment/kubernetes-attestation.ts';
import type { AttestToken } from './enrollment/kubernetes-attestation.ts';
import { openNodeAdmission } from './enrollment/open.ts';
import { openApiParts, refusePlainHttp } from './operator-api.ts';
import { accessFromKubeconfig, accessFromPod } from '../kubernetes/access.ts';
import { createKubernetesApi } from '../kubernetes/api-client.ts';
import type { KubernetesApi } from '../kubernetes/api-client.ts';
import type { DISK_PROBE } from './disk-probe.ts';
import type { FleetAnnotations } from './image/suppression-review.ts';
import { followRunningImages } from './image/running-images.ts';
import { createNodeLookup } from './node-lookup.ts';
import { createQueryHub, DEFAULT_QUERY_LIMITS } from './query/hub.ts';
import { createAdmissionReporters } from './admitted/reporters.ts';
import { createDenialIntake } from './denial/denial-intake.ts';
import { openRolloutRecords } from './remediation/rollout-records.ts';
import { createRefusalRecorder } from './refusal-recorder.ts';
import { openPositionGuard } from './position-guard.ts';
import type { TrimmedHistory } from './store/event-share-table.ts';
import { startSessionServer } from './session/server.ts';
import type { SessionServer } from './session/server.ts';
import type { Sessions } from './session/sessions.ts';
import { createDeadLetters } from './sink/dead-letters.ts';
import { startDeliveryWorker } from './sink/delivery-worker.ts';
import { openRedactions } from './sink/redactions.ts';
import { createRenderFor, openSinks, testSinkOf, recordedActivities, sinkNames } from './sinks.ts';
import { addressError, StartError } from './start-error.ts';
import type { Issue, ListenAddresses } from './status/collector-status.ts';
import { createStatus } from './status/status.ts';
import { openHealingStore } from './store/healing.ts';
import type { Store } from './store/store.ts';
import { observeWrites } from './store/write-health.ts';
import { openWaivers } from './waiver/keep-waivers.ts';

/** What a collector runs with. */
export interface CollectorOptions {
  readonly settings: Settings;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Aborts: the collector ends in good order. */
  readonly signal: AbortSignal;
  readonly onReady: (ready: CollectorReady) => void;
  /** Module of the thread that verifies a vulnerability database. */
  readonly databaseWorker: URL;
  /** The module of the inventory worker. */
  readonly inventoryWorker: URL;
  /** Where the sink `-` writes. */
  readonly standardOutput: NodeJS.WritableStream;
  /** Where credentials of sinks can be; absent: nothing. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Directory with the files of the console; absent: it is not served. */
  readonly consoleDirectory?: string | undefined;
  /** Times of the disk probe; default: {@link DISK_PROBE}. */
  readonly diskProbe?: Partial<Record<keyof typeof DISK_PROBE, number>>;
}

/** Where the collector listens; ports are never 0. */
export interface CollectorReady {
  readonly api: Address;
  readonly listen: Address;
  /** Absent where nodes cannot enrol. */
  readonly enroll?: Address;
}

/**
 * When the collector ends, nodes leave at random moments within this time for each of them: the end of a session (its last
 * messages, its status, the row of its node) takes 0.3 ms of CPU time. 10,000 nodes leave within 5 s, a few at once. They
 * come back over a longer time, since each waits for a random time of its own before it connects.
 */
const DRAIN_MS_PER_NODE = 0.5;
/** Of a drain, so that it ends within CLOSE_DEADLINE_MS. */
const MAX_DRAIN_MS = 5_000;
/** How long each part has to close. */
const CLOSE_DEADLINE_MS = 8_000;
const STORE_FILE = 'store.sqlite';
const POSITION_FILE = 'store.position';
const OPERATOR_TOKENS_FILE = 'operator-tokens.json';
const ENDED_WAIVERS_FILE = 'ended-waivers.json';

/**
 * Runs a collector until `signal` aborts, then ends it in order. Rejects with StartError, TlsError or StoreError if it
 * cannot start; what was opened is closed again.
 */
export async function runCollector(options: CollectorOptions): Promise<void> {
  const { clock, log, signal } = options;
  const steps: ClosingStep[] = [];
  try {
    await start(options, steps);
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    log.info({ reason: String(signal.reason) }, 'collector is ending');
  } finally {
    await closeInOrder(steps.toReversed(), { deadlineMs: CLOSE_DEADLINE_MS, clock, log });
  }
}

/** Opens everything; each part adds what closes it to `steps`, so that the last that was opened closes first. */
async function start(options: CollectorOptions, steps: ClosingStep[]): Promise<void> {
  const { settings, version, clock, log, onReady } = options;
  refusePlainHttp(settings);
  const catalog = await openCatalog(settings);
  const { benchmarks } = catalog;
  const checks = allChecks(catalog);
  const lock = await lockDirectory(settings.dataDir);
  steps.push({ name: 'lock', close: lock.release });
  const storePath = join(settings.dataDir, STORE_FILE);
  const tls = await startTlsKeeper(options, existsSync(storePath) && existsSync(settings.tokenFile), steps);
  const fileToken = await ensureOperatorToken(settings.tokenFile);
  const operatorTokens = await openOperatorTokens(join(settings.dataDir, OPERATOR_TOKENS_FILE), clock);
  const kubernetes = await openKubernetes(settings);
  steps.push({ name: 'Kubernetes API', close: () => kubernetes?.close() });
  const attestToken = kubernetes && attestationOf(settings, kubernetes);
  const admission = await openNodeAdmission({ settings, tls, attestToken, clock, log });
  // The sessions need the store, and when it was replaced, it needs them.
  let askAll: SessionServer['resync'] = () => undefined;
  const openedWaivers = await openWaivers(join(settings.dataDir, ENDED_WAIVERS_FILE));
  const healing = await openHealingStore({
    path: storePath,
    activities: recordedActivities(settings),
    waivers: openedWaivers.set,
    clock,
    log,
    onReplaced: () => askAll('the collector has lost its store'),
  });
  const disk = startProbe(options, steps);
  const { store, writeProblem } = observeWrites(healing.store, disk.isHung);
  steps.push({ name: 'store', close: () => store.close() });
  const eventBus = createEventBus();
  const guard = await openPositionGuard({ path: join(settings.dataDir, POSITION_FILE), store, eventBus, clock, log });
  steps.push({ name: 'position', close: guard.close });
  let noteExcess: SessionServer['noteExcess'] = () => undefined;
  const onTrimmed = ({ nodeId, events }: TrimmedHistory): void =>
    noteExcess(nodeId, `its history is too large: the oldest ${String(events)} entries of it were deleted`);
  const upkeep = { store, eventBus, benchmarks, excluded: exclusions(catalog), onTrimmed };
  const verification = startUpkeep(options, upkeep, steps);
  const refusals = createRefusalRecorder({ store, eventBus, clock, log });
  steps.push({ name: 'refusals', close: refusals.settled });
  const activities = createActivityRecorder({ store, eventBus, clock, log });
  const reporters = createAdmissionReporters(clock);
  const denials = createDenialIntake({ store, reporters, eventBus, clock });
  const nodes = createNodeLookup(store, eventBus);
  /** For reads that people trigger: these must not keep the store from committing. */
  const readStore: Store = { ...store, nodes: nodes.all };
  const running = await followRunningImages(readStore, eventBus);
  const waivers = startWaivers(options, { ...openedWaivers, store, eventBus }, steps);
  const waiversRead = Promise.withResolvers<void>();
  let onAnnotations = (): void => undefined;
  const onChange = ({ findingWaivers, isIncomplete }: FleetAnnotations): void => {
    waivers.use({ waivers: findingWaivers, isIncomplete });
    waiversRead.resolve();
    onAnnotations();
  };
  const matcher = startMatcher(options, { images: store.images, running, eventBus, onChange }, steps);
  const { database, annotations } = matcher;
  const policies = await startPolicies(
    options,
    { images: store.images, running, database, annotations, store: readStore, api: kubernetes },
    steps,
  );
  onAnnotations = () => policies?.notify();
  const rollouts = policies && (await openRolloutRecords({ directory: settings.dataDir, store, eventBus, clock }));
  startImageFindings(options, { store, eventBus, running, policies }, steps);
  startAdmittedFindings(options, { store: readStore, eventBus, reporters, policies }, steps);
  const redactions = await openRedactions(settings);
  const sinkParts = { ...options, checks, nodes, redactions };
  const opened = await openSinks(sinkParts);
  const maxBacklog = settings.sinkBacklogMaxEvents === 'off' ? undefined : settings.sinkBacklogMaxEvents;
  const workers = opened.map((sink) =>
    startDeliveryWorker({
      store,
      sink,
      eventBus,
      clock,
      log,
      maxBacklog,
      onDropped: activities.noteDropped,
    }),
  );
  for (const worker of workers) steps.push({ name: `sink ${worker.status().name}`, close: () => worker.stop() });
  steps.push({
    name: 'activities',
    close: () => {
      activities.noteLifecycle('stop', version);
      return activities.settled();
    },
  });
  // The hub and the sessions need each other: the hub asks for them only once there are questions.
  let sessions: Sessions = NO_SESSIONS;
  let removeNode: SessionServer['remove'] = notYet;
  let nodeProblems: SessionServer['problems'] = () => [];
  let disconnectRevoked: SessionServer['disconnectRevoked'] = () => undefined;
  let identityConflicts: SessionServer['identityConflicts'] = () => [];
  let clusterIssues: () => readonly Issue[] = () => [];
  let exemptNamespaces: ApiOptions['exemptNamespaces'] = () => undefined;
  const queries = createQueryHub({
    sessions: () => sessions,
    store: readStore,
    clock,
    log,
    limits: queryLimits(settings),
  });
  const sinks = () => workers.map((worker) => worker.status());
  const { issues: apiIssues, ...apiParts } = await openApiParts(options, activities, steps);
  let addresses: CollectorReady = { api: settings.api, listen: settings.listen };
  const status = createStatus({
    version,
    heartbeatMs: settings.heartbeatInterval,
    store: readStore,
    storePath,
    quarantined: healing.quarantined,
    isInPlace: healing.isInPlace,
    writeProblem,
    diskProblem: disk.problem,
    apiIssues: () => [
      ...healing.issues(),
      ...apiIssues(),
      ...matcher.issues(),
      ...waivers.issues(),
      ...(policies?.issues() ?? []),
      ...denials.issues(),
      ...clusterIssues(),
    ],
    restoredMs: guard.restoredMs,
    requiredFiles: [settings.tlsCa, settings.tlsCert, settings.tlsKey],
    sinks,
    nodeProblems: () => [...verification.repaired(), ...nodeProblems()],
    addresses: () => toText(addresses, options),
    clock,
  });
  const api = await startApi({
    listen: settings.api,
    ...apiParts,
    fileToken,
    operatorTokens,
    store: readStore,
    running,
    database,
    policies,
    checks,
    benchmarks,
    excluded: exclusions(catalog),
    waivers: () => annotations()?.waivers ?? [],
    waiverUses: () => ({ findings: waivers.list(), vulnerabilities: matcher.waiverUses() }),
    exemptNamespaces: () => exemptNamespaces(),
    suppressionIn: matcher.suppressionIn,
    denials,
    hasExpiredWaiver: matcher.hasExpiredWaiver,
    rollouts,
    queries,
    activities,
    eventBus,
    sinks,
    unreadiness: () => [
      ...(writeProblem() === undefined ? [] : (['storeFailing'] as const)),
      ...(disk.problem() === undefined ? [] : (['diskFailing'] as const)),
    ],
    testSink: oneAtATime((name) => testSinkOf(name, sinkParts)),
    deadLetters: createDeadLetters({
      store,
      render: createRenderFor(sinkParts),
      sinks: sinkNames(settings),
      eventBus,
    }),
    status,
    removeNode: (nodeId, by) => removeNode(nodeId, by),
    admission: {
      tokens: admission.tokens,
      tls,
      addresses: () => addresses,
      revoke: async (nodeId, by) => {
        await admission.revocations.revoke(nodeId, clock.now());
        log.warn({ nodeId, by }, 'the certificates of a node were revoked');
        disconnectRevoked(nodeId);
      },
      readmit: async (nodeId, by) => {
        const isRevoked = await admission.revocations.readmit(nodeId);
        if (isRevoked) log.warn({ nodeId, by }, 'a revoked node was readmitted');
        return isRevoked;
      },
    },
    presenceTerms: () => ({
      nowMs: clock.now(),
      heartbeatMs: settings.heartbeatInterval,
      duplicated: new Set(identityConflicts().map(({ nodeId }) => nodeId)),
    }),
    clock,
    log,
    version,
    consoleDirectory: options.consoleDirectory,
  }).catch((error: unknown) => {
    throw addressError(formatAddress(settings.api), 'api', error);
  });
  steps.push({ name: 'operator API', close: () => api.close() });
  // Otherwise findings that arrive now would be open for a moment, with an event.
  await waiversRead.promise;
  const listen = formatAddress(settings.listen);
  const { heartbeatInterval: heartbeatIntervalMs } = settings;
  const server = await startSessionServer({
    listen: settings.listen,
    tls: tls.current(),
    store,
    eventBus,
    replies: queries.replies,
    onNodeAhead: guard.nodeIsAhead,
    isRevoked: admission.revocations.isRevoked,
    onRefused: refusals.note,
    onImagesChange: () => {
      matcher.notify();
      policies?.notify();
    },
    settings: { heartbeatIntervalMs },
    clock,
    log,
  }).catch((error: unknown) => {
    throw error instanceof Error && 'syscall' in error ? addressError(listen, 'listen', error) : error;
  });
  sessions = server.sessions;
  askAll = server.resync;
  removeNode = server.remove;
  nodeProblems = server.problems;
  noteExcess = server.noteExcess;
  identityConflicts = server.identityConflicts;
  disconnectRevoked = server.disconnectRevoked;
  tls.onChange(server.useTls);
  server.useTls(tls.current());
  steps.push(
    { name: 'sessions', close: () => server.close() },
    { name: 'drain', close: () => server.drain(drainMs(server.sessions.connected().length)) },
  );
  const enroll = await admission.listen({
    isKnown: (nodeId) => server.nodes().some(({ id }) => id === nodeId),
    onRefused: refusals.note,
  });
  steps.push({ name: 'enrolment', close: admission.close });
  startNodeRetention(options, server, steps);
  startDetections(options, { nodes: server.nodes, store, eventBus }, steps);
  const watch = await startAdmissionWatch(
    options,
    { api: kubernetes, store, eventBus, caBundles: reporters.caBundles },
    steps,
  );
  const admissionIssues = watch?.issues ?? (() => []);
  clusterIssues = admissionIssues;
  exemptNamespaces = () => watch?.exempt();
  if (kubernetes !== undefined) {
    const nodeIssues = startMissingAgents(options, { api: kubernetes, server, store }, steps);
    const reports = startReports(options, { api: kubernetes, store: readStore, eventBus }, steps);
    clusterIssues = () => [...nodeIssues(), ...admissionIssues(), ...(reports?.issues() ?? [])];
    startPublication(options, { api: kubernetes, authorities: () => tls.current().ca }, steps);
  }
  const port = Number(server.address.slice(server.address.lastIndexOf(':') + 1));
  const ready = {
    api: api.address,
    listen: { host: settings.listen.host, port },
    ...(enroll === undefined ? {} : { enroll }),
  };
  addresses = ready;
  log.info({ listen: formatAddress(ready.listen), api: formatAddress(ready.api) }, 'collector is ready');
  activities.noteLifecycle('start', version);
  onReady(ready);
}

/** The checks with those of the setting `checks-file`. Rejects with StartError where a file is wrong. */
async function openCatalog(settings: Settings): Promise<Catalog> {
  const loaded = await loadCatalog(settings);
  if (loaded.ok) return loaded.catalog;
  throw new StartError(
    'checks',
    `checks-file or profile: ${problemsText(loaded.problems)}`,
    'see: plimsoll checks test FILE',
  );
}

function toText(
  { api, listen }: CollectorReady,
  { settings, consoleDirectory }: Pick<CollectorOptions, 'settings' | 'consoleDirectory'>,
): ListenAddresses {
  const hasConsole = consoleDirectory !== undefined && existsSync(join(consoleDirectory, 'index.html'));
  return {
    nodes: formatAddress(listen),
    api: formatAddress(api),
    console: hasConsole ? `${apiUrl(settings, api)}/` : '',
  };
}

const NO_SESSIONS: Sessions = Object.freeze({
  connected: () => [],
  send: () => false,
  sendAll: () => new Set<string>(),
});

const notYet: SessionServer['remove'] = () =>
  Promise.resolve({ outcome: 'notNow', reason: 'the collector is still starting' });

/** Makes the directory if need be, and takes it for this process: two collectors on one store would undo each other. */
async function lockDirectory(path: string): Promise<{ readonly release: () => void }> {
  const refused = (problem: string, cause?: unknown): StartError =>
    new StartError('directory', problem, 'choose another: --data-dir DIR', cause);
  try {
    await makePrivateDirectory(path);
    const lock = takeLock(join(path, 'collector.lock'));
    if (lock.ok) return lock;
    throw refused(`another collector (${lock.holder}) uses ${path}`);
  } catch (error) {
    if (error instanceof StartError) throw error;
    throw refused(`the data directory ${path} cannot be used: ${errorCode(error)}`, error);
  }
}

/** Undefined where the collector uses no API server. Rejects with StartError. */
async function openKubernetes({ kubernetes, kubernetesApi }: Settings): Promise<KubernetesApi | undefined> {
  if (kubernetes === 'off') return undefined;
  const inCluster = kubernetes === 'in-cluster';
  return createKubernetesApi(inCluster ? accessFromPod(kubernetesApi) : await accessFromKubeconfig(kubernetes));
}

function attestationOf(settings: Settings, api: KubernetesApi): AttestToken {
  const { kubernetesAudience: audience, kubernetesServiceAccounts: serviceAccounts, clusterId } = settings;
  return createAttestation({ api, audience, serviceAccounts, clusterId });
}

function drainMs(nodes: number): number {
  return Math.min(Math.ceil(nodes * DRAIN_MS_PER_NODE), MAX_DRAIN_MS);
}

function queryLimits({ queryMaxRows, queryMaxBytes, queryDeadline }: Settings): typeof DEFAULT_QUERY_LIMITS {
  return {
    ...DEFAULT_QUERY_LIMITS,
    maxRows: queryMaxRows,
    maxBytes: queryMaxBytes,
    maxDeadlineMs: queryDeadline,
  };
}

function oneAtATime<T>(work: (name: string) => Promise<T>): (name: string) => Promise<T | 'busy'> {
  let isRunning = false;
  return async (name) => {
    if (isRunning) return 'busy';
    isRunning = true;
    return work(name).finally(() => (isRunning = false));
  };
}
