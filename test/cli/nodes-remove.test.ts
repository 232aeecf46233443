import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import t from 'tap';
import type { Test } from 'tap';
import { runCollector } from '../../collector/main.ts';
import type { CollectorReady } from '../../collector/main.ts';
import { openJoinTokens } from '../../collector/enrollment/join-tokens.ts';
import { openRevocations } from '../../collector/enrollment/revocations.ts';
import { openSqliteStore } from '../../collector/store/sqlite.ts';
import { systemClock } from '../../service/clock.ts';
import { startServer, TOKEN } from '../collector/api/server.ts';
import { commit, finding, nodeRow } from '../collector/store/fleet.ts';
import { settingsWith } from '../fixture/settings.ts';
import { environmentOf, plimsoll, PROGRAM, temporaryDirectory } from './process.ts';
import type { Run } from './process.ts';
import { DATABASE_WORKER } from '../fixture/workers.ts';

const DAY_MS = 86_400_000;
/** The age of a node that never had a session. */
const NEVER = -1;
const hasScript = spawnSync('script', ['--version']).status === 0;

/** A real collector with nodes that were last seen this number of days ago, none of them connected. */
async function fleet(t: Test, days: Readonly<Record<string, number>>) {
  const directory = temporaryDirectory(t);
  const store = await openSqliteStore({ path: join(directory, 'store.sqlite') });
  for (const [id, age] of Object.entries(days)) {
    const name = id.replace(/^twin-\d$/, 'twin');
    const lastSeenMs = age === NEVER ? 0 : Date.now() - age * DAY_MS;
    await store.putNodes([nodeRow({ id, name, connected: false, lastSeenMs })]);
    const put = [
      finding(),
      finding({ on: 'b', verdict: 'unknown', reason: 'x' }),
      finding({ on: 'c', verdict: 'pass' }),
    ];
    await store.commit([commit({ nodeId: id, sequence: 1, snapshot: true, put })]);
  }
  await store.close();
  const own = { listen: '127.0.0.1:0', api: '127.0.0.1:0', 'data-dir': directory, 'sink-ndjson': 'off' };
  const settings = await settingsWith('collector', own);
  const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
  const stop = new AbortController();
  const { promise: ready, resolve, reject } = Promise.withResolvers<CollectorReady>();
  const over = runCollector({
    settings,
    version: '0.1.0',
    clock: systemClock(),
    log: silent,
    signal: stop.signal,
    onReady: resolve,
    databaseWorker: DATABASE_WORKER,
    inventoryWorker: new URL('../../image/inventory/worker.ts', import.meta.url),
    standardOutput: process.stderr,
  });
  over.catch(reject);
  t.teardown(async () => {
    stop.abort();
    await over;
  });
  const { api } = await ready;
  const flags = ['--api', `127.0.0.1:${String(api.port)}`, '--data-dir', directory];
  const run = (...args: readonly string[]): Promise<Run> => plimsoll(['nodes', ...args, ...flags]);
  const left = async (): Promise<readonly string[]> => {
    const { nodes } = JSON.parse((await run('--output', 'json')).stdout) as { nodes: { id: string }[] };
    return nodes.map(({ id }) => id);
  };
  return { directory, flags, run, left };
}

await t.test('nodes are chosen by name, id or age; nothing goes before all is clear', async (t) => {
  const { run, left } = await fleet(t, { old: 9, older: 30, fresh: 1, 'twin-1': 2, 'twin-2': 2 });
  const refused: readonly (readonly [args: readonly string[], problem: RegExp])[] = [
    [['remove'], /no node is named/],
    [['remove', 'old', '--stale-for', '7d'], /no node is named/],
    [['remove', '--stale-for', 'week'], /--stale-for: "week" is not a duration/],
    [['remove', '--stale-for', '0d'], /not a duration/],
    [['remove', 'old', 'frehs', '--yes'], /no node has the id or name "frehs"; did you mean fresh\?/],
    [['remove', 'old', 'twin', '--yes'], /2 nodes are called twin; use an id: twin-1, twin-2/],
    [['remove', 'old'], /there is no terminal\n {2}to remove without asking: --yes/],
    [['retire'], /nodes does not know "retire"/],
    [['--yes'], /--yes is for: plimsoll nodes remove/],
    [['revoke', 'old', '--dry-run'], /--dry-run is for: plimsoll nodes remove/],
    [['revoke', 'old', '--stale-for', '7d'], /--stale-for is for: plimsoll nodes remove/],
    [['show', 'old', '-y'], /--yes is for: plimsoll nodes remove/],
  ];
  for (const [args, problem] of refused) {
    const { code, stdout, stderr } = await run(...args);
    t.match({ code, stdout, stderr }, { code: 2, stdout: '', stderr: problem }, args.join(' '));
  }
  const dry = await run('remove', '--stale-for', '7d', '--dry-run', '--output', 'ndjson');
  t.equal(dry.code, 0);
  t.match(
    dry.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown),
    [
      { id: 'older', outcome: 'wouldBeRemoved', findings: 3, resolved: 2 },
      { id: 'old', outcome: 'wouldBeRemoved' },
    ],
  );
  t.same(await left(), ['fresh', 'old', 'older', 'twin-1', 'twin-2'], 'nothing has gone');

  const { code, stdout } = await run('remove', 'fresh', 'twin-2', 'fresh', '--yes', '--output', 'json');
  t.equal(code, 0);
  t.match(JSON.parse(stdout), {
    nodes: [
      { id: 'fresh', name: 'fresh', outcome: 'removed', findings: 3, resolved: 2 },
      { id: 'twin-2', name: 'twin', outcome: 'removed' },
    ],
  });
  const stale = await run('remove', '--stale-for', '7d', '--yes');
  t.equal(
    stale.stdout,
    [
      'NODE   LAST SEEN  RESOLVED  OUTCOME',
      'older  30 d ago          2  removed',
      'old    9 d ago           2  removed',
      '',
    ].join('\n'),
  );
  t.same(await left(), ['twin-1']);
  t.match(await run('remove', '--stale-for', '7d'), { code: 0, stdout: 'No matching nodes.\n' }, 'nothing to ask');
});

await t.test('a node that never had a session: said, and removed by name only', async (t) => {
  const { run, flags } = await fleet(t, { old: 9, new: NEVER });
  t.match((await run()).stdout, /^new +never enrolled /m);
  t.match((await run('-o', 'csv')).stdout, /^new,neverEnrolled,/m);
  t.match((await run('show', 'new')).stdout, /state +never enrolled: no agent has connected from this node/);
  const status = await plimsoll(['status', ...flags]);
  t.match(status.stdout, /nodes +0 connected, 1 offline, 1 never enrolled/);
  t.match(status.stdout, /^new +never enrolled +never /m);
  t.match(status.stdout, /new: this node of the Kubernetes cluster has no agent/);
  t.match(await run('remove', '--stale-for', '1d', '--dry-run', '-o', 'name'), { stdout: 'old\n' });
  t.match((await run('remove', 'new', '--yes')).stdout, /new +never +2 +removed/);
});

await t.test('on a terminal it asks', { skip: hasScript ? false : 'script is absent' }, async (t) => {
  const { flags, left } = await fleet(t, { old: 9 });
  const command = [process.execPath, PROGRAM, 'nodes', 'remove', 'old', ...flags].map((word) => `'${word}'`).join(' ');
  /** What a person sees who answers this when asked; `script` gives the program a terminal. */
  const answer = (text: string): Promise<string> =>
    new Promise((resolve) => {
      let seen = '';
      const child = spawn('script', ['-qec', command, '/dev/null'], { env: environmentOf(), stdio: 'pipe' });
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        const asked = seen.includes('[y/N]');
        seen += chunk;
        if (!asked && seen.includes('[y/N]')) child.stdin.write(text);
      });
      child.on('close', () => resolve(seen));
    });
  t.match(
    await answer('n\n'),
    /old, last seen 9 d ago[\s\S]*resolve 2 open findings\? \[y\/N\] [\s\S]*nothing was removed/,
  );
  t.match(await answer('\u0004'), /nothing was removed/, 'Ctrl-D');
  t.same(await left(), ['old']);
  t.match(await answer('yes\n'), /old.* 9 d ago +2 .*removed/);
  t.same(await left(), []);
});

await t.test('a node that is connected, and a store that takes nothing: said for each', async (t) => {
  const { directory, run, left } = await fleet(t, { old: 9, other: 9 });
  const lock = new DatabaseSync(join(directory, 'store.sqlite'));
  lock.exec('BEGIN IMMEDIATE');
  const refused = await run('remove', 'old', '--yes');
  t.equal(refused.code, 1);
  t.match(refused.stdout, /old .* 0 {2}refused: nothing was removed/);
  lock.exec('ROLLBACK');
  lock.close();
  t.same(await left(), ['old', 'other']);
});

await t.test('revoke: nodes by name, hosts that never connected by id, and all or none', async (t) => {
  const directory = temporaryDirectory(t);
  const tokens = await openJoinTokens(join(directory, 'join-tokens.json'), systemClock());
  const revocations = await openRevocations(join(directory, 'revoked-nodes.json'));
  const enrolled = async (nodeId: string): Promise<void> => {
    const created = await tokens.create({ ttlMs: 60_000, nodeId: '' });
    t.ok(await tokens.use(created?.token.id ?? '', nodeId));
  };
  await enrolled('5e1f00aa');
  await enrolled('5e1f00bb');
  await tokens.create({ ttlMs: 60_000, nodeId: '' });
  const server = await startServer(t, {
    admission: {
      tokens,
      tls: { authorities: () => [], rotationEndsMs: () => 0, rotate: () => Promise.resolve(undefined) },
      addresses: () => ({ listen: { host: '127.0.0.1', port: 0 } }),
      revoke: (id) => revocations.revoke(id, Date.now()),
      readmit: (id) => revocations.readmit(id),
    },
  });
  await server.store.putNodes([nodeRow({ id: 'n1', name: 'web-1' })]);
  await server.store.putNodes([nodeRow({ id: 'n2', name: ' ' })]);
  writeFileSync(join(directory, 'operator-token'), TOKEN, { mode: 0o600 });
  const flags = ['--api', `127.0.0.1:${String(server.port)}`, '--data-dir', directory];
  const revoke = (...words: readonly string[]): Promise<Run> => plimsoll(['nodes', 'revoke', ...words, ...flags]);
  const revoked = (): readonly string[] => revocations.all().map(({ nodeId }) => nodeId);

  t.match(await revoke('web-1', 'wbe-1'), { code: 2, stdout: '', stderr: /"wbe-1"; did you mean web-1\?/ });
  t.match(await revoke('web-1', '5e1f'), { code: 2, stdout: '', stderr: /2 ids of nodes start with 5e1f/ });
  t.match(await revoke('web-1', ''), { code: 2, stdout: '', stderr: /no node has the id or name ""/ });
  t.same(revoked(), [], 'nothing is revoked before all words are clear');

  const { code, stdout, stderr } = await revoke('web-1', '5e1f00aa', 'n2');
  t.equal(code, 0, stderr);
  t.equal(
    stdout,
    ['web-1', '5e1f00aa', 'n2']
      .map((label, index) => {
        const id = index === 0 ? 'n1' : label;
        return `${label}: certificates revoked; to enrol it again: plimsoll join-token create --node ${id}\n`;
      })
      .join(''),
  );
  t.same([...revoked()].sort(), ['5e1f00aa', 'n1', 'n2']);
});
