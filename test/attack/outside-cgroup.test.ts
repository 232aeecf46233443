import { spawn } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { observe, observeContainer } from '../../agent/inspector/observe.ts';
import { CHECKS } from '../../posture/check/registry.ts';
import type { ContainerFact } from '../../posture/fact/container.ts';
import type { Facts } from '../../posture/fact/facts.ts';
import type { Judgement } from '../../posture/verdict.ts';
import { liveNode, seenContainer, statusWord, told } from '../agent/inspector/live-node.ts';
import { TEST_IMAGE, testDocker } from '../component/docker.ts';
import type { TestDocker } from '../component/docker.ts';
import { factsOf } from '../fixture/facts.ts';

/*
 * Processes that are of a container although its cgroup does not show it: they left the cgroup, never were in it, or the
 * kernel does not say in which cgroup they are. What is right is what the files of the kernel say to other programs.
 */

const found = testDocker();
const skip = 'reason' in found ? found.reason : process.getuid?.() === 0 ? false : 'needs root to read /proc of others';
const RUN = `outside-${String(process.pid)}`;

interface Attacked {
  readonly docker: TestDocker;
  readonly name: string;
  readonly pid: number;
  readonly look: () => Promise<ContainerFact>;
  readonly verdicts: (container: ContainerFact, ...checks: readonly string[]) => readonly string[];
  readonly judge: (check: string, container: ContainerFact) => Judgement;
}

let count = 0;

async function attacked(t: Test, options: readonly string[], ...command: readonly string[]): Promise<Attacked> {
  if ('reason' in found) throw new Error(found.reason);
  const { docker } = found;
  const name = `plimsoll-test-${RUN}-${String((count += 1))}`;
  let pid = 0;
  t.teardown(async () => {
    // runc sends no signal to a process whose main thread has ended.
    try {
      if (pid > 0) process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
    await docker.docker('rm', '-f', name);
  });
  const id = await docker.docker('run', '-d', '--name', name, '--network', 'none', ...options, TEST_IMAGE, ...command);
  const known = factsOf();
  const node = liveNode(docker.endpoint);
  const facts: Facts = {
    ...known,
    docker: await observe(node, known, 'docker'),
    kernel: await observe(node, known, 'kernel'),
    host: await observe(node, known, 'host'),
  };
  const judge = (check: string, container: ContainerFact): Judgement => {
    const judging = CHECKS.find((candidate) => candidate.id === `container.${check}`);
    if (judging?.judges !== 'container') throw new Error(`no check container.${check}`);
    return judging.judge(container, facts);
  };
  pid = Number(await docker.docker('inspect', '-f', '{{.State.Pid}}', name));
  return {
    docker,
    name,
    pid,
    // Nothing is remembered: a process may have come a moment ago.
    look: async () => seenContainer(await observeContainer(liveNode(docker.endpoint), {}, id)),
    judge,
    verdicts: (container, ...checks) => checks.map((check) => `${check}: ${judge(check, container).verdict}`),
  };
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    if (await holds()) return;
    await sleep(50);
  }
  throw new Error('it did not come to hold within 10 s');
}

/** Writes a process to the top of every cgroup hierarchy. */
function moveToRoot(pid: number): void {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => / - cgroup2? /.test(line));
  for (const line of mounts) writeFileSync(`${line.split(' ')[4] ?? ''}/cgroup.procs`, String(pid));
}

/** The other processes in the pid namespace of a container, by number on this machine. */
function processesIn(pid: number): readonly number[] {
  const namespaceOf = (one: number | string): string => {
    try {
      return told('readlink', `/proc/${String(one)}/ns/pid`);
    } catch {
      return '';
    }
  };
  const own = namespaceOf(pid);
  const numbers = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  return numbers.filter((one) => one > pid && namespaceOf(one) === own);
}

const EXEC_CHECKS = ['exec-privileged', 'exec-root', 'root-user', 'capabilities'];

t.test('a privileged session, while the first process is no longer in the cgroup', { skip }, async (t) => {
  for (const options of [[], ['--cgroup-parent', `/plimsoll-test-${RUN}`]]) {
    const attack = await attacked(t, ['--user', '1000', ...options], 'sleep', '3600');
    t.strictSame(
      attack.verdicts(await attack.look(), ...EXEC_CHECKS),
      EXEC_CHECKS.map((check) => `${check}: pass`),
    );
    await attack.docker.docker('exec', '-d', '-u', '0', '--privileged', attack.name, 'sleep', '3600');
    await until(() => processesIn(attack.pid).some((pid) => statusWord(pid, 'Name') === 'sleep'));
    moveToRoot(attack.pid);
    t.notMatch(readFileSync(`/proc/${String(attack.pid)}/cgroup`, 'utf8'), /[0-9a-f]{64}/);
    t.strictSame(
      attack.verdicts(await attack.look(), ...EXEC_CHECKS),
      EXEC_CHECKS.map((check) => `${check}: fail`),
    );
    for (const pid of processesIn(attack.pid)) moveToRoot(pid);
    t.strictSame(
      attack.verdicts(await attack.look(), ...EXEC_CHECKS),
      EXEC_CHECKS.map((check) => `${check}: fail`),
      'and neither is the session',
    );
  }
});

t.test('root of the node enters the namespaces, not the cgroup', { skip }, async (t) => {
  const attack = await attacked(t, ['--user', '1000'], 'sleep', '3600');
  const before = await attack.look();
  t.match(attack.judge('root-user', before), { verdict: 'pass' });
  const child = spawn('nsenter', ['-t', String(attack.pid), '-a', '/bin/sleep', '3600'], { stdio: 'ignore' });
  t.teardown(() => {
    for (const pid of [child.pid ?? 0, ...processesIn(attack.pid)]) process.kill(pid, 'SIGKILL');
  });
  await until(() => processesIn(attack.pid).length > 0);
  t.strictSame(
    attack.verdicts(await attack.look(), ...EXEC_CHECKS),
    EXEC_CHECKS.map((check) => `${check}: fail`),
  );
});

/** The number of exit(2), which ends one thread and not its process. */
const EXIT = ({ x64: 60, arm64: 93 } as Readonly<Record<string, number>>)[process.arch];
const noPerl =
  EXIT === undefined || !existsSync('/usr/bin/perl') || !canThread() ? 'needs Perl with threads' : (false as const);

function canThread(): boolean {
  try {
    return told('/usr/bin/perl', '-Mthreads', '-e', 'print 1') === '1';
  } catch {
    return false;
  }
}

/** Perl of this machine in a container: `threads` that sleep, then `then`. */
const perl = (threads: number, then: string): readonly string[] => [
  'busybox',
  'chroot',
  '/host',
  '/usr/bin/perl',
  '-Mthreads=stack_size,65536',
  '-e',
  `threads->create(sub { sleep 3600 })->detach for 1..${String(threads)}; ${then}; sleep 3600`,
];
const HOST = ['-v', '/:/host:ro'];
const LIMITED = ['--memory', '256m', '--pids-limit', '500', '--cpus', '0.5'];

t.test('the main thread of the first process has ended, others run', { skip: skip || noPerl }, async (t) => {
  const checks = ['devices', 'memory-limit', 'pids-limit', 'cpu-limit', 'privileged'];
  const attack = await attacked(
    t,
    [...HOST, ...LIMITED, '--cap-drop', 'ALL', '--cap-add', 'SYS_CHROOT'],
    ...perl(1, `syscall(${String(EXIT)}, 0)`),
  );
  await until(() => statusWord(attack.pid, 'State').startsWith('Z'));
  const container = await attack.look();
  t.strictSame(
    attack.verdicts(container, ...checks),
    checks.map((check) => `${check}: pass`),
  );
  t.match(container.programs, { value: ['perl'] }, 'and its program is known');
});

t.test('the main thread of a session has ended', { skip: skip || noPerl }, async (t) => {
  const attack = await attacked(t, [...HOST, '--user', '1000'], 'sleep', '3600');
  const session = perl(1, `syscall(${String(EXIT)}, 0)`);
  await attack.docker.docker('exec', '-d', '-u', '0', '--privileged', attack.name, ...session);
  await until(() => processesIn(attack.pid).some((pid) => statusWord(pid, 'State').startsWith('Z')));
  t.strictSame(
    attack.verdicts(await attack.look(), ...EXEC_CHECKS),
    EXEC_CHECKS.map((check) => `${check}: fail`),
  );
});

t.test('2,200 threads', { skip: skip || noPerl }, async (t) => {
  const checks = ['privileged', 'host-pid', 'host-network', 'no-new-privileges', 'seccomp-filter'];
  const attack = await attacked(t, [...HOST, '--security-opt', 'no-new-privileges'], ...perl(2200, '1'));
  await until(() => statusWord(attack.pid, 'Threads') === '2201');
  const container = await attack.look();
  t.match(container, { complete: true, seccomp: { value: { threads: 2201 } } });
  t.strictSame(
    attack.verdicts(container, ...checks),
    checks.map((check) => `${check}: pass`),
  );
});

t.test('sessions in a pid namespace that is shared', { skip }, async (t) => {
  const other = await attacked(t, [], 'sleep', '3600');
  for (const namespace of ['host', `container:${other.name}`]) {
    // What its shell leaves behind becomes a child of a process outside of the container.
    const orphans = 'sleep 3601 & sleep 3602 & exec sleep 3600';
    const attack = await attacked(
      t,
      ['--user', '1000', '--pid', namespace],
      'sh',
      '-c',
      `(sh -c '${orphans}' &) ; exec sleep 3600`,
    );
    const checks = ['exec-privileged', 'exec-root'];
    t.strictSame(
      attack.verdicts(await attack.look(), ...checks),
      checks.map((check) => `${check}: pass`),
    );
    await attack.docker.docker('exec', '-d', '--privileged', attack.name, 'sleep', '3600');
    await until(async () => attack.judge('exec-privileged', await attack.look()).verdict === 'fail');
  }
});

t.test('a session that has ended and left a process with its capabilities behind', { skip }, async (t) => {
  const attack = await attacked(t, [], 'sh', '-c', 'while :; do sleep 1; done');
  await attack.docker.docker('exec', '--privileged', attack.name, 'sh', '-c', 'sleep 3600 & exit 0');
  t.match(attack.judge('exec-privileged', await attack.look()), { verdict: 'fail' });
});

t.test('control of the host without --privileged', { skip }, async (t) => {
  const profile = join(t.testdir({ 'all.json': '{"defaultAction":"SCMP_ACT_ALLOW"}' }), 'all.json');
  const every = ['--cap-add', 'ALL', '--security-opt', 'apparmor=unconfined'];
  const devices = ['--device-cgroup-rule', 'a *:* rwm'];
  const filter = ['--security-opt', `seccomp=${profile}`];
  const cases: readonly (readonly [string, readonly string[], string])[] = [
    ['everything', [...every, ...devices, ...filter, '--security-opt', 'systempaths=unconfined'], 'fail'],
    ['a filter that allows everything', [...every, ...filter], 'fail'],
    ['all devices, with the filter of the engine', [...every, ...devices], 'fail'],
    ['the filter and the devices of the engine', every, 'pass'],
    ['few capabilities', [...devices, ...filter], 'pass'],
  ];
  const isVersion1 = existsSync('/sys/fs/cgroup/devices');
  for (const [name, options, verdict] of cases) {
    if (!isVersion1 && name.startsWith('all devices')) continue;
    const attack = await attacked(t, options, 'sleep', '3600');
    t.match(attack.judge('privileged', await attack.look()), { verdict }, name);
  }
});
