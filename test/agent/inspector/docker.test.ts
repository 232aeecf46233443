import t from 'tap';
import { observeAll, observeContainer } from '../../../agent/inspector/observe.ts';
import { FACT_SCHEMAS } from '../../../posture/fact/facts.ts';
import type { ContainerFact, NamespaceName } from '../../../posture/fact/container.ts';
import { valueOr } from '../../../posture/observed.ts';
import { TEST_IMAGE, testDocker } from '../../component/docker.ts';
import type { TestDocker } from '../../component/docker.ts';
import { liveNode, seenContainer, statusWord, told } from './live-node.ts';

/** Names of this run, so that two runs do not meet. */
const RUN = `inspect-${String(process.pid)}`;
const found = testDocker();
const skip = 'reason' in found ? found.reason : process.getuid?.() === 0 ? false : 'needs root to read /proc of others';
const noNetwork = ['--network', 'none'];

const VARIANTS: Readonly<Record<string, readonly string[]>> = {
  default: noNetwork,
  privileged: [...noNetwork, '--privileged'],
  unconfined: [...noNetwork, '--security-opt', 'seccomp=unconfined'],
  shared: ['--network', 'host', '--pid', 'host', '--ipc', 'host', '--uts', 'host', '--userns', 'host'],
  capabilities: [...noNetwork, '--cap-add', 'NET_ADMIN', '--cap-drop', 'CHOWN', '--security-opt', 'no-new-privileges'],
  limits: [...noNetwork, '--memory', '64m', '--pids-limit', '50', '--cpus', '0.5', '--cpuset-cpus', '0'],
  'read-only': [...noNetwork, '--read-only', '--user', '1000:1000'],
};

t.test('each field the kernel says, against what its files say to other programs', { skip }, async (t) => {
  const docker = dockerOf();
  const access = liveNode(docker.endpoint);
  for (const [variant, options] of Object.entries(VARIANTS)) {
    const name = `${RUN}-${variant}`;
    t.teardown(() => docker.remove(name));
    const id = await docker.start(name, ...options);
    const pid = await docker.pid(name);
    const container = seenContainer(await observeContainer(access, {}, id));
    t.equal(container.id, id);
    t.equal(container.pid, pid, variant);
    compare(t, variant, container);
    await docker.remove(name);
    t.match(await observeContainer(access, {}, id), { state: 'absent' }, 'and gone when it is gone');
  }
});

function compare(t: Tap, variant: string, container: ContainerFact): void {
  const { pid } = container;
  const at = `/proc/${String(pid)}`;
  const modes = { disabled: '0', strict: '1', filter: '2' } as const;
  t.match(container.seccomp, { state: 'seen', value: { threads: 1, weakest: `${at}/status` } }, variant);
  if (container.seccomp.state === 'seen') {
    t.equal(modes[container.seccomp.value.mode], statusWord(pid, 'Seccomp'));
    t.equal(String(container.seccomp.value.filters), statusWord(pid, 'Seccomp_filters'));
  }
  t.match(container.noNewPrivs, { value: statusWord(pid, 'NoNewPrivs') === '1' });
  t.match(container.capabilities, {
    value: {
      effective: statusWord(pid, 'CapEff'),
      permitted: statusWord(pid, 'CapPrm'),
      inheritable: statusWord(pid, 'CapInh'),
      bounding: statusWord(pid, 'CapBnd'),
      ambient: statusWord(pid, 'CapAmb'),
    },
  });
  t.match(container.uid, { value: Number(told('stat', '-c', '%u', at)) });
  const programs: readonly string[] = valueOr(container.programs, []);
  t.ok(programs.includes(told('cat', `${at}/comm`)));
  t.match(container.processes, { value: 1 });
  const map = told('cat', `${at}/uid_map`).trim().split(/\s+/).map(Number);
  t.same(container.uidMap.state === 'seen' && container.uidMap.value, [
    { inside: map[0], outside: map[1], count: map[2] },
  ]);
  t.equal(
    container.mounts.state === 'seen' && container.mounts.value.length,
    Number(told('sh', '-c', `wc -l < ${at}/mountinfo`)),
  );
  for (const name of Object.keys(container.namespaces) as NamespaceName[]) {
    const inode = Number(/\d+/.exec(told('readlink', `${at}/ns/${name}`))?.[0]);
    t.match(container.namespaces[name], { state: 'seen', value: { inode } }, `${variant} ${name}`);
  }
  expected(t, variant, container);
}

/** What the options that it was started with must lead to. */
function expected(t: Tap, variant: string, container: ContainerFact): void {
  const { namespaces, seccomp } = container;
  const shared = (name: NamespaceName): unknown => namespaces[name].state === 'seen' && namespaces[name].value.host;
  const isShared = variant === 'shared';
  for (const name of ['net', 'pid', 'ipc', 'uts'] as const) t.equal(shared(name), isShared, `${variant} ${name}`);
  t.equal(shared('mnt'), false, 'a container always has mounts of its own');
  t.match(seccomp, { value: { mode: ['privileged', 'unconfined'].includes(variant) ? 'disabled' : 'filter' } });
  t.match(container.noNewPrivs, { value: variant === 'capabilities' });
  t.match(container.memoryMaxBytes, { value: variant === 'limits' ? 64 * 1024 * 1024 : -1 });
  t.match(container.pidsMax, { value: variant === 'limits' ? 50 : -1 });
  t.match(container.cpu, {
    maxMillicores: { value: variant === 'limits' ? 500 : -1 },
    weightPermille: { value: 1000 },
    processors: { value: variant === 'limits' ? 1 : Number(told('nproc', '--all')) },
  });
  t.match(container.uid, { value: variant === 'read-only' ? 1000 : 0 });
  const root = container.mounts.state === 'seen' && container.mounts.value.find(({ mountPoint }) => mountPoint === '/');
  t.match(root, { readOnly: variant === 'read-only' });
  const isMasked =
    container.mounts.state === 'seen' && container.mounts.value.some(({ mountPoint }) => mountPoint === '/proc/keys');
  t.equal(isMasked, variant !== 'privileged', 'masked paths');
}

t.test('a privileged exec into a confined container shows', { skip }, async (t) => {
  const docker = dockerOf();
  const name = `${RUN}-exec`;
  t.teardown(() => docker.remove(name));
  const id = await docker.start(name, ...noNetwork);
  await docker.docker('exec', '-d', '--privileged', `plimsoll-test-${name}`, '/bin/sleep', '3601');
  const pids = await pidsWhen(docker, name, 2);
  const container = seenContainer(await observeContainer(liveNode(docker.endpoint), {}, id));
  const other = pids.find((pid) => pid !== container.pid) ?? 0;
  t.match(container.processes, { value: 2 });
  t.not(statusWord(container.pid, 'CapEff'), statusWord(other, 'CapEff'), 'the first process has less');
  t.match(container.capabilities, {
    source: `/proc/${String(other)}/status`,
    value: { effective: statusWord(other, 'CapEff') },
  });
  t.equal(container.complete, true);
});

t.test('a program that listens on a low port of the node shows once it does', { skip }, async (t) => {
  const docker = dockerOf();
  const name = `${RUN}-port`;
  t.teardown(() => docker.remove(name));
  const id = await docker.start(name, '--network', 'host');
  const look = async (): Promise<ContainerFact> =>
    seenContainer(await observeContainer(liveNode(docker.endpoint), {}, id));
  const first = await look();
  t.match(first.hostPorts, { state: 'seen', value: [] });
  const port = 600 + (process.pid % 400);
  const open = (): boolean =>
    told('sh', '-c', 'cat /proc/net/tcp /proc/net/tcp6').includes(`:0${port.toString(16).toUpperCase()} `);
  await docker.docker('exec', '-d', `plimsoll-test-${name}`, '/bin/busybox', 'nc', '-l', '-p', String(port));
  t.ok(await until(open), 'it listens');
  const holder = (await pidsWhen(docker, name, 2)).find((pid) => pid !== first.pid);
  t.match((await look()).hostPorts, { value: [{ port, source: `/proc/${String(holder)}/fd` }] });
});

const python = ['/usr/bin/python3', '/usr/lib'].every(
  (path) => told('sh', '-c', `[ -e ${path} ] && echo y || echo n`) === 'y',
);

t.test(
  'threads that differ from their process show',
  { skip: skip || (!python && 'no /usr/bin/python3') },
  async (t) => {
    const docker = dockerOf();
    const name = `plimsoll-test-${RUN}-threads`;
    t.teardown(() => docker.docker('rm', '-f', name));
    // prctl(PR_SET_NO_NEW_PRIVS) counts for the thread that calls it: here the main thread, after another has started.
    const program =
      'import ctypes, threading, time\n' +
      'threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()\n' +
      'ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)\n' +
      'time.sleep(3600)\n';
    const libraries = ['/usr', '/lib', '/lib64'].flatMap((path) => ['-v', `${path}:${path}:ro`]);
    const run = ['run', '-d', '--name', name, ...noNetwork, ...libraries, TEST_IMAGE];
    const id = await docker.docker(...run, '/usr/bin/python3', '-c', program);
    const pid = Number(await docker.docker('inspect', '-f', '{{.State.Pid}}', name));
    const hasSet = await until(() => statusWord(pid, 'NoNewPrivs') === '1');
    t.ok(hasSet, 'the main thread has set it');
    const threads = told('ls', `/proc/${String(pid)}/task`).split('\n');
    t.equal(threads.length, 2);
    const container = seenContainer(await observeContainer(liveNode(docker.endpoint), {}, id));
    const other = threads.find((thread) => thread !== String(pid)) ?? '';
    t.match(container.seccomp, { value: { threads: 2 } });
    t.same(container.noNewPrivs, {
      state: 'seen',
      value: false,
      source: `/proc/${String(pid)}/task/${other}/status`,
    });
  },
);

t.test('a full round of this machine', { skip }, async (t) => {
  const docker = dockerOf();
  const name = `${RUN}-round`;
  t.teardown(() => docker.remove(name));
  const id = await docker.start(name, ...noNetwork);
  const facts = await observeAll(liveNode(docker.endpoint));
  for (const [fact, schema] of Object.entries(FACT_SCHEMAS)) {
    const parsed = schema.parse(facts[fact as keyof typeof facts]);
    t.ok(parsed.ok, parsed.ok ? fact : parsed.problem);
  }
  t.ok(facts.containers.state === 'seen' && facts.containers.value.some((container) => container.id === id));
  const imageId = await docker.docker('image', 'inspect', '-f', '{{.Id}}', TEST_IMAGE);
  t.ok(facts.images.state === 'seen' && facts.images.value.some((image) => image.id === imageId));
  t.match(facts.docker, {
    present: { state: 'seen', value: true },
    api: {
      state: 'seen',
      value: {
        version: await docker.docker('version', '-f', '{{.Server.Version}}'),
        dataRoot: await docker.docker('info', '-f', '{{.DockerRootDir}}'),
        storageDriver: await docker.docker('info', '-f', '{{.Driver}}'),
      },
    },
  });
  const daemon = facts.docker.process;
  if (daemon.state !== 'seen') throw new Error(daemon.source);
  t.ok(told('cat', `/proc/${String(daemon.value.pid)}/cmdline`).includes(docker.endpoint), 'the right one of several');
  const started = Date.parse(told('ps', '-o', 'lstart=', '-p', String(daemon.value.pid)));
  // ps rounds to whole seconds.
  t.ok(Math.abs(daemon.value.startedAtMs - started) <= 2000, 'start time');
  t.equal(facts.kernel.release, told('uname', '-r'));
  t.match(facts.kernel.sysctls['kernel.randomize_va_space'], {
    value: told('cat', '/proc/sys/kernel/randomize_va_space'),
  });
  const socket = facts.files.find(({ role }) => role === 'dockerSocket');
  t.match(socket?.stat, {
    value: { mode: Number.parseInt(told('stat', '-c', '%a', docker.endpoint.slice(7)), 8), kind: 'socket' },
  });
});

type Tap = Pick<typeof t, 'equal' | 'match' | 'same' | 'ok'>;

function dockerOf(): TestDocker {
  if ('reason' in found) throw new Error(found.reason);
  return found.docker;
}

/** Pids by `docker top` once there are `count` of them. */
async function pidsWhen(docker: TestDocker, name: string, count: number): Promise<readonly number[]> {
  for (;;) {
    const lines = (await docker.docker('top', `plimsoll-test-${name}`, '-o', 'pid')).split('\n').slice(1);
    if (lines.length >= count) return lines.map(Number);
  }
}

async function until(holds: () => boolean): Promise<boolean> {
  for (let attempt = 0; attempt < 600; attempt += 1) {
    if (holds()) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}
