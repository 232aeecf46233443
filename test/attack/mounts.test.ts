import { execFileSync } from 'node:child_process';
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { observeContainer } from '../../agent/inspector/observe.ts';
import type { NodeAccess } from '../../agent/node-access.ts';
import { devices } from '../../posture/check/container/devices.ts';
import { runtimeSocket } from '../../posture/check/container/runtime-socket.ts';
import { sensitiveMount } from '../../posture/check/container/sensitive-mount.ts';
import type { ContainerFact } from '../../posture/fact/container.ts';
import type { Judgement } from '../../posture/verdict.ts';
import { liveNode, seenContainer } from '../agent/inspector/live-node.ts';
import { noDockerd, startDockerd } from '../agent/runtime/docker/own-dockerd.ts';
import { testDocker } from '../component/docker.ts';
import type { TestDocker } from '../component/docker.ts';
import { cannotMount, mountSmall } from '../component/tmpfs.ts';
import { factsOf } from '../fixture/facts.ts';

/*
 * Containers that get at something of the node in ways that their declaration does not show. The control socket lies
 * on a tmpfs, as it does below /run of every distribution with systemd.
 */

const available = testDocker();
const skip = cannotMount() || ('reason' in available ? available.reason : false);

/** Containers of one test, and what is said about them. */
interface Scene {
  readonly docker: TestDocker;
  readonly node: NodeAccess;
  /** Starts a container that sleeps, with these options; answers its name. */
  readonly start: (...options: readonly string[]) => Promise<string>;
  readonly look: (name: string) => Promise<ContainerFact>;
}

let count = 0;

function scene(t: Test): Scene {
  if ('reason' in available) throw new Error(available.reason);
  const { docker } = available;
  const node = liveNode(docker.endpoint);
  const ids = new Map<string, string>();
  return {
    docker,
    node,
    start: async (...options) => {
      const name = `mounts-${String((count += 1))}`;
      t.teardown(() => docker.remove(name));
      ids.set(name, await docker.start(name, '--network', 'none', ...options));
      return name;
    },
    // As after a start: nothing is known of it yet.
    look: async (name) => seenContainer(await observeContainer(liveNode(docker.endpoint), {}, ids.get(name) ?? '')),
  };
}

function judge(check: typeof runtimeSocket, container: ContainerFact): Judgement {
  return check.judge(container, factsOf());
}

/** Does an engine answer at `path` of the container? The kernel decides: it is asked through /proc/PID/root. */
function answersIn(pid: number, path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const call = request({ socketPath: `/proc/${String(pid)}/root${path}`, path: '/_ping' }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    call.on('error', () => resolve(false));
    call.end();
  });
}

/** A tmpfs that is mounted somewhere else too until the test is over. */
function bindTo(t: Test, source: string, target: string): void {
  execFileSync('mount', ['--bind', source, target]);
  t.teardown(() => void execFileSync('umount', ['-l', target]));
}

function directory(t: Test, parent = tmpdir()): string {
  const path = mkdtempSync(join(parent, 'plimsoll-mounts-'));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

t.test('ways to the control socket of an engine', { skip: skip || noDockerd }, async (t) => {
  const run = mountSmall(t, '1m');
  execFileSync('mount', ['--make-rshared', run]);
  const engine = await startDockerd(() => ['-H', `unix://${run}/api`]);
  t.teardown(() => engine.stop());
  const { docker, start, look } = scene(t);

  const reaches = async (t: Test, name: string, path: string): Promise<void> => {
    t.ok(await answersIn(await docker.pid(name), path), 'the engine answers');
    const judgement = judge(runtimeSocket, await look(name));
    t.equal(judgement.verdict, 'fail');
    t.ok(
      judgement.evidence.some(({ seen }) => seen.includes(`${run}/api`)),
      JSON.stringify(judgement.evidence),
    );
  };

  await t.test('the file itself, under another name', async (t) => {
    await reaches(t, await start('-v', `${run}/api:/tmp/x`), '/tmp/x');
  });
  await t.test('the directory that holds it', async (t) => {
    await reaches(t, await start('-v', `${run}:/host:ro`), '/host/api');
  });
  await t.test('a symbolic link to the socket', async (t) => {
    const link = join(directory(t), 'link');
    symlinkSync(`${run}/api`, link);
    await reaches(t, await start('-v', `${link}:/x`), '/x');
  });
  await t.test('a symbolic link to the directory', async (t) => {
    const link = join(directory(t), 'link');
    symlinkSync(run, link);
    await reaches(t, await start('-v', `${link}:/x`), '/x/api');
  });
  await t.test('a volume that is a bind in disguise', async (t) => {
    const volume = 'plimsoll-test-mounts-bind';
    await docker.docker('volume', 'create', '-o', 'type=none', '-o', 'o=bind', '-o', `device=${run}`, volume);
    t.teardown(() => docker.docker('volume', 'rm', '-f', volume));
    await reaches(t, await start('-v', `${volume}:/x`), '/x/api');
    await docker.remove(`mounts-${String(count)}`);
  });
  await t.test('a parent directory with the mount below it', async (t) => {
    const parent = directory(t);
    mkdirSync(join(parent, 'a/b'), { recursive: true });
    bindTo(t, run, join(parent, 'a/b'));
    await reaches(t, await start('-v', `${parent}:/x`), '/x/a/b/api');
  });
  await t.test('a mount that arrives later by propagation', async (t) => {
    const parent = mountSmall(t, '64k');
    execFileSync('mount', ['--make-rshared', parent]);
    mkdirSync(join(parent, 'later'));
    const name = await start('--mount', `type=bind,source=${parent},target=/x,bind-propagation=rslave`);
    t.equal(judge(runtimeSocket, await look(name)).verdict, 'pass', 'not there yet');
    bindTo(t, run, join(parent, 'later'));
    await reaches(t, name, '/x/later/api');
  });
  await t.test('a hard link, also when the linked name is removed', async (t) => {
    mkdirSync(join(run, 'shop'));
    linkSync(`${run}/api`, `${run}/shop/innocent`);
    const inDirectory = await start('-v', `${run}/shop:/x`);
    await reaches(t, inDirectory, '/x/innocent');
    const alone = await start('-v', `${run}/shop/innocent:/y`);
    await reaches(t, alone, '/y');
    unlinkSync(`${run}/shop/innocent`);
    t.ok(await answersIn(await docker.pid(alone), '/y'), 'the engine answers still');
    t.equal(judge(runtimeSocket, await look(alone)).verdict, 'unknown');
    t.equal(judge(runtimeSocket, await look(inDirectory)).verdict, 'pass', 'the link is gone from the directory');
  });
  await t.test('an overlay of the directory', async (t) => {
    const volume = 'plimsoll-test-mounts-overlay';
    const [upper, link] = [directory(t), join(directory(t), 'link')];
    symlinkSync(run, link);
    const options = `o=lowerdir=${upper}:${link}`;
    await docker.docker('volume', 'create', '-o', 'type=overlay', '-o', 'device=overlay', '-o', options, volume);
    t.teardown(() => docker.docker('volume', 'rm', '-f', volume));
    const name = await start('-v', `${volume}:/x`);
    // Whether a socket of a lower layer can be connected to depends on the kernel.
    t.not(judge(runtimeSocket, await look(name)).verdict, 'pass');
    await docker.remove(name);
  });
  await t.test('what is covered is not reached', async (t) => {
    const name = await start('-v', `${run}:/x`, '-v', '/dev/null:/x/api');
    t.notOk(await answersIn(await docker.pid(name), '/x/api'));
    t.equal(judge(runtimeSocket, await look(name)).verdict, 'pass');
    const able = await start('-v', `${run}:/x`, '-v', '/dev/null:/x/api', '--cap-add', 'SYS_ADMIN');
    t.equal(judge(runtimeSocket, await look(able)).verdict, 'fail', 'it can be uncovered');
  });
  await t.test('a first process that changed its root directory', async (t) => {
    const name = `mounts-${String((count += 1))}`;
    t.teardown(() => docker.remove(name));
    const script =
      'busybox mkdir -p /jail/bin && busybox cp /bin/busybox /jail/bin/ && exec busybox chroot /jail /bin/busybox sleep 3600';
    const options = ['--network', 'none', '-v', `${run}/api:/x`];
    const id = await docker.docker(
      'run',
      '-d',
      '--name',
      `plimsoll-test-${name}`,
      ...options,
      'plimsoll-test/busybox:1',
      'sh',
      '-c',
      script,
    );
    while (
      execFileSync('readlink', [`/proc/${String(await docker.pid(name))}/root`], { encoding: 'utf8' }) !== '/jail\n'
    );
    const chrooted = seenContainer(await observeContainer(liveNode(docker.endpoint), {}, id));
    t.not(judge(runtimeSocket, chrooted).verdict, 'pass');
    await docker.docker('exec', '-d', `plimsoll-test-${name}`, '/bin/sleep', '3600');
    const beside = seenContainer(await observeContainer(liveNode(docker.endpoint), {}, id));
    t.equal(judge(runtimeSocket, beside).verdict, 'fail', 'another process shows the mounts');
  });
});

t.test('devices', { skip: skip || !existsSync('/sys/fs/cgroup/devices') }, async (t) => {
  const { docker, start, look } = scene(t);
  const expect = async (t: Test, name: string, severity: string | undefined): Promise<void> => {
    const judgement = judge(devices, await look(name));
    const expected = severity === undefined ? { verdict: 'pass' } : { verdict: 'fail', severity };
    t.match(judgement, expected, JSON.stringify(judgement));
  };
  const plain = await start();
  await expect(t, plain, undefined);
  await expect(t, await start('--device-cgroup-rule', 'b 7:* r'), 'high');
  await expect(t, await start('--device', '/dev/null:/dev/x:r'), 'medium');
  const cgroup = readFileSync(`/proc/${String(await docker.pid(plain))}/cgroup`, 'utf8');
  const path = /:devices:(.*)$/m.exec(cgroup)?.[1] ?? '';
  writeFileSync(`/sys/fs/cgroup/devices${path}/devices.allow`, 'a');
  await expect(t, plain, 'critical');
});

t.test('a directory without a live socket is none', { skip }, async (t) => {
  const { start, look } = scene(t);
  const empty = directory(t);
  mkdirSync(join(empty, 'podman'));
  mkdirSync(join(empty, 'docker.sock'));
  writeFileSync(join(empty, 'crio.sock'), '');
  const name = await start(
    '-v',
    `${empty}/podman:/run/podman`,
    '-v',
    `${empty}/docker.sock:/run/docker.sock`,
    '-v',
    `${empty}/crio.sock:/run/crio/crio.sock`,
  );
  t.equal(judge(runtimeSocket, await look(name)).verdict, 'pass');
});

t.test('ways to sensitive places of the node', { skip }, async (t) => {
  const { docker, start, look } = scene(t);
  const expect = async (t: Test, name: string, severity: string | undefined): Promise<void> => {
    const judgement = judge(sensitiveMount, await look(name));
    t.match(
      judgement,
      severity === undefined ? { verdict: 'pass' } : { verdict: 'fail', severity },
      JSON.stringify(judgement),
    );
  };

  await t.test('a home directory on a disk of its own', async (t) => {
    const home = directory(t, '/home');
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', home]);
    t.teardown(() => void execFileSync('umount', ['-l', home]));
    await expect(t, await start('-v', `${home}:/x`), 'high');
    const volume = 'plimsoll-test-mounts-home';
    await docker.docker('volume', 'create', '-o', 'type=none', '-o', 'o=bind', '-o', `device=${home}`, volume);
    t.teardown(() => docker.docker('volume', 'rm', '-f', volume));
    const name = await start('-v', `${volume}:/x`);
    await expect(t, name, 'high');
    await docker.remove(name);
  });
  for (const [type, severity] of [
    ['proc', 'critical'],
    ['sysfs', 'high'],
  ] as const)
    await t.test(`a volume of type ${type}`, async (t) => {
      const volume = `plimsoll-test-mounts-${type}`;
      await docker.docker('volume', 'create', '-o', `type=${type}`, '-o', `device=${type}`, volume);
      t.teardown(() => docker.docker('volume', 'rm', '-f', volume));
      const name = await start('-v', `${volume}:/x`);
      await expect(t, name, severity);
      await docker.remove(name);
    });
  await t.test('an overlay of /etc', async (t) => {
    const volume = 'plimsoll-test-mounts-etc';
    const options = `o=lowerdir=${directory(t)}:/etc`;
    await docker.docker('volume', 'create', '-o', 'type=overlay', '-o', 'device=overlay', '-o', options, volume);
    t.teardown(() => docker.docker('volume', 'rm', '-f', volume));
    const name = await start('-v', `${volume}:/x:ro`);
    await expect(t, name, 'high');
    await docker.remove(name);
  });
  await t.test('places that start programs', async (t) => {
    await expect(t, await start('-v', '/etc/cron.d:/x'), 'critical');
    await expect(t, await start('-v', '/etc/profile.d:/x'), 'critical');
    await expect(t, await start('-v', '/etc:/x:ro'), 'high');
    await expect(t, await start('-v', '/etc/hostname:/x:ro'), 'low');
  });
  await t.test('a volume with the disk of the node concerns no other container', async (t) => {
    const shared = directory(t, '/srv');
    const neighbours = [
      await start(),
      await start('-v', '/data'),
      await start('-v', `${shared}:/x`),
      await start('-v', `/var/empty:/x`),
    ];
    for (const device of ['/', '/var', '/tmp', '/run', shared]) {
      const volume = `plimsoll-test-mounts-of${device.replaceAll('/', '-')}`;
      await docker.docker('volume', 'create', '-o', 'type=none', '-o', 'o=bind', '-o', `device=${device}`, volume);
      t.teardown(() => docker.docker('volume', 'rm', '-f', volume));
      const name = await start('-v', `${volume}:/x`);
      if (device !== shared && device !== '/tmp') await expect(t, name, 'critical');
      for (const neighbour of neighbours) await expect(t, neighbour, undefined);
      await docker.remove(name);
    }
  });
  await t.test('a second mount of the root file system below a sensitive place', async (t) => {
    const shared = directory(t, '/srv');
    const neighbours = [await start(), await start('-v', `${shared}:/x`)];
    for (const parent of ['/run', '/root', '/usr/local', '/etc']) bindTo(t, '/', directory(t, parent));
    for (const neighbour of neighbours) await expect(t, neighbour, undefined);
    await expect(t, await start('-v', '/etc:/x'), 'critical');
    const unit = directory(t, '/etc/systemd');
    bindTo(t, shared, unit);
    await expect(t, neighbours[1] ?? '', 'critical');
  });
  await t.test('memory files of the node through the IPC namespace of another container', async (t) => {
    const other = await start('--ipc', 'host');
    await expect(t, other, undefined);
    await expect(t, await start('--ipc', `container:plimsoll-test-${other}`), undefined);
    await expect(t, await start('-v', '/dev/shm:/dev/shm'), 'high');
  });
  await t.test("what is the container's own", async (t) => {
    await expect(t, await start('--tmpfs', '/x', '-v', '/data', '-v', `${directory(t)}:/y`, '--init'), undefined);
    await expect(t, await start('--ipc', 'shareable', '--read-only'), undefined);
    await expect(t, await start('--ipc', 'container:plimsoll-test-mounts-' + String(count)), undefined);
  });
});
