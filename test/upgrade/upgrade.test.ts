import { execFileSync, spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { NODE, ROOT } from '../../scripts/setup.mjs';

/*
 * One version apart, in both directions: an old agent with a new collector, and a new agent with an old one. The old
 * version is the newest release tag, or the previous commit where there is none; it is built as a user would build it.
 */

const git = (...args: readonly string[]): string | undefined => {
  const { status, stdout } = spawnSync('git', ['-C', ROOT, ...args], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
};

/** Undefined in a source tree without history: there is no other version then. */
const PREVIOUS = git('describe', '--tags', '--abbrev=0', '--match', 'v*', 'HEAD~1') ?? git('rev-parse', 'HEAD~1');

/** A tree of the previous version with its generated code and its bundle; the packages are those of this tree. */
function buildPrevious(commit: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-previous-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const archive = execFileSync('git', ['-C', ROOT, 'archive', commit], { maxBuffer: 256 * 1024 * 1024 });
  execFileSync('tar', ['-x', '-C', directory], { input: archive });
  // Links, so that an installation that its set-up finds necessary does not touch this tree.
  mkdirSync(join(directory, 'node_modules'));
  for (const name of readdirSync(join(ROOT, 'node_modules')))
    symlinkSync(join(ROOT, 'node_modules', name), join(directory, 'node_modules', name));
  execFileSync(NODE, ['scripts/setup.mjs'], { cwd: directory, stdio: 'ignore' });
  return directory;
}

interface Started {
  readonly ready: { readonly api?: { readonly port: number }; readonly listen?: { readonly port: number } };
  readonly log: () => string;
  readonly stop: () => Promise<void>;
}

async function start(tree: string, ...args: readonly string[]): Promise<Started> {
  const child: ChildProcess = spawn(NODE, [join(tree, 'bin', 'plimsoll.js'), ...args], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: { PATH: process.env['PATH'], HOME: '/nonexistent', PLIMSOLL_CONFIG: join(ROOT, 'test', 'cli', 'empty.yaml') },
  });
  t.teardown(() => child.kill('SIGKILL'));
  let log = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (log += text));
  const ready = await new Promise<Started['ready']>((resolve, reject) => {
    child.on('message', (message: { readonly ready?: Started['ready'] }) => {
      if (message.ready !== undefined) resolve(message.ready);
    });
    child.once('exit', (code) => reject(new Error(`${args[0] ?? ''} ended with ${String(code)}: ${log}`)));
  });
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await once(child, 'exit');
  };
  return { ready, log: () => log, stop };
}

interface Row {
  readonly id: string;
  readonly verdict: string;
  readonly subject: { readonly kind: string };
}

/** Runs a collector of one tree with an agent of another over the same data directory, and looks at what arrives. */
async function runTogether(trees: { readonly collector: string; readonly agent: string }, directory: string) {
  const own = [`--data-dir=${directory}`, '--log-level=debug'];
  const collector = await start(
    trees.collector,
    'collector',
    ...own,
    '--listen=127.0.0.1:0',
    '--api=127.0.0.1:0',
    '--sink-ndjson=off',
  );
  const { api, listen } = collector.ready;
  const token = readFileSync(join(directory, 'operator-token'), 'utf8').trim();
  const call = async <T>(path: string, body?: object): Promise<T> => {
    const response = await fetch(`http://127.0.0.1:${String(api?.port)}${path}`, {
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    });
    return (await response.json()) as T;
  };
  const agent = await start(
    trees.agent,
    'agent',
    ...own,
    `--collector=127.0.0.1:${String(listen?.port)}`,
    '--docker-host=unix:///nonexistent/docker.sock',
  );
  const node = async () => {
    const { nodes } = await call<{ nodes: { connected: boolean }[] }>('/v1/nodes');
    return nodes[0];
  };
  while ((await node())?.connected !== true) await sleep(100);
  const findings = async (): Promise<readonly Row[]> =>
    (await call<{ findings: Row[] }>('/v1/findings?limit=1000')).findings;
  while ((await findings()).length === 0) await sleep(100);
  const query = await call<{ answers: { outcome: string; value?: unknown }[] }>('/v1/query', {
    expression: 'kernel.release',
  });
  const rows = await findings();
  await agent.stop();
  await collector.stop();
  return { rows, query, logs: [collector.log(), agent.log()] };
}

if (PREVIOUS !== undefined)
  void t.test('one version apart, in both directions', async (t) => {
    const old = buildPrevious(PREVIOUS);
    const directory = mkdtempSync(join(tmpdir(), 'plimsoll-upgrade-'));
    t.teardown(() => rmSync(directory, { recursive: true, force: true }));
    const release = readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim();
    const pairs = [
      ['a new agent with an old collector', { collector: old, agent: ROOT }],
      ['an old agent with a new collector, over the same store', { collector: ROOT, agent: old }],
    ] as const;
    let before: readonly Row[] | undefined;
    for (const [name, trees] of pairs) {
      const { rows, query, logs } = await runTogether(trees, directory);
      t.match(query.answers, [{ outcome: 'ok', value: release }], `${name}: a live query`);
      t.ok(rows.length > 50, `${name}: ${String(rows.length)} findings`);
      for (const log of logs) t.notMatch(log, /"level":"error"|INVALID_ARGUMENT/, name);
      // Each finding once, whichever version reported it.
      t.equal(new Set(rows.map(({ id }) => id)).size, rows.length, name);
      if (before !== undefined) {
        const known = new Set(before.map(({ id }) => id));
        // Other tests start and end containers and servers meanwhile.
        const own = rows.filter(({ subject }) => !['container', 'image', 'listener'].includes(subject.kind));
        const added = own.filter(({ id }) => !known.has(id));
        t.ok(own.length > 50, `${name}: ${String(own.length)} findings about the node`);
        t.ok(added.length < own.length / 10, `${name}: identities stay (${String(added.length)} new)`);
      }
      before = rows;
    }
  });
