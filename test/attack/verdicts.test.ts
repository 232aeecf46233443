import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import t from 'tap';
import type { Test } from 'tap';
import { observeAll } from '../../agent/inspector/observe.ts';
import { CHECKS } from '../../posture/check/registry.ts';
import { judgeAll } from '../../posture/judge.ts';
import type { Finding } from '../../posture/finding.ts';
import { liveNode } from '../agent/inspector/live-node.ts';
import { TEST_IMAGE, testDocker } from '../component/docker.ts';
import type { TestDocker } from '../component/docker.ts';

/*
 * Settings that look as if they held, and do not. What is right is what the files of the kernel and the engine itself
 * say.
 */

const found = testDocker();
const skip = 'reason' in found ? found.reason : process.getuid?.() === 0 ? false : 'needs root to read /proc of others';
const RUN = `plimsoll-test-attack-verdicts-${String(process.pid)}`;

/** Starts a container and answers its name. */
async function start(t: Test, docker: TestDocker, word: string, ...options: readonly string[]): Promise<string> {
  const name = `${RUN}-${word}`;
  t.teardown(() => docker.docker('rm', '-f', name));
  await docker.docker('run', '-d', '--name', name, ...options, TEST_IMAGE, 'sleep', '3600');
  return name;
}

t.test('settings that limit nothing', { skip }, async (t) => {
  if ('reason' in found) return;
  const { docker } = found;
  const memory = Number(/^MemTotal:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]) * 1024;
  const pidMax = readFileSync('/proc/sys/kernel/pid_max', 'utf8').trim();
  const all = `0-${String(cpus().length - 1)}`;

  const none = ['--network', 'none'];
  const large = await start(
    t,
    docker,
    'large',
    ...none,
    '--memory',
    '900g',
    '--pids-limit',
    pidMax,
    '--cpuset-cpus',
    all,
  );
  const small = await start(t, docker, 'small', ...none, '--memory', '64m', '--pids-limit', '50', '--cpus', '0.5');
  const gate = await start(t, docker, 'gate', '--network', 'bridge');
  const guest = await start(t, docker, 'guest', '--network', `container:${gate}`);
  const parent = await start(t, docker, 'parent', ...none, '--cgroup-parent', '/plimsoll-test');

  // A server that calls itself something else: the name of the process is that of the link that it was started by.
  const hidden = `${RUN}-hidden`;
  t.teardown(() => docker.docker('rm', '-f', hidden));
  const script = 'cp /bin/busybox /sshd; ln -s /sshd /sleep; exec /sleep 3600';
  await docker.docker('run', '-d', '--name', hidden, ...none, TEST_IMAGE, 'sh', '-c', script);

  // An image that names a user whom it maps to root, and one whose name looks like an id.
  const toor = `${RUN}-toor`;
  t.teardown(() => docker.docker('rmi', '-f', toor, 'deadbeefcafe'));
  const made = await start(t, docker, 'made', ...none);
  await docker.docker('exec', made, 'sh', '-c', 'echo "toor:x:0:0::/:/bin/sh" >> /etc/passwd');
  await docker.docker('commit', '--change', 'USER toor', made, toor);
  await docker.docker('tag', TEST_IMAGE, 'deadbeefcafe');
  const users = `${RUN}-users`;
  const named = `${RUN}-named`;
  t.teardown(() => docker.docker('rm', '-f', users, named));
  await docker.docker('run', '-d', '--name', users, ...none, toor, 'sleep', '3600');
  await docker.docker('run', '-d', '--name', named, ...none, 'deadbeefcafe', 'sleep', '3600');

  const facts = await observeAll(liveNode(docker.endpoint));
  const findings = [...judgeAll(CHECKS, facts).values()];
  const of = (check: string, name: string): Finding | undefined =>
    findings.find((finding) => finding.check === check && finding.subject.name.startsWith(name));
  const verdict = (check: string, name: string): string | undefined => of(check, name)?.verdict;

  t.ok(memory < 900 * 2 ** 30, 'this machine has less than 900 GiB');
  for (const check of ['container.memory-limit', 'container.pids-limit', 'container.cpu-limit']) {
    t.equal(verdict(check, large), 'fail', `${check}: beyond the machine`);
    t.match(JSON.stringify(of(check, large)?.evidence), /the host has|processors/, `${check}: the machine is evidence`);
    t.equal(verdict(check, small), 'pass', `${check}: a real limit`);
  }
  t.equal(verdict('container.default-bridge', gate), 'fail');
  t.equal(verdict('container.default-bridge', guest), 'fail', 'who joins it is on it too');
  t.match(of('container.default-bridge', guest)?.evidence[0]?.seen, gate);
  t.equal(verdict('container.default-bridge', small), 'pass');
  t.equal(verdict('container.cgroup-parent', parent), 'fail');
  t.equal(verdict('image.default-user', toor), 'fail', 'root by another name');
  const init = await docker.docker('inspect', '-f', '{{.State.Pid}}', hidden);
  t.equal(readFileSync(`/proc/${init}/comm`, 'utf8'), 'sleep\n');
  t.equal(verdict('container.ssh-server', hidden), 'fail', 'the file that it runs is what it is');
  t.equal(verdict('container.ssh-server', small), 'pass');
  t.equal(verdict('container.image-current', named), 'fail', 'no version is named');
});
