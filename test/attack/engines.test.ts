import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { openLiveNode } from '../../agent/live-node.ts';
import type { EngineTlsPaths } from '../../agent/runtime/docker/load-engine-tls.ts';
import { scanOnce } from '../../agent/scan.ts';
import type { Scan } from '../../agent/scan.ts';
import { CHECKS } from '../../posture/check/registry.ts';
import type { Finding } from '../../posture/finding.ts';
import { valueOr } from '../../posture/observed.ts';
import { makeCertificates } from '../agent/runtime/docker/engine-tls.ts';
import { noDockerd, startDockerd } from '../agent/runtime/docker/own-dockerd.ts';
import type { OwnDockerd } from '../agent/runtime/docker/own-dockerd.ts';
import { docker, IMAGE, noDocker, SOCKET } from '../agent/watch/docker.ts';
import { startEngine } from '../agent/runtime/docker/engine-socket.ts';
import { plimsoll } from '../cli/process.ts';
import { freePort } from '../fixture/free-port.ts';

const skip = noDockerd || noDocker;
/** runc keeps what it knows of a container beyond its engine, so each run has a name of its own. */
const STOWAWAY = `stowaway-${String(process.pid)}`;
const FIRST = `attack-engines-first-${String(process.pid)}`;

/** What a scan of this machine finds; `dockerHost` is what a person named. */
async function scan(dockerHost = '', dockerTls?: EngineTlsPaths): Promise<Scan> {
  const node = { hostRoot: '/', dockerHost, dockerTls, nodeName: '', dataDir: '/nonexistent', agentVersion: '0.0.0' };
  return scanOnce({ access: await openLiveNode({ ...node, now: Date.now }), checks: CHECKS });
}

/** A dockerd of this test with the image of the tests. */
async function engine(t: Test, flags: (directory: string) => readonly string[]): Promise<OwnDockerd> {
  const own = await startDockerd(flags);
  t.teardown(() => own.stop());
  const load = `docker -H unix://${SOCKET} save ${IMAGE} | docker -H ${own.endpoint} load`;
  if (spawnSync('sh', ['-c', load]).status !== 0) throw new Error('the image was not loaded');
  return own;
}

function started(t: Test, own: OwnDockerd, ...flags: readonly string[]): { readonly id: string } {
  const id = docker(own.socketPath, 'run', '-d', '--network', 'none', ...flags, IMAGE, 'sleep', '3000');
  const pid = Number(docker(own.socketPath, 'inspect', '-f', '{{.State.Pid}}', id));
  const shim = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${String(pid)}/status`, 'utf8'))?.[1] ?? '';
  // Its engine may be gone, and then nobody ends the shim.
  t.teardown(() => void spawnSync('kill', ['-9', String(pid), shim]));
  return { id };
}

const about = ({ findings }: Scan, check: string, subject?: string): Finding | undefined =>
  findings.find((finding) => finding.check === check && (subject === undefined || finding.subject.id === subject));

void t.test('a socket that is not there is not the clean state of another dockerd', { skip }, async (t) => {
  const own = await engine(t, () => ['--userland-proxy=false', '--live-restore']);
  const privileged = started(t, own, '--privileged');
  const typo = 'unix:///run/plimsoll-test-typo.sock';

  const { code, stderr } = await plimsoll(['scan', '--docker-host', typo, '--fail-on', 'critical']);
  t.equal(code, 2);
  t.match(stderr, /run\/plimsoll-test-typo\.sock could not be read: no socket/);
  // Without a threshold too: what was asked for could not be looked at.
  t.equal((await plimsoll(['scan', '--docker-host', typo])).code, 2);
  t.equal((await plimsoll(['scan', '--docker-host', `${own.endpoint},${typo}`])).code, 2, 'one of two');

  const looked = await scan(typo);
  const passed = looked.findings.filter(({ subject, verdict }) => subject.id === 'docker' && verdict === 'pass');
  t.strictSame(
    passed.map(({ check }) => check),
    [],
    'nothing of the other daemon is said of this one',
  );
  t.match(looked.facts.docker, { endpoint: typo, process: { state: 'unreadable' }, file: { state: 'unreadable' } });

  await t.test('the other one is judged as itself', (t) => {
    t.match(about(looked, 'daemon.live-restore', `docker:${own.endpoint}`), { verdict: 'pass' });
    t.match(about(looked, 'container.privileged', privileged.id), { verdict: 'fail', severity: 'critical' });
    const containers = valueOr(looked.facts.containers, []);
    t.equal(containers.find(({ id }) => id === privileged.id)?.engine, own.endpoint);
    t.end();
  });

  await t.test('an engine that hangs', async (t) => {
    process.kill(own.pid, 'SIGSTOP');
    t.teardown(() => process.kill(own.pid, 'SIGCONT'));
    const hung = await scan(own.endpoint);
    t.match(hung.facts.docker.api, { state: 'unreadable', reason: /no answer within/ });
    t.match(about(hung, 'container.privileged', privileged.id), { verdict: 'unknown' });
    const finding = about(hung, 'runtime.unobserved');
    t.equal(finding?.verdict, 'fail');
    t.match(finding?.evidence[0], { source: own.endpoint, seen: /no answer within/ });
  });

  await t.test('containers that run on after their dockerd was stopped', async (t) => {
    process.kill(own.pid, 'SIGTERM');
    await own.exited;
    const stopped = await scan();
    t.match(about(stopped, 'container.privileged', privileged.id), {
      verdict: 'unknown',
      reason: /no container engine/,
    });
    t.match(about(stopped, 'runtime.unobserved'), { verdict: 'fail', severity: 'high' });
    t.ok(about(stopped, 'runtime.unobserved')?.evidence.some(({ seen }) => seen.includes(privileged.id.slice(0, 12))));
    const { code } = await plimsoll(['scan', '--docker-host', own.endpoint, '--fail-on', 'critical']);
    t.equal(code, 2);
    const check = ['--check', 'container.privileged', '--container', privileged.id];
    t.equal(
      (await plimsoll(['scan', ...check, '--fail-on', 'critical'])).code,
      2,
      'a gate is not open on what is unknown',
    );
  });
});

void t.test('a dockerd on TCP alone', { skip }, async (t) => {
  const certificates = makeCertificates(t);
  const at = (name: string): string => join(certificates.directory, name);
  const port = await freePort();
  const endpoint = `tcp://127.0.0.1:${String(port)}`;
  const own = await startDockerd(() => [
    '-H',
    endpoint,
    '--tlsverify',
    `--tlscacert=${at('ca.pem')}`,
    `--tlscert=${at('server-cert.pem')}`,
    `--tlskey=${at('server-key.pem')}`,
  ]);
  t.teardown(() => own.stop());
  // The socket by which the test knows that it is up is not there for others.
  spawnSync('rm', [own.socketPath]);
  const tls = { ca: at('ca.pem'), cert: at('cert.pem'), key: at('key.pem') };

  await t.test('with certificates', async (t) => {
    const looked = await scan(endpoint, tls);
    t.match(looked.facts.docker, {
      endpoint,
      api: { state: 'seen' },
      process: { state: 'seen', value: { pid: own.pid } },
    });
    t.equal(
      looked.facts.engines.some((other) => other.endpoint === endpoint),
      false,
    );
    const flags = ['tls-ca', 'tls-cert', 'tls-key'].flatMap((name, index) => [
      `--docker-${name}`,
      Object.values(tls)[index] ?? '',
    ]);
    t.equal((await plimsoll(['scan', '--docker-host', endpoint, ...flags, '--check', 'daemon'])).code, 0);
    const environment = { DOCKER_HOST: endpoint, DOCKER_CERT_PATH: certificates.directory };
    t.equal((await plimsoll(['scan', '--check', 'daemon'], environment)).code, 0, 'as the Docker client has it');
  });

  await t.test('without', async (t) => {
    const looked = await scan();
    const finding = about(looked, 'runtime.unobserved');
    t.equal(finding?.verdict, 'fail');
    t.ok(
      finding?.evidence.some(({ seen }) => seen.includes(endpoint)),
      JSON.stringify(finding?.evidence),
    );
    t.equal((await plimsoll(['scan', '--docker-host', endpoint])).code, 2);
  });
});

void t.test('containers that no Docker started', { skip }, async (t) => {
  const own = await engine(t, () => []);
  const address = join(own.directory, 'exec-root/containerd/containerd.sock');
  const root = join(own.directory, 'rootfs');
  mkdirSync(root);
  const made = docker(own.socketPath, 'create', '--network', 'none', IMAGE, 'sleep', '1');
  spawnSync('sh', ['-c', `docker -H ${own.endpoint} export ${made} | tar -x -C ${root}`]);
  const ctr = (...args: readonly string[]) =>
    spawnSync('ctr', ['-a', address, '-n', 'attack', ...args], { encoding: 'utf8' });
  const run = ctr('run', '-d', '--rootfs', root, STOWAWAY, '/bin/busybox', 'sleep', '3000');
  if (run.status !== 0) {
    t.ok(true, 'no container without Docker', { skip: run.stderr });
    return;
  }
  t.teardown(() => void ctr('task', 'rm', '-f', STOWAWAY));

  // A service with namespaces of its own, as PrivateTmp, PrivatePIDs and the like make them.
  const service = spawn('unshare', ['--mount', '--pid', '--fork', '--uts', '--ipc', 'sleep', '3000'], {
    stdio: 'ignore',
    detached: true,
  });
  t.teardown(() => void process.kill(-(service.pid ?? 0), 'SIGKILL'));
  await sleep(300);

  const looked = await scan();
  const finding = about(looked, 'runtime.unobserved');
  t.equal(finding?.verdict, 'fail');
  t.ok(finding?.evidence.some(({ seen }) => seen.includes(`attack/${STOWAWAY}`)));
  t.match(about(looked, 'container.privileged', STOWAWAY), { verdict: 'unknown' });
  const unobserved = valueOr(looked.facts.unobserved, []);
  t.notOk(unobserved.some(({ pid }) => pid === service.pid));

  await t.test('containers that start and end all the time are not taken for such', async (t) => {
    const churn = spawn(
      'sh',
      ['-c', `while :; do docker -H ${own.endpoint} run --rm --network none ${IMAGE} true; done`],
      { stdio: 'ignore', detached: true },
    );
    t.teardown(() => void process.kill(-(churn.pid ?? 0), 'SIGKILL'));
    for (let round = 0; round < 5; round += 1) {
      const entries = valueOr((await scan()).facts.unobserved, []);
      const wrong = entries.filter(({ kind, id, engine: of }) => kind === 'container' && of === '' && id !== STOWAWAY);
      t.strictSame(wrong, [], `round ${String(round)}`);
    }
  });
});

void t.test(
  'a second engine that lies, floods or never ends changes nothing that is said of the first',
  { skip },
  async (t) => {
    const id = docker(SOCKET, 'run', '-d', '--name', FIRST, '--network', 'none', IMAGE, 'sleep', '3000');
    t.teardown(() => void docker(SOCKET, 'rm', '-f', id));
    const json = (body: string): string => `HTTP/1.1 200 OK\r\nContent-Length: ${String(body.length)}\r\n\r\n${body}`;
    const list = (...ids: readonly string[]): string =>
      JSON.stringify(ids.map((Id) => ({ Id, Names: ['/x'], ImageID: '' })));
    const inspect = (name: string, pid: number): string =>
      JSON.stringify({
        Id: name,
        Name: '/lie',
        Image: '',
        State: { Running: true, Pid: pid },
        Config: { Image: 'x' },
        HostConfig: {},
      });
    const pour = (socket: Socket, head: string, piece: string): void => {
      socket.write(head);
      const more = (): void => {
        while (!socket.destroyed && socket.write(piece));
      };
      socket.on('drain', more);
      more();
    };
    const answers: Readonly<Record<string, (socket: Socket, path: string) => void>> = {
      'claims a container of the first': (socket, path) =>
        void socket.write(json(path.startsWith('/containers/json') ? list(id) : inspect(id, 1))),
      'lists a million containers': (socket) =>
        void socket.write(
          json(`[${Array.from({ length: 1_000_000 }, (_, at) => `{"Id":"${String(at)}"}`).join(',')}]`),
        ),
      'never ends its answer': (socket) =>
        pour(socket, 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', `8000\r\n${'['.repeat(0x8000)}\r\n`),
      'never ends its headers': (socket) => pour(socket, 'HTTP/1.1 200 OK\r\n', 'X-Padding: p\r\n'.repeat(100)),
      'says something else': (socket) => void socket.write(json('{"Id":{"deep":[]}}')),
      'nests a thousand lists': (socket) => void socket.write(json('['.repeat(100_000))),
    };
    for (const [what, answer] of Object.entries(answers))
      await t.test(what, async (t) => {
        const path = await startEngine(t, (socket) => {
          socket.on('data', (bytes: Buffer) => answer(socket, bytes.toString().split(' ')[1] ?? ''));
        });
        const startedMs = performance.now();
        const looked = await scan(`unix://${SOCKET},unix://${path}`);
        t.ok(performance.now() - startedMs < 30_000, 'bounded in time');
        t.match(about(looked, 'container.privileged', id), {
          verdict: 'pass',
          subject: { name: FIRST },
        });
        t.match(about(looked, 'container.seccomp-filter', id), { verdict: 'pass' });
      });
  },
);
