import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { observe, observeContainer } from '../../agent/inspector/observe.ts';
import type { NodeAccess } from '../../agent/node-access.ts';
import { judgeAll } from '../../posture/judge.ts';
import { CHECKS } from '../../posture/check/registry.ts';
import type { ContainerFact } from '../../posture/fact/container.ts';
import type { Facts } from '../../posture/fact/facts.ts';
import type { Judgement } from '../../posture/verdict.ts';
import { liveNode, seenContainer, statusWord, told } from '../agent/inspector/live-node.ts';
import { TEST_IMAGE, testDocker } from '../component/docker.ts';
import type { TestDocker } from '../component/docker.ts';
import { factsOf } from '../fixture/facts.ts';

/*
 * Containers whose processes differ from one another, or change while they are looked at. What is right is what the
 * files of the kernel say to other programs, and how the processes were made.
 */

const RUN = `attack-processes-${String(process.pid)}`;
const found = testDocker();
const skip = 'reason' in found ? found.reason : process.getuid?.() === 0 ? false : 'needs root to read /proc of others';
/** A first process that waits for whatever ends below it: a test must not fill the machine with zombies. */
const REAPING = 'while :; do sleep 1; done';

interface Attacked {
  readonly docker: TestDocker;
  readonly access: NodeAccess;
  readonly facts: Facts;
  readonly id: string;
  readonly name: string;
  readonly pid: number;
  readonly look: () => Promise<ContainerFact>;
  readonly judge: (check: string, container: ContainerFact) => Judgement & { readonly severity: string };
}

let count = 0;

/** Starts `command` in a container with `options`. */
async function attacked(t: Test, options: readonly string[], command: string): Promise<Attacked> {
  if ('reason' in found) throw new Error(found.reason);
  const { docker } = found;
  const name = `plimsoll-test-${RUN}-${String((count += 1))}`;
  t.teardown(() => docker.docker('rm', '-f', name));
  const run = ['run', '-d', '--name', name, '--network', 'none', '--pids-limit', '1000', ...options];
  const id = await docker.docker(...run, TEST_IMAGE, 'sh', '-c', command);
  const pid = Number(await docker.docker('inspect', '-f', '{{.State.Pid}}', name));
  const access = liveNode(docker.endpoint);
  const known = factsOf();
  const facts = {
    ...known,
    docker: await observe(access, known, 'docker'),
    kernel: await observe(access, known, 'kernel'),
  };
  return {
    docker,
    access,
    facts,
    id,
    name,
    pid,
    look: async () => seenContainer(await observeContainer(access, {}, id)),
    judge: (check, container) => {
      const judging = CHECKS.find((candidate) => candidate.id === `container.${check}`);
      if (judging?.judges !== 'container') throw new Error(`no check container.${check}`);
      const judgement = judging.judge(container, facts);
      return { severity: judging.severity, ...judgement };
    },
  };
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    if (await holds()) return;
    await sleep(50);
  }
  throw new Error('it did not come to hold within 5 s');
}

/** The processes that docker lists beside the first one, by number on this machine. */
async function others({ docker, name, pid }: Attacked): Promise<readonly number[]> {
  const listed = await docker.docker('top', name, '-eo', 'pid');
  return listed
    .split('\n')
    .slice(1)
    .map(Number)
    .filter((other) => other !== pid);
}

/** Starts a program of this machine and puts it into the cgroup of the container, whose namespaces it does not enter. */
function startInCgroup(t: Test, { pid, id }: Attacked, program: string, ...args: readonly string[]): number {
  const child = spawn(program, args, { stdio: 'ignore' });
  t.teardown(() => child.kill('SIGKILL'));
  for (const line of readFileSync(`/proc/${String(pid)}/cgroup`, 'utf8').split('\n')) {
    const [, controllers, path] = line.split(':');
    const mount = controllers === 'pids' ? '/sys/fs/cgroup/pids' : '/sys/fs/cgroup';
    if (path?.includes(id) === true && existsSync(`${mount}${path}/cgroup.procs`))
      writeFileSync(`${mount}${path}/cgroup.procs`, String(child.pid));
  }
  return child.pid ?? 0;
}

t.test('each process starts the next and ends, beside a first process that is confined', { skip }, async (t) => {
  const attack = await attacked(t, [], REAPING);
  await attack.docker.docker('exec', '-d', '--privileged', attack.name, 'sh', '-c', 'f() { f & }; f');
  await until(async () => (await others(attack)).length > 0);
  const verdicts: string[] = [];
  for (let look = 0; look < 30; look += 1) {
    const container = await attack.look();
    verdicts.push(attack.judge('capabilities', container).verdict);
  }
  t.notOk(verdicts.includes('pass'), verdicts.join(' '));
});

t.test('processes come and go, each longer than a look: nothing is unknown', { skip }, async (t) => {
  const attack = await attacked(t, [], 'while :; do sleep 0.05; done');
  const verdicts: string[] = [];
  for (let look = 0; look < 20; look += 1) verdicts.push(attack.judge('seccomp-filter', await attack.look()).verdict);
  t.strictSame([...new Set(verdicts)], ['pass']);
});

t.test('the first process is in a user namespace of its own, its child is not', { skip }, async (t) => {
  const attack = await attacked(t, ['--privileged'], 'sleep 3600 & exec busybox unshare -U sleep 3600');
  await until(() => told('readlink', `/proc/${String(attack.pid)}/ns/user`) !== told('readlink', '/proc/self/ns/user'));
  const container = await attack.look();
  t.match(attack.judge('host-user-namespace', container), { verdict: 'fail' });
  t.match(attack.judge('privileged', container), { verdict: 'fail', severity: 'critical' });
  t.match(attack.judge('capabilities', container), { verdict: 'fail', severity: 'critical' });
});

t.test('a child has every capability in a user namespace of its own', { skip }, async (t) => {
  const options = ['--cap-drop', 'ALL', '--security-opt', 'seccomp=unconfined', '--user', '1000'];
  const attack = await attacked(t, options, 'busybox unshare -U -r sleep 3600 & wait');
  let child = 0;
  await until(async () => {
    child = (await others(attack))[0] ?? 0;
    return child !== 0 && Number(`0x${statusWord(child, 'CapEff')}`) > 0;
  });
  const container = await attack.look();
  t.equal(statusWord(attack.pid, 'CapBnd'), '0000000000000000');
  t.match(container.capabilities, { value: { effective: '0000000000000000', bounding: '0000000000000000' } });
  t.match(attack.judge('capabilities', container), { verdict: 'fail', severity: 'low' });
  t.match(attack.judge('privileged', container), { verdict: 'pass' });
  t.match(attack.judge('root-user', container), { verdict: 'pass' }, 'root inside is an ordinary user on the node');
});

t.test('root beside an unprivileged first process', { skip }, async (t) => {
  const attack = await attacked(t, ['--user', '1000'], 'exec sleep 3600');
  await until(() => statusWord(attack.pid, 'Uid') === '1000');
  t.match(attack.judge('root-user', await attack.look()), { verdict: 'pass' });
  await attack.docker.docker('exec', '-d', '-u', '0', attack.name, 'sleep', '3600');
  await until(async () => (await others(attack)).length > 0);
  t.match(attack.judge('root-user', await attack.look()), { verdict: 'fail' });
});

const hasSetpriv = existsSync('/usr/bin/setpriv');

t.test(
  'root as real user id behind an effective one that is not',
  { skip: skip || (!hasSetpriv && 'no setpriv') },
  async (t) => {
    const attack = await attacked(t, ['--user', '1000'], 'exec sleep 3600');
    const pid = startInCgroup(t, attack, 'setpriv', '--ruid=0', '--euid=1000', '/bin/sleep', '3600');
    await until(() => told('cat', `/proc/${String(pid)}/comm`) === 'sleep');
    t.match(told('grep', '^Uid:', `/proc/${String(pid)}/status`), /^Uid:\t0\t1000\t/);
    const judgement = attack.judge('root-user', await attack.look());
    t.match(judgement, { verdict: 'fail', evidence: [{ source: `/proc/${String(pid)}/status`, seen: /Uid: 0 1000/ }] });
  },
);

t.test('a process of the container in the namespaces of the node', { skip }, async (t) => {
  const attack = await attacked(t, [], 'exec sleep 3600');
  for (const check of ['host-network', 'host-pid', 'host-ipc', 'host-uts', 'masked-paths'])
    t.match(attack.judge(check, await attack.look()), { verdict: 'pass' }, check);
  const pid = startInCgroup(t, attack, '/bin/sleep', '3600');
  const container = await attack.look();
  for (const [check, name] of [
    ['host-network', 'net'],
    ['host-pid', 'pid'],
    ['host-ipc', 'ipc'],
    ['host-uts', 'uts'],
  ] as const) {
    const evidence = [{ source: `/proc/${String(pid)}/ns/${name}`, seen: /the one of pid 1/ }];
    t.match(attack.judge(check, container), { verdict: 'fail', evidence }, check);
  }
  t.match(container.mountNamespaces, [{ host: true, mounts: { state: 'seen' } }]);
  t.match(attack.judge('masked-paths', container), { verdict: 'fail' }, 'it sees /proc of the node');
});

t.test('no_new_privs that a process set itself', { skip }, async (t) => {
  const attack = await attacked(t, [], 'exec busybox setpriv --nnp sleep 3600');
  await until(() => statusWord(attack.pid, 'NoNewPrivs') === '1');
  t.match(attack.judge('no-new-privileges', await attack.look()), { verdict: 'fail', severity: 'low' });
  const given = await attack.docker.docker('exec', attack.name, 'busybox', 'grep', 'NoNewPrivs', '/proc/self/status');
  t.match(given, /0$/, 'the next process does not have it');
});

t.test('a seccomp profile that allows everything', { skip }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const profiles = {
    all: { defaultAction: 'SCMP_ACT_ALLOW' },
    'all but one': {
      defaultAction: 'SCMP_ACT_ALLOW',
      syscalls: [{ names: ['acct'], action: 'SCMP_ACT_ERRNO' }],
    },
    'most, logged': {
      defaultAction: 'SCMP_ACT_LOG',
      syscalls: [{ names: ['unshare'], action: 'SCMP_ACT_ERRNO', args: [{ index: 0, value: 1, op: 'SCMP_CMP_EQ' }] }],
    },
  };
  for (const [name, profile] of Object.entries(profiles)) {
    const path = join(directory, 'profile.json');
    writeFileSync(path, JSON.stringify(profile));
    const attack = await attacked(t, ['--security-opt', `seccomp=${path}`], 'exec sleep 3600');
    t.equal(statusWord(attack.pid, 'Seccomp'), '2', 'to the kernel it looks like any other');
    t.match(attack.judge('seccomp-filter', await attack.look()), { verdict: 'fail' }, name);
  }
});

t.test('a chroot hides the mounts', { skip }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const attack = await attacked(
    t,
    ['-v', `${directory}:/secret`],
    'busybox mkdir -p /x/bin; busybox cp /bin/busybox /x/bin/; exec busybox chroot /x /bin/busybox sleep 3600',
  );
  await until(() => told('readlink', `/proc/${String(attack.pid)}/root`) === '/x');
  const hidden = await attack.look();
  t.notMatch(told('cat', `/proc/${String(attack.pid)}/mountinfo`), /secret/);
  t.match(hidden.mounts, { state: 'unreadable', reason: /chroot/ });
  t.match(attack.judge('masked-paths', hidden), { verdict: 'unknown' });
  await attack.docker.docker('exec', '-d', attack.name, 'sleep', '3600');
  await until(async () => (await others(attack)).length > 0);
  const { mounts } = await attack.look();
  t.ok(mounts.state === 'seen' && mounts.value.some(({ mountPoint }) => mountPoint === '/secret'));
});

t.test('a dangerous container that does not run, or not at this moment', { skip }, async (t) => {
  if ('reason' in found) return;
  const { docker } = found;
  const options: Readonly<Record<string, readonly string[]>> = {
    created: ['create'],
    exited: ['run', '-d'],
    restarting: ['run', '-d', '--restart', 'always'],
    paused: ['run', '-d'],
  };
  const access = liveNode(docker.endpoint);
  const facts = { ...factsOf(), docker: await observe(access, factsOf(), 'docker') };
  for (const [state, [command = '', ...more]] of Object.entries(options)) {
    const name = `plimsoll-test-${RUN}-${state}`;
    t.teardown(() => docker.docker('rm', '-f', name));
    const program = state === 'paused' ? ['sleep', '3600'] : ['sh', '-c', 'exit 1'];
    const dangerous = [...more, '--name', name, '--privileged', '--network', 'host', '--pid', 'host'];
    const id = await docker.docker(command, ...dangerous, TEST_IMAGE, ...program);
    if (state === 'paused') await docker.docker('pause', name);
    await until(async () => (await docker.docker('inspect', '-f', '{{.State.Status}}', name)) === state);
    const containers = await observe(access, facts, 'containers');
    const listed = containers.state === 'seen' ? containers.value.find((container) => container.id === id) : undefined;
    // Between two starts it runs for a moment.
    if (state !== 'restarting') t.equal(listed?.state, state);
    t.ok(listed, `${state}: it is listed`);
    if (listed === undefined) continue;
    const findings = judgeAll(CHECKS, { ...facts, containers: { state: 'seen', value: [listed], source: '' } });
    const verdictOf = (check: string): unknown =>
      [...findings.values()].find((finding) => finding.check === `container.${check}` && finding.subject.id === id);
    const isMild = state === 'created' || state === 'exited';
    t.match(verdictOf('privileged'), { verdict: 'fail', severity: isMild ? 'high' : 'critical' }, state);
    t.match(verdictOf('host-network'), { verdict: 'fail', severity: isMild ? 'medium' : 'high' }, state);
    t.match(verdictOf('host-pid'), { verdict: 'fail' }, state);
    if (!isMild) continue;
    t.match(verdictOf('memory-limit'), { verdict: 'notApplicable' }, state);
    t.match(verdictOf('privileged'), { evidence: [{}, { seen: `running: no (${state})` }] }, state);
    await docker.docker('rename', name, `${name}-renamed`);
    const renamed = await observe(access, { ...facts, containers }, 'containers');
    const again = renamed.state === 'seen' ? renamed.value.find((container) => container.id === id) : undefined;
    t.equal(again?.name, `${name}-renamed`);
    await docker.docker('rename', `${name}-renamed`, name);
  }
});

t.test('an agent that remembers sees what a fresh one sees', { skip }, async (t) => {
  const attack = await attacked(t, [], 'exec sleep 3600');
  const first = await attack.look();
  t.match(attack.judge('host-network', first), { verdict: 'pass' });
  startInCgroup(t, attack, '/bin/sleep', '3600');
  const known = { containers: { state: 'seen', value: [first], source: '' } } as const;
  const again = seenContainer(await observeContainer(attack.access, known, attack.id));
  t.match(attack.judge('host-network', again), { verdict: 'fail' });
});
