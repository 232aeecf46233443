import { spawn } from 'node:child_process';
import { chownSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { openLiveNode } from '../../agent/live-node.ts';
import type { NodeAccess } from '../../agent/node-access.ts';
import { scanOnce } from '../../agent/scan.ts';
import type { Scan } from '../../agent/scan.ts';
import { CHECKS } from '../../posture/check/registry.ts';
import type { ContainerFact } from '../../posture/fact/container.ts';
import type { Finding } from '../../posture/finding.ts';
import { valueOr } from '../../posture/observed.ts';
import { startEngine } from '../agent/runtime/docker/engine-socket.ts';
import { noPodman, ownPodman, userDirectory } from '../agent/runtime/docker/own-podman.ts';
import { TEST_IMAGE, testDocker } from '../component/docker.ts';

const found = testDocker();
const skip = noPodman || ('reason' in found && found.reason);
/** A user without an account, of this test alone. */
const UID = 50_000 + (process.pid % 10_000);

function live(dockerHost: string, rootlessEngines: 'ask' | 'no'): Promise<NodeAccess> {
  const node = { hostRoot: '/', dockerHost, rootlessEngines, nodeName: '', dataDir: '/nonexistent' };
  return openLiveNode({ ...node, agentVersion: '0.0.0', now: Date.now });
}

const scan = async (dockerHost: string): Promise<Scan> =>
  scanOnce({ access: await live(dockerHost, 'ask'), checks: CHECKS });

const about = ({ findings }: Scan, check: string, subject: string): Finding | undefined =>
  findings.find((finding) => finding.check === check && finding.subject.id === subject);
const containersOf = ({ facts }: Scan, id: string): readonly ContainerFact[] =>
  valueOr(facts.containers, []).filter((container) => container.id === id);

void t.test('a real rootless Podman', { skip }, async (t) => {
  if (!('docker' in found)) return;
  const own = ownPodman(found.docker.endpoint, UID);
  t.teardown(async () => {
    await own.stop();
    rmSync(userDirectory(UID), { recursive: true, force: true });
  });
  const run = (...flags: readonly string[]): string =>
    own.podman('run', '-d', '--network=none', ...flags, TEST_IMAGE, '/bin/sleep', '3600');
  const [plain, unconfined] = [run(), run('--security-opt=seccomp=unconfined')];
  const created = own.podman('create', '--network=none', '--privileged', TEST_IMAGE, '/bin/sleep', '1');
  await own.startService();

  const looked = await scan(found.docker.endpoint);
  const [container, ...others] = containersOf(looked, plain);
  t.strictSame(others, [], 'each once');
  t.match(container, { runtime: 'podman', engine: own.endpoint, state: 'running', imageId: '' });
  t.match(container?.sources['user'], `uid ${String(UID)}`, 'evidence says whose word the declaration is');
  t.match(container?.uidMap, { state: 'seen', value: [{ outside: UID }] });
  t.match(about(looked, 'container.seccomp-filter', plain), { verdict: 'pass' });
  t.match(about(looked, 'container.seccomp-filter', unconfined), { verdict: 'fail' }, 'judged by the kernel');
  t.strictSame(containersOf(looked, created), [], 'the kernel shows nothing of a container that does not run');
  t.match(about(looked, 'daemon.live-restore', `docker:${own.endpoint}`), { verdict: 'notApplicable' });
  t.notOk(valueOr(looked.facts.unobserved, []).some(({ id }) => id === plain));

  const { host, engines } = await live(found.docker.endpoint, 'no');
  t.notOk(
    (await engines.others(host)).some(({ endpoint }) => endpoint === own.endpoint),
    'asked only if that is set',
  );
});

const json = (value: unknown): string => {
  const body = JSON.stringify(value);
  return `HTTP/1.1 200 OK\r\nContent-Length: ${String(Buffer.byteLength(body))}\r\n\r\n${body}`;
};

/** What a user's server says about these containers. */
function claiming(claims: Readonly<Record<string, number>>): (path: string) => string {
  return (path) => {
    if (path.startsWith('/version')) return json({ Version: '27.0', ApiVersion: '1.47' });
    if (path.startsWith('/info')) return json({ ServerVersion: '27.0', SecurityOptions: ['name=rootless'] });
    if (path.startsWith('/containers/json'))
      return json(Object.keys(claims).map((Id) => ({ Id, Names: ['/mine'], State: 'running' })));
    const Id = path.split('/')[2] ?? '';
    const State = { Running: true, Status: 'running', Pid: claims[Id] ?? 0 };
    return json({ Id, Name: '/mine', State, Config: { Image: 'x', User: '1000' }, HostConfig: {} });
  };
}

/** A server of the user at the usual place of a rootless Docker. */
async function serve(t: Test, answer: (path: string) => string | undefined): Promise<string> {
  const made = await startEngine(t, (socket) => {
    socket.on('data', (bytes: Buffer) => {
      const reply = answer(bytes.toString().split(' ')[1] ?? '');
      if (reply !== undefined) socket.write(reply);
    });
  });
  const path = join(userDirectory(UID), 'docker.sock');
  renameSync(made, path);
  chownSync(path, UID, UID);
  t.teardown(() => rmSync(userDirectory(UID), { recursive: true, force: true }));
  return `unix://${path}`;
}

void t.test('a user who serves lies', { skip }, async (t) => {
  if (!('docker' in found)) return;
  const { docker } = found;
  const name = `rootless-${String(process.pid)}`;
  const ofDocker = await docker.start(name, '--network=none', '--privileged');
  t.teardown(() => docker.remove(name));
  const podman = ownPodman(docker.endpoint);
  t.teardown(podman.stop);
  // It runs without any engine that could be asked: only the kernel shows it.
  const ofRoot = podman.podman('run', '-d', '--network=none', TEST_IMAGE, '/bin/sleep', '3600');
  const pidOfRoot = Number(podman.podman('inspect', '-f', '{{.State.Pid}}', ofRoot));
  const own = spawn('unshare', ['--user', '--map-root-user', 'sleep', '600'], { uid: UID, gid: UID, stdio: 'ignore' });
  const plain = spawn('sleep', ['600'], { uid: UID, gid: UID, stdio: 'ignore' });
  t.teardown(() => [own, plain].map((child) => child.kill('SIGKILL')));
  const ids = ['e1', 'e2', 'e3'].map((digits) => digits.repeat(32));
  const [mine = '', notInNamespace = '', ofPidOne = ''] = ids;

  await t.test('claims of containers and processes of others', async (t) => {
    const claims = {
      [ofDocker]: own.pid ?? 0,
      [ofRoot]: pidOfRoot,
      [mine]: own.pid ?? 0,
      [notInNamespace]: plain.pid ?? 0,
      [ofPidOne]: 1,
    };
    const endpoint = await serve(t, claiming(claims));
    const looked = await scan(docker.endpoint);
    t.match(containersOf(looked, ofDocker), [{ engine: docker.endpoint, name: `plimsoll-test-${name}` }]);
    t.equal(containersOf(looked, ofDocker).length, 1);
    t.match(about(looked, 'container.privileged', ofDocker), { verdict: 'fail', severity: 'critical' });
    t.strictSame(containersOf(looked, ofRoot), [], 'not a container of that user');
    t.match(about(looked, 'container.privileged', ofRoot), { verdict: 'unknown' });
    t.match(
      valueOr(looked.facts.unobserved, []).find(({ id }) => id === ofRoot),
      { engine: '' },
      'still shown as running without an engine',
    );
    t.match(containersOf(looked, mine), [{ engine: endpoint, pid: own.pid }]);
    t.strictSame([...containersOf(looked, notInNamespace), ...containersOf(looked, ofPidOne)], []);
    t.notOk(valueOr(looked.facts.unobserved, []).some(({ id }) => ids.includes(id)));
  });

  await t.test('an id of a container without engine, for a process of its own', async (t) => {
    await serve(t, claiming({ [ofRoot]: own.pid ?? 0 }));
    const looked = await scan(docker.endpoint);
    t.ok(
      valueOr(looked.facts.unobserved, []).some(({ id, engine }) => id === ofRoot && engine === ''),
      'what the kernel shows stays',
    );
    t.equal(looked.findings.find(({ check }) => check === 'runtime.unobserved')?.verdict, 'fail');
  });

  await t.test('no answer', async (t) => {
    const endpoint = await serve(t, () => undefined);
    const startedMs = performance.now();
    const looked = await scan(docker.endpoint);
    t.ok(performance.now() - startedMs < 20_000, 'bounded in time');
    t.match(about(looked, 'container.privileged', ofDocker), { verdict: 'fail', severity: 'critical' });
    t.ok(
      valueOr(looked.facts.unobserved, []).some(({ kind, id }) => kind === 'engine' && id === endpoint),
      'its containers are not known, and that is said',
    );
  });
});
