import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { scanOnce } from '../../../agent/scan.ts';
import { openLiveNode } from '../../../agent/live-node.ts';
import { CHECKS } from '../../../posture/check/registry.ts';
import { docker, IMAGE, noDocker, ownDaemon, SOCKET } from './docker.ts';
import { until, watched } from './watched.ts';

const SECCOMP = 'container.seccomp-filter';
const PRIVILEGED = 'container.privileged';

let count = 0;
/** Starts a container that sleeps, and sees to it that it goes. Answers its id. */
function run(test: { readonly teardown: (run: () => void) => void }, socket: string, ...flags: string[]): string {
  const name = `watch-${String(process.pid)}-${String((count += 1))}`;
  const id = docker(socket, 'run', '-d', '--network=none', '--name', name, ...flags, IMAGE, '/bin/sleep', '1000');
  test.teardown(() => {
    try {
      docker(socket, 'rm', '-f', id);
    } catch {
      // The daemon is gone, or the container is.
    }
  });
  return id;
}

void t.test(
  'a container is judged when it starts, from the kernel, and gone when it stops',
  { skip: noDocker },
  async (t) => {
    const node = await watched(t, { dockerHost: `unix://${SOCKET}` });
    // While the first round runs: its event must not fall between the round and the stream.
    const early = run(t, SOCKET);
    await until('the first round', () => node.watch.snapshot() !== undefined);
    await until('the early container', () => node.finding(SECCOMP, early) !== undefined);
    t.equal(node.finding(SECCOMP, early)?.verdict, 'pass');

    const privileged = run(t, SOCKET, '--privileged');
    await until('the privileged container', () => node.finding(PRIVILEGED, privileged) !== undefined);
    t.equal(node.finding(PRIVILEGED, privileged)?.verdict, 'fail');
    t.match(node.finding(SECCOMP, privileged)?.evidence[0], {
      source: /^\/proc\/\d+\/.*status$/,
      seen: /Seccomp:\s*0/,
    });

    docker(SOCKET, 'rm', '-f', privileged);
    await until('its end', () => node.finding(PRIVILEGED, privileged) === undefined);
    t.ok(node.updates.at(-1)?.delta.gone.includes(`${PRIVILEGED}/container/${privileged}`));
    t.ok(node.finding(SECCOMP, early), 'the other is still there');
  },
);

void t.test(
  'a container that has just started is never judged before its filter stands',
  { skip: noDocker },
  async (t) => {
    const node = await watched(t, { dockerHost: `unix://${SOCKET}` });
    await until('the first round', () => node.watch.snapshot() !== undefined);
    const delays: number[] = [];
    for (let index = 0; index < 8; index += 1) {
      const id = run(t, SOCKET);
      await until('the container', () => node.finding(SECCOMP, id) !== undefined);
      t.same(
        node.ever(SECCOMP, id).map(({ verdict }) => verdict),
        ['pass'],
      );
      const update = node.updates.find(({ delta }) => delta.added.some(({ subject }) => subject.id === id));
      delays.push(
        (update?.observedAtMs ?? 0) - Date.parse(docker(SOCKET, 'inspect', '-f', '{{.State.StartedAt}}', id)),
      );
      docker(SOCKET, 'rm', '-f', id);
    }
    t.comment(`from start to judgement: ${delays.join(', ')} ms`);
  },
);

void t.test('what changes while it runs is seen: name, pause, a privileged exec', { skip: noDocker }, async (t) => {
  const node = await watched(t, { dockerHost: `unix://${SOCKET}` });
  const id = run(t, SOCKET);
  await until('the container', () => node.finding(SECCOMP, id) !== undefined);
  docker(SOCKET, 'rename', id, `watch-${String(process.pid)}-renamed`);
  await until('the new name', () => node.finding(SECCOMP, id)?.subject.name.endsWith('-renamed') === true);
  docker(SOCKET, 'exec', '-d', '--privileged', id, '/bin/sleep', '1000');
  const capabilities = (): string => {
    const facts = node.watch.snapshot()?.facts.containers;
    const container = facts?.state === 'seen' ? facts.value.find((candidate) => candidate.id === id) : undefined;
    return container?.capabilities.state === 'seen' ? container.capabilities.value.effective : '';
  };
  // capabilities(7): 21 is CAP_SYS_ADMIN, which no container has by default.
  await until('the powerful process', () => (BigInt(`0x${capabilities() || '0'}`) & (1n << 21n)) !== 0n);
  t.equal(node.finding('container.capabilities', id)?.verdict, 'fail');
});

function isSameList(one: readonly string[], other: readonly string[]): boolean {
  return [...one].sort().join() === [...other].sort().join();
}

void t.test('after a storm the state is that of a fresh scan', { skip: noDocker }, async (t) => {
  const node = await watched(t, { dockerHost: `unix://${SOCKET}` });
  const kept: string[] = [];
  for (let index = 0; index < 10; index += 1) {
    const id = run(t, SOCKET, ...(index % 3 === 0 ? ['--privileged'] : []));
    if (index % 2 === 0) docker(SOCKET, 'rm', '-f', id);
    else kept.push(id);
  }
  const options = { hostRoot: '/', dockerHost: `unix://${SOCKET}`, nodeName: '', dataDir: '/nonexistent' };
  const access = await openLiveNode({ ...options, agentVersion: '0.0.0-test', now: Date.now });
  await until('all that run', () => kept.every((id) => node.finding(PRIVILEGED, id) !== undefined));
  const fresh = async (): Promise<readonly string[]> => {
    const { findings } = await scanOnce({ access, checks: CHECKS });
    return findings.filter(({ subject }) => kept.includes(subject.id)).map(({ id, verdict }) => `${id} ${verdict}`);
  };
  const watchedNow = (): readonly string[] =>
    [...(node.watch.snapshot()?.findings.values() ?? [])]
      .filter(({ subject }) => subject.kind === 'container' && kept.includes(subject.id))
      .map(({ id, verdict }) => `${id} ${verdict}`);
  // While containers were started, this process did nothing else, so reads may have run out of time. Other engines of
  // this machine may start and end: the facts of the engines are read again until both see the same.
  for (let attempt = 0; attempt < 5; attempt += 1) {
    node.watch.refresh('docker');
    await until('the daemon', () => node.watch.snapshot()?.facts.docker.api.state === 'seen');
    if (isSameList(watchedNow(), await fresh())) break;
    await sleep(1000);
  }
  t.same([...watchedNow()].sort(), [...(await fresh())].sort());
  const running = new Set(docker(SOCKET, 'ps', '-q', '--no-trunc').split('\n'));
  await until('nothing that does not run', () => {
    const facts = node.watch.snapshot()?.facts.containers;
    return facts?.state === 'seen' && facts.value.every(({ id }) => running.has(id) || !kept.includes(id));
  });
});

void t.test('a daemon that stops and comes back', { skip: noDocker, timeout: 90_000 }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-watch-dockerd-'));
  const daemon = ownDaemon(directory);
  t.teardown(async () => {
    await daemon.stop();
    daemon.remove();
    rmSync(directory, { recursive: true, force: true });
  });
  const node = await watched(t, { dockerHost: `unix://${daemon.socket}` });
  await until('the first round', () => node.watch.snapshot() !== undefined);
  const nodeId = node.watch.snapshot()?.facts.node.id ?? '';
  t.not(node.watch.snapshot()?.facts.docker.api.state, 'seen');

  await daemon.start();
  await until('the daemon', () => node.watch.snapshot()?.facts.docker.api.state === 'seen');
  const id = run(t, daemon.socket);
  await until('its container', () => node.finding(SECCOMP, id)?.verdict === 'pass');

  await daemon.stop();
  await until('the loss', () => node.watch.snapshot()?.facts.docker.api.state !== 'seen');
  // Another engine of this machine may still answer about its own.
  await until('the end of its container', () => node.finding(SECCOMP, id) === undefined);
  t.not(node.finding(SECCOMP, nodeId)?.verdict, 'pass');

  await daemon.start();
  const next = run(t, daemon.socket, '--privileged');
  await until('the next container', () => node.finding(PRIVILEGED, next)?.verdict === 'fail');
  t.equal(node.finding(SECCOMP, nodeId), undefined);
});
