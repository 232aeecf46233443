import { tmpdir } from 'node:os';
import { pathToFileURL } from 'node:url';
import t from 'tap';
import type { Test } from 'tap';
import type { ImageSource } from '../../../../image/inventory/image-source.ts';
import { runInventory } from '../../../../image/inventory/run-inventory.ts';
import type { InventoryOutcome } from '../../../../image/inventory/run-inventory.ts';
import { bundleModule } from '../../../fixture/bundle.ts';
import { writeArchive } from '../../../fixture/image-archive.ts';
import { inventoryOf, makeRoot } from '../../../fixture/image-root.ts';
import { HOSTILE_ARCHIVES } from './archives.ts';
import { HOSTILE_ROOTS, SOUND_DATABASES } from './databases.ts';

// Each case starts a thread: from source, loading its modules would take most of the time.
const { script, remove } = await bundleModule('image/inventory/worker.ts');
t.teardown(remove);
const worker = pathToFileURL(script);
const RELEASE = { 'etc/os-release': 'ID=debian\n' };
/** What each case may cost; a machine under load gets the whole deadline. */
const LIMITS = { deadlineMs: 20_000, maxHeapMb: 96 };
/** Buffers outside of the heap, of this process with two workers: a bound on what no limit of the heap counts. */
const MAX_EXTERNAL_MIB = 700;

const run = (source: ImageSource): Promise<InventoryOutcome> => runInventory({ source, worker, ...LIMITS });
const namesOf = (outcome: InventoryOutcome): string[] =>
  outcome.ok ? outcome.inventory.packages.map(({ name }) => name) : [outcome.reason];
const gapsOf = (outcome: InventoryOutcome): string[] =>
  outcome.ok ? outcome.inventory.gaps.map(({ path, reason }) => `${path}: ${reason}`) : [];

void t.test('at least 40 hostile archives and databases', (t) => {
  t.ok(HOSTILE_ARCHIVES.length + HOSTILE_ROOTS.length >= 40);
  t.end();
});

/** Two at a time. */
async function each<T>(cases: readonly T[], examine: (item: T) => Promise<void>): Promise<void> {
  const pending = [...cases];
  const next = async (): Promise<void> => {
    for (let item = pending.shift(); item !== undefined; item = pending.shift()) await examine(item);
  };
  await Promise.all([next(), next()]);
}

/** An image of a distribution without a package of it has a gap for that as well, whose path comes first. */
function checkGaps(t: Test, name: string, outcome: InventoryOutcome, gaps: readonly RegExp[]): void {
  const found = gapsOf(outcome);
  const isEmpty = outcome.ok && outcome.inventory.distribution !== undefined && outcome.inventory.packages.length === 0;
  const wanted = isEmpty ? [/^\/etc\/os-release: names debian, but no package of it/, ...gaps] : gaps;
  t.equal(found.length, wanted.length, `${name}: ${found.join('; ')}`);
  for (const [index, pattern] of wanted.entries()) t.match(found[index], pattern, name);
}

void t.test('archives', { timeout: 120_000 }, async (t) => {
  await each(HOSTILE_ARCHIVES, async ({ name, bytes, refused, packages = [], gaps = [] }) => {
    const path = writeArchive(t, await bytes());
    const outcome = await run({ kind: 'archive', path, temporaryDirectory: tmpdir() });
    if (refused !== undefined) {
      t.match(outcome, { ok: false, code: 'unreadable', reason: refused }, name);
      return;
    }
    t.strictSame(namesOf(outcome), packages, name);
    checkGaps(t, name, outcome, gaps);
  });
  t.ok(process.resourceUsage().maxRSS / 1024 < MAX_EXTERNAL_MIB + 500, String(process.resourceUsage().maxRSS));
});

void t.test('databases', { timeout: 120_000 }, async (t) => {
  for (const [path, bytes] of Object.entries(SOUND_DATABASES)) {
    const { packages, gaps } = inventoryOf(makeRoot(t, { ...RELEASE, [path]: bytes() }));
    t.match(packages, [{ name: 'a', version: '1.0-1' }], `${path} is sound`);
    t.strictSame(gaps, []);
  }
  await each(HOSTILE_ROOTS, async ({ name, files, prepare, packages, gaps }) => {
    const root = makeRoot(t, { ...RELEASE, ...files() });
    prepare?.(root);
    const outcome = await run({ kind: 'directory', path: root, mounts: 'volume' });
    t.strictSame(namesOf(outcome), packages, name);
    checkGaps(t, name, outcome, gaps);
  });
});
