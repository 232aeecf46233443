import { copyFileSync, existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { ensureAuthority } from '../../service/tls/authority.ts';
import { issueCertificate } from '../../service/tls/issue.ts';
import { cannotMountExt4, mountExt4 } from '../component/tmpfs.ts';
import { collector, directoryOf } from './run-collector.ts';
import { dial } from './session/node.ts';
import type { TestNode } from './session/node.ts';
import { delta, hello, on, snapshot } from './session/messages.ts';

/** A collector in this directory, a node of its fleet, and what its operator sees. */
async function start(t: Test, directory: string, more: Parameters<typeof collector>[2] = {}) {
  const running = await collector(t, { 'data-dir': directory }, more);
  const { api, listen } = await running.ready;
  const authorization = `Bearer ${readFileSync(join(directory, 'operator-token'), 'utf8').trim()}`;
  const ask = async (path: string): Promise<Record<string, unknown>> => {
    const answer = await fetch(`http://127.0.0.1:${String(api.port)}${path}`, { headers: { authorization } });
    return (await answer.json()) as Record<string, unknown>;
  };
  const connect = async (
    said: Parameters<typeof hello>[0],
  ): Promise<{ node: TestNode; committed: number; resync: boolean }> => {
    const authority = await ensureAuthority(join(directory, 'tls'), Date.now());
    const identity = await issueCertificate({ kind: 'node', nodeId: 'n1' }, authority, Date.now());
    const node = dial({ address: `127.0.0.1:${String(listen.port)}`, ca: authority.certificatePem, identity });
    t.teardown(node.close);
    node.say(hello(said));
    const { committedSequence, resync } = await node.hearA('welcome');
    return { node, committed: committedSequence ?? 0, resync: resync === true };
  };
  const issues = async (): Promise<readonly { code: string; advice: string; text: string }[]> =>
    ((await ask('/v1/status'))['issues'] as { code: string; advice: string; text: string }[]).filter(
      ({ code }) => code !== 'storeSpace',
    );
  return { ...running, ask, connect, issues };
}

/** Positions and uids of what was shipped, in order. */
function shipped(directory: string): readonly { readonly uid: string; readonly position: number }[] {
  const lines = readFileSync(join(directory, 'events.ndjson'), 'utf8').trimEnd().split('\n');
  const events = lines.map((line) => JSON.parse(line) as { class_uid: number; metadata: { uid: string } });
  // Detections are beside the findings that they are about.
  const findings = events.filter(({ class_uid: uid }) => uid === 2003);
  return findings.map(({ metadata: { uid } }) => {
    return { uid, position: parseInt(uid.split('-')[1] ?? '', 36) };
  });
}

async function acked(node: TestNode, sequence: number): Promise<void> {
  while ((await node.hearA('ack')).sequence !== sequence);
}

void t.test('a store that was restored from a backup: no position comes twice, and status says so', async (t) => {
  const directory = directoryOf(t);
  const first = await start(t, directory);
  const { node } = await first.connect({ ackedSequence: 0 });
  node.say(snapshot(1, [on('a')]));
  await acked(node, 1);
  node.close();
  await first.end();
  const backup = join(directory, 'backup.sqlite');
  copyFileSync(join(directory, 'store.sqlite'), backup);

  const second = await start(t, directory);
  const later = await second.connect({ ackedSequence: 1 });
  t.notOk(later.resync);
  later.node.say(delta(2, [on('b'), on('c')], { gone: [on('a').id] }));
  await acked(later.node, 2);
  later.node.close();
  await second.end();
  const before = shipped(directory);
  t.same(
    before.map(({ position }) => position),
    [1, 2, 3, 4],
  );

  copyFileSync(backup, join(directory, 'store.sqlite'));
  const third = await start(t, directory);
  t.match(await third.issues(), [{ code: 'storeRestored', advice: /send their findings again/ }, {}]);
  const restored = await third.connect({ ackedSequence: 2 });
  t.ok(restored.resync, 'the node knows of more');
  restored.node.say(snapshot(3, [on('b'), on('d')]));
  await acked(restored.node, 3);
  t.match(await third.ask('/v1/history?finding=0'), { entries: [] }, 'history is found across the jump');
  t.equal(((await third.ask('/v1/history?node=n1')) as { entries: unknown[] }).entries.length, 4);
  restored.node.close();
  await third.end();
  const after = shipped(directory).slice(before.length);
  t.equal(after.length, 3, 'a is resolved, b and d are opened');
  const [used, uids] = [new Set(before.map(({ position }) => position)), new Set(before.map(({ uid }) => uid))];
  for (const { uid, position } of after) t.notOk(used.has(position) || uids.has(uid), uid);

  const fourth = await start(t, directory);
  t.notMatch(JSON.stringify(await fourth.issues()), /storeRestored/, 'it is said until the next start');
});

void t.test('a whole directory that was restored: the first node that knows of more shows it', async (t) => {
  const directory = directoryOf(t);
  const first = await start(t, directory);
  const { node } = await first.connect({ ackedSequence: 0 });
  node.say(snapshot(1, [on('a')]));
  await acked(node, 1);
  t.same(await first.issues(), []);
  node.close();
  const { node: again, resync } = await first.connect({ ackedSequence: 7 });
  t.ok(resync);
  t.match(await first.issues(), [{ code: 'storeRestored' }]);
  again.say(snapshot(8, [on('a'), on('b')]));
  await acked(again, 8);
  await first.end();
  t.ok((shipped(directory).at(-1)?.position ?? 0) > 1e15, 'positions go on from the time');
});

void t.test('an agent whose data directory is an old copy is named', async (t) => {
  const running = await start(t, directoryOf(t));
  const { node } = await running.connect({ ackedSequence: 0, sentSequence: 0 });
  node.say(snapshot(1, [on('a')]));
  node.say(delta(2, [on('b')]));
  await acked(node, 2);
  node.close();
  // The last ack was lost: nothing unusual.
  (await running.connect({ ackedSequence: 1, sentSequence: 2 })).node.close();
  t.notMatch(JSON.stringify(await running.issues()), /agentRestored/);
  (await running.connect({ ackedSequence: 1, sentSequence: 1 })).node.close();
  t.match(
    (await running.issues()).filter(({ code }) => code === 'agentRestored'),
    [{ text: /old copy/, advice: /no action is needed.*give each its own/ }],
  );
});

void t.test('a store that is deleted while the collector runs', async (t) => {
  const directory = directoryOf(t);
  const running = await start(t, directory);
  const { node } = await running.connect({ ackedSequence: 0 });
  node.say(snapshot(1, [on('a')]));
  await acked(node, 1);
  for (const suffix of ['', '-wal', '-shm']) rmSync(join(directory, `store.sqlite${suffix}`), { force: true });
  t.match(await running.issues(), [
    { code: 'storeReplaced', text: /removed or replaced/, advice: /start the collector/ },
  ]);
  node.close();
  await running.end();
  const used = shipped(directory);
  const next = await start(t, directory);
  t.match(await next.issues(), [{ code: 'storeRestored' }]);
  const { node: back } = await next.connect({ ackedSequence: 1 });
  back.say(snapshot(2, [on('a')]));
  await acked(back, 2);
  await next.end();
  const positions = shipped(directory).map(({ position }) => position);
  t.equal(new Set(positions).size, used.length + 1, 'no position comes twice');
});

void t.test('an authority that is gone is not replaced without a word', async (t) => {
  const directory = directoryOf(t);
  const running = await start(t, directory);
  const moved = `${directory}-tls`;
  t.teardown(() => rmSync(moved, { recursive: true, force: true }));
  renameSync(join(directory, 'tls'), moved);
  t.match(await running.issues(), [{ code: 'tlsFilesMissing', text: /ca\.pem/, advice: /restore them/ }]);
  await running.end();
  await t.rejects((await collector(t, { 'data-dir': directory })).ready, {
    name: 'TlsError',
    code: 'absent',
    message: /used before: restore .*tls from a backup/,
  });
  t.notOk(existsSync(join(directory, 'tls', 'ca.pem')), 'nothing was made');
  renameSync(moved, join(directory, 'tls'));
  const next = await start(t, directory);
  t.same(await next.issues(), []);
});

void t.test(
  'a file system that the kernel made read-only: the store is named, not the nodes',
  { skip: cannotMountExt4() },
  async (t) => {
    const { directory, failReadOnly } = mountExt4(t);
    const running = await start(t, directory);
    const { node } = await running.connect({ ackedSequence: 0 });
    node.say(snapshot(1, [on('a')]));
    await acked(node, 1);
    failReadOnly();
    node.say(delta(2, [on('b')]));
    const deadline = Date.now() + 15_000;
    let told = await running.issues();
    while (told.length === 0 && Date.now() < deadline) {
      await sleep(50);
      told = await running.issues();
    }
    t.match(told[0], { code: 'storeFailing', text: /cannot be written/, advice: /read-write|dmesg/ });
    t.notMatch(JSON.stringify(told), /node(Offline|Stale)/, 'no node is blamed');
    t.match(await running.ask('/readyz'), { error: { message: 'not ready: storeFailing' } });
    t.strictSame(await running.ask('/livez'), { status: 'ok' });
    await running.end();
  },
);

void t.test(
  'a frozen file system: status says so, nothing hangs, and everything goes on after the thaw',
  { skip: cannotMountExt4() },
  async (t) => {
    const { directory, freeze } = mountExt4(t);
    const running = await start(t, directory, { diskProbe: { intervalMs: 100, deadlineMs: 300 } });
    const { node } = await running.connect({ ackedSequence: 0 });
    node.say(snapshot(1, [on('a')]));
    await acked(node, 1);
    // Rows of nodes are written a second later, events when the sink has taken them.
    await sleep(1500);
    t.same(await running.issues(), []);
    const thaw = freeze();
    t.teardown(thaw);
    const frozen = Date.now();
    let found = await running.issues();
    while (found.length === 0 && Date.now() < frozen + 10_000) {
      await sleep(50);
      found = await running.issues();
    }
    t.match(found, [{ code: 'diskFailing', text: /no answer for/, advice: /fsfreeze --unfreeze/ }]);

    node.say(delta(2, [on('b')]));
    await sleep(500);
    const asked = Date.now();
    t.match(await running.issues(), [{ code: 'diskFailing', advice: /fsfreeze --unfreeze/ }]);
    t.match(await running.ask('/v1/findings'), { findings: [{}] }, 'reads go on');
    t.match(await running.ask('/readyz'), { error: { message: 'not ready: diskFailing' } });
    t.ok(Date.now() - asked < 2000, 'the collector answers at once');
    t.ok(Date.now() - frozen < 19_000, 'still frozen');
    thaw();
    await acked(node, 2);
    await sleep(200);
    t.same(await running.issues(), []);
    t.strictSame(await running.ask('/readyz'), { status: 'ok' });
    node.close();
    await running.end();
  },
);
