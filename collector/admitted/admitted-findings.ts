import { admitted } from '../../posture/check/admission/admitted.ts';
import type { AdmittedContainer } from '../../posture/fact/admitted-container.ts';
import { sameContent } from '../../posture/finding.ts';
import type { Finding } from '../../posture/finding.ts';
import { judgeAdmittedContainer } from '../../posture/judge.ts';
import { sleep } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import { tell } from '../session/writer.ts';
import type { EventBus } from '../store/event-bus.ts';
import { packFinding } from '../store/row.ts';
import type { Admissions, NodeContainer, NodeRow, Store, StoredAdmission, StoredFinding } from '../store/store.ts';
import type { AdmissionReporters } from './reporters.ts';

/** What the findings are made of. */
export interface AdmittedFindingsOptions {
  readonly reporters: Pick<AdmissionReporters, 'gap'>;
  /** Digests of manifests of an image that a registry has confirmed. */
  readonly digestsOf: (imageId: string) => readonly string[];
  /** Namespaces that the webhook may leave out. */
  readonly exempt: readonly string[];
  readonly store: Pick<
    Store,
    'nodes' | 'findings' | 'putCollectorFindings' | 'admissions' | 'recordAdmissions' | 'pruneAdmissions'
  >;
  readonly eventBus: EventBus;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** A container of a pod. */
type PodContainer = NodeContainer & { readonly podUid: string };

/** What is kept of a node. */
interface KnownNode {
  readonly containers: NodeRow['containers'];
  /** When each container was reported first, wall clock. */
  readonly seen: ReadonlyMap<string, number>;
}

/** Nodes that change at the same time are judged together; what is undecided, a second later. */
const COLLECT_MS = 100;
const ROUND_MS = 1_000;
/** All nodes are judged again this often: digests may have become known, or the store was replaced. */
const SWEEP_MS = 60_000;
/** A container that is not reported as admitted is undecided for so long; then it is unknown. */
const UNDECIDED_MS = 20_000;
/** Clocks of nodes differ from that of the collector. */
const CLOCK_SKEW_MS = 60_000;
const PRUNE_MS = 3_600_000;
const KEPT_MS = 7 * 86_400_000;
const MAX_FINDINGS = 10_000;
/** The kubelet names a static pod after the MD5 of its file; the API server makes UUIDs with hyphens. */
const STATIC_UID = /^[0-9a-f]{32}$/;
/** Where the collector itself records that a pod is older than the first report. */
const OLDER = 'older than admission';

/**
 * Stores a finding of `admission.admitted` for each container of a pod, and keeps it current until the signal aborts.
 * There are none before the first report of an admission webhook. Whether a pod that nobody reported was admitted is not
 * known while a webhook may still have reports, or has ended without its last one. Resolves once the signal has aborted.
 */
export async function keepAdmittedFindings(options: AdmittedFindingsOptions): Promise<void> {
  const { eventBus, store, clock, log, signal } = options;
  const nodes = new Map<string, KnownNode>();
  const due = new Set<string>();
  let wake = new AbortController();
  const note = ({ id, containers }: NodeRow): void => {
    const before = nodes.get(id);
    // A row is written with each heartbeat; the list stays the same object while nothing changes.
    if (before?.containers === containers) return;
    const seen = new Map(containers.map((container) => [container.id, before?.seen.get(container.id) ?? clock.now()]));
    nodes.set(id, { containers, seen });
    due.add(id);
    wake.abort();
  };
  const unsubscribe = eventBus.subscribeToNodes((item) =>
    item.type === 'node' ? note(item.node) : void nodes.delete(item.nodeId),
  );
  let [sweptMs, prunedMs] = [-Infinity, clock.monotonic()];
  const round = async (): Promise<void> => {
    if (clock.monotonic() - sweptMs >= SWEEP_MS) {
      for (const row of await store.nodes()) if (!nodes.has(row.id)) note(row);
      for (const nodeId of nodes.keys()) due.add(nodeId);
      sweptMs = clock.monotonic();
    }
    const batch = [...due];
    due.clear();
    for (const nodeId of batch) {
      if (signal.aborted) return;
      const node = nodes.get(nodeId);
      if (node !== undefined && (await judgeNode(nodeId, node, options)) === 'undecided') due.add(nodeId);
      // Sessions get their turn in between.
      await new Promise(setImmediate);
    }
    if (clock.monotonic() - prunedMs < PRUNE_MS) return;
    prunedMs = clock.monotonic();
    const inUse = [...nodes.values()].flatMap(({ containers }) => containers.map(({ podUid = '' }) => podUid));
    await store.pruneAdmissions(clock.now() - KEPT_MS, new Set(inUse));
  };
  while (!signal.aborted) {
    wake = new AbortController();
    await round().catch((error: unknown) => {
      sweptMs = -Infinity;
      log.warn({ error }, 'findings about admitted containers could not be stored');
    });
    await sleep(clock, ROUND_MS - COLLECT_MS, AbortSignal.any([signal, wake.signal]));
    await sleep(clock, COLLECT_MS, signal);
  }
  unsubscribe();
}

/** Stores what differs of one node. `undecided`: it has to be judged again soon. */
async function judgeNode(
  nodeId: string,
  { containers, seen }: KnownNode,
  options: AdmittedFindingsOptions,
): Promise<'decided' | 'undecided'> {
  const { store, eventBus, clock, exempt } = options;
  const inPods = containers.filter((container): container is PodContainer => container.podUid !== undefined);
  const admissions = await store.admissions([...new Set(inPods.map(({ podUid }) => podUid))]);
  const { findings } = await store.findings({ nodes: [nodeId], checks: [admitted.id], limit: MAX_FINDINGS });
  const gone = new Map(findings.map((finding) => [finding.subject.id, finding]));
  const put: Finding[] = [];
  const older = new Map<string, PodContainer>();
  let outcome: 'decided' | 'undecided' = 'decided';
  if (admissions.sinceMs !== undefined)
    for (const container of inPods) {
      const before = gone.get(container.id);
      const seenMs = seen.get(container.id) ?? clock.now();
      const admission = admissionOf(container, seenMs, { admissions, ...options });
      // What was there before is no news in a namespace that is left out.
      if (admission.state === 'older') older.set(container.podUid, container);
      if (admission.state === 'older' && exempt.includes(container.namespace ?? '')) continue;
      if (admission.state === 'notKnown') {
        outcome = 'undecided';
        // What failed does not become milder because a webhook is silent.
        if (before?.verdict === 'fail') gone.delete(container.id);
        if (before?.verdict === 'fail' || clock.now() - seenMs < UNDECIDED_MS) continue;
      }
      gone.delete(container.id);
      const finding = judge(container, admission, options);
      if (before === undefined || !sameContent(before, finding)) put.push(finding);
    }
  await rememberOlder(older, admissions, options);
  if (put.length > 0 || gone.size > 0) {
    const ids = [...gone.values()].map(({ id }: StoredFinding) => id);
    const change = { nodeId, put: put.map(packFinding), gone: ids, atMs: clock.now() };
    for (const result of await store.putCollectorFindings([change])) tell(eventBus, result);
  }
  return outcome;
}

function admissionOf(
  { podUid, namespace = '', startedAt }: PodContainer,
  seenMs: number,
  {
    admissions,
    exempt,
    reporters,
  }: Pick<AdmittedFindingsOptions, 'exempt' | 'reporters'> & { readonly admissions: Admissions },
): AdmittedContainer['admission'] {
  const records = admissions.pods.filter(({ uid }) => uid === podUid);
  const [first] = records;
  if (first !== undefined) {
    if (records.some(({ isOlder }) => isOlder === true)) return { state: 'older' };
    return {
      state: 'admitted',
      namespace: first.namespace,
      pod: first.name,
      images: records.flatMap(({ images }) => images),
      isComplete: records.every(({ isComplete }) => isComplete),
    };
  }
  const isExemptNamespace = exempt.includes(namespace);
  if (STATIC_UID.test(podUid)) return { state: 'static', isExemptNamespace };
  const startedMs = Date.parse(startedAt);
  if (startedMs < (admissions.sinceMs ?? 0) + CLOCK_SKEW_MS) return { state: 'older' };
  if (isExemptNamespace) return { state: 'exempt' };
  const reason = reporters.gap(seenMs);
  return reason === undefined ? { state: 'missing' } : { state: 'notKnown', reason };
}

function judge(
  { id, name, podUid, namespace = '', pod = '', image, imageId }: PodContainer,
  admission: AdmittedContainer['admission'],
  { digestsOf }: Pick<AdmittedFindingsOptions, 'digestsOf'>,
): Finding {
  const shown = name.startsWith(`${namespace}/`) ? name : `${namespace}/${pod}/${name}`;
  const digests = digestsOf(imageId).filter((digest) => digest !== imageId);
  return judgeAdmittedContainer(admitted, {
    id,
    name: shown,
    podUid,
    namespace,
    pod,
    image,
    imageId,
    digests,
    admission,
  });
}

/** A container that starts again in such a pod, after a reboot too, has been there before all the same. */
async function rememberOlder(
  older: ReadonlyMap<string, PodContainer>,
  { pods }: Admissions,
  { store, clock }: Pick<AdmittedFindingsOptions, 'store' | 'clock'>,
): Promise<void> {
  const known = new Set(pods.map(({ uid }) => uid));
  const added = [...older].filter(([uid]) => !known.has(uid));
  if (added.length === 0) return;
  const records = added.map(([uid, { namespace = '', pod = '' }]): StoredAdmission => ({
    uid,
    namespace,
    name: pod,
    atMs: 0,
    images: [],
    isComplete: false,
    generation: 0,
    byBreakGlass: false,
    isOlder: true,
  }));
  await store.recordAdmissions({ source: OLDER, receivedMs: clock.now(), pods: records });
}
