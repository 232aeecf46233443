import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import t from 'tap';
import { observeContainer } from '../../../agent/inspector/observe.ts';
import type { ContainerFact } from '../../../posture/fact/container.ts';
import type { Observed } from '../../../posture/observed.ts';
import { liveNode } from '../inspector/live-node.ts';
import { IMAGE, noDocker, SOCKET } from '../watch/docker.ts';
import { until, watched } from '../watch/watched.ts';

const ROUNDS = 20;
/** The capabilities that the engine gives by default (docs.docker.com/engine/security), as the kernel shows them. */
const DEFAULT_CAPABILITIES = '00000000a80425fb';

const run = promisify(execFile);
async function docker(...args: readonly string[]): Promise<string> {
  const { stdout } = await run('docker', ['-H', `unix://${SOCKET}`, ...args], { timeout: 60_000 });
  return stdout.trim();
}

void t.test(
  'a container that dies and starts while it is inspected',
  { skip: noDocker, timeout: 110_000 },
  async (t) => {
    const node = await watched(t, { dockerHost: `unix://${SOCKET}` });
    await until('the first round', () => node.watch.snapshot() !== undefined);
    const name = `hostile-${String(process.pid)}-dying`;
    const id = await docker('create', '--network=none', '--name', name, IMAGE, '/bin/sleep', '1000');
    t.teardown(() => docker('rm', '-f', id).catch(() => undefined));

    const looks: Observed<ContainerFact>[] = [];
    const access = liveNode(`unix://${SOCKET}`);
    let over = false;
    const looking = Array.from({ length: 3 }, async () => {
      while (!over) looks.push(await observeContainer(access, {}, id));
    });
    for (let round = 0; round < ROUNDS; round += 1) {
      await docker('start', id);
      // Some die before anybody can have looked, some in the middle of a look, some after it.
      await sleep((round % 5) * 8);
      await docker(...(round % 2 === 0 ? ['kill', id] : ['stop', '-t', '0', id]));
    }
    over = true;
    await Promise.all(looking);

    const seen = looks.flatMap((look) => (look.state === 'seen' && look.value.state === 'running' ? [look.value] : []));
    t.comment(`${String(looks.length)} looks, ${String(seen.length)} saw it run`);
    t.ok(seen.length > 0 && seen.length < looks.length, 'some saw it run and some did not');
    for (const look of looks) if (look.state === 'unreadable') t.not(look.reason, '');
    for (const container of seen) t.same(wrongAbout(container), []);
    t.match(await observeContainer(access, {}, id), { value: { state: 'exited', pid: 0 } });

    await docker('rm', '-f', id);
    await until('its end', () => {
      const facts = node.watch.snapshot()?.facts.containers;
      return facts?.state === 'seen' && facts.value.every((container) => container.id !== id);
    });
    const findings = [...(node.watch.snapshot()?.findings.values() ?? [])];
    t.same(
      findings.filter(({ subject }) => subject.id === id),
      [],
      'nothing is left of it',
    );
    for (const check of [
      'container.seccomp-filter',
      'container.privileged',
      'container.host-pid',
      'container.capabilities',
    ])
      t.same(
        node.ever(check, id).filter(({ verdict }) => verdict === 'fail'),
        [],
        `${check} never failed`,
      );
    t.same(
      node.logged.filter((line) => /please report|failed/.test(line)),
      [],
    );
  },
);

/** It runs as the engine starts it by default: whatever else is seen of it is another process, or half of it. */
function wrongAbout({ seccomp, capabilities, namespaces, uid }: ContainerFact): readonly string[] {
  const wrong: string[] = [];
  if (seccomp.state === 'seen' && seccomp.value.mode !== 'filter') wrong.push(`seccomp ${seccomp.value.mode}`);
  if (capabilities.state === 'seen' && capabilities.value.effective !== DEFAULT_CAPABILITIES)
    wrong.push(`capabilities ${capabilities.value.effective}`);
  if (uid.state === 'seen' && uid.value !== 0) wrong.push(`uid ${String(uid.value)}`);
  for (const [name, namespace] of Object.entries(namespaces))
    if (['ipc', 'mnt', 'net', 'pid', 'uts'].includes(name) && namespace.state === 'seen' && namespace.value.host)
      wrong.push(`shares ${name} with the node`);
  return wrong;
}
