import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../service/clock.ts';
import type { Settings } from '../service/config/settings.ts';
import type { Logger } from '../service/log.ts';
import type { ClosingStep } from '../service/shutdown.ts';
import { keepBenchmarkScores } from './compliance.ts';
import type { ScoreOptions } from './compliance.ts';
import { keepAdmittedFindings } from './admitted/admitted-findings.ts';
import type { AdmittedFindingsOptions } from './admitted/admitted-findings.ts';
import { keepDetections } from './detection/keep-detections.ts';
import { DISK_PROBE, startDiskProbe } from './disk-probe.ts';
import type { DiskProbe } from './disk-probe.ts';
import { startVulnerabilityMatcher } from './image/vulnerability-matcher.ts';
import type { RunningImages } from './image/running-images.ts';
import type { VulnerabilityMatcher, VulnerabilityMatcherOptions } from './image/vulnerability-matcher.ts';
import type { KubernetesApi } from '../kubernetes/api-client.ts';
import { endAdmissionFindings, watchAdmission } from './kubernetes/admission-watch.ts';
import type { AdmissionWatch } from './kubernetes/admission-watch.ts';
import { listNodes } from './kubernetes/list-nodes.ts';
import { watchMissingAgents } from './kubernetes/missing-agents.ts';
import { publishAuthority } from './kubernetes/publish-authority.ts';
import { publishReports } from './kubernetes/publish-reports.ts';
import type { PublishedReports, ReportPublication } from './kubernetes/publish-reports.ts';
import { keepNodeRetention } from './node-retention.ts';
import { NO_REGISTRIES } from './policy/registry-facts.ts';
import { keepImageFindings } from './policy/image-findings.ts';
import type { ImageFindingsOptions } from './policy/image-findings.ts';
import { createNodePosture } from './policy/node-posture.ts';
import { createPolicyJudgement } from './policy/policy-findings.ts';
import { startPolicyService } from './policy/policy-service.ts';
import type { PolicyServiceOptions, RunningPolicyService } from './policy/policy-service.ts';
import { createTagJudgement } from './policy/tag-findings.ts';
import { keepReplayWindow, REPLAY_CURSOR } from './replay-window.ts';
import type { SessionServer } from './session/server.ts';
import { sinkNames } from './sinks.ts';
import type { Issue } from './status/collector-status.ts';
import type { EventBus } from './store/event-bus.ts';
import { keepRetention } from './store/retention.ts';
import type { RetentionOptions } from './store/retention.ts';
import type { Store } from './store/store.ts';
import { startVerification } from './store/verification.ts';
import type { StoreVerification } from './store/verification.ts';
import { keepWaivers } from './waiver/keep-waivers.ts';
import type { KeptWaivers, OpenWaivers } from './waiver/keep-waivers.ts';
import { openTlsKeeper } from './tls/tls-keeper.ts';
import type { TlsKeeper } from './tls/tls-keeper.ts';

/*
 * Work that runs beside the servers until the collector closes. Each function adds a closing step that ends its work and
 * waits for the end.
 */

/** What background work needs of a collector. */
export interface BackgroundOptions {
  readonly settings: Settings;
  readonly version: string;
  readonly databaseWorker: URL;
  /** The module of the inventory worker. */
  readonly inventoryWorker: URL;
  readonly clock: Clock;
  readonly log: Logger;
  /** Times of the disk probe; default: {@link DISK_PROBE}. */
  readonly diskProbe?: Partial<Record<keyof typeof DISK_PROBE, number>>;
}

const RETENTION_INTERVAL_MS = 60_000;
const DETECTION_INTERVAL_MS = 30_000;
const PROBE_FILE = 'disk-probe';

/** Keeps the certificates of the port for nodes current until the collector ends. */
export async function startTlsKeeper(
  { settings, clock, log }: BackgroundOptions,
  isUsed: boolean,
  steps: ClosingStep[],
): Promise<TlsKeeper> {
  const stop = new AbortController();
  const keeper = await openTlsKeeper({ settings, hostName: hostname(), isUsed, clock, log, signal: stop.signal });
  steps.push(closingStep('certificates', stop, keeper.over));
  return keeper;
}

/** Keeps the vulnerabilities of the images of the fleet current until the collector ends. */
export function startMatcher(
  { settings, version, databaseWorker, clock, log }: BackgroundOptions,
  parts: Pick<VulnerabilityMatcherOptions, 'images' | 'running' | 'eventBus' | 'onChange'>,
  steps: ClosingStep[],
): VulnerabilityMatcher {
  const stop = new AbortController();
  const { vulndb: path, vulndbMaxAge: maxAgeMs, vex, waivers } = settings;
  const matcher = startVulnerabilityMatcher({
    ...parts,
    annotations: { vex, waivers, keptIn: join(settings.dataDir, 'annotations') },
    path,
    maxAgeMs,
    version,
    databaseWorker,
    clock,
    log,
    signal: stop.signal,
  });
  steps.push(closingStep('vulnerabilities', stop, matcher.over));
  return matcher;
}

/** Keeps current which findings waivers accept, until the collector ends. */
export function startWaivers(
  { clock, log }: BackgroundOptions,
  parts: OpenWaivers & { readonly store: Store; readonly eventBus: EventBus },
  steps: ClosingStep[],
): KeptWaivers {
  const stop = new AbortController();
  const kept = keepWaivers({ ...parts, clock, log, signal: stop.signal });
  steps.push(closingStep('waivers', stop, kept.over));
  return kept;
}

/** Judges the images of the fleet by the policies of the settings, where there are any, until the collector ends. */
export async function startPolicies(
  { settings, inventoryWorker, clock, log }: BackgroundOptions,
  parts: Pick<PolicyServiceOptions, 'images' | 'running' | 'database' | 'annotations'> & {
    readonly store: Store;
    readonly api: KubernetesApi | undefined;
  },
  steps: ClosingStep[],
): Promise<RunningPolicyService | undefined> {
  if (settings.policies === 'none') return undefined;
  const stop = new AbortController();
  const { api, store, ...others } = parts;
  const nodePosture =
    api === undefined ? undefined : createNodePosture({ list: () => listNodes(api, clock), store, clock });
  const service = await startPolicyService({
    ...others,
    nodePosture,
    settings,
    inventoryWorker,
    clock,
    log,
    signal: stop.signal,
  });
  steps.push(closingStep('image policies', stop, service.over));
  return service;
}

/**
 * Keeps the findings about running images until the collector ends. Without registries or image policies it removes those
 * of before.
 */
export function startImageFindings(
  { clock, log }: BackgroundOptions,
  parts: Pick<ImageFindingsOptions, 'store' | 'eventBus'> & {
    readonly running: RunningImages;
    readonly policies: RunningPolicyService | undefined;
  },
  steps: ClosingStep[],
): void {
  const stop = new AbortController();
  const { running, policies, store, eventBus } = parts;
  const judgements = [
    createTagJudgement(policies?.tags ?? NO_REGISTRIES),
    createPolicyJudgement(policies?.findingSources),
  ];
  const nodesOf = (imageId: string) => running.containersOf(imageId).map(({ nodeId }) => nodeId);
  const kept = keepImageFindings({ judgements, nodesOf, store, eventBus, clock, log, signal: stop.signal });
  steps.push(closingStep('findings about images', stop, kept));
}

/** Probes the disk of the data directory until the collector ends. */
export function startProbe({ settings, clock, log, diskProbe }: BackgroundOptions, steps: ClosingStep[]): DiskProbe {
  const stop = new AbortController();
  const path = join(settings.dataDir, PROBE_FILE);
  const probe = startDiskProbe({ ...DISK_PROBE, ...diskProbe, path, clock, log, signal: stop.signal });
  steps.push(closingStep('disk probe', stop, probe.over));
  return probe;
}

/** What upkeep works on. */
interface UpkeepParts extends Pick<ScoreOptions, 'benchmarks' | 'excluded'>, Pick<RetentionOptions, 'onTrimmed'> {
  readonly store: Store;
  readonly eventBus: EventBus;
}

/** What keeps the store small and sound: runs until the collector ends. */
export function startUpkeep(
  { settings, clock, log }: BackgroundOptions,
  { store, eventBus, benchmarks, excluded, onTrimmed }: UpkeepParts,
  steps: ClosingStep[],
): StoreVerification {
  const stop = new AbortController();
  const { signal } = stop;
  const verification = startVerification({ store, clock, log, signal });
  const sinks = [...sinkNames(settings), REPLAY_CURSOR];
  const all = Promise.all([
    verification.over,
    keepReplayWindow({ store, eventBus, clock, log, signal }),
    keepBenchmarkScores({ store, benchmarks, excluded, clock, log, signal }),
    keepRetention({
      store,
      sinks,
      historyMs: settings.historyRetention,
      intervalMs: RETENTION_INTERVAL_MS,
      onTrimmed,
      clock,
      log,
      signal,
    }),
  ]);
  steps.push(closingStep('upkeep', stop, all));
  return verification;
}

/** Removes nodes that are not heard of, where that is wanted: runs until the collector ends. */
export function startNodeRetention(
  { settings, clock, log }: BackgroundOptions,
  { nodes, remove }: SessionServer,
  steps: ClosingStep[],
): void {
  const retentionMs = settings.nodeRetention;
  if (retentionMs === 'off') return;
  const stop = new AbortController();
  const intervalMs = RETENTION_INTERVAL_MS;
  const kept = keepNodeRetention({ nodes, remove, retentionMs, intervalMs, clock, log, signal: stop.signal });
  steps.push(closingStep('node retention', stop, kept));
}

/** Reports silent agents until the collector ends. */
export function startDetections(
  { settings, clock, log }: BackgroundOptions,
  parts: { readonly nodes: SessionServer['nodes']; readonly store: Store; readonly eventBus: EventBus },
  steps: ClosingStep[],
): void {
  const stop = new AbortController();
  const { agentSilentAfter: silentAfterMs } = settings;
  const intervalMs = DETECTION_INTERVAL_MS;
  const kept = keepDetections({ ...parts, silentAfterMs, intervalMs, clock, log, signal: stop.signal });
  steps.push(closingStep('detections', stop, kept));
}

/** Finds nodes of the cluster without an agent, where that is wanted, until the collector ends. Returns its issues. */
export function startMissingAgents(
  { settings, clock, log }: BackgroundOptions,
  parts: { readonly api: KubernetesApi; readonly server: SessionServer; readonly store: Store },
  steps: ClosingStep[],
): () => readonly Issue[] {
  const graceMs = settings.kubernetesAgentGrace;
  if (graceMs === 'off') return () => [];
  const { api, server, store } = parts;
  const stop = new AbortController();
  const list = () => listNodes(api, clock);
  const search = watchMissingAgents({ list, server, store, graceMs, clock, log, signal: stop.signal });
  steps.push(closingStep('nodes of the cluster', stop, search.over));
  return search.issues;
}

/** Compares the containers of pods with what admission webhooks admitted, until the collector ends. */
export function startAdmittedFindings(
  { settings, clock, log }: BackgroundOptions,
  parts: Pick<AdmittedFindingsOptions, 'store' | 'eventBus' | 'reporters'> & {
    readonly policies: RunningPolicyService | undefined;
  },
  steps: ClosingStep[],
): void {
  const stop = new AbortController();
  const { policies, ...rest } = parts;
  const kept = keepAdmittedFindings({
    ...rest,
    digestsOf: (imageId) => policies?.verdictsOf(imageId).flatMap(({ digests }) => digests) ?? [],
    exempt: settings.kubernetesAdmissionExempt,
    clock,
    log,
    signal: stop.signal,
  });
  steps.push(closingStep('admitted containers', stop, kept));
}

/** Watches the admission webhook of the cluster until the collector ends; undefined: that is not wanted. */
export async function startAdmissionWatch(
  { settings, clock, log }: BackgroundOptions,
  parts: {
    readonly api: KubernetesApi | undefined;
    readonly store: Store;
    readonly eventBus: EventBus;
    readonly caBundles: () => ReadonlySet<string>;
  },
  steps: ClosingStep[],
): Promise<AdmissionWatch | undefined> {
  const { api, store, eventBus } = parts;
  if (api === undefined || settings.kubernetesAdmission === 'off') {
    await endAdmissionFindings({ store, eventBus, clock });
    return undefined;
  }
  const stop = new AbortController();
  const { kubernetesAdmissionExempt: exempt } = settings;
  const { caBundles } = parts;
  const watch = watchAdmission({ api, store, eventBus, exempt, caBundles, clock, log, signal: stop.signal });
  steps.push(closingStep('admission webhook', stop, watch.over));
  return watch;
}

/** Publishes the CA for agents in pods where that is wanted: runs until the collector ends. */
export function startPublication(
  { settings, clock, log }: BackgroundOptions,
  source: { readonly api: KubernetesApi; readonly authorities: () => string },
  steps: ClosingStep[],
): void {
  const { kubernetesCaConfigMap: configMap } = settings;
  if (configMap === 'off') return;
  const stop = new AbortController();
  const { signal } = stop;
  const published = publishAuthority({ ...source, configMap, clock, random: Math.random, log, signal });
  steps.push(closingStep('CA in Kubernetes', stop, published));
}

/** Publishes open findings as reports of Kubernetes where that is wanted. */
export function startReports(
  { settings, clock, log }: BackgroundOptions,
  source: Pick<ReportPublication, 'api' | 'store' | 'eventBus'>,
  steps: ClosingStep[],
): PublishedReports | undefined {
  const { kubernetesPolicyReports: group } = settings;
  if (group === 'off') return undefined;
  const stop = new AbortController();
  const published = publishReports({ ...source, group, clock, random: Math.random, log, signal: stop.signal });
  steps.push(closingStep('reports in Kubernetes', stop, published.over));
  return published;
}

function closingStep(name: string, stop: AbortController, over: Promise<unknown>): ClosingStep {
  const close = async (): Promise<void> => {
    stop.abort();
    await over;
  };
  return { name, close };
}
