import { closeSync, copyFileSync, existsSync, openSync, readdirSync, readSync, statSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import t from 'tap';
import type { Test } from 'tap';
import { StoreError } from '../../../collector/store/error.ts';
import { openHealingStore } from '../../../collector/store/healing.ts';
import { openSqliteStore } from '../../../collector/store/sqlite.ts';
import type { Store } from '../../../collector/store/store.ts';
import { startVerification } from '../../../collector/store/verification.ts';
import { digestOf } from '../../../posture/digest.ts';
import { findingContent } from '../../../posture/finding.ts';
import type { Finding } from '../../../posture/finding.ts';
import { systemClock } from '../../../service/clock.ts';
import { until } from '../../agent/transport/link-node.ts';
import { createRandom } from '../../fixture/random.ts';
import { all, commit, finding, nodeRow } from './fleet.ts';

const SILENT = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const NODES = ['n1', 'n2', 'n3'];

/** What a node has: findings of every verdict on containers and files. */
function findingsOf(nodeId: string): readonly Finding[] {
  const verdicts = ['fail', 'pass', 'unknown', 'notApplicable', 'manual'] as const;
  return Array.from({ length: 120 }, (_, index) =>
    finding({
      check: `area.check-${String(index % 12)}`,
      kind: index % 5 === 0 ? 'file' : 'container',
      on: `${nodeId}-${String(Math.floor(index / 12))}`,
      verdict: verdicts[index % 5] ?? 'fail',
      ...(index % 5 === 2 ? { reason: 'cannot be read: EACCES' } : {}),
    }),
  );
}

async function fill(path: string): Promise<void> {
  const store = await openSqliteStore({ path });
  for (const nodeId of NODES) {
    await store.putNodes([nodeRow({ id: nodeId, name: nodeId })]);
    await store.commit([commit({ nodeId, sequence: 1, snapshot: true, put: findingsOf(nodeId) })]);
  }
  await store.close();
}

/** What a collector and a node do when they meet: heartbeat, and a full transfer where the digests differ. */
async function meet(store: Store, nodeId: string): Promise<void> {
  const put = findingsOf(nodeId);
  const state = await store.replicationState(nodeId);
  const isSame =
    state?.epoch === 'e1' &&
    state.committedSequence === 1 &&
    state.digest === digestOf(put) &&
    state.findings === put.length;
  if (!isSame) await store.commit([commit({ nodeId, epoch: 'e2', sequence: 1, snapshot: true, put })]);
}

/** By node, what each finding says. */
function contentsOf(findings: readonly (Finding & { readonly nodeId: string })[]): readonly string[] {
  return findings.map((one) => `${one.nodeId} ${findingContent(one)}`).sort();
}

const EXPECTED = NODES.flatMap((nodeId) => findingsOf(nodeId).map((one) => `${nodeId} ${findingContent(one)}`)).sort();

/**
 * What became of a damaged file after a start, verification, and a meeting with every node: `equal`, `quarantined`,
 * `refused`, or what is wrong.
 */
async function recovered(path: string): Promise<string> {
  let opened;
  try {
    opened = await openHealingStore({ path, clock: systemClock(), log: SILENT, onReplaced: () => undefined });
  } catch (error) {
    if (error instanceof StoreError) return 'refused';
    throw error;
  }
  const { store } = opened;
  try {
    for (const { id } of await store.nodes()) await store.verify(id);
    for (const nodeId of NODES) {
      await store.putNodes([nodeRow({ id: nodeId, name: nodeId })]);
      await meet(store, nodeId);
    }
    const isAside = readdirSync(dirname(path)).some((name) => name.startsWith(`${basename(path)}.damaged-`));
    const found = contentsOf(await all(store));
    if (JSON.stringify(found) === JSON.stringify(EXPECTED)) return isAside ? 'quarantined' : 'equal';
    return `silently wrong: ${String(found.length)} findings, ${found.find((one) => !EXPECTED.includes(one)) ?? 'one is missing'}`;
  } catch (error) {
    return error instanceof StoreError ? `fails: ${error.message}` : String(error);
  } finally {
    await store.close();
  }
}

function flip(path: string, random: () => number, count: number): void {
  const file = openSync(path, 'r+');
  const { size } = statSync(path);
  for (let times = 0; times < count; times += 1) {
    const offset = Math.floor(random() * size);
    const byte = Buffer.alloc(1);
    readSync(file, byte, 0, 1, offset);
    writeSync(file, Buffer.of((byte[0] ?? 0) ^ (1 + Math.floor(random() * 255))), 0, 1, offset);
  }
  closeSync(file);
}

const TRIES = Number(process.env['PLIMSOLL_TEST_FLIPS'] ?? 60);

await t.test(`flipped bytes in a stopped store, ${String(TRIES)} tries: never silently wrong`, async (t) => {
  const outcomes: Record<string, number> = {};
  const wrong: string[] = [];
  const sound = join(t.testdir(), 'sound.sqlite');
  await fill(sound);
  for (let seed = 1; seed <= TRIES; seed += 1) {
    const path = join(dirname(sound), `store-${String(seed)}.sqlite`);
    copyFileSync(sound, path);
    flip(path, createRandom(seed).next, 1 + (seed % 4) * 5);
    const outcome = await recovered(path);
    outcomes[outcome.split(':')[0] ?? ''] = (outcomes[outcome.split(':')[0] ?? ''] ?? 0) + 1;
    if (!['equal', 'quarantined', 'refused'].includes(outcome)) wrong.push(`seed ${String(seed)}: ${outcome}`);
  }
  t.comment(JSON.stringify(outcomes));
  t.same(wrong, []);
});

/** What a cell may hold after damage that SQLite itself does not see. */
const CELLS: Readonly<Record<string, string>> = {
  'text of a detail': `UPDATE finding SET detail = replace(detail, 'CapEff', 'CapEfg') WHERE key = $KEY`,
  'a detail that is no JSON': `UPDATE finding SET detail = replace(detail, '[', 'x') WHERE key = $KEY`,
  'a verdict': `UPDATE finding SET status_code = 15 WHERE key = $KEY`,
  'a verdict that does not exist': `UPDATE finding SET status_code = 77 WHERE key = $KEY`,
  'a name': `UPDATE finding SET name = 'other' WHERE key = $KEY`,
  'a hash': `UPDATE finding SET hash = hash + 1 WHERE key = $KEY`,
  'a hash beyond what a double holds': `UPDATE finding SET hash = hash + 9007199254740992 WHERE key = $KEY`,
  'a finding that is gone': `DELETE FROM finding WHERE key = $KEY`,
  'a subject': `UPDATE subject SET text = text || 'x' WHERE key = $KEY >> 20`,
  'a subject of another node': `UPDATE subject SET node = 2 WHERE key = $KEY >> 20`,
  'a subject that is gone': `DELETE FROM subject WHERE key = $KEY >> 20`,
  'a check': `UPDATE check_name SET id = 'area.other' WHERE key = $KEY & 1048575`,
  'a check that is gone': `DELETE FROM check_name WHERE key = $KEY & 1048575`,
  'the node of a finding': `UPDATE finding SET node = 2 WHERE key = $KEY`,
  'the digest of the node': `UPDATE node SET digest = digest + 1 WHERE key = 1`,
  'the number of findings': `UPDATE node SET findings = findings + 1 WHERE key = 1`,
  'an epoch': `UPDATE node SET epoch = 'e9' WHERE key = 1`,
};

await t.test('damaged cells that SQLite does not see', async (t) => {
  for (const [what, sql] of Object.entries(CELLS)) {
    const path = join(t.testdir(), 'store.sqlite');
    await fill(path);
    const db = new DatabaseSync(path);
    const key = String(db.prepare('SELECT key FROM finding WHERE node = 1 LIMIT 1 OFFSET 30').get()?.['key']);
    db.exec(sql.replaceAll('$KEY', key));
    db.close();
    t.match(await recovered(path), /^(?:equal|quarantined)$/, what);
  }
});

await t.test('a sound store is left as it is, also while commits come in between', async (t: Test) => {
  const path = join(t.testdir(), 'store.sqlite');
  await fill(path);
  const store = await openSqliteStore({ path });
  t.equal(await store.verify('nobody'), undefined);
  const before = await store.replicationState('n1');
  const verified = store.verify('n1');
  await store.commit([commit({ nodeId: 'n1', sequence: 2, put: [finding({ on: 'while-it-runs' })] })]);
  t.equal(await verified, 'sound');
  t.match(await store.replicationState('n1'), {
    epoch: 'e1',
    committedSequence: 2,
    findings: (before?.findings ?? 0) + 1,
  });
  t.notOk(existsSync(`${path}.damaged`));
  await store.close();
});

await t.test(
  'at the start every node is verified; one with damaged rows has no state until it sends all',
  async (t) => {
    const path = join(t.testdir(), 'store.sqlite');
    await fill(path);
    const db = new DatabaseSync(path);
    db.exec(`UPDATE finding SET detail = replace(detail, 'CapEff', 'CapEfg') WHERE node = 2`);
    db.close();
    const store = await openSqliteStore({ path });
    const stop = new AbortController();
    const { repaired, over } = startVerification({ store, clock: systemClock(), log: SILENT, signal: stop.signal });
    await until('it is noticed', () => repaired().length > 0);
    t.same(repaired(), [{ kind: 'repaired', nodeId: 'n2' }]);
    t.equal(await store.replicationState('n2'), undefined, 'its next heartbeat asks for everything');
    t.match(await store.replicationState('n1'), { epoch: 'e1', committedSequence: 1 });
    await meet(store, 'n2');
    t.equal(await store.verify('n2'), 'sound');
    t.same((await all(store)).map((one) => `${one.nodeId} ${findingContent(one)}`).sort(), EXPECTED);
    stop.abort();
    await over;
    await store.close();
  },
);
