import { sameContent } from '../../posture/finding.ts';
import type { Finding } from '../../posture/finding.ts';
import { sleep } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import { tell } from '../session/writer.ts';
import type { EventBus } from '../store/event-bus.ts';
import { packFinding } from '../store/row.ts';
import type { NodeContainer, NodeRow, Store, StoredFinding } from '../store/store.ts';

/** Judges the images that a node runs by what the collector knows of them. */
export interface ImageJudgement {
  /** Ids of its checks. */
  readonly checks: readonly string[];
  /** Calls `subscriber` with the id of each image that may be judged otherwise now. Returns what ends that. */
  readonly subscribe: (subscriber: (imageId: string) => void) => () => void;
  /**
   * The findings about an image that a node runs in `containers`, at most one of each check. `before`: those that are
   * stored, by check; one of them where nothing newer is known.
   */
  readonly judge: (
    imageId: string,
    containers: readonly NodeContainer[],
    before: ReadonlyMap<string, StoredFinding>,
  ) => readonly Finding[];
}

/** What the findings are made of. */
export interface ImageFindingsOptions {
  readonly judgements: readonly ImageJudgement[];
  /** Nodes that run an image. */
  readonly nodesOf: (imageId: string) => Iterable<string>;
  readonly store: Pick<Store, 'nodes' | 'findings' | 'putCollectorFindings'>;
  readonly eventBus: EventBus;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

const ROUND_MS = 5000;
/** All nodes are compared with the store this often: it may have been replaced. */
const SWEEP_MS = 10 * 60_000;
/** More than a node can run images. */
const MAX_FINDINGS = 10_000;

/**
 * Stores the findings of the collector about each image that a node runs, and keeps them current until the signal aborts.
 * What a node says about its containers counts for that node only. Findings end when the node does not run the image any
 * more. Resolves once the signal has aborted.
 */
export async function keepImageFindings(options: ImageFindingsOptions): Promise<void> {
  const { judgements, nodesOf, eventBus, store, clock, log, signal } = options;
  const rows = new Map<string, NodeRow['containers']>();
  const due = new Set<string>();
  const note = ({ id, containers }: NodeRow): void => {
    // A row is written with each heartbeat; the list stays the same object while nothing changes.
    if (rows.get(id) !== containers) due.add(id);
    rows.set(id, containers);
  };
  const onImage = (imageId: string): void => {
    for (const nodeId of nodesOf(imageId)) due.add(nodeId);
  };
  const unsubscribe = [
    eventBus.subscribeToNodes((item) => (item.type === 'node' ? note(item.node) : void rows.delete(item.nodeId))),
    ...judgements.map(({ subscribe }) => subscribe(onImage)),
  ];
  let sweptMs = -Infinity;
  const round = async (): Promise<void> => {
    if (clock.monotonic() - sweptMs >= SWEEP_MS) {
      for (const row of await store.nodes()) if (!rows.has(row.id)) note(row);
      for (const nodeId of rows.keys()) due.add(nodeId);
      sweptMs = clock.monotonic();
    }
    for (const nodeId of Array.from(due)) {
      if (signal.aborted) return;
      // What changes while the node is judged makes it due again.
      due.delete(nodeId);
      const containers = rows.get(nodeId);
      try {
        if (containers !== undefined) await judgeNode(nodeId, containers, options);
      } catch (error) {
        due.add(nodeId);
        throw error;
      }
      // Sessions get their turn in between.
      await new Promise(setImmediate);
    }
  };
  while (!signal.aborted) {
    await round().catch((error: unknown) => log.warn({ error }, 'findings about images could not be stored'));
    await sleep(clock, ROUND_MS, signal);
  }
  for (const end of unsubscribe) end();
}

/** Stores what differs of one node. */
async function judgeNode(
  nodeId: string,
  containers: readonly NodeContainer[],
  { judgements, store, eventBus, clock }: ImageFindingsOptions,
): Promise<void> {
  const gone = new Map<string, StoredFinding>();
  // Check by check: the store finds those of one check on one node by their keys.
  for (const check of judgements.flatMap(({ checks }) => checks)) {
    const { findings } = await store.findings({ nodes: [nodeId], checks: [check], limit: MAX_FINDINGS });
    for (const finding of findings) gone.set(finding.id, finding);
  }
  const byImage = Map.groupBy(gone.values(), ({ subject }) => subject.id);
  const put: Finding[] = [];
  for (const [imageId, own] of Map.groupBy(containers, (container) => container.imageId)) {
    const before = new Map(byImage.get(imageId)?.map((finding) => [finding.check, finding]));
    for (const finding of judgements.flatMap(({ judge }) => judge(imageId, own, before))) {
      const stored = before.get(finding.check);
      gone.delete(finding.id);
      if (finding !== stored && (stored === undefined || !sameContent(stored, finding))) put.push(finding);
    }
  }
  if (put.length === 0 && gone.size === 0) return;
  const change = { nodeId, put: put.map(packFinding), gone: [...gone.keys()], atMs: clock.now() };
  for (const result of await store.putCollectorFindings([change])) tell(eventBus, result);
}
