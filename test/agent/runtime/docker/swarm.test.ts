import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { readSwarmPorts } from '../../../../agent/inspector/docker/swarm-ports.ts';
import { createDockerRuntime } from '../../../../agent/runtime/docker/docker-runtime.ts';
import type { EngineInfo } from '../../../../agent/runtime/runtime.ts';
import { seen } from '../../../../posture/observed.ts';
import { TEST_IMAGE } from '../../../component/docker.ts';
import { liveNode } from '../../inspector/live-node.ts';

const has = (program: string, ...args: readonly string[]): boolean => spawnSync(program, args).status === 0;
const skip =
  process.getuid?.() !== 0
    ? 'needs root to start a dockerd'
    : has('dockerd', '--version') && has('unshare', '-n', 'ip', 'link')
      ? false
      : 'dockerd, unshare or ip is not installed';

/** A dockerd in a network namespace of its own, where the networks of a swarm touch nothing of the machine. */
async function swarmDockerd(t: Test): Promise<{
  readonly endpoint: string;
  readonly pid: number;
  readonly docker: (...args: readonly string[]) => string;
}> {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-swarm-'));
  const endpoint = `unix://${join(directory, 'd.sock')}`;
  const own = ['data-root', 'exec-root', 'pidfile'].map((name) => `--${name}=${join(directory, name)}`).join(' ');
  const command = `ip link set lo up && exec dockerd -H ${endpoint} ${own} --bridge=none --iptables=false --ip6tables=false --log-level=fatal`;
  const child = spawn('unshare', ['-n', 'sh', '-c', command], { stdio: 'ignore' });
  const docker = (...args: readonly string[]): string =>
    execFileSync('docker', ['-H', endpoint, ...args], { encoding: 'utf8', timeout: 40_000 }).trim();
  t.teardown(async () => {
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    // A manager of a swarm may take long to end; its containerd ends with it, PR_SET_PDEATHSIG.
    await Promise.race([exited, sleep(5000)]);
    child.kill('SIGKILL');
    await exited;
    for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n').toReversed()) {
      const [, , , , mountPoint = ''] = line.split(' ');
      if (mountPoint.startsWith(`${directory}/`)) spawnSync('umount', ['-l', mountPoint]);
    }
    rmSync(directory, { recursive: true, force: true });
  });
  for (
    let attempt = 0;
    !existsSync(join(directory, 'pidfile')) || !has('docker', '-H', endpoint, 'version');
    attempt += 1
  ) {
    if (child.exitCode !== null || attempt > 300) throw new Error('dockerd did not start');
    await sleep(100);
  }
  return { endpoint, pid: Number(readFileSync(join(directory, 'pidfile'), 'utf8')), docker };
}

t.test('a real swarm of one manager', { skip }, async (t) => {
  const { endpoint, pid, docker } = await swarmDockerd(t);
  const runtime = createDockerRuntime({ endpoint, timeoutMs: 30_000 });
  const engine = async (): Promise<EngineInfo> => {
    const reply = await runtime.engine();
    if (!reply.ok) throw new Error(reply.reason);
    return reply.value;
  };
  t.match(await engine(), { api: { swarm: 'inactive' }, swarm: { state: 'absent' } });

  docker('swarm', 'init', '--advertise-addr', '127.0.0.1', '--cert-expiry', '720h');
  docker('network', 'create', '--driver', 'overlay', '--opt', 'encrypted', 'shop');
  docker(
    'service',
    'create',
    '--detach',
    '--no-resolve-image',
    '--replicas',
    '0',
    '--name',
    'db',
    '--env',
    'DB_PASSWORD=correct-horse-9battery',
    '--env',
    'LANG=C',
    TEST_IMAGE,
  );
  const { api, swarm } = await engine();
  // As docker info and docker swarm ca print them.
  const issued = Date.parse(
    execFileSync('openssl', ['x509', '-noout', '-startdate', '-dateopt', 'iso_8601'], {
      input: docker('swarm', 'ca'),
      encoding: 'utf8',
    })
      .trim()
      .replace('notBefore=', '')
      .replace(' ', 'T'),
  );
  t.match(swarm, {
    value: {
      nodeAddress: '127.0.0.1',
      isManager: true,
      cluster: {
        value: { managers: 1, autoLock: false, certificateDays: 30, rotating: false, rootIssuedAtMs: issued },
      },
      overlays: {
        value: [
          { name: 'ingress', encrypted: false, ingress: true },
          { name: 'shop', encrypted: true, ingress: false },
        ],
      },
      serviceSecrets: { value: [{ service: 'db', variables: ['DB_PASSWORD'] }] },
    },
  });
  t.notMatch(JSON.stringify(swarm), /correct-horse|SWMTKN/, 'no value and no join token is kept');
  const daemon = seen(
    { pid, uid: 0, startedAtMs: 0, executable: '/usr/sbin/dockerd', flags: {}, environment: {} },
    '/proc',
  );
  const held = await readSwarmPorts(liveNode(endpoint), api, daemon);
  t.match(held, { state: 'seen' });
  t.ok(
    held.state === 'seen' && held.value.some(({ address, port }) => port === 2377 && address === '::'),
    'on all addresses by default',
  );

  docker('swarm', 'update', '--autolock=true', '--cert-expiry', '48h');
  t.match((await engine()).swarm, { value: { cluster: { value: { autoLock: true, certificateDays: 2 } } } });
});
