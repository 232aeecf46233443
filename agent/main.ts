import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Check } from '../posture/check/check.ts';
import type { Facts } from '../posture/fact/facts.ts';
import type { NodeFact } from '../posture/fact/node.ts';
import type { Clock } from '../service/clock.ts';
import type { Settings } from '../service/config/settings.ts';
import { makePrivateDirectory } from '../service/files.ts';
import { takeLock } from '../service/lock.ts';
import type { Logger } from '../service/log.ts';
import { closeInOrder } from '../service/shutdown.ts';
import { loadCatalog, problemsText } from '../tailoring/catalog.ts';
import { watchBudget } from './budget/budget-watch.ts';
import type { BudgetWatch } from './budget/budget-watch.ts';
import { reclaimMemory } from './budget/reclaim.ts';
import { processUsage } from './budget/usage.ts';
import type { Usage } from './budget/usage.ts';
import { inventoryOf } from './transport/inventory.ts';
import { createSessionClient } from './transport/session-client.ts';
import { openSpool } from './transport/spool.ts';
import { attestAtStart } from './enrollment/attest.ts';
import { joinFleet } from './enrollment/join.ts';
import { keepCertificateRenewed } from './enrollment/renew.ts';
import { openImageFiles } from './image/image-files.ts';
import type { ImageRecord } from './image/image-record.ts';
import { keptNodeId } from './inventory/node-id.ts';
import type { NodeObserver } from './node-observer.ts';
import { ensureOwnCertificate, loadOwnCertificate } from './own-certificate.ts';
import { createQueryAnswerer } from './query/query-answerer.ts';
import { createNodeFindings } from './watch/node-findings.ts';
import type { NodeSnapshot } from './watch/node-findings.ts';
import { openSubjectFile } from './watch/subject-file.ts';
import { createProber } from './probe/tls-prober.ts';

/** What an agent is run with. */
export interface AgentOptions {
  readonly settings: Settings;
  readonly version: string;
  /** Entry of the thread that evaluates queries: agent/query/worker.ts, or what it was bundled to. */
  readonly queryWorker: URL;
  /** Entry of the thread that reads images: image/inventory/worker.ts, or what it was bundled to. */
  readonly inventoryWorker: URL;
  readonly clock: Clock;
  readonly log: Logger;
  /** What the agent takes of the node. Default: what the kernel says of this process. */
  readonly usage?: () => Usage;
  /** Ends the agent. */
  readonly signal: AbortSignal;
  /** Everything that is known of this node is at the collector, for the first time. */
  readonly onReady?: (ready: { readonly nodeId: string }) => void;
}

const CLOSE_DEADLINE_MS = 3000;
const OTHER_NODE = 'this machine was registered again in its cluster and is now the node';

/** Watches this node and streams what changes, until the signal aborts. Rejects with what stopped it from starting. */
export async function runAgent(options: AgentOptions): Promise<void> {
  const { settings, log } = options;
  const loaded = await loadCatalog(settings);
  if (!loaded.ok) throw new Error(`checks-file or profile: ${problemsText(loaded.problems)}`);
  const { checks } = loaded.catalog;
  const directory = join(settings.dataDir, 'agent');
  await makePrivateDirectory(directory);
  const lockFile = join(directory, 'lock');
  const isLeftBehind = existsSync(lockFile);
  const lock = takeLock(lockFile);
  if (!lock.ok) throw new Error(`another agent (${lock.holder}) uses ${directory}; see data-dir`);
  if (isLeftBehind)
    log.warn({ directory }, 'the agent before this one did not end in order: it was killed, or crashed');
  let observer: NodeObserver | undefined;
  const usage = (): Usage => sumOf((options.usage ?? processUsage)(), observer?.usage());
  const budget = budgetOf(options, usage);
  try {
    observer = await openObserver(options, budget);
    const { nodeId, name } = await enrollNode(options, await observer.inventory());
    // Missing or wrong certificates stop the start; later they only stop an attempt to connect.
    await loadOwnCertificate(settings, nodeId, options.clock.now());
    log.info({ nodeId, name, source: observer.source, checks: checks.length }, 'agent started');
    await watchAndReport(options, {
      checks,
      observer,
      usage,
      budget,
      nodeId,
      nodeName: name,
      spoolDirectory: join(directory, 'spool'),
      subjectFile: join(directory, 'subjects.json'),
      imageFile: join(directory, 'image-files.json'),
    });
  } finally {
    budget.close();
    lock.release();
  }
}

/** What is needed to get a certificate for this node. */
export type JoinOptions = Pick<AgentOptions, 'settings' | 'version' | 'clock' | 'log' | 'signal'>;

/** Gets a certificate for this node and ends. Rejects with what stopped it. */
export async function joinNode(options: JoinOptions): Promise<void> {
  const { settings, version, clock, signal, log } = options;
  const { openLiveNode, liveNodeSettings } = await import('./live-node.ts');
  const access = await openLiveNode({ ...liveNodeSettings(settings, version), now: clock.now, signal, log });
  const { nodeId } = await enrollNode(options, await access.inventory());
  await loadOwnCertificate(settings, nodeId, clock.now());
}

/** Sees to it that this node has a certificate, and returns who it is: a Kubernetes node is named by its cluster. */
async function enrollNode(
  { settings, clock, log, signal }: JoinOptions,
  machine: NodeFact,
): Promise<{ readonly nodeId: string; readonly name: string }> {
  if (settings.join !== 'off' && settings.joinMethod === 'kubernetes') {
    const { nodeId, nodeName } = await attestAtStart({ settings, clock, random: Math.random, log, signal });
    return { nodeId, name: nodeName };
  }
  await ensureOwnCertificate(settings, machine.id, clock.now());
  await joinFleet(settings, machine.id, log);
  return { nodeId: machine.id, name: machine.name };
}

interface Node {
  readonly checks: readonly Check[];
  readonly observer: NodeObserver;
  readonly usage: () => Usage;
  readonly budget: BudgetWatch;
  readonly nodeId: string;
  readonly nodeName: string;
  readonly spoolDirectory: string;
  readonly subjectFile: string;
  readonly imageFile: string;
}

async function watchAndReport(options: AgentOptions, node: Node): Promise<void> {
  const { settings, clock, log } = options;
  const { budget, observer } = node;
  const lost = new AbortController();
  const signal = AbortSignal.any([options.signal, lost.signal]);
  const spool = openSpool({ directory: node.spoolDirectory, maxBytes: settings.spoolMaxBytes, clock, log });
  // Only asked by a session, and there is none before the first update.
  const facts = () => ({ ...(findings.snapshot() as NodeSnapshot).facts, agent: budget.fact() });
  const answerer = createQueryAnswerer({
    facts,
    nodeStatus: observer.nodeStatus,
    readLabels: observer.readLabels,
    readSysctls: observer.readSysctls,
    pace: budget.pace,
    clock,
    log,
    workerUrl: options.queryWorker,
  });
  const onCaughtUp = createOnce(() => {
    options.onReady?.({ nodeId: node.nodeId });
    // The first round and the first transfer take more than all that follows.
    void reclaimMemory();
  });
  let images: readonly ImageRecord[] = [];
  const imageFiles =
    settings.imageInventory === 'off' ? undefined : openImageFiles({ path: node.imageFile, clock, log });
  const subjects = openSubjectFile({ path: node.subjectFile, clock, log });
  const session = createSessionClient({
    target: settings.collector,
    loadTls: async () => {
      // The CA of a collector in the same data directory may have been rotated.
      await ensureOwnCertificate(settings, node.nodeId, clock.now());
      return loadOwnCertificate(settings, node.nodeId, clock.now());
    },
    spool,
    answerer,
    inventory: () => inventoryOf(facts()),
    ...(settings.imageInventory !== 'off' && { images: () => images }),
    usage: node.usage,
    agentVersion: options.version,
    nodeName: node.nodeName,
    heartbeatIntervalMs: settings.heartbeatInterval,
    clock,
    random: Math.random,
    log,
    signal,
    onCaughtUp,
  });
  let running: Promise<void> | undefined;
  const findings = createNodeFindings({
    checks: node.checks,
    now: clock.now,
    earlier: subjects.earlier,
    onChange: (update) => {
      session.publish(update.findings, update.delta, update.observedAtMs);
      subjects.update(update.findings, update.delta);
      running ??= session.run();
      budget.begin(() => observation.refresh('agent'));
    },
  });
  const completed = (facts: Facts): Facts => {
    const named = { ...facts, node: { ...facts.node, id: node.nodeId, name: node.nodeName } };
    return imageFiles === undefined ? named : imageFiles.addTo(named);
  };
  const judgeImagesAgain = (isChanged: boolean): void => {
    const current = observation.facts();
    if (isChanged && current !== undefined && findings.snapshot() !== undefined && !signal.aborted)
      findings.update(completed(current), {
        facts: new Set(['images']),
        containers: new Set(),
        engineSettings: new Set(),
      });
  };
  const observation = observer.watch({
    onChange: (changed, change) => findings.update(completed(changed), change),
    pace: budget.pace,
    onImages: (current) => {
      images = current;
      session.imagesChanged();
      void imageFiles?.update(current).then(judgeImagesAgain);
    },
  });
  const identityLost = new AbortController();
  const renewal = keepCertificateRenewed({
    settings,
    nodeId: node.nodeId,
    clock,
    random: Math.random,
    log,
    signal,
    onOtherNode: (nodeId) => identityLost.abort(new Error(`${OTHER_NODE} ${nodeId}; start the agent again`)),
  });
  const end = await Promise.race([observation.done, rejectOnAbort(identityLost.signal)]).catch((error: unknown) => ({
    error,
  }));
  lost.abort();
  const steps = [
    { name: 'renewal', close: () => renewal },
    { name: 'session', close: () => running },
    { name: 'queries', close: answerer.close },
    { name: 'spool', close: spool.close },
    { name: 'subjects', close: subjects.close },
    { name: 'image files', close: () => imageFiles?.close() },
  ];
  const unclosed = await closeInOrder(steps, { deadlineMs: CLOSE_DEADLINE_MS, clock, log });
  log.info({ unclosed }, 'agent ended');
  if (end !== undefined) throw end.error;
}

async function openObserver(options: AgentOptions, budget: BudgetWatch): Promise<NodeObserver> {
  const { settings, version, clock, log, signal } = options;
  if (settings.broker !== 'off') {
    const { createBrokerObserver } = await import('./broker/broker-observer.ts');
    const nodeId = await keptNodeId(settings.dataDir);
    const prober = createProber({ nodeAddress: settings.nodeAddress });
    return createBrokerObserver({ path: settings.broker, nodeId, prober, agent: budget.fact, clock, log, signal });
  }
  const [{ liveNodeSettings, openLiveNode }, { createLocalObserver }, { imageReadersOf }] = await Promise.all([
    import('./live-node.ts'),
    import('./local-observer.ts'),
    import('./image/image-readers.ts'),
  ]);
  const node = liveNodeSettings(settings, version);
  const access = await openLiveNode({ ...node, now: clock.now, signal, log, agent: budget.fact });
  const readers = imageReadersOf(settings, access, options.inventoryWorker);
  return createLocalObserver({ access, ...readers, sweepIntervalMs: settings.sweepInterval, clock, log, signal });
}

function budgetOf({ settings, clock, log }: AgentOptions, usage: () => Usage): BudgetWatch {
  const { agentMemoryBudget, agentCpuBudget } = settings;
  // One percent of a core is ten thousandths.
  const budget = { rssBytes: agentMemoryBudget, cpuMillicores: agentCpuBudget * 10 };
  return watchBudget({ budget, usage, reclaim: reclaimMemory, clock, log });
}

/** Never resolves; rejects with the reason of the signal. */
function rejectOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}

function sumOf(one: Usage, other: Usage = { rssBytes: 0, cpuMs: 0 }): Usage {
  return { rssBytes: one.rssBytes + other.rssBytes, cpuMs: one.cpuMs + other.cpuMs };
}

function createOnce(act: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    act();
  };
}
