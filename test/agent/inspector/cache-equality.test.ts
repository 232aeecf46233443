import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import t from 'tap';
import { observeAll, observeContainer } from '../../../agent/inspector/observe.ts';
import { createParseCache } from '../../../agent/inspector/parse-cache.ts';
import type { NodeAccess } from '../../../agent/node-access.ts';
import type { ContainerFact } from '../../../posture/fact/container.ts';
import type { Facts } from '../../../posture/fact/facts.ts';
import { seen } from '../../../posture/observed.ts';
import { TEST_IMAGE, testDocker } from '../../component/docker.ts';
import type { TestDocker } from '../../component/docker.ts';
import { liveNode } from './live-node.ts';

/*
 * The cache of the inspectors saves work and decides nothing. One access remembers over all steps, another has its cache
 * switched off: after every change to real containers both must see the same.
 */

const RUN = `cache-${randomUUID().slice(0, 8)}`;
const found = testDocker();
const skip = 'reason' in found ? found.reason : process.getuid?.() === 0 ? false : 'needs root to read /proc of others';

/** Two looks a moment apart see the same node only between the changes of other programs: a difference is looked at again. */
const ATTEMPTS = 8;

interface Step {
  readonly name: string;
  readonly change: (docker: TestDocker) => Promise<unknown>;
  /** What the change must show as, so that no step compares what did not change. */
  readonly shows: (web: ContainerFact | undefined, job: ContainerFact | undefined) => boolean;
}

/** Names as the engine has them; `start` and `remove` of the test daemon add the prefix. */
const PREFIX = 'plimsoll-test-';
const web = `${PREFIX}${RUN}-web`;
const job = `${PREFIX}${RUN}-job`;
const renamed = `${job}-2`;
const network = `${PREFIX}${RUN}-net`;

/** A shell that starts one more program for each signal: the kernel shows it, the engine does not. */
const FORKS = 'trap "sleep 3600 &" USR1; sleep 3600 & while :; do wait; done';

const hasProcesses = (container: ContainerFact | undefined, count: number): boolean =>
  container?.processes.state === 'seen' && container.processes.value === count;

const STEPS: readonly Step[] = [
  {
    name: 'two are started',
    change: async (docker) => {
      await docker.docker('run', '-d', '--name', web, '--pids-limit', '50', TEST_IMAGE, '/bin/sh', '-c', FORKS);
      await docker.start(`${RUN}-job`, '--network', 'none', '--cap-add', 'NET_ADMIN');
    },
    shows: (one, other) => hasProcesses(one, 2) && other?.state === 'running',
  },
  { name: 'nothing changes', change: () => Promise.resolve(), shows: (one) => one !== undefined },
  {
    name: 'a process forks, of which the engine does not know',
    change: async (docker) =>
      process.kill(Number(await docker.docker('inspect', '-f', '{{.State.Pid}}', web)), 'SIGUSR1'),
    shows: (one) => hasProcesses(one, 3),
  },
  {
    name: 'a program is started in one by exec, without its confinement',
    change: (docker) => docker.docker('exec', '-d', '--privileged', web, '/bin/sleep', '3600'),
    shows: (one) => hasProcesses(one, 4),
  },
  {
    name: 'limits are updated',
    change: (docker) => docker.docker('update', '--pids-limit', '40', web),
    shows: (one) => one?.pidsMax.state === 'seen' && one.pidsMax.value === 40,
  },
  {
    name: 'a network is connected',
    change: async (docker) => {
      await docker.docker('network', 'create', network);
      await docker.docker('network', 'connect', network, web);
    },
    shows: (one) => one?.declared.networks.some((name) => name === network) === true,
  },
  {
    name: 'one is paused',
    change: (docker) => docker.docker('pause', job),
    shows: (_, other) => other?.state === 'paused',
  },
  {
    name: 'one is stopped, the other renamed',
    change: async (docker) => {
      await docker.docker('unpause', job);
      await docker.docker('kill', web);
      await docker.docker('rename', job, renamed);
    },
    shows: (one, other) => one?.state === 'exited' && other?.name === renamed,
  },
  {
    name: 'one is started anew, the other removed',
    change: async (docker) => {
      await docker.docker('start', web);
      await docker.docker('rm', '-f', renamed);
    },
    shows: (one, other) => one?.state === 'running' && other === undefined,
  },
];

t.test('facts with a cache equal those without, over changes', { skip, timeout: 120_000 }, async (t) => {
  if ('reason' in found) return;
  const { docker } = found;
  t.teardown(async () => {
    await docker.remove(`${RUN}-web`, `${RUN}-job`, `${RUN}-job-2`);
    await docker.docker('network', 'rm', network).catch(() => undefined);
  });
  const withCache = liveNode(docker.endpoint);
  // As the agent does: what is reported of no container is not asked about again.
  const following = new AbortController();
  t.teardown(() => following.abort());
  withCache.runtime.events(
    () => undefined,
    (reason) => t.fail(reason),
    following.signal,
  );
  const without: NodeAccess = { ...liveNode(docker.endpoint), cache: createParseCache({ enabled: false }) };
  let ids: readonly string[] = [];
  let before: Facts | undefined;
  for (const { name, change, shows } of STEPS) {
    await change(docker);
    if (ids.length === 0) ids = [await idOf(docker, web), await idOf(docker, job)];
    let [kept, plain] = [NOTHING, NOTHING];
    const own = (): readonly (ContainerFact | undefined)[] =>
      ids.map((id) => kept.containers.find((container) => container.id === id));
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      if (attempt > 0) await sleep(250);
      before = await observeAll(withCache, before);
      [kept, plain] = [ownPart(before, ids), ownPart(await observeAll(without), ids)];
      const [one, other] = own();
      if (isDeepStrictEqual(kept, plain) && shows(one, other)) break;
    }
    t.strictSame(kept, plain, name);
    const [one, other] = own();
    t.ok(shows(one, other), `${name}: shows`);
    // One container alone, as after an event.
    for (const container of kept.containers) {
      const known = { containers: seen([container], 'test') };
      t.strictSame(
        await observeContainer(withCache, known, container.id),
        await observeContainer(without, {}, container.id),
        `${name}: alone`,
      );
    }
  }
});

/** What the changes are about; other tests change the rest of the machine meanwhile. */
interface OwnPart {
  readonly containers: readonly ContainerFact[];
  readonly unobserved: readonly unknown[];
  readonly sshd: unknown;
  readonly images: readonly unknown[];
}

const NOTHING: OwnPart = { containers: [], unobserved: [], sshd: undefined, images: [] };

async function idOf(docker: TestDocker, name: string): Promise<string> {
  return docker.docker('inspect', '-f', '{{.Id}}', name);
}

function ownPart({ containers, unobserved, sshd, images }: Facts, ids: readonly string[]): OwnPart {
  const own = containers.state === 'seen' ? containers.value.filter(({ id }) => ids.includes(id)) : [];
  const imageIds = new Set(own.map(({ imageId }) => imageId));
  return {
    containers: own.toSorted((one, other) => (one.id < other.id ? -1 : 1)),
    unobserved: unobserved.state === 'seen' ? unobserved.value.filter(({ id }) => ids.includes(id)) : [unobserved],
    sshd,
    images: images.state === 'seen' ? images.value.filter(({ id }) => imageIds.has(id)) : [images],
  };
}
