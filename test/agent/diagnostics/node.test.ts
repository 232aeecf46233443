import { createServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { cgroupVersion } from '../../../agent/diagnostics/cgroup-version.ts';
import { dockerEngine } from '../../../agent/diagnostics/docker-engine.ts';
import { diagnoseNode } from '../../../agent/diagnostics/diagnose-node.ts';
import { hostRoot } from '../../../agent/diagnostics/host-root.ts';
import { inotifyLimits } from '../../../agent/diagnostics/inotify-limits.ts';
import type { NodeDiagnostic } from '../../../agent/diagnostics/node-subject.ts';
import { openFiles } from '../../../agent/diagnostics/open-files.ts';
import { findPortHolders } from '../../../agent/diagnostics/port-holders.ts';
import { processVisibility } from '../../../agent/diagnostics/process-visibility.ts';
import { rights } from '../../../agent/diagnostics/rights.ts';
import { seccompStatus } from '../../../agent/diagnostics/seccomp-status.ts';
import { securityFiles } from '../../../agent/diagnostics/security-files.ts';
import { sshConfiguration } from '../../../agent/diagnostics/ssh-configuration.ts';
import { createLinuxHost } from '../../../agent/host/linux.ts';
import { kernelInspector } from '../../../agent/inspector/kernel/inspect.ts';
import { createDockerRuntime } from '../../../agent/runtime/docker/docker-runtime.ts';
import { systemClock } from '../../../service/clock.ts';
import { loadSettings } from '../../../service/config/load.ts';
import { testDocker } from '../../component/docker.ts';
import { INITIAL, namespaceLinks, statusWith, temporaryDirectory, treeHost } from '../../fixture/inspector/tree.ts';
import type { Tree } from '../../fixture/inspector/tree.ts';
import { liveNode, told } from '../inspector/live-node.ts';

const ABSENT = 'unix:///nonexistent/docker.sock';
/** Every capability of linux/capability.h 6.x, and all but CAP_SYS_PTRACE (19). */
const ALL = '000001ffffffffff';
const WITHOUT_PTRACE = '000001fffff7ffff';

/** Looks at a node that is made of `tree`. */
async function look(t: Test, one: NodeDiagnostic, tree: Tree, over: { uid?: number; hostRoot?: string } = {}) {
  const access = { ...liveNode(ABSENT), host: treeHost(t, tree) };
  const kernel = () => kernelInspector.inspect(access, {});
  return one.run({ access, hostRoot: '/', dockerHostGiven: false, uid: 0, kernel, ...over });
}

void t.test('rights', async (t) => {
  const status = (effective: string): Tree => ({ '/proc/self/status': statusWith({ CapEff: effective }) });
  t.match(await look(t, rights, status(ALL)), { outcome: 'ok' });
  t.match(await look(t, rights, status(WITHOUT_PTRACE)), {
    outcome: 'warning',
    observed: 'root, but without CAP_SYS_PTRACE',
  });
  t.match(await look(t, rights, status(ALL), { uid: 1000 }), { outcome: 'warning', observed: /^user 1000, not root/ });
  t.match(await look(t, rights, {}), { outcome: 'unknown' });
});

void t.test('processes', async (t) => {
  const of = (...pids: readonly number[]): Tree =>
    Object.fromEntries(pids.map((pid) => [`/proc/${String(pid)}/comm`, 'x\n']));
  t.match(await look(t, processVisibility, of(41, 42)), { outcome: 'problem', observed: /hidepid/ });
  const first = namespaceLinks(1, INITIAL);
  t.match(await look(t, processVisibility, { ...of(1, 41, 42), ...first }), {
    outcome: 'ok',
    observed: /^all 3 processes/,
  });
  const inner = namespaceLinks(1, { ...INITIAL, pid: 4026532201 });
  t.match(await look(t, processVisibility, { ...of(1, 41), ...inner }), {
    outcome: 'warning',
    observed: 'only the 2 processes of this pid namespace are visible',
    advice: /--pid=host/,
  });
});

void t.test('security modules', async (t) => {
  const lsm = { '/sys/kernel/security/lsm': 'lockdown,capability,landlock,yama,apparmor' };
  const rest = { '/sys/kernel/security/lockdown': '[none] integrity confidentiality\n' };
  t.match(await look(t, securityFiles, { ...lsm, ...rest, '/sys/module/apparmor/parameters/enabled': 'Y\n' }), {
    observed: /^lockdown, capability, landlock, yama, apparmor; no SELinux, AppArmor on/,
  });
  t.match(await look(t, securityFiles, {}), {
    outcome: 'unknown',
    observed: /securityfs is not mounted/,
    advice: /mount -t securityfs/,
  });
});

void t.test('seccomp', async (t) => {
  const actions = { '/proc/sys/kernel/seccomp/actions_avail': 'kill_process allow\n' };
  t.match(await look(t, seccompStatus, { ...actions, '/proc/self/status': statusWith({ Seccomp: '2' }) }), {
    outcome: 'ok',
    observed: 'the kernel tells it (this process: Seccomp: 2); actions kill_process, allow',
  });
  const without = statusWith({}).replace(/^Seccomp.*\n/gm, '');
  t.match(await look(t, seccompStatus, { '/proc/self/status': without }), {
    outcome: 'warning',
    observed: /without seccomp/,
  });
});

void t.test('control groups', async (t) => {
  const mounts = (line: string): Tree => ({ '/proc/1/mountinfo': line });
  t.match(await look(t, cgroupVersion, mounts('30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n')), {
    outcome: 'ok',
    observed: 'version 2, at /sys/fs/cgroup',
  });
  t.match(await look(t, cgroupVersion, mounts('30 23 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n')), {
    outcome: 'warning',
    observed: /^version 1/,
  });
  t.match(await look(t, cgroupVersion, {}), { outcome: 'unknown' });
});

void t.test('the root of the node', async (t) => {
  const release = { '/etc/os-release': 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n' };
  const mountinfo = (type: string): Tree => ({ '/proc/self/mountinfo': `23 1 0:26 / / rw - ${type} root rw\n` });
  t.match(await look(t, hostRoot, { ...release, ...mountinfo('ext4') }), {
    outcome: 'ok',
    observed: '/ is Debian GNU/Linux 13 (trixie)',
  });
  t.match(await look(t, hostRoot, mountinfo('ext4')), { outcome: 'problem', observed: /has no etc\/os-release/ });
  t.match(await look(t, hostRoot, release, { hostRoot: '/host' }), {
    outcome: 'problem',
    observed: 'there is no procfs at /host/proc',
    advice: /-v \/:\/host:ro --pid=host --host-root \/host/,
  });
  const container = { ...release, ...mountinfo('overlay'), '/.dockerenv': '' };
  t.match(await look(t, hostRoot, container), { outcome: 'warning', observed: /^this is a container/ });
  t.match(await look(t, hostRoot, container, { hostRoot: '/host' }), { outcome: 'ok' });
});

void t.test('limits', async (t) => {
  const inotify = (watches: string, instances: string): Tree => ({
    '/proc/sys/fs/inotify/max_user_watches': watches,
    '/proc/sys/fs/inotify/max_user_instances': instances,
  });
  t.match(await look(t, inotifyLimits, inotify('192536\n', '128\n')), {
    outcome: 'ok',
    observed: /^192536 watches and 128 /,
  });
  t.match(await look(t, inotifyLimits, inotify('1024\n', '16\n')), {
    outcome: 'warning',
    advice: /sysctl -w fs\.inotify\.max_user_watches=\d+ fs\.inotify\.max_user_instances=128$/,
  });
  t.match(await look(t, inotifyLimits, inotify('many', '1')), { outcome: 'unknown' });
  const limits = (soft: string): Tree => ({
    '/proc/self/limits': `Limit                     Soft Limit           Hard Limit           Units     \nMax open files            ${soft.padEnd(21)}1048576              files     \n`,
  });
  t.match(await look(t, openFiles, limits('1048576')), { outcome: 'ok' });
  t.match(await look(t, openFiles, limits('unlimited')), { outcome: 'ok' });
  t.match(await look(t, openFiles, limits('256')), {
    outcome: 'warning',
    observed: 'at most 256 (the system allows 1048576)',
  });
});

void t.test('sshd', async (t) => {
  t.match(await look(t, sshConfiguration, { '/proc/1/comm': 'init\n' }), {
    outcome: 'ok',
    observed: 'no SSH server here',
  });
  t.match(
    await look(t, sshConfiguration, { '/proc/1/comm': 'init\n', '/etc/ssh/sshd_config': 'PermitRootLogin no\n' }),
    {
      outcome: 'ok',
      observed: /installed; \/etc\/ssh\/sshd_config$/,
    },
  );
  t.match(
    await look(t, sshConfiguration, { '/proc/1/comm': 'init\n', '/etc/ssh/sshd_config': 'PermitRootLogin maybe\n' }),
    {
      outcome: 'warning',
      observed: /sshd refuses this/,
    },
  );
});

async function engine(endpoint: string, over: { dockerHostGiven?: boolean; uid?: number } = {}) {
  const access = { ...liveNode(endpoint), runtime: createDockerRuntime({ endpoint, timeoutMs: 300 }) };
  const kernel = () => kernelInspector.inspect(access, {});
  return dockerEngine.run({ access, hostRoot: '/', dockerHostGiven: false, uid: 0, kernel, ...over });
}

/** Something that answers on a socket, but is no engine. */
async function socketOf(t: Test, answer: string | undefined): Promise<string> {
  const path = join(temporaryDirectory(t), 'docker.sock');
  const server = createServer((_request, response) => void (answer === undefined || response.end(answer)));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `unix://${path}`;
}

void t.test('an engine that is not there, or is none', async (t) => {
  t.match(await engine(ABSENT), { outcome: 'warning', observed: `no engine found: ${ABSENT}: no socket (ENOENT)` });
  t.match(await engine(ABSENT, { dockerHostGiven: true }), { outcome: 'problem', advice: /correct docker-host/ });
  t.match(await engine(await socketOf(t, '<html>')), {
    outcome: 'problem',
    observed: /the answer is not JSON$/,
    advice: 'name the socket of dockerd with --docker-host',
  });
  t.match(await engine(await socketOf(t, '{"hello":1}')), {
    outcome: 'problem',
    observed: /^the service at .* is not a Docker engine$/,
  });
  t.match(await engine(await socketOf(t, undefined)), { outcome: 'problem', observed: /no answer within 300 ms$/ });
});

const docker = testDocker();
void t.test('a real engine', { skip: 'reason' in docker ? docker.reason : false }, async (t) => {
  if ('reason' in docker) return;
  const { endpoint } = docker.docker;
  const examined = await engine(endpoint);
  const [version = '', api = ''] = (
    await docker.docker.docker('version', '-f', '{{.Server.Version}} {{.Server.APIVersion}}')
  ).split(' ');
  t.ok(examined.observed.startsWith(`${version}, API ${api}, answered in `), examined.observed);
  t.ok(examined.observed.endsWith(`ms at ${endpoint}`));
});

void t.test('who listens on a port', async (t) => {
  const server = createTcpServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  t.strictSame(await findPortHolders(port, createLinuxHost()), {
    ok: true,
    holders: [{ address: '127.0.0.1', pid: process.pid, name: 'node' }],
  });
  // One that only connects does not listen: port 1 is tcpmux, which nobody runs.
  t.strictSame(await findPortHolders(1, createLinuxHost()), { ok: true, holders: [] });
});

void t.test('the whole examination of this machine, which leaves no trace', async (t) => {
  const dataDir = temporaryDirectory(t);
  const request = { programs: ['agent'] as const, environment: {}, readFile: () => Promise.resolve(undefined) };
  const examine = async (flags: Readonly<Record<string, string>>) => {
    const loaded = await loadSettings({ ...request, flags, uid: 0, home: '/root' });
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
    const { signal } = new AbortController();
    return diagnoseNode({
      settings: loaded.settings,
      version: '0',
      uid: process.getuid?.() ?? 0,
      clock: systemClock(),
      signal,
    });
  };
  const reported = await examine({ 'data-dir': dataDir });
  t.strictSame(readdirSync(dataDir), []);
  const of = (id: string) => reported.find((one) => one.id === id);
  const limit = told('sh', '-c', 'cat /proc/sys/fs/inotify/max_user_watches');
  t.match(of('node.inotify')?.observed, new RegExp(`^${limit} watches and `));
  t.match(of('node.root')?.observed, /./);
  const nowhere = await examine({ 'host-root': join(dataDir, 'none') });
  t.match(
    nowhere.filter(({ outcome }) => outcome === 'problem').map(({ id }) => id),
    ['node.root'],
  );
  t.ok(nowhere.every(({ outcome, id }) => outcome === 'unknown' || id === 'node.root'));
  mkdirSync(join(dataDir, 'root', 'etc'), { recursive: true });
  symlinkSync('/etc/os-release', join(dataDir, 'root', 'etc', 'os-release'));
  const wrong = await examine({ 'host-root': join(dataDir, 'root') });
  t.match(
    wrong.find(({ id }) => id === 'node.root'),
    { outcome: 'problem', observed: /no procfs/ },
  );
});
