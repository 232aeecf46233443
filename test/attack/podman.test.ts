import t from 'tap';
import { openLiveNode } from '../../agent/live-node.ts';
import { scanOnce } from '../../agent/scan.ts';
import type { Scan } from '../../agent/scan.ts';
import { CHECKS } from '../../posture/check/registry.ts';
import type { Finding } from '../../posture/finding.ts';
import { valueOr } from '../../posture/observed.ts';
import { noPodman, ownPodman } from '../agent/runtime/docker/own-podman.ts';
import { TEST_IMAGE, testDocker } from '../component/docker.ts';

const found = testDocker();
const skip = noPodman || ('reason' in found && found.reason);

async function scan(dockerHost: string): Promise<Scan> {
  const node = { hostRoot: '/', dockerHost, nodeName: '', dataDir: '/nonexistent', agentVersion: '0.0.0' };
  return scanOnce({ access: await openLiveNode({ ...node, now: Date.now }), checks: CHECKS });
}

const about = ({ findings }: Scan, check: string, subject: string): Finding | undefined =>
  findings.find((finding) => finding.check === check && finding.subject.id === subject);

void t.test('Podman beside Docker', { skip }, async (t) => {
  if (!('docker' in found)) return;
  const own = ownPodman(found.docker.endpoint);
  t.teardown(own.stop);
  const run = (...flags: readonly string[]): string =>
    own.podman('run', '-d', '--network=none', ...flags, TEST_IMAGE, '/bin/sleep', '3600');
  const plain = run();
  const privileged = run('--privileged');
  const bare = run('--security-opt', 'unmask=/proc/sys', '--user=1000');
  const shareable = run('--ipc=shareable');
  const joined = run(`--ipc=container:${shareable}`);
  const withVolume = run('--volume=data:/data');
  own.podman('secret', 'create', 'key', '/etc/hostname');
  const withSecret = run('--secret=key');
  const [storage = ''] = own.podman('info', '--format={{.Store.GraphRoot}}').split('\n');
  const driver = own.podman('info', '--format={{.Store.GraphDriverName}}');
  const curious = run(`--volume=${storage}/${driver}-containers/${shareable}/userdata:/x`);
  const all = [plain, privileged, bare, shareable, joined, withVolume, withSecret, curious];

  await t.test('its service was found by its process', async (t) => {
    await own.startService();
    const looked = await scan(found.docker.endpoint);
    const engine = looked.facts.engines.find(({ endpoint }) => endpoint === own.endpoint);
    t.match(engine, { runtime: 'podman', api: { state: 'seen' }, process: { state: 'absent' } });
    t.match(about(looked, 'daemon.live-restore', `docker:${own.endpoint}`), {
      verdict: 'notApplicable',
      reason: /the engine at .* is podman/,
    });
    const containers = valueOr(looked.facts.containers, []).filter(({ engine: at }) => at === own.endpoint);
    t.strictSame(containers.map(({ id }) => id).sort(), all.sort(), 'each once');
    t.ok(containers.every(({ runtime }) => runtime === 'podman'));
    t.match(about(looked, 'container.privileged', privileged), { verdict: 'fail', severity: 'critical' });
    t.match(about(looked, 'container.privileged', plain), { verdict: 'pass' });
    t.match(about(looked, 'container.seccomp-filter', plain), { verdict: 'pass' });
    t.match(about(looked, 'container.root-user', bare), { verdict: 'pass' });
    for (const id of [plain, privileged, bare, joined, withVolume, withSecret])
      t.match(about(looked, 'container.sensitive-mount', id), { verdict: 'pass' }, 'its files are those of Podman');
    t.match(about(looked, 'container.sensitive-mount', curious), { verdict: 'fail' }, 'those of another container');
    t.match(about(looked, 'container.masked-paths', plain), { verdict: 'pass' });
    t.match(about(looked, 'container.masked-paths', bare), { verdict: 'fail' });
    t.match(containers.find(({ id }) => id === plain)?.declared, { maskedPaths: null, pidMode: '', utsMode: '' });
    t.match(containers.find(({ id }) => id === privileged)?.declared, { maskedPaths: [], readonlyPaths: [] });
    t.notOk(valueOr(looked.facts.unobserved, []).some(({ id }) => [plain, privileged, bare].includes(id)));
  });

  await t.test('without its service, its containers are unobserved, and the finding says what to do', async (t) => {
    await own.stopService();
    const looked = await scan(found.docker.endpoint);
    const entry = valueOr(looked.facts.unobserved, []).find(({ id }) => id === privileged);
    t.match(entry, { kind: 'container', engine: '', reason: /systemctl enable --now podman\.socket/ });
    t.match(about(looked, 'container.privileged', privileged), { verdict: 'unknown' });
    t.equal(looked.findings.find(({ check }) => check === 'runtime.unobserved')?.verdict, 'fail');
  });
});
