import { createServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { dockerEngine } from '../../../agent/diagnostics/docker-engine.ts';
import { diagnoseNode } from '../../../agent/diagnostics/diagnose-node.ts';
import { fileWatches } from '../../../agent/diagnostics/file-watches.ts';
import type { NodeDiagnostic } from '../../../agent/diagnostics/node-subject.ts';
import { nodeVisibility } from '../../../agent/diagnostics/node-visibility.ts';
import { findPortHolders } from '../../../agent/diagnostics/port-holders.ts';
import { createLinuxHost } from '../../../agent/host/linux.ts';
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

/** The result for a node that consists of `tree`. */
async function look(t: Test, one: NodeDiagnostic, tree: Tree, over: { uid?: number; hostRoot?: string } = {}) {
  const access = { ...liveNode(ABSENT), host: treeHost(t, tree) };
  return one.run({ access, hostRoot: '/', dockerHostGiven: false, uid: 0, ...over });
}

/** A node of which the agent can see everything. */
const NODE: Tree = {
  '/etc/os-release': 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n',
  '/proc/self/mountinfo': '23 1 0:26 / / rw - ext4 root rw\n',
  '/proc/self/status': statusWith({ CapEff: ALL }),
  '/proc/1/comm': 'init\n',
  '/proc/41/comm': 'x\n',
  ...namespaceLinks(1, INITIAL),
  '/sys/kernel/security/lsm': 'lockdown,capability,landlock,yama,apparmor',
  '/sys/kernel/security/lockdown': '[none] integrity confidentiality\n',
  '/sys/kernel/security/apparmor/profiles': 'docker-default (enforce)\n',
  '/sys/module/apparmor/parameters/enabled': 'Y\n',
};

function nodeWithout(...prefixes: readonly string[]): Tree {
  return Object.fromEntries(
    Object.entries(NODE).filter(([path]) => !prefixes.some((prefix) => path.startsWith(prefix))),
  );
}

void t.test('a node of which everything is visible', async (t) => {
  t.strictSame(await look(t, nodeVisibility, NODE), {
    outcome: 'ok',
    observed:
      '/ is Debian GNU/Linux 13 (trixie); root, with the capabilities it needs; 2 processes, with their namespaces; ' +
      'lockdown, capability, landlock, yama, apparmor; no SELinux; AppArmor on',
    advice: '',
  });
});

void t.test('rights', async (t) => {
  const status = (effective: string): Tree => ({ ...NODE, '/proc/self/status': statusWith({ CapEff: effective }) });
  t.match(await look(t, nodeVisibility, status(WITHOUT_PTRACE)), {
    outcome: 'warning',
    observed: 'root, but without CAP_SYS_PTRACE',
  });
  t.match(await look(t, nodeVisibility, NODE, { uid: 1000 }), {
    outcome: 'warning',
    observed: /^user 1000 is not root/,
  });
});

void t.test('processes', async (t) => {
  t.match(await look(t, nodeVisibility, nodeWithout('/proc/1/')), { outcome: 'problem', observed: /hidepid/ });
  const inner = namespaceLinks(1, { ...INITIAL, pid: 4026532201 });
  t.match(await look(t, nodeVisibility, { ...nodeWithout('/proc/1/ns'), ...inner }), {
    outcome: 'warning',
    observed: 'only the 2 processes of this pid namespace are visible',
    advice: /--pid=host/,
  });
});

void t.test('security modules', async (t) => {
  t.match(await look(t, nodeVisibility, nodeWithout('/sys/')), {
    outcome: 'unknown',
    observed: /securityfs is not mounted/,
    advice: /mount -t securityfs/,
  });
});

void t.test('the root of the node', async (t) => {
  t.match(await look(t, nodeVisibility, nodeWithout('/etc/')), {
    outcome: 'problem',
    observed: '/ has no etc/os-release: it is not the root of a node',
  });
  t.match(await look(t, nodeVisibility, nodeWithout('/proc/'), { hostRoot: '/host' }), {
    outcome: 'problem',
    observed: '/host/proc is not a procfs',
    advice: /-v \/:\/host:ro --pid=host --host-root \/host/,
  });
  const container = {
    ...NODE,
    '/proc/self/mountinfo': '23 1 0:26 / / rw - overlay root rw\n',
    '/.dockerenv': '',
  };
  t.match(await look(t, nodeVisibility, container), { outcome: 'warning', observed: /^this is a container/ });
  t.match(await look(t, nodeVisibility, container, { hostRoot: '/host' }), { outcome: 'ok' });
});

void t.test('inotify limits', async (t) => {
  const inotify = (watches: string, instances: string): Tree => ({
    '/proc/sys/fs/inotify/max_user_watches': watches,
    '/proc/sys/fs/inotify/max_user_instances': instances,
  });
  t.match(await look(t, fileWatches, inotify('192536\n', '128\n')), {
    outcome: 'ok',
    observed: /^192536 watches and 128 /,
  });
  t.match(await look(t, fileWatches, inotify('1024\n', '16\n')), {
    outcome: 'warning',
    advice: /sysctl -w fs\.inotify\.max_user_watches=\d+ fs\.inotify\.max_user_instances=128$/,
  });
  t.match(await look(t, fileWatches, inotify('many', '1')), { outcome: 'unknown' });
});

async function engine(endpoint: string, over: { dockerHostGiven?: boolean; uid?: number } = {}) {
  const access = { ...liveNode(endpoint), runtime: createDockerRuntime({ endpoint, timeoutMs: 300 }) };
  return dockerEngine.run({ access, hostRoot: '/', dockerHostGiven: false, uid: 0, ...over });
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

void t.test('no engine, or another service at its socket', async (t) => {
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

void t.test('all diagnostics of this machine, which write nothing', async (t) => {
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
  t.match(of('file-watches')?.observed, new RegExp(`^${limit} watches and `));
  t.match(of('node-visibility')?.observed, /./);
  const nowhere = await examine({ 'host-root': join(dataDir, 'none') });
  t.match(
    nowhere.filter(({ outcome }) => outcome === 'problem').map(({ id }) => id),
    ['node-visibility'],
  );
  t.ok(nowhere.every(({ outcome, id }) => outcome === 'unknown' || id === 'node-visibility' || id === 'broker'));
  mkdirSync(join(dataDir, 'root', 'etc'), { recursive: true });
  symlinkSync('/etc/os-release', join(dataDir, 'root', 'etc', 'os-release'));
  const wrong = await examine({ 'host-root': join(dataDir, 'root') });
  t.match(
    wrong.find(({ id }) => id === 'node-visibility'),
    { outcome: 'problem', observed: /is not a procfs/ },
  );
});
