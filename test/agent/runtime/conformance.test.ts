import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { observeAll } from '../../../agent/inspector/observe.ts';
import type { NodeAccess } from '../../../agent/node-access.ts';
import { createRecorder } from '../../../agent/record/recorder.ts';
import { openRecorded } from '../../../agent/record/recording.ts';
import { createDockerRuntime } from '../../../agent/runtime/docker/docker-runtime.ts';
import { CHECKS } from '../../../posture/check/registry.ts';
import type { ContainerRuntime } from '../../../agent/runtime/runtime.ts';
import type { ContainerFact, RuntimeContainer } from '../../../posture/fact/container.ts';
import { judgeAll } from '../../../posture/judge.ts';
import { absent, seen } from '../../../posture/observed.ts';
import { TEST_IMAGE, testDocker } from '../../component/docker.ts';
import { containerFact } from '../../fixture/container.ts';
import { imageFact, dockerApi } from '../../fixture/facts.ts';
import { treeHost } from '../../fixture/inspector/tree.ts';
import { nodeOf } from '../record/node-of.ts';
import { temporaryDirectory } from '../record/temporary-directory.ts';
import { createCriRuntime } from '../../../agent/runtime/cri/cri-runtime.ts';
import { testRuntime } from './conformance.ts';
import type { RuntimeUnderTest } from './conformance.ts';
import { startCriServer } from './cri/cri-server.ts';
import { noContainerd, POD_IMAGE, startContainerd } from './cri/own-containerd.ts';
import { startEngine } from './docker/engine-socket.ts';
import { noPodman, ownPodman, PODMAN_TEST_IMAGE } from './docker/own-podman.ts';
import { createMemoryRuntime } from './memory-runtime.ts';
import type { MemoryRuntime, MemoryState } from './memory-runtime.ts';

const CRI = 'unix:///run/cri-test.sock';
const RUNNING = 'ab'.repeat(32);
const CREATED = 'cd'.repeat(32);

const found = testDocker();

void t.test('Docker', { skip: 'reason' in found && found.reason }, async (t) => {
  if (!('docker' in found)) return;
  const { docker } = found;
  const names = ['one', 'two', 'three', 'four'].map((name) => `conformance-${String(process.pid)}-${name}`);
  const [running = '', created = '', ...later] = names;
  t.teardown(() => docker.remove(...names));
  await testRuntime(t, async () => {
    const id = await docker.start(running, '--privileged', '--memory=64m', '--network=none');
    const options = ['--name', `plimsoll-test-${created}`, '--network=none', TEST_IMAGE, '/bin/sleep', '1'];
    const imageId = await docker.docker('inspect', '-f', '{{.Image}}', id);
    return {
      runtime: createDockerRuntime({ endpoint: docker.endpoint }),
      running: { id, name: `plimsoll-test-${running}`, pid: await docker.pid(running), pod: '' },
      created: { id: await docker.docker('create', ...options) },
      image: { id: imageId, tag: TEST_IMAGE },
      absent: createDockerRuntime({ endpoint: `unix://${temporaryDirectory(t)}/none.sock` }),
      hostile: (answer) => answering(t, answer),
      start: () => docker.start(later.shift() ?? '', '--network=none'),
    };
  });
});

/** The Docker adapter before a server that gives this answer to every request, with these headers. */
async function answering(t: Test, answer: unknown, headers = ''): Promise<ContainerRuntime> {
  const body = JSON.stringify(answer) ?? 'nothing';
  const head = `HTTP/1.1 200 OK\r\n${headers}Content-Length: ${String(Buffer.byteLength(body))}\r\n\r\n`;
  const path = await startEngine(t, (socket) => {
    socket.on('data', () => socket.end(head + body));
  });
  return createDockerRuntime({ endpoint: `unix://${path}` });
}

void t.test('Podman', { skip: noPodman || ('reason' in found && found.reason) }, async (t) => {
  if (!('docker' in found)) return;
  const own = ownPodman(found.docker.endpoint);
  t.teardown(own.stop);
  await own.startService();
  const run = (name: string, ...flags: readonly string[]): string =>
    own.podman('run', '-d', '--name', name, '--network=none', ...flags, TEST_IMAGE, '/bin/sleep', '3600');
  await testRuntime(t, (t) => {
    const id = run('one', '--privileged', '--memory=64m');
    const imageId = `sha256:${own.podman('inspect', '-f', '{{.Image}}', id)}`;
    return Promise.resolve({
      runtime: createDockerRuntime({ endpoint: own.endpoint }),
      running: { id, name: 'one', pid: Number(own.podman('inspect', '-f', '{{.State.Pid}}', id)), pod: '' },
      created: { id: own.podman('create', '--name', 'two', '--network=none', TEST_IMAGE, '/bin/sleep', '1') },
      image: { id: imageId, tag: PODMAN_TEST_IMAGE },
      absent: createDockerRuntime({ endpoint: `unix://${temporaryDirectory(t)}/none.sock` }),
      hostile: (answer) => answering(t, answer, 'Libpod-Api-Version: 5.4.2\r\n'),
      start: () => Promise.resolve(run(`later-${String(performance.now())}`)),
    });
  });
});

void t.test('containerd', { skip: noContainerd }, async (t) => {
  const containerd = await startContainerd();
  t.teardown(() => containerd.stop());
  const pod = await containerd.runPod({ name: 'shop-6f4d8b9c7d-x2x4p', privileged: true });
  const create = (name: string): Promise<string> =>
    containerd.createContainer(pod, name, {
      securityContext: { privileged: true },
      resources: { memoryLimitInBytes: 64 * 1024 * 1024 },
    });
  const [running, created] = [await create('running'), await create('created')];
  await containerd.startContainer(running);
  const others = [await create('three'), await create('four')];
  await testRuntime(t, async (t) => ({
    runtime: createCriRuntime({ endpoint: containerd.endpoint }),
    running: { id: running, name: 'running', pid: containerd.task(running), pod: 'shop-6f4d8b9c7d-x2x4p' },
    created: { id: created },
    image: { id: containerd.imageId, tag: POD_IMAGE },
    absent: createCriRuntime({ endpoint: `unix://${temporaryDirectory(t)}/none.sock` }),
    hostile: async (answer) => {
      const body = Buffer.from(JSON.stringify(answer) ?? 'nothing');
      const socketPath = await startCriServer(t, () => ({ bytes: body }));
      return createCriRuntime({ endpoint: `unix://${socketPath}` });
    },
    start: async () => {
      const id = others.shift() ?? '';
      await containerd.startContainer(id);
      return id;
    },
  }));
});

/** What a kubelet's runtime would say of a container; unknown to the rest of this program until now. */
function criContainer(overrides: Partial<ContainerFact>): RuntimeContainer {
  const { declared, ...fact } = containerFact(overrides);
  const fields = [...Object.keys(declared), 'state', 'image'];
  return {
    id: fact.id,
    name: fact.name,
    runtime: 'cri',
    engine: CRI,
    pod: 'shop-6f4d',
    namespace: 'shop',
    workload: 'shop',
    podUid: '7f3e',
    kind: 'container',
    imageDigest: '',
    image: fact.image,
    imageId: fact.imageId,
    state: fact.state,
    pid: fact.pid,
    startedAt: fact.startedAt,
    endedAt: fact.endedAt,
    handler: fact.handler,
    declared: { ...declared, privileged: true, memoryBytes: 64 * 1024 * 1024 },
    sources: Object.fromEntries(fields.map((field) => [field, `ContainerStatus ${field}`])),
  };
}

const IMAGE = imageFact({ runtime: 'cri' });
const STATE: MemoryState = {
  version: { version: '2.0', apiVersion: 'v1' },
  engine: {
    api: dockerApi().state === 'seen' ? { ...(dockerApi() as { value: object }).value, version: '2.0' } : {},
    containers: seen({ running: 1, paused: 0, stopped: 1 }, 'Status'),
    bridgeInterContainer: seen(true, 'Status'),
    images: seen([], 'ListImages'),
    swarm: absent('Status'),
  },
  containers: {
    [RUNNING]: criContainer({ id: RUNNING, name: 'shop', imageId: IMAGE.id, pid: 4121 }),
    [CREATED]: criContainer({ id: CREATED, name: 'later', imageId: IMAGE.id, pid: 0, state: 'created' }),
  },
  images: { [IMAGE.id]: IMAGE },
};

const KNOWN = {
  running: { id: RUNNING, name: 'shop', pid: 4121, pod: 'shop-6f4d' },
  created: { id: CREATED },
  image: { id: IMAGE.id, tag: 'shop/worker:1.4' },
};

function memoryUnderTest(): RuntimeUnderTest & { readonly runtime: MemoryRuntime } {
  const runtime = createMemoryRuntime(CRI, () => STATE);
  return {
    ...KNOWN,
    runtime,
    absent: createMemoryRuntime(CRI, () => undefined),
    hostile: (answer) =>
      Promise.resolve(
        createMemoryRuntime(CRI, () => ({
          version: answer,
          engine: answer,
          containers: { c1: answer },
          images: { c1: answer },
        })),
      ),
    start: () => {
      runtime.emit({ kind: 'containerStarted', id: RUNNING });
      return Promise.resolve(RUNNING);
    },
  };
}

void t.test('a second runtime, in memory', (t) => testRuntime(t, () => Promise.resolve(memoryUnderTest())));

/** A node with this runtime and nothing else. */
function nodeWith(t: Test, runtime: MemoryRuntime): NodeAccess {
  return { ...nodeOf(treeHost(t, {})), runtime };
}

async function reopened(access: NodeAccess, use: (access: NodeAccess) => Promise<unknown>): Promise<NodeAccess> {
  const recorder = createRecorder(access);
  await use(recorder.access);
  const directory = join(temporaryDirectory(t), 'recording');
  t.match(await recorder.save(directory), { ok: true, dropped: 0 });
  const opened = await openRecorded(directory);
  if (!opened.ok) throw new Error(opened.problem);
  return opened.access;
}

const readEverything = ({ runtime }: NodeAccess): Promise<unknown> =>
  Promise.all([
    runtime.version(),
    runtime.engine(),
    runtime.listContainers(),
    runtime.inspectContainer(RUNNING),
    runtime.inspectContainer(CREATED),
    runtime.inspectImage(IMAGE.id),
  ]);

void t.test('a recording', (t) =>
  testRuntime(t, async (t) => {
    const { runtime } = await reopened(nodeWith(t, memoryUnderTest().runtime), readEverything);
    const none = createMemoryRuntime(CRI, () => undefined);
    const absent = await reopened(nodeWith(t, none), readEverything);
    return {
      ...KNOWN,
      runtime,
      absent: absent.runtime,
      hostile: async (answer) => {
        const directory = join(temporaryDirectory(t), 'recording');
        await createRecorder(nodeWith(t, none)).save(directory);
        mkdirSync(join(directory, 'runtime'));
        writeFileSync(join(directory, 'runtime/answer'), JSON.stringify(answer) ?? 'nothing');
        const line = (op: string, target: string): string =>
          `${JSON.stringify({ op, target, source: 'test', file: 'runtime/answer' })}\n`;
        const all = ['version', 'engine', 'listContainers'].map((op) => line(op, ''));
        writeFileSync(
          join(directory, 'results.ndjson'),
          [...all, line('inspectContainer', 'c1'), line('inspectImage', 'c1')].join(''),
        );
        const opened = await openRecorded(directory);
        if (!opened.ok) throw new Error(opened.problem);
        return opened.access.runtime;
      },
      start: undefined,
    };
  }),
);

void t.test('a container of another runtime is inspected, judged and recorded as any other', async (t) => {
  const access = nodeWith(t, memoryUnderTest().runtime);
  const facts = await observeAll(access);
  t.match(facts.containers, {
    state: 'seen',
    source: 'ListContainers',
    value: [
      { id: RUNNING, runtime: 'cri', engine: CRI, pod: 'shop-6f4d', namespace: 'shop', workload: 'shop' },
      { id: CREATED, runtime: 'cri' },
    ],
  });
  t.match(facts.images, { state: 'seen', value: [{ id: IMAGE.id, runtime: 'cri' }] });
  const findings = [...judgeAll(CHECKS, facts).values()];
  const privileged = findings.find(({ check, subject }) => check === 'container.privileged' && subject.id === RUNNING);
  t.match(privileged, { verdict: 'fail' });
  const texts = JSON.stringify(findings.filter(({ subject }) => subject.kind === 'container'));
  t.match(texts, /ContainerStatus privileged/, 'evidence names the call of this runtime');
  t.notMatch(texts, /inspect HostConfig|inspect Config/, 'and not those of Docker');

  const recorded = await observeAll(await reopened(nodeWith(t, memoryUnderTest().runtime), observeAll));
  t.strictSame(recorded.containers, facts.containers);
  t.strictSame(recorded.images, facts.images);
});
