import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import type { Finding } from '../../../posture/finding.ts';
import { docker, IMAGE, noDocker, ownBridge, ownDaemon } from './docker.ts';
import type { OwnDaemon } from './docker.ts';
import { until, watched } from './watched.ts';
import type { Watched } from './watched.ts';

const SECCOMP = 'container.seccomp-filter';
const PRIVILEGED = 'container.privileged';
const NAMES = ['web', 'db', 'admin'];

/** A daemon that leaves its containers running when it ends, with three of them, and a node that is watched. */
async function liveRestored(
  t: Test,
  engineGraceMs?: number,
): Promise<{
  readonly daemon: OwnDaemon;
  readonly node: Watched;
  readonly ids: readonly string[];
  readonly pids: readonly number[];
  /** What was said of the containers and daemon since update number `from`. */
  readonly since: (from: number) => { readonly said: readonly Finding[]; readonly gone: readonly string[] };
}> {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-restart-'));
  const daemon = ownDaemon(directory, ownBridge(2));
  writeFileSync(join(directory, 'daemon.json'), '{"live-restore": true}');
  const ids: string[] = [];
  t.teardown(async () => {
    if (daemon.pid() === 0) await daemon.start();
    if (ids.length > 0) docker(daemon.socket, 'rm', '-f', ...ids);
    await daemon.stop();
    daemon.remove();
    // With live-restore it stays mounted for the containers that run on.
    spawnSync('umount', ['-l', join(directory, 'data-root')]);
    rmSync(directory, { recursive: true, force: true });
  });
  await daemon.start();
  for (const name of NAMES) {
    const flags = name === 'admin' ? ['--privileged'] : [];
    ids.push(docker(daemon.socket, 'run', '-d', '--network=none', '--name', name, ...flags, IMAGE, 'sleep', '1000'));
  }
  // One that does not run, as most nodes have.
  ids.push(docker(daemon.socket, 'create', '--network=none', '--name', 'later', IMAGE, 'sleep', '1000'));
  const pids = ids.map((id) => Number(docker(daemon.socket, 'inspect', '-f', '{{.State.Pid}}', id)));
  const grace = engineGraceMs === undefined ? {} : { engineGraceMs };
  const node = await watched(t, { dockerHost: `unix://${daemon.socket}`, isAlone: true, ...grace });
  await until('the containers', () => ids.every((id) => node.finding(PRIVILEGED, id) !== undefined));
  // Containers that have just started are looked at again after three seconds.
  await sleep(4000);
  const isOfContainer = (id: string): boolean => ids.some((each) => id.includes(each));
  const since = (from: number) => {
    const deltas = node.updates.slice(from).map(({ delta }) => delta);
    return {
      said: deltas.flatMap(({ added, changed }) => [...added, ...changed]),
      gone: deltas.flatMap(({ gone }) => gone).filter(isOfContainer),
    };
  };
  return { daemon, node, ids, pids, since };
}

void t.test(
  'a restart of the engine says nothing about its containers',
  { skip: noDocker, timeout: 120_000 },
  async (t) => {
    const { daemon, node, ids, since } = await liveRestored(t);
    const before = node.updates.length;
    const lost = node.logged.length;
    await daemon.stop();
    await sleep(5000);
    const away = since(before);
    t.notOk(
      away.said.some(({ check, verdict }) => check.startsWith('daemon.') && verdict === 'pass'),
      'nothing about the daemon begins to pass',
    );
    await daemon.start();
    const rounds = (): number =>
      node.logged.slice(lost).filter((line) => line.includes('full round') && line.includes('is back')).length;
    await until('a round with the engine', () => rounds() > 0);
    await sleep(2000);
    const { said, gone } = since(before);
    const ofContainers = said.filter(({ subject }) => ids.includes(subject.id));
    t.strictSame(
      ofContainers.map(({ check, verdict, subject }) => [check, verdict, subject.name]),
      [],
    );
    t.strictSame(gone, []);
    // Those of other engines of this machine have such names here.
    const isRenamed = ({ subject }: Finding): boolean => ids.some((id) => `${subject.id} ${subject.name}`.includes(id));
    t.strictSame(said.filter(isRenamed), [], 'nor under another name');
    docker(daemon.socket, 'rename', ids[0] ?? '', 'renamed');
    await until('what the engine says now', () => node.finding(SECCOMP, ids[0] ?? '')?.subject.name === 'renamed');
  },
);

void t.test(
  'the end of a container is seen while its engine is away',
  { skip: noDocker, timeout: 120_000 },
  async (t) => {
    const { daemon, node, ids, pids, since } = await liveRestored(t);
    const [web = '', db = ''] = ids;
    const before = node.updates.length;
    await daemon.stop();
    process.kill(pids[0] ?? 0, 'SIGKILL');
    await until('its end', () => node.finding(SECCOMP, web) === undefined);
    t.equal(node.finding(SECCOMP, db)?.verdict, 'pass', 'the other runs');
    t.strictSame(
      since(before).said.filter(({ subject }) => ids.includes(subject.id) && subject.id !== web),
      [],
    );
  },
);

void t.test('an engine that stays away is not held for long', { skip: noDocker, timeout: 120_000 }, async (t) => {
  const { daemon, node, ids } = await liveRestored(t, 2000);
  await daemon.stop();
  await until('the end of the grace time', () => node.watch.snapshot()?.facts.docker.api.state !== 'seen');
  const running = ids.slice(0, NAMES.length);
  await until('unknown', () => running.every((id) => node.finding(SECCOMP, id)?.verdict === 'unknown'));
  t.equal(node.finding(PRIVILEGED, running[2] ?? '')?.verdict, 'unknown');
  await daemon.start();
  await until('its return', () => running.every((id) => node.finding(PRIVILEGED, id)?.verdict !== 'unknown'));
  t.equal(node.finding(PRIVILEGED, running[2] ?? '')?.verdict, 'fail');
});
