import type { Test } from 'tap';
import type { Store } from '../../../collector/store/store.ts';
import {
  batches,
  collectorFindings,
  epochs,
  gone,
  lifecycle,
  sequences,
  snapshots,
  times,
} from './conformance-commit.ts';
import { removes, forgottenHistory, removedNodesComeBack } from './conformance-remove-node.ts';
import {
  imageClaims,
  imagesAtRest,
  imageScans,
  imageInventories,
  imagePlaces,
  prunesImages,
  inventoryGoneWhileWritten,
} from './conformance-images.ts';
import {
  vulnerabilityLifecycle,
  judgementsInParts,
  vulnerabilityRatings,
  vulnerabilitiesInSlices,
  vulnerabilitiesAtRest,
} from './conformance-vulnerabilities.ts';
import { history, historyRange, outbox } from './conformance-outbox.ts';
import { deadLetters, fullDeadLetters } from './conformance-dead-letters.ts';
import { counts, filters, groups, literalText, nodes, pages, refusals } from './conformance-query.ts';
import { randomChanges } from './conformance-random.ts';
import { trend, trendAtTheEdges } from './conformance-trend.ts';

/** Opens a store that nobody has used; it is closed by the suite. */
export type OpenStore = (t: Test) => Promise<Store>;

export async function storeConformance(t: Test, open: OpenStore): Promise<void> {
  const check = (name: string, body: (t: Test, store: Store) => Promise<void>): Promise<unknown> =>
    t.test(name, async (t) => {
      const store = await open(t);
      try {
        await body(t, store);
      } finally {
        await store.close();
      }
    });
  await check('sequences: next, duplicate, gap', sequences);
  await check('a new epoch begins with a snapshot', epochs);
  await check('opened, changed, resolved: what makes events and what does not', lifecycle);
  await check('gone: resolved with what was last seen', gone);
  await check('a snapshot makes events for real differences only', snapshots);
  await check('times: the node is believed within reason', times);
  await check('one batch, many nodes, in order', batches);
  await check('findings of the collector are apart from those of the node', collectorFindings);
  await check('findings: filters', filters);
  await check('findings: any text is looked for literally', literalText);
  await check('findings: worst first, pages without loss or doubles while rows change', pages);
  await check('findings: groups', groups);
  await check('counts', counts);
  await check('nodes', nodes);
  await check('a node is removed: what was open is resolved, nothing is left', removes);
  await check('a node that was removed comes back as a new one', removedNodesComeBack);
  await check('the history of a node that was removed goes with all history', forgottenHistory);
  await check('outbox, cursors and prune', outbox);
  await check('dead letters: kept, replayed with their uids, purged', deadLetters);
  await check('dead letters: the oldest of one sink go, and none of another', fullDeadLetters);
  await check('history', history);
  await check('how far back history goes', historyRange);
  await check('what is not allowed is refused by code', refusals);
  await check('trend: nothing stored, late words, clocks set back, what was pruned, refusals', trendAtTheEdges);
  await check('trend: random changes, counted again from the beginning', trend);
  await check('images: what nodes say about them, and which inventories are wanted', imageClaims);
  await check('images at rest', imagesAtRest);
  await check('images: what the collector has read itself', imageScans);
  await check('images: an inventory and a package version are stored once', imageInventories);
  await check('images: where a package version is, from layers and from a container', imagePlaces);
  await check('images: judgements with many vulnerabilities are stored in parts', judgementsInParts);
  await check('an inventory that is deleted while it is written', inventoryGoneWhileWritten);
  await check('vulnerabilities of images at rest', vulnerabilitiesAtRest);
  await check('thousands of vulnerabilities of one package are stored in slices', vulnerabilitiesInSlices);
  await check('vulnerabilities: opened, changed, resolved, and what is not resolved', vulnerabilityLifecycle);
  await check('vulnerabilities: each package version has its own severity and risk', vulnerabilityRatings);
  await check('images that no node runs go, and their vulnerabilities are resolved', prunesImages);
  await check('random changes: the findings equal apply(), the digest equals digestOf()', randomChanges);
}
