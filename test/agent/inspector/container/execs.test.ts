import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import t from 'tap';
import { observe, observeContainer } from '../../../../agent/inspector/observe.ts';
import { parseLimits } from '../../../../agent/inspector/proc/proc-limits.ts';
import { execPrivileged } from '../../../../posture/check/container/exec-privileged.ts';
import { execRoot } from '../../../../posture/check/container/exec-root.ts';
import type { ContainerFact } from '../../../../posture/fact/container.ts';
import { TEST_IMAGE, testDocker } from '../../../component/docker.ts';
import { factsOf } from '../../../fixture/facts.ts';
import { liveNode, seenContainer } from '../live-node.ts';

const found = testDocker();
const skip = 'reason' in found ? found.reason : process.getuid?.() === 0 ? false : 'needs root to read /proc of others';
const NAME = `plimsoll-test-execs-${String(process.pid)}`;

t.test('limits of this process, as prlimit(2) gives them to the kernel’s file', (t) => {
  const limits = parseLimits(readFileSync('/proc/self/limits', 'utf8'));
  const report = process.report.getReport() as { userLimits: Record<string, { hard: string | number }> };
  const hard = (name: string): number => {
    const value = report.userLimits[name]?.hard;
    return value === 'unlimited' ? -1 : Number(value);
  };
  t.same(limits, { openFiles: hard('open_files'), processes: hard('max_user_processes') });
  t.equal(parseLimits('Max open files 1 2 files\n'), undefined, 'a file that is cut');
  fc.assert(fc.property(fc.string(), (text) => parseLimits(text) === undefined || text.includes('Max open files')));
  t.end();
});

t.test('sessions of real docker exec', { skip }, async (t) => {
  if ('reason' in found) return;
  const { docker } = found;
  t.teardown(() => docker.docker('rm', '-f', NAME));
  const loop = 'while :; do sleep 1; done';
  const id = await docker.docker(
    'run',
    '-d',
    '--name',
    NAME,
    '--network',
    'none',
    '--user',
    '1000',
    TEST_IMAGE,
    'sh',
    '-c',
    loop,
  );
  const access = liveNode(docker.endpoint);
  const known = factsOf();
  const facts = { ...known, docker: await observe(access, known, 'docker') };
  const look = async (): Promise<ContainerFact> => seenContainer(await observeContainer(access, facts, id));
  const sessions = ({ execs }: ContainerFact): number => (execs.state === 'seen' ? execs.value.sessions.length : -1);
  const wait = async (count: number): Promise<ContainerFact> => {
    for (let attempt = 0; attempt < 300; attempt += 1) {
      const container = await look();
      // A session starts as runc, with the program of the session after that.
      if (
        sessions(container) === count &&
        !(container.programs.state === 'seen' && container.programs.value.some((name) => name.startsWith('runc')))
      )
        return container;
      await sleep(100);
    }
    throw new Error(`not ${String(count)} sessions`);
  };
  const verdicts = (container: ContainerFact): readonly string[] =>
    [execPrivileged, execRoot].map((check) => check.judge(container, facts).verdict);

  t.same(verdicts(await wait(0)), ['pass', 'pass'], 'its own child processes are no sessions');
  await docker.docker('exec', '-d', NAME, 'sleep', '1000');
  t.same(verdicts(await wait(1)), ['pass', 'pass'], 'a session of the user of the container');
  // An orphan of a session becomes a child of the first process.
  await docker.docker('exec', NAME, 'sh', '-c', 'sleep 999 & exit 0');
  t.equal(sessions(await look()), 1);
  await docker.docker('exec', '-d', '--user', '0', NAME, 'sleep', '1000');
  t.same(verdicts(await wait(2)), ['pass', 'fail']);
  await docker.docker('exec', '-d', '--privileged', NAME, 'sleep', '1000');
  t.same(verdicts(await wait(3)), ['fail', 'fail']);
});
