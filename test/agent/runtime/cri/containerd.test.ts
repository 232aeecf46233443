import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Host } from '../../../../agent/host/host.ts';
import { createLinuxHost } from '../../../../agent/host/linux.ts';
import { observeAll, observeContainer } from '../../../../agent/inspector/observe.ts';
import { createParseCache } from '../../../../agent/inspector/parse-cache.ts';
import { createCriRuntime } from '../../../../agent/runtime/cri/cri-runtime.ts';
import { refusesCri } from '../../../../agent/runtime/cri/refuses-cri.ts';
import { criEndpoints } from '../../../../agent/runtime/cri/served-endpoints.ts';
import type { NodeAccess } from '../../../../agent/node-access.ts';
import { replyFailure } from '../../../../agent/runtime/runtime.ts';
import type { ContainerRuntime, RuntimeEvent } from '../../../../agent/runtime/runtime.ts';
import { CHECKS } from '../../../../posture/check/registry.ts';
import type { ContainerFact } from '../../../../posture/fact/container.ts';
import type { Facts } from '../../../../posture/fact/facts.ts';
import { unobservedListSchema } from '../../../../posture/fact/unobserved.ts';
import { diff } from '../../../../posture/delta.ts';
import type { Finding } from '../../../../posture/finding.ts';
import { judgeAll } from '../../../../posture/judge.ts';
import { liveNode } from '../../inspector/live-node.ts';
import { noGvisor } from '../docker/sandbox-runtimes.ts';
import { GVISOR_HANDLER, noContainerd, startContainerd } from './own-containerd.ts';
import type { OwnContainerd } from './own-containerd.ts';

/** This machine, with the containerd as its only further engine. */
async function observed({ endpoint }: OwnContainerd, before?: Facts): Promise<Facts> {
  const runtime = createCriRuntime({ endpoint });
  const node = liveNode('unix:///nonexistent/docker.sock');
  const engines = { named: new Set<string>(), others: () => Promise.resolve([runtime]) };
  return observeAll({ ...node, engines }, before);
}

/** The same, where the list lacks the containers of `hidden`, which the containerd does not know when it is asked. */
function withShortList({ endpoint }: OwnContainerd): { readonly access: NodeAccess; readonly hidden: Set<string> } {
  const hidden = new Set<string>();
  const whole = createCriRuntime({ endpoint });
  const runtime: ContainerRuntime = {
    ...whole,
    listContainers: async () => {
      const reply = await whole.listContainers();
      return reply.ok ? { ...reply, value: reply.value.filter(({ id }) => !hidden.has(id)) } : reply;
    },
    inspectContainer: (id) =>
      hidden.has(id)
        ? Promise.resolve(replyFailure('notFound', 'not loaded yet', 'ContainerStatus'))
        : whole.inspectContainer(id),
  };
  const engines = { named: new Set<string>(), others: () => Promise.resolve([runtime]) };
  return { access: { ...liveNode('unix:///nonexistent/docker.sock'), engines }, hidden };
}

function containerOf(facts: Facts, id: string): ContainerFact {
  const found = facts.containers.state === 'seen' ? facts.containers.value.find((each) => each.id === id) : undefined;
  if (found === undefined) throw new Error(`container ${id} is not in the facts`);
  return found;
}

const told = (command: string): string => execFileSync('sh', ['-c', command], { encoding: 'utf8' }).trim();

void t.test('pods on a real containerd', { skip: noContainerd }, async (t) => {
  const containerd = await startContainerd();
  t.teardown(() => containerd.stop());
  const shop = await containerd.runPod({ name: 'shop-6f4d8b9c7d-x2x4p', namespace: 'shop' });
  const web = await containerd.createContainer(shop, 'web', {
    securityContext: {
      runAsUser: { value: 1000 },
      readonlyRootfs: true,
      noNewPrivs: true,
      capabilities: { dropCapabilities: ['ALL'] },
    },
    resources: { memoryLimitInBytes: 32 * 1024 * 1024 },
  });
  // An attacker's pod: labels and a name that claim to be somebody else, and the file system of the node.
  const evil = await containerd.runPod({
    name: 'pause',
    namespace: 'default',
    privileged: true,
    hostPid: true,
    labels: { 'io.kubernetes.pod.namespace': 'kube-system', 'io.kubernetes.container.name': 'POD' },
  });
  const pause = await containerd.createContainer(evil, 'pause', {
    securityContext: { privileged: true },
    mounts: [{ hostPath: '/', containerPath: '/host' }],
  });
  await containerd.startContainer(web);
  await containerd.startContainer(pause);
  const facts = await observed(containerd);
  const findings = [...judgeAll(CHECKS, facts).values()];
  const about = (check: string, id: string): Finding | undefined =>
    findings.find((finding) => finding.check === check && finding.subject.id === id);

  await t.test('what the kernel says beside what was asked for', (t) => {
    const pid = containerd.task(web);
    const container = containerOf(facts, web);
    t.match(container, {
      kind: 'container',
      name: 'web',
      pod: 'shop-6f4d8b9c7d-x2x4p',
      namespace: 'shop',
      workload: 'shop',
      runtime: 'containerd',
      engine: containerd.endpoint,
      pid,
      imageId: containerd.imageId,
      declared: {
        user: '1000:1000',
        readOnlyRoot: true,
        noNewPrivileges: true,
        privileged: false,
        seccompProfile: 'default',
      },
      uid: { value: 1000 },
      noNewPrivs: { value: true },
      memoryMaxBytes: { value: 32 * 1024 * 1024 },
      complete: true,
    });
    t.equal(
      container.podUid,
      told(`grep -oE 'pod[0-9a-f]{8}-[0-9a-f-]*' /proc/${String(pid)}/cgroup | head -1`).slice(3),
    );
    t.match(container.capabilities, {
      value: { effective: told(`awk '/^CapEff/ {print $2}' /proc/${String(pid)}/status`) },
    });
    t.equal(container.declared.capDrop.length, 14, 'all of the defaults');
    for (const check of [
      'privileged',
      'capabilities',
      'seccomp-filter',
      'no-new-privileges',
      'read-only-root',
      'root-user',
      'masked-paths',
      'sensitive-mount',
      'runtime-socket',
      'memory-limit',
      'host-pid',
    ])
      t.equal(about(`container.${check}`, web)?.verdict, 'pass', check);
    t.match(about('container.host-network', web), { verdict: 'fail' });
    for (const check of ['health', 'restart-policy', 'cgroup-parent', 'host-user-namespace'])
      t.equal(about(`container.${check}`, web)?.verdict, 'notApplicable', check);
    t.end();
  });

  // The shim of runc starts the sandbox of a pod with gVisor, but no container in it.
  await t.test('the sandbox of a pod with a kernel of its own', { skip: noGvisor }, async (t) => {
    const id = await containerd.runPod({ name: 'untrusted', runtimeHandler: GVISOR_HANDLER });
    const facts = await observed(containerd);
    const sandbox = containerOf(facts, id);
    t.match(sandbox.handler, { name: GVISOR_HANDLER, program: /\/gvisor$/, sandbox: id });
    t.match(sandbox.ownKernel, { state: 'seen', value: { kind: 'gvisor', program: /\/runsc$/ } });
    t.notOk(
      [...judgeAll(CHECKS, facts).values()].some(({ subject }) => subject.id === id),
      'it is idle',
    );
    const looks = facts.unobserved.state === 'seen' ? facts.unobserved.value : [];
    t.notOk(looks.some((look) => look.id === id));
    // This shim cannot end it.
    process.kill(sandbox.pid, 'SIGKILL');
  });

  await t.test('labels of a pod, read for queries only', async (t) => {
    const runtime = createCriRuntime({ endpoint: containerd.endpoint });
    t.match(await runtime.containerLabels(evil), { ok: true, value: { 'io.kubernetes.container.name': 'POD' } });
    t.match(await runtime.containerLabels(pause), { ok: true });
    t.match(await runtime.containerLabels('0'.repeat(64)), { ok: false, code: 'notFound' });
  });

  await t.test('a container that calls itself pause is judged like any other', (t) => {
    t.match(containerOf(facts, pause), { kind: 'container', namespace: 'default', pod: 'pause' });
    for (const check of ['privileged', 'capabilities', 'seccomp-filter', 'host-pid', 'sensitive-mount', 'devices'])
      t.match(about(`container.${check}`, pause), { verdict: 'fail', subject: { name: 'default/pause/pause' } }, check);
    t.equal(
      findings.filter(({ subject }) => subject.name.startsWith('kube-system/')).length,
      0,
      'a label is no evidence',
    );
    t.end();
  });

  await t.test('a sandbox that is idle is known, and not judged', (t) => {
    for (const id of [shop, evil]) {
      t.match(containerOf(facts, id), { kind: 'sandbox', name: '(sandbox)', processes: { value: 1 } });
      t.notOk(
        findings.some(({ subject }) => subject.id === id),
        'no finding',
      );
    }
    const own = facts.unobserved.state === 'seen' ? facts.unobserved.value : [];
    t.notOk(own.some(({ id, engine }) => [shop, evil, web, pause].includes(id) || engine === containerd.endpoint));
    t.end();
  });

  await t.test('checks of dockerd say nothing about a runtime that is not Docker', (t) => {
    const daemon = findings.filter(({ check, subject }) => check.startsWith('daemon.') && subject.id !== 'docker');
    t.strictSame(daemon, [], 'the containerd is no subject of them');
    const image = findings.filter(({ subject }) => subject.id === containerd.imageId);
    t.match(
      image.find(({ check }) => check === 'image.healthcheck'),
      { verdict: 'notApplicable' },
    );
    t.match(
      image.find(({ check }) => check === 'image.history-secret'),
      { verdict: 'fail' },
    );
    t.match(image.find(({ check }) => check === 'image.default-user')?.evidence, [{ source: /^ImageStatus/ }]);
    t.notMatch(JSON.stringify([facts, findings]), /correct-horse-battery|ghp_0123456789/, 'no secret');
    t.end();
  });

  await t.test('a sandbox with a further process is judged', async (t) => {
    const group = told(`grep pids /proc/${String(containerOf(facts, shop).pid)}/cgroup | cut -d: -f3`);
    const all = `for d in $(find /sys/fs/cgroup -path "*${group}" -type d); do echo $$ > $d/cgroup.procs; done`;
    const stray = execFileSync('sh', ['-c', `sh -c '${all}; exec sleep 30' >/dev/null 2>&1 & echo $!`], {
      encoding: 'utf8',
    }).trim();
    for (let turn = 0; turn < 600 && told(`cat /proc/${stray}/comm`) !== 'sleep'; turn += 1) await sleep(50);
    const later = await observed(containerd);
    execFileSync('kill', ['-9', stray]);
    t.match(containerOf(later, shop), { processes: { value: 2 } });
    const judged = [...judgeAll(CHECKS, later).values()].filter(({ subject }) => subject.id === shop);
    t.match(
      judged.find(({ check }) => check === 'container.capabilities'),
      {
        verdict: 'fail',
        subject: { name: 'shop/shop-6f4d8b9c7d-x2x4p/(sandbox)' },
      },
    );
  });

  await t.test('a sandbox that cannot be read in full is not judged by what is left', async (t) => {
    const { access } = withShortList(containerd);
    const statuses = new RegExp(`^/proc/${String(containerOf(facts, shop).pid)}/(?:task/\\d+/)?status$`);
    const fault = { ok: false, code: 'failed', reason: 'input/output error (EIO)' } as const;
    const host: Host = {
      ...access.host,
      readFile: (path, limits) => (statuses.test(path) ? Promise.resolve(fault) : access.host.readFile(path, limits)),
      readMany: async (requests, previous) => {
        const results = await access.host.readMany(requests, previous);
        return results.map((result, index) => (statuses.test(requests[index]?.path ?? '') ? fault : result));
      },
    };
    const part = await observeAll({ ...access, host });
    const entries = part.unobserved.state === 'seen' ? part.unobserved.value : [];
    t.match(
      entries.find(({ id }) => id === shop),
      { kind: 'sandbox', reason: /EIO/ },
    );
    const judged = [...judgeAll(CHECKS, part).values()];
    t.same(
      judged.filter(({ subject }) => subject.id === shop),
      [],
    );
    t.match(
      judged.find(({ check }) => check === 'runtime.unobserved'),
      { verdict: 'fail' },
    );
    t.match(await observeContainer({ ...access, host }, part, shop), { state: 'unreadable' });
    t.ok(containerOf(await observeAll(access, part), shop), 'read in full again');
  });

  await t.test('a container that was started beside the CRI is reported', async (t) => {
    containerd.ctr(
      '-n',
      'k8s.io',
      'run',
      '-d',
      '--snapshotter',
      'overlayfs',
      'docker.io/plimsoll-test/busybox:1',
      'beside',
      '/bin/sleep',
      '60',
    );
    t.teardown(() => void containerd.ctr('-n', 'k8s.io', 'tasks', 'rm', '-f', 'beside'));
    const later = await observed(containerd);
    const finding = [...judgeAll(CHECKS, later).values()].find(({ check }) => check === 'runtime.unobserved');
    t.match(finding, { verdict: 'fail' });
    const entries = later.unobserved.state === 'seen' ? later.unobserved.value : [];
    t.match(
      entries.find(({ id }) => id === 'beside'),
      { kind: 'container', name: 'k8s.io/beside' },
    );
  });

  await t.test('a containerd that is killed and lists its containers late resolves nothing', async (t) => {
    const extra = await containerd.createContainer(shop, 'extra');
    await containerd.startContainer(extra);
    const { access, hidden } = withShortList(containerd);
    let facts = await observeAll(access);
    let findings = judgeAll(CHECKS, facts);
    /** Ids of the subjects whose findings came and went. */
    const look = async (): Promise<{ readonly added: readonly string[]; readonly gone: readonly string[] }> => {
      facts = await observeAll(access, facts);
      t.match(unobservedListSchema.parse(facts.unobserved), { ok: true });
      const before = findings;
      findings = judgeAll(CHECKS, facts, before);
      const { added, gone } = diff(before, findings);
      const idsOf = (some: readonly (Finding | undefined)[]): readonly string[] =>
        [...new Set(some.map((finding) => finding?.subject.id ?? ''))].filter((id) => all.has(id));
      return { added: idsOf(added), gone: idsOf(gone.map((id) => before.get(id))) };
    };
    const all = new Set([web, pause, extra, shop, evil]);
    const verdictOf = (id: string) => findings.get(`container.privileged/container/${id}`)?.verdict;
    const nothing = { added: [], gone: [] };
    t.equal(verdictOf(web), 'pass');
    t.equal(verdictOf(shop), undefined, 'an idle sandbox is not judged');
    await containerd.kill();
    t.same(await look(), nothing, 'nor is it because its engine does not answer');
    t.equal(verdictOf(web), 'unknown');
    const entries = facts.unobserved.state === 'seen' ? facts.unobserved.value : [];
    t.equal(entries.find(({ id }) => id === shop)?.kind, 'sandbox');
    await containerd.restart();
    for (const id of [web, pause, extra]) hidden.add(id);
    t.same(await look(), nothing);
    t.match(findings.get(`container.privileged/container/${web}`), { verdict: 'unknown', reason: /does not list it/ });
    await containerd.stopContainer(extra);
    t.same(await look(), { added: [], gone: [extra] }, 'one that ends meanwhile is gone');
    hidden.clear();
    t.same(await look(), { added: [extra], gone: [] }, 'listed as one that has stopped');
    t.equal(verdictOf(web), 'pass');
    t.equal(verdictOf(pause), 'fail');
  });

  await t.test('the socket is found by the daemon that holds it', async (t) => {
    const endpoints = await criEndpoints({ host: createLinuxHost(), cache: createParseCache() });
    t.ok(endpoints?.includes(containerd.endpoint), String(endpoints));
    t.notOk(
      endpoints?.some((endpoint) => endpoint.startsWith(`${containerd.endpoint}.`)),
      'not its other sockets',
    );
    t.equal(await refusesCri(containerd.endpoint.replace('unix://', '')), false);
    const ofDocker = join(dirname(process.env['PLIMSOLL_TEST_DOCKER'] ?? ''), 'exec/containerd/containerd.sock');
    if (existsSync(ofDocker)) t.equal(await refusesCri(ofDocker), true, 'the containerd of a dockerd');
  });
});

void t.test('events of a real containerd', { skip: noContainerd }, async (t) => {
  const containerd = await startContainerd();
  t.teardown(() => containerd.stop());
  const pod = await containerd.runPod({ name: 'web-0' });
  const events: RuntimeEvent[] = [];
  const ends: string[] = [];
  const runtime = createCriRuntime({ endpoint: containerd.endpoint });
  const follow = (signal: AbortSignal): void =>
    runtime.events(
      (event) => events.push(event),
      (reason) => ends.push(reason),
      signal,
    );
  const stopping = new AbortController();
  t.teardown(() => stopping.abort());
  follow(stopping.signal);
  await sleep(600);
  const web = await containerd.createContainer(pod, 'web');
  await containerd.startContainer(web);
  const find = (kind: string, id: string): RuntimeEvent | undefined =>
    events.find((event) => event.kind === kind && 'id' in event && event.id === id);
  const until = async (isTrue: () => boolean): Promise<void> => {
    for (let turn = 0; turn < 3000 && !isTrue(); turn += 1) await sleep(10);
  };
  await until(() => find('containerStarted', web) !== undefined);
  t.ok(find('containerStarted', web), 'its start');
  events.length = 0;
  await containerd.stopContainer(web);
  await until(() => find('containerChanged', web) !== undefined);
  t.ok(find('containerChanged', web), 'its end');

  // By now the list is asked for every few seconds only: these are from the events of containerd.
  await sleep(6000);
  events.length = 0;
  const later = await containerd.createContainer(pod, 'later');
  const short = await containerd.createContainer(pod, 'short', { command: ['/bin/sh', '-c', 'exit 0'] });
  await containerd.startContainer(later);
  await until(() => find('containerStarted', later) !== undefined);
  t.ok(find('containerStarted', later), 'a start after a quiet time');
  await sleep(3000);
  await containerd.startContainer(short);
  await until(() => find('containerChanged', short) !== undefined);
  t.ok(find('containerChanged', short), 'a container that has ended already');
  const other = await containerd.runPod({ name: 'web-1' });
  await until(() => find('containerChanged', other) !== undefined);
  t.ok(find('containerChanged', other), 'the sandbox of a new pod');
  containerd.ctr('-n', 'k8s.io', 'tasks', 'exec', '--exec-id', 'x', later, '/bin/id');
  await until(() => find('execChanged', later) !== undefined);
  t.ok(find('execChanged', later), 'a process that was started in a container');
  t.equal(ends.length, 0);

  await containerd.kill();
  await until(() => ends.length > 0);
  t.equal(ends.length, 1, 'the stream ends with the runtime');
  t.match(await runtime.listContainers(), { ok: false, code: 'absent' });
  await containerd.restart();
  // gRPC waits before it connects again.
  let version = await runtime.version();
  for (let turn = 0; turn < 100 && !version.ok; turn += 1) {
    await sleep(100);
    version = await runtime.version();
  }
  t.match(version, { ok: true }, 'and it is found again');
  const own = execFileSync('containerd', ['--version'], { encoding: 'utf8' }).split(' ')[2];
  const components = [{ name: 'containerd', version: own }];
  t.match(await runtime.engine(), { value: { api: { components } } }, 'what `containerd --version` prints');
  t.match(await runtime.inspectContainer(pod), { value: { kind: 'sandbox', state: 'running' } });
});
