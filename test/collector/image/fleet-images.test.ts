import t from 'tap';
import { knowledgeOf } from '../../../collector/image/fleet-images.ts';
import type { StoredClaim, StoredInventory } from '../../../collector/store/image-store.ts';
import type { DatabaseState } from '../../../collector/image/database-keeper.ts';

const NO_COUNTS = { critical: 0, high: 0, medium: 0, low: 0, other: 0, fixable: 0, exploited: 0, maxRisk: 0 };
const CURRENT: DatabaseState = { state: 'ok', builtMs: 1, problem: '' };

const claim = (more: Partial<StoredClaim> = {}): StoredClaim => ({
  imageId: 'sha256:a',
  source: 'layers',
  digest: 'd1',
  problem: '',
  nodeId: 'n1',
  nodeName: 'web-1',
  isStored: true,
  inUse: true,
  changedMs: 1,
  ...more,
});

const inventory = (more: Partial<StoredInventory> = {}): StoredInventory => ({
  digest: 'd1',
  packages: 100,
  gaps: 0,
  receivedMs: 1,
  unjudged: 0,
  waiting: 0,
  counts: NO_COUNTS,
  ...more,
});

/** State and reason of an image. */
const stateOf = (
  claims: readonly StoredClaim[],
  inventories: readonly StoredInventory[] = [inventory()],
  database: DatabaseState = CURRENT,
): string => {
  const stored = new Map(inventories.map((one) => [one.digest, one]));
  const { state, reason } = knowledgeOf(claims, stored, database);
  return `${state}: ${reason}`;
};

void t.test('only what was completely read and judged is complete', (t) => {
  t.equal(stateOf([claim()]), 'complete: ');
  t.match(stateOf([claim()], [inventory({ packages: 0 })]), /^partial: no packages were found/);
  t.match(stateOf([claim()], [inventory({ gaps: 2 })]), /^partial: 2 parts could not be read/);
  t.match(stateOf([claim()], [inventory({ unjudged: 3 })]), /^partial: 3 packages could not be judged/);
  t.match(stateOf([claim()], [inventory({ waiting: 1 })]), /^pending: /);
  t.match(stateOf([claim({ source: 'container' })]), /^partial: it was read through a container/);
  t.match(stateOf([]), /^unknown: no agent has reported/);
  t.match(stateOf([claim({ isStored: false })]), /^pending: /);
  t.equal(stateOf([claim({ isStored: false, problem: 'EACCES' })]), 'unknown: EACCES');
  for (const state of ['missing', 'damaged', 'older'] as const)
    t.match(stateOf([claim()], undefined, { state, problem: state }), /^(?:unknown|partial): /, state);
  t.match(stateOf([claim()], undefined, { state: 'missing', problem: 'gone' }), 'unknown: ');
  t.match(
    stateOf([claim()], undefined, { state: 'tooOld', builtMs: 1, problem: 'old' }),
    /^partial: .*not current: old/,
  );
  t.end();
});

void t.test('a node that shows a clean image does not hide what another node found', (t) => {
  const counts = { ...NO_COUNTS, critical: 1, maxRisk: 90 };
  const inventories = new Map([
    ['d1', inventory({ counts })],
    ['d2', inventory({ digest: 'd2', packages: 0 })],
  ]);
  const clean = claim({ nodeId: 'n2', digest: 'd2' });
  for (const claims of [
    [claim(), clean],
    [clean, claim()],
  ])
    t.match(knowledgeOf(claims, inventories, CURRENT), { state: 'partial', conflict: true, counts, packages: 100 });
  const shown = { ...clean, source: 'container' } as const;
  t.match(knowledgeOf([shown, claim()], inventories, CURRENT), { state: 'complete', conflict: false, counts });
  t.end();
});
