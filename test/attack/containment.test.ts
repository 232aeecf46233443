import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { docker, IMAGE, noDocker, ownBridge, ownDaemon, SOCKET } from '../agent/watch/docker.ts';
import { until, watched } from '../agent/watch/watched.ts';
import type { Watched } from '../agent/watch/watched.ts';

// One container, image or engine that cannot be looked at must not change what is said of others.

const PRIVILEGED = 'container.privileged';

let count = 0;
/** Starts a container that sleeps until the test ends. Answers its id. */
function run(test: Test, socket: string, ...flags: readonly string[]): string {
  const name = `containment-${String(process.pid)}-${String((count += 1))}`;
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

function directoryOf(test: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-containment-'));
  test.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Was a finding about this subject ever taken back? */
function wasResolved({ updates }: Watched, subjectId: string): boolean {
  return updates.some(({ delta }) => delta.gone.some((id) => id.endsWith(`/${subjectId}`)));
}

/** The verdicts about a subject that differ from one another, oldest first. */
function verdicts(node: Watched, check: string, id: string): readonly string[] {
  const all = node.ever(check, id).map(({ verdict }) => verdict as string);
  return all.filter((verdict, index) => verdict !== all[index - 1]);
}

void t.test(
  '20,001 labels of together 9 MiB, and an engine that is stopped',
  { skip: noDocker, timeout: 120_000 },
  async (t) => {
    const directory = directoryOf(t);
    const daemon = ownDaemon(directory, ownBridge(2));
    await daemon.start();
    t.teardown(async () => {
      process.kill(daemon.pid(), 'SIGCONT');
      await daemon.stop();
      daemon.remove();
    });
    const labels = join(directory, 'labels');
    const value = 'v'.repeat(460);
    writeFileSync(labels, Array.from({ length: 20_001 }, (_, index) => `label${String(index)}=${value}`).join('\n'));

    const victim = run(t, daemon.socket, '--privileged');
    const node = await watched(t, { dockerHost: `unix://${daemon.socket}`, sweepIntervalMs: 3000 });
    await until('the first round', () => node.finding(PRIVILEGED, victim)?.verdict === 'fail');

    // Its start event carries all labels, the list of containers and its inspection too.
    const loud = run(t, daemon.socket, '--privileged', '--label-file', labels);
    await until('the loud one', () => node.finding(PRIVILEGED, loud) !== undefined);
    t.equal(node.finding(PRIVILEGED, loud)?.verdict, 'fail', 'what it says too much is not read');
    const rounds = (): number => node.logged.filter((line) => line.startsWith('full round')).length;
    const before = rounds();
    await until('a sweep', () => rounds() > before);
    t.equal(node.finding(PRIVILEGED, victim)?.verdict, 'fail');
    t.notOk(wasResolved(node, victim));
    t.same(
      // The agent follows all engines of this machine, and others may be slow or end.
      node.logged.filter((line) => line.startsWith('container runtime lost') && line.includes(daemon.socket)),
      [],
      'the event stream goes on',
    );

    const ending = run(t, daemon.socket, '--privileged');
    await until('one more', () => node.finding(PRIVILEGED, ending)?.verdict === 'fail');
    const endingPid = Number(docker(daemon.socket, 'inspect', '-f', '{{.State.Pid}}', ending));
    const stoppedMs = Date.now();
    process.kill(daemon.pid(), 'SIGSTOP');
    await until('the silence', () => node.finding(PRIVILEGED, victim)?.verdict === 'unknown');
    process.kill(endingPid, 'SIGKILL');
    const since = /since (\S+):/.exec(node.finding(PRIVILEGED, victim)?.reason ?? '')?.[1] ?? '';
    t.ok(Math.abs(Date.parse(since) - stoppedMs) < 20_000, `unknown since ${since}`);
    const unobserved = (): readonly string[] => {
      const fact = node.watch.snapshot()?.facts.unobserved;
      return fact?.state === 'seen' ? fact.value.map(({ id }) => id) : [];
    };
    await until('all three', () => [victim, loud, ending].every((id) => unobserved().includes(id)));
    for (const id of [victim, loud, ending]) t.notOk(wasResolved(node, id), 'nothing is resolved by silence');

    process.kill(daemon.pid(), 'SIGCONT');
    await until('the return', () => node.finding(PRIVILEGED, victim)?.verdict === 'fail');
    t.ok(node.finding(PRIVILEGED, ending), 'one that ended meanwhile is there until it is removed');
    docker(daemon.socket, 'rm', '-f', ending);
    await until('the end', () => node.finding(PRIVILEGED, ending) === undefined);
    t.same(verdicts(node, PRIVILEGED, victim), ['fail', 'unknown', 'fail']);
    t.notOk(wasResolved(node, victim));
    await until('the loud one again', () => node.finding(PRIVILEGED, loud)?.verdict === 'fail');
  },
);

/** What a proxy does with a request instead of passing it on. */
type Fault = 'none' | 'hang' | 'break' | 'endless' | 'nonsense';

/** An engine proxy; `faultOf` decides for each path. */
async function proxy(test: Test, faultOf: (path: string) => Fault): Promise<string> {
  const path = join(directoryOf(test), 'engine.sock');
  const server: Server = createServer((incoming, outgoing) => {
    const url = incoming.url ?? '';
    switch (faultOf(url)) {
      case 'hang':
        return;
      case 'break':
        return void outgoing.destroy();
      case 'endless':
        return void outgoing.write(`{"Mounts": ["${'x'.repeat(9 * 1024 * 1024)}`);
      case 'nonsense':
        return void outgoing.end('{"Id": 7}');
      case 'none': {
        const passed = request({ socketPath: SOCKET, path: url }, (answer) => {
          outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
          outgoing.flushHeaders();
          answer.pipe(outgoing);
        });
        passed.on('error', () => outgoing.destroy());
        outgoing.on('close', () => passed.destroy());
        passed.end();
      }
    }
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  test.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return path;
}

// Each waits for deadlines and sweeps, with containers and a proxy of its own: beside each other two take as long as one.
t.jobs = 2;
for (const fault of ['hang', 'break', 'endless', 'nonsense'] as const)
  void t.test(
    `an inspection that fails (${fault})`,
    { skip: noDocker, timeout: 120_000, buffered: true },
    async (t) => {
      const broken = run(t, SOCKET, '--privileged');
      const other = run(t, SOCKET, '--privileged');
      let present: Fault = 'none';
      const socket = await proxy(t, (url) => (url.includes(`/containers/${broken}`) ? present : 'none'));
      const node = await watched(t, { dockerHost: `unix://${socket}`, sweepIntervalMs: 1000 });
      await until('both', () => [broken, other].every((id) => node.finding(PRIVILEGED, id)?.verdict === 'fail'));
      present = fault;
      await until('the failed look', () => node.finding(PRIVILEGED, broken)?.verdict === 'unknown');
      const late = run(t, SOCKET, '--privileged');
      await until('another container', () => node.finding(PRIVILEGED, late)?.verdict === 'fail');
      present = 'none';
      await until('the repair', () => node.finding(PRIVILEGED, broken)?.verdict === 'fail');
      t.same(verdicts(node, PRIVILEGED, broken), ['fail', 'unknown', 'fail']);
      t.same(verdicts(node, PRIVILEGED, other), ['fail'], 'nothing changes for the other');
      t.notOk(wasResolved(node, broken) || wasResolved(node, other) || wasResolved(node, late));
    },
  );

void t.test('an agent that starts while the engine does not list its containers', { skip: noDocker }, async (t) => {
  const id = run(t, SOCKET, '--privileged');
  const before = await watched(t, { dockerHost: `unix://${SOCKET}`, isAlone: true });
  await until('the container', () => before.finding(PRIVILEGED, id)?.verdict === 'fail');
  await before.stop();
  let present: Fault = 'break';
  const socket = await proxy(t, (url) => (url.includes('/containers/json') ? present : 'none'));
  const earlier = new Map(before.watch.snapshot()?.findings);
  const after = await watched(t, { dockerHost: `unix://${socket}`, sweepIntervalMs: 1000, earlier, isAlone: true });
  await until('the first round', () => after.watch.snapshot() !== undefined);
  const missing = [...earlier.values()].filter(
    ({ id: finding, subject }) => subject.kind !== 'node' && !after.updates[0]?.findings.has(finding),
  );
  t.same(missing, [], 'its first full transfer resolves nothing');
  t.equal(after.finding(PRIVILEGED, id)?.verdict, 'unknown');
  present = 'none';
  await until('the list', () => after.finding(PRIVILEGED, id)?.verdict === 'fail');
  docker(SOCKET, 'rm', '-f', id);
  await until('its end', () => after.finding(PRIVILEGED, id) === undefined);
});

void t.test('an entrypoint that gives up root a second after its start', { skip: noDocker }, async (t) => {
  const node = await watched(t, { dockerHost: `unix://${SOCKET}` });
  await until('the first round', () => node.watch.snapshot() !== undefined);
  const script = 'mkdir /etc; echo n:x:1000:1000::/:/bin/sh >/etc/passwd; sleep 1.5; exec busybox su n -c "sleep 1000"';
  const name = `containment-${String(process.pid)}-entrypoint`;
  const id = docker(SOCKET, 'run', '-d', '--network=none', '--name', name, IMAGE, 'sh', '-c', script);
  t.teardown(() => docker(SOCKET, 'rm', '-f', id));
  await until('the start', () => node.finding('container.root-user', id)?.verdict === 'fail');
  await until('the second look', () => node.finding('container.root-user', id)?.verdict === 'pass');
  t.same(verdicts(node, 'container.root-user', id), ['fail', 'pass']);
});

void t.test('a label of a pod excuses nothing', { skip: noDocker }, async (t) => {
  const id = run(
    t,
    SOCKET,
    '--label=io.kubernetes.pod.name=web-0',
    '--label=io.kubernetes.container.name=web',
    '--restart=always',
    '-v',
    '/var/lib/kubelet/pods/0a1b:/pods',
  );
  t.teardown(() => rmSync('/var/lib/kubelet/pods/0a1b', { recursive: true, force: true }));
  const node = await watched(t, { dockerHost: `unix://${SOCKET}` });
  await until('the container', () => node.finding('container.restart-policy', id) !== undefined);
  t.equal(node.finding('container.restart-policy', id)?.verdict, 'fail');
  t.equal(node.finding('container.sensitive-mount', id)?.verdict, 'fail');
  t.not(node.finding('container.health', id)?.verdict, 'notApplicable');
});
