import { tagMoved, tagSource } from '../../posture/check/image/tag-moved.ts';
import { sameContent } from '../../posture/finding.ts';
import type { Finding } from '../../posture/finding.ts';
import { judgeImageTags } from '../../posture/judge.ts';
import { sleep } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import { tell } from '../session/writer.ts';
import type { EventBus } from '../store/event-bus.ts';
import { packFinding } from '../store/row.ts';
import type { NodeContainer, NodeRow, Store, StoredFinding } from '../store/store.ts';
import type { RegistrySource } from './registry-facts.ts';

/** What the findings are made of. */
export interface TagFindingsOptions {
  readonly registries: Pick<RegistrySource, 'tagOf' | 'subscribeToTags'>;
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
/** References of one image on one node. */
const MAX_NAMES = 16;
/** More than a node can run images. */
const MAX_FINDINGS = 10_000;

/**
 * Stores a finding of `image.tag-moved` for each image that a node runs from a tag of a registry that is asked, and keeps
 * it current until the signal aborts. A node's own references count for that node only. A registry that does not answer
 * resolves nothing. Resolves once the signal has aborted.
 */
export async function keepTagFindings(options: TagFindingsOptions): Promise<void> {
  const { registries, nodesOf, eventBus, store, clock, log, signal } = options;
  const rows = new Map<string, NodeRow['containers']>();
  const due = new Set<string>();
  const note = ({ id, containers }: NodeRow): void => {
    // A row is written with each heartbeat; the list stays the same object while nothing changes.
    if (rows.get(id) !== containers) due.add(id);
    rows.set(id, containers);
  };
  const unsubscribe = [
    eventBus.subscribeToNodes((item) => (item.type === 'node' ? note(item.node) : void rows.delete(item.nodeId))),
    registries.subscribeToTags((imageId) => {
      for (const nodeId of nodesOf(imageId)) due.add(nodeId);
    }),
  ];
  let sweptMs = -Infinity;
  const round = async (): Promise<void> => {
    if (clock.monotonic() - sweptMs >= SWEEP_MS) {
      for (const row of await store.nodes()) if (!rows.has(row.id)) note(row);
      for (const nodeId of rows.keys()) due.add(nodeId);
      sweptMs = clock.monotonic();
    }
    for (const nodeId of due) {
      if (signal.aborted) return;
      const containers = rows.get(nodeId);
      if (containers !== undefined) await judgeNode(nodeId, containers, options);
      due.delete(nodeId);
      // Sessions get their turn in between.
      await new Promise(setImmediate);
    }
  };
  while (!signal.aborted) {
    await round().catch((error: unknown) => log.warn({ error }, 'findings about tags could not be stored'));
    await sleep(clock, ROUND_MS, signal);
  }
  for (const end of unsubscribe) end();
}

/** Stores what differs of one node. */
async function judgeNode(
  nodeId: string,
  containers: readonly NodeContainer[],
  { registries, store, eventBus, clock }: TagFindingsOptions,
): Promise<void> {
  const filter = { nodes: [nodeId], checks: [tagMoved.id], limit: MAX_FINDINGS };
  const { findings } = await store.findings(filter);
  const gone = new Map(findings.map((finding) => [finding.subject.id, finding]));
  const put: Finding[] = [];
  for (const [imageId, own] of Map.groupBy(containers, (container) => container.imageId)) {
    const before = gone.get(imageId);
    const finding = judgeImage(imageId, own, { registries, before });
    if (finding === undefined) continue;
    gone.delete(imageId);
    if (finding !== before && (before === undefined || !sameContent(before, finding))) put.push(finding);
  }
  if (put.length === 0 && gone.size === 0) return;
  const ids = [...gone.values()].map(({ id }) => id);
  const change = { nodeId, put: put.map(packFinding), gone: ids, atMs: clock.now() };
  for (const result of await store.putCollectorFindings([change])) tell(eventBus, result);
}

/** The finding about an image of a node: `before` where nothing newer is known, undefined where there is no tag to judge. */
function judgeImage(
  imageId: string,
  containers: readonly NodeContainer[],
  {
    registries,
    before,
  }: { readonly registries: TagFindingsOptions['registries']; readonly before: StoredFinding | undefined },
): Finding | undefined {
  const names = [...new Set(containers.map(({ image }) => image))].slice(0, MAX_NAMES);
  const tags = names.map((name) => registries.tagOf(imageId, name)).filter((tag) => tag !== undefined);
  if (tags.length === 0) return undefined;
  const isOpen = ({ state }: (typeof tags)[number]): boolean => state !== 'same' && state !== 'unknown';
  // Not asked yet, as after a start: what was found before counts until the registry has answered.
  if (tags.some(({ isAsked }) => !isAsked) && !tags.some(isOpen)) return before;
  const finding = judgeImageTags(tagMoved, { imageId, name: names[0] ?? '', tags });
  if (finding.verdict !== 'unknown' || before?.verdict !== 'fail') return finding;
  // The tag that failed has no answer since: that it names the image again is not known.
  const failed = new Set(before.evidence.map(({ source }) => source));
  return tags.some(({ state, reference }) => state === 'unknown' && failed.has(tagSource(reference)))
    ? before
    : finding;
}
