import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { createImageReader } from '../../../../agent/image/image-reader.ts';
import { scanImage } from '../../../../agent/image/scan-image.ts';
import { observeContainer } from '../../../../agent/inspector/observe.ts';
import type { ContainerFact } from '../../../../posture/fact/container.ts';
import type { Verdict } from '../../../../posture/verdict.ts';
import { CHECKS } from '../../../../posture/check/registry.ts';
import { decodeInventory } from '../../../../proto/inventory-codec.ts';
import { accessTo } from '../../../fixture/inspector/access.ts';
import { containerProcess, ID, inspectAnswer, NODE } from '../../../fixture/inspector/recorded-container.ts';
import { INITIAL, namespaceLinks, treeHost } from '../../../fixture/inspector/tree.ts';
import { factsOf } from '../../../fixture/facts.ts';
import { settingsWith } from '../../../fixture/settings.ts';
import { liveNode, seenContainer } from '../live-node.ts';
import { noDockerd, startDockerd } from '../../runtime/docker/own-dockerd.ts';
import { noGvisor, sandboxImage, sandboxRuntimes } from '../../runtime/docker/sandbox-runtimes.ts';

const IMAGE = 'plimsoll-test/sandbox:1';
const WORKER = new URL('../../../../image/inventory/worker.ts', import.meta.url);

/** Judges one container by every check of containers. */
function verdictsOf(
  container: ContainerFact,
): ReadonlyMap<string, { readonly verdict: Verdict; readonly text: string }> {
  const facts = factsOf();
  return new Map(
    CHECKS.filter((check) => check.judges === 'container').map((check) => {
      const { verdict, reason = '', severity = check.severity } = check.judge(container, facts);
      const id = check.id.slice('container.'.length);
      return [id, { verdict, text: verdict === 'fail' ? `fail ${severity}` : `${verdict} ${reason}` }];
    }),
  );
}

/** Checks whose verdict describes processes in the kernel of the node: none of them may pass or fail. */
const OF_PROCESSES = [
  'apparmor',
  'exec-privileged',
  'exec-root',
  'host-cgroup-namespace',
  'host-user-namespace',
  'masked-paths',
  'no-new-privileges',
  'selinux',
  'ssh-server',
  'ulimits',
];
/** Checks of what was requested: a hardened container passes each. */
const OF_DECLARATION = [
  'capabilities',
  'devices',
  'host-ipc',
  'host-network',
  'host-pid',
  'host-uts',
  'mount-propagation',
  'privileged',
  'read-only-root',
  'root-user',
  'runtime-socket',
  'sensitive-mount',
];
const HARDENED = ['--user', '1000', '--cap-drop', 'ALL', '--read-only'];

/** A first process as /proc shows it, and what the engine says of its container. */
interface Shown {
  readonly runtime: string;
  readonly program?: string;
  readonly executable: string;
  /** In the pid and mount namespace of the node. */
  readonly of?: readonly ('pid' | 'mnt')[];
  readonly root?: 'sandbox' | 'image';
  readonly pidMode?: string;
  readonly cgroup?: string;
}

const GVISOR_ROOT = '122 84 0:50 / / ro,relatime - tmpfs runsc-root rw\n';

const SHOWN: readonly (readonly [name: string, shown: Shown, expected: unknown])[] = [
  ['gVisor in the pid namespace of the node', { runtime: 'x', executable: '/usr/bin/runsc', of: ['pid'] }, 'gvisor'],
  [
    'gVisor on KVM, in a pid namespace of its own',
    { runtime: 'x', program: '/usr/bin/runsc', executable: '/usr/bin/runsc', root: 'sandbox' },
    'gvisor',
  ],
  ['its program was replaced', { runtime: 'x', executable: '/usr/bin/runsc (deleted)', of: ['pid'] }, 'gvisor'],
  [
    'a hypervisor under the name of a shim',
    { runtime: 'io.containerd.kata.v2', executable: '/opt/kata/bin/qemu-system-x86_64', of: ['pid', 'mnt'] },
    'vm',
  ],
  [
    'a hypervisor for a container that asks for the pid namespace of the node',
    {
      runtime: 'io.containerd.kata.v2',
      executable: '/opt/kata/bin/qemu-system-x86_64',
      of: ['pid', 'mnt'],
      pidMode: 'host',
    },
    'vm',
  ],
  ['a wrapper of runc', { runtime: 'runsc', program: '/usr/bin/runsc', executable: '/bin/busybox' }, 'absent'],
  ['an image with a program called runsc', { runtime: 'runc', executable: '/usr/bin/runsc' }, 'absent'],
  [
    'a root directory that looks like that of gVisor, and a runc',
    { runtime: 'runc', executable: '/usr/bin/runsc', root: 'sandbox' },
    'absent',
  ],
  [
    'the same with the pid namespace of the node on request',
    { runtime: 'runc', executable: '/usr/bin/runsc', root: 'sandbox', of: ['pid'], pidMode: 'host' },
    'absent',
  ],
  ['a program that others can change', { runtime: 'x', executable: '/srv/qemu-kvm', of: ['pid'] }, 'unreadable'],
  ['a program that is not there', { runtime: 'x', executable: '/gone/firecracker', of: ['pid'] }, 'unreadable'],
  ['an unknown program', { runtime: 'x', executable: '/usr/bin/other', of: ['pid'] }, 'unreadable'],
  [
    'firecracker in its jail',
    { runtime: 'x', program: 'io.containerd.firecracker.v1', executable: '/firecracker' },
    'unreadable',
  ],
  ['libkrun', { runtime: 'krun', executable: '/memfd:crun_cloned:/proc/self/exe (deleted)' }, 'unreadable'],
  [
    'a number that counts in a virtual machine',
    { runtime: 'io.containerd.kata.v2', executable: '/bin/cron', cgroup: '0::/system.slice/cron.service\n' },
    'unreadable',
  ],
];

void t.test('what decides which kernel runs a container', async (t) => {
  for (const [name, shown, expected] of SHOWN) {
    const inodes = Object.fromEntries((shown.of ?? []).map((of) => [of, INITIAL[of]]));
    const host = treeHost(t, {
      ...NODE,
      ...containerProcess(100),
      ...namespaceLinks(100, { ...INITIAL, mnt: 4026532180, net: 4026532184, pid: 4026532183, ...inodes }),
      ...(shown.root === 'sandbox' && { '/proc/100/mountinfo': GVISOR_ROOT }),
      ...(shown.cgroup !== undefined && { '/proc/100/cgroup': shown.cgroup }),
      '/proc/100/cmdline': 'sleep\0',
      '/proc/100/exe': `-> ${shown.executable}`,
      ...Object.fromEntries(
        ['/usr/bin/runsc', '/usr/bin/other', '/opt/kata/bin/qemu-system-x86_64', '/srv/qemu-kvm'].map((path) => [
          path,
          '',
        ]),
      ),
    });
    chmodSync(join(host.root, 'srv/qemu-kvm'), 0o666);
    const answer = inspectAnswer(100) as { readonly HostConfig: object };
    const { runtime, program = runtime, pidMode = '' } = shown;
    const access = await accessTo(t, host, {
      [`/containers/${ID}/json`]: {
        ...answer,
        HostConfig: { ...answer.HostConfig, Runtime: runtime, PidMode: pidMode },
      },
      '/info': { Runtimes: { [runtime]: { path: program } } },
    });
    const { ownKernel } = seenContainer(await observeContainer(access, {}, ID));
    t.equal(ownKernel.state === 'seen' ? ownKernel.value.kind : ownKernel.state, expected, name);
  }
});

void t.test('containers with a kernel of their own', { skip: noDockerd || noGvisor }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-sandbox-'));
  const daemon = await startDockerd(() => sandboxRuntimes(join(directory, 'runtimes')));
  const docker = (...args: readonly string[]): string =>
    execFileSync('docker', ['-H', daemon.endpoint, ...args], { encoding: 'utf8', timeout: 60_000 }).trim();
  t.teardown(async () => {
    const all = docker('ps', '-aq');
    if (all !== '') docker('rm', '-f', ...all.split('\n'));
    await daemon.stop();
    rmSync(directory, { recursive: true, force: true });
  });
  execFileSync('docker', ['-H', daemon.endpoint, 'import', '-', IMAGE], {
    input: sandboxImage(join(directory, 'image')),
  });
  const access = liveNode(daemon.endpoint);
  const run = async (options: readonly string[], ...command: readonly string[]): Promise<ContainerFact> => {
    const program = command.length > 0 ? command : ['/bin/sleep', '3600'];
    const network = options.includes('--network') ? [] : ['--network', 'none'];
    const id = docker('run', '-d', ...network, ...options, IMAGE, ...program);
    return seenContainer(await observeContainer(access, {}, id));
  };

  await t.test('gVisor, by its own name and by another', async (t) => {
    for (const runtime of ['runsc', 'plain']) {
      const container = await run(['--runtime', runtime, ...HARDENED]);
      // What the container sees decides what is expected.
      t.not(docker('exec', container.id, '/bin/cat', '/proc/version').split(' ')[2], release());
      t.match(container.handler, { name: runtime, program: /\/runsc$/ });
      t.match(container.ownKernel, { state: 'seen', value: { kind: 'gvisor', program: /\/runsc$/, filtered: true } });
      const verdicts = verdictsOf(container);
      for (const id of OF_PROCESSES) t.match(verdicts.get(id), { verdict: 'notApplicable' }, id);
      for (const id of OF_DECLARATION) t.match(verdicts.get(id), { verdict: 'pass' }, id);
      t.equal(verdicts.get('seccomp-filter')?.verdict, 'pass', 'the sandbox has a filter');
      t.equal(verdicts.get('memory-limit')?.verdict, 'fail', 'the cgroup of the sandbox has no limit');
      t.match(verdicts.get('masked-paths')?.text, /kernel of its own \(gVisor/);
    }
  });

  await t.test('what was requested of gVisor', async (t) => {
    const cases: readonly (readonly [options: readonly string[], check: string, expected: string])[] = [
      [['--privileged'], 'privileged', 'fail high'],
      [['--cap-add', 'SYS_ADMIN'], 'capabilities', 'fail high'],
      [['-v', '/etc:/mnt'], 'sensitive-mount', 'fail critical'],
      [['-v', '/var/run/docker.sock:/d.sock'], 'runtime-socket', 'fail critical'],
      [['--network', 'host'], 'host-network', 'fail high'],
      [['--pid', 'host'], 'host-pid', 'fail high'],
      [['--ipc', 'host'], 'host-ipc', 'fail medium'],
      [['--restart', 'always'], 'restart-policy', 'fail'],
      [[], 'root-user', 'fail high'],
      [[], 'read-only-root', 'fail medium'],
      [['--security-opt', 'no-new-privileges=false'], 'no-new-privileges', 'fail medium'],
      // A volume may be a bind of any directory, and a path a link.
      [['-v', '/data'], 'sensitive-mount', 'unknown'],
    ];
    for (const [options, check, expected] of cases) {
      const container = await run(['--runtime', 'runsc', ...options]);
      t.match(container.ownKernel.state, 'seen', options.join(' '));
      t.match(verdictsOf(container).get(check)?.text, new RegExp(`^${expected}`), `${check} ${options.join(' ')}`);
    }
  });

  await t.test('a process of root in the namespaces of the node stands for a hypervisor', async (t) => {
    const container = await run(['--runtime', 'kata', ...HARDENED, '--memory', '64m']);
    t.match(container.ownKernel, { state: 'seen', value: { kind: 'vm', program: /qemu-system/ } });
    const verdicts = verdictsOf(container);
    for (const id of [...OF_PROCESSES, 'seccomp-filter', 'memory-limit', 'pids-limit', 'cpu-limit'])
      t.match(verdicts.get(id), { verdict: 'notApplicable' }, id);
    for (const id of OF_DECLARATION) t.match(verdicts.get(id), { verdict: 'pass' }, id);
    t.match(verdictsOf(await run(['--runtime', 'kata', '--privileged'])).get('devices')?.text, 'fail critical');
  });

  await t.test('a name does not decide', async (t) => {
    const noNames = [
      ['--runtime', 'wrapped'],
      ['--entrypoint', '/usr/bin/runsc', '--runtime', 'wrapped'],
      ['--entrypoint', '/usr/bin/runsc'],
      ['--entrypoint', '/usr/bin/qemu-system-x86_64'],
      ['--entrypoint', '/usr/bin/qemu-system-x86_64', '--pid', 'host'],
      // The file of the node itself.
      ['-v', `${join(directory, 'runtimes')}:/vm:ro`, '--entrypoint', '/vm/qemu-system-x86_64', '--pid', 'host'],
    ];
    for (const options of noNames) {
      const command = options.includes('--entrypoint') ? ['sleep', '3600'] : ['/bin/sleep', '3600'];
      const container = await run(['--cap-add', 'SYS_ADMIN', ...options], ...command);
      t.notMatch(container.ownKernel, { state: 'seen' }, options.join(' '));
      const verdicts = verdictsOf(container);
      t.equal(verdicts.get('capabilities')?.text, 'fail critical', options.join(' '));
      for (const [id, { text }] of verdicts) t.notMatch(text, /kernel of its own/, `${id} ${options.join(' ')}`);
    }
    const wrapped = await run(['--runtime', 'wrapped', ...HARDENED]);
    t.equal(wrapped.ownKernel.state, 'absent', 'a wrapper of runc is runc');
    t.equal(verdictsOf(wrapped).get('seccomp-filter')?.verdict, 'pass');
  });

  await t.test('another program in the pid namespace of the node is not known', async (t) => {
    const container = await run(['--runtime', 'strange', ...HARDENED]);
    t.match(container.ownKernel, { state: 'unreadable', reason: /which did not get the pid namespace/ });
    const verdicts = verdictsOf(container);
    for (const id of ['privileged', 'capabilities', 'masked-paths', 'seccomp-filter', 'host-pid', 'sensitive-mount'])
      t.equal(verdicts.get(id)?.verdict, 'unknown', id);
    t.equal(verdictsOf(await run(['--runtime', 'strange', '--privileged'])).get('privileged')?.text, 'fail critical');
  });

  await t.test('files of the node are not those of an image', async (t) => {
    const reader = createImageReader({ host: access.host, hostRoot: '/', worker: WORKER });
    const { signal } = new AbortController();
    const settings = await settingsWith('agent', { 'docker-host': daemon.endpoint });
    const scan = (reference: string) =>
      scanImage(
        { settings, target: { kind: 'engine', reference }, deadlineMs: 60_000, signal, onProgress: () => {} },
        WORKER,
      );
    const cases: readonly (readonly [options: readonly string[], command: readonly string[]])[] = [
      [['--runtime', 'runsc'], []],
      [['--runtime', 'kata'], []],
      [['--runtime', 'strange'], []],
      // No kernel of its own, and the root directory of the node all the same.
      [
        ['-v', '/:/host'],
        ['/bin/chroot', '/host', '/bin/sleep', '3600'],
      ],
    ];
    for (const [options, command] of cases) {
      const container = await run(options, ...command);
      const taken = await reader.take([container], signal);
      // An overlay is visible to the node, whatever the process has as its root directory.
      const decoded = taken.ok ? await decodeInventory(taken.inventory) : undefined;
      const names = decoded?.ok === true ? decoded.value.packages.map(({ name }) => name) : [];
      t.ok(
        names.every((name) => /^(first|second)-of-image$/.test(name)),
        `${options.join(' ')}: ${names.length} packages`,
      );
      if (!taken.ok)
        t.match(taken.problem, /kernel of its own|root directory of its first process is that of the node/);
      const scanned = await scan(container.id);
      t.match(scanned, { ok: false, problem: /cannot be read in place/ }, options.join(' '));
    }
    const ordinary = await run([]);
    const scanned = await scan(ordinary.id);
    t.same(scanned.ok && scanned.inventory.packages.map(({ name }) => name), ['first-of-image', 'second-of-image']);
    // The number of the process went to another.
    const reused = await reader.take(
      [{ ...ordinary, pid: process.pid, mounts: { state: 'absent', source: '' } }],
      signal,
    );
    t.match(reused, { ok: false, problem: /does not name the container/ });
  });
});
