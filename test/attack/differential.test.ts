import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { scanOnce } from '../../agent/scan.ts';
import { CHECKS } from '../../posture/check/registry.ts';
import { liveNode } from '../agent/inspector/live-node.ts';
import { TEST_IMAGE, testDocker } from '../component/docker.ts';
import { createRandom } from '../fixture/random.ts';
import { engineOn } from './differential/engine.ts';
import type { Engine } from './differential/engine.ts';
import { EXPECTATIONS } from './differential/expectation.ts';
import { nodeNamespaces, readCgroups, readTruth } from './differential/kernel-reader.ts';
import { DIMENSION_COUNT, randomContainer } from './differential/random-container.ts';
import type { RandomContainer } from './differential/random-container.ts';

/*
 * Containers with random settings, and each verdict about them against a second reader of /proc. PLIMSOLL_SEED (a
 * number, or `random`) and PLIMSOLL_DIFFERENTIAL_CONTAINERS make another run, or a longer one.
 */
const ASKED = process.env['PLIMSOLL_SEED'] ?? '20261126';
const SEED = ASKED === 'random' ? Math.floor(Math.random() * 1e9) : Number(ASKED);
const CONTAINERS = Number(process.env['PLIMSOLL_DIFFERENTIAL_CONTAINERS'] ?? 200);
/** Starts at a time: the engine does not get faster with more. */
const STARTS = 4;
const PREFIX = 'plimsoll-test-differential-';

interface Started {
  readonly id: string;
  readonly generated: RandomContainer;
}

/** Starts one container, or says why the engine refuses it: random settings can contradict each other. */
async function start(engine: Engine, name: string, generated: RandomContainer): Promise<Started | string> {
  let id = '';
  try {
    id = ((await engine.call('POST', `/containers/create?name=${name}`, generated.body)) as { Id: string }).Id;
    await engine.call('POST', `/containers/${id}/start`);
    if (generated.exec !== undefined) {
      const { Id: exec } = (await engine.call('POST', `/containers/${id}/exec`, generated.exec)) as { Id: string };
      await engine.call('POST', `/exec/${exec}/start`, { Detach: true });
    }
    return { id, generated };
  } catch (error) {
    if (id !== '') await engine.call('DELETE', `/containers/${id}?force=true&v=true`).catch(() => undefined);
    return error instanceof Error ? error.message : String(error);
  }
}

/** A process of the node that enters the cgroups of a container, and nothing else of it. */
function intrude(pid: number): () => void {
  const child = spawn('sleep', ['3600'], { stdio: 'ignore' });
  const own = String(child.pid);
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  for (const line of readFileSync(`/proc/${String(pid)}/cgroup`, 'utf8')
    .trimEnd()
    .split('\n')) {
    const [, controllers = '', path = ''] = line.split(':');
    const option = controllers === '' ? ' - cgroup2 ' : controllers.replace(/^name=/, '');
    const mount = mounts.find((text) => text.includes(' - cgroup') && text.includes(option));
    if (mount !== undefined) writeFileSync(`${mount.split(' ')[4] ?? ''}${path}/cgroup.procs`, own);
  }
  return () => child.kill('SIGKILL');
}

const found = testDocker();
const reason = 'reason' in found ? found.reason : process.getuid?.() === 0 ? false : 'needs root';
await t.test(
  `${String(CONTAINERS)} containers with random settings, seed ${String(SEED)}`,
  { skip: reason, timeout: 600_000 },
  async (t) => {
    if ('reason' in found) return;
    const { docker } = found;
    const socket = docker.endpoint.slice('unix://'.length);
    const engine = engineOn(socket);
    const harmless = mkdtempSync(join(tmpdir(), 'plimsoll-differential-'));
    const links = mkdtempSync(join(tmpdir(), 'plimsoll-differential-'));
    symlinkSync(socket, join(links, 'link'));
    // Propagation `shared` is allowed on a shared mount only.
    execFileSync('mount', ['--bind', harmless, harmless]);
    execFileSync('mount', ['--make-shared', harmless]);
    const started: Started[] = [];
    const cleaners: (() => void)[] = [];
    t.teardown(async () => {
      for (const clean of cleaners) clean();
      await Promise.all(
        started.map(({ id }) => engine.call('DELETE', `/containers/${id}?force=true&v=true`).catch(() => undefined)),
      );
      await docker.remove('differential-neighbour').catch(() => undefined);
      await engine.call('DELETE', '/volumes/plimsoll-differential?force=true').catch(() => undefined);
      execFileSync('umount', ['--lazy', harmless]);
      for (const directory of [harmless, links]) rmSync(directory, { recursive: true, force: true });
    });
    await docker.start('differential-neighbour', '--ipc=shareable');
    const neighbour = await engine.inspect('plimsoll-test-differential-neighbour');
    const places = { harmless, socket, linkToSocket: join(links, 'link'), neighbour: neighbour.Id, image: TEST_IMAGE };

    const random = createRandom(SEED);
    const refused = new Map<string, number>();
    let made = 0;
    const startSome = async (): Promise<void> => {
      while (started.length < CONTAINERS && made < CONTAINERS * 3) {
        const generated = randomContainer(random, places);
        const outcome = await start(engine, `${PREFIX}${String((made += 1))}`, generated);
        if (typeof outcome !== 'string') started.push(outcome);
        else refused.set(outcome.slice(0, 160), (refused.get(outcome.slice(0, 160)) ?? 0) + 1);
      }
    };
    await Promise.all(Array.from({ length: STARTS }, startSome));
    for (const { id, generated } of started) {
      if (generated.intruder) cleaners.push(intrude((await engine.inspect(id)).State.Pid));
      if (generated.paused) await engine.call('POST', `/containers/${id}/pause`);
    }
    const used = new Set(started.flatMap(({ generated }) => generated.dimensions));
    t.comment(`${String(started.length)} started, ${String(used.size)} of ${String(DIMENSION_COUNT)} dimensions used`);
    for (const [text, times] of refused) t.comment(`refused ${String(times)} x ${text}`);
    t.ok(started.length >= CONTAINERS, 'as many as were wanted');
    t.ok(DIMENSION_COUNT >= 60 && (CONTAINERS < 200 || used.size >= 60), 'at least 60 dimensions');

    const { findings } = await scanOnce({ access: liveNode(docker.endpoint), checks: CHECKS });
    const verdicts = new Map(findings.map((finding) => [`${finding.check}/${finding.subject.id}`, finding]));
    const node = nodeNamespaces();
    const stat = statSync(socket);
    const sockets = new Set([`${String(stat.dev)}:${String(stat.ino)}`]);
    const joinedNetworks = Object.keys(neighbour.NetworkSettings.Networks);
    const cgroups = readCgroups();
    const differences: string[] = [];
    let compared = 0;
    for (const { id, generated } of started) {
      const inspected = await engine.inspect(id);
      if (!inspected.State.Running) continue;
      const truth = readTruth(id, inspected.State.Pid, cgroups);
      for (const [check, expect] of Object.entries(EXPECTATIONS)) {
        const expected = expect({ inspected, truth, generated, node, sockets, joinedNetworks });
        const finding = verdicts.get(`${check}/${id}`);
        compared += 1;
        if (finding !== undefined && expected.includes(finding.verdict)) continue;
        const said = `${finding?.verdict ?? 'nothing'} (${finding?.reason ?? JSON.stringify(finding?.evidence)})`;
        differences.push(`${check}: expected ${expected.join(' or ')}, got ${said}; ${generated.dimensions.join(' ')}`);
      }
    }
    t.comment(`${String(compared)} verdicts compared`);
    t.ok(compared >= started.length * 20);
    t.same(differences.slice(0, 40), [], `${String(differences.length)} differences`);
    const checks = CHECKS.filter(({ judges }) => judges === 'container').map(({ id }) => id);
    const others = checks.filter((id) => !(id in EXPECTATIONS));
    t.same(others, ['container.apparmor', 'container.selinux'], 'every check is compared but those of absent modules');
  },
);
