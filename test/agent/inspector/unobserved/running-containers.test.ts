import t from 'tap';
import { createParseCache } from '../../../../agent/inspector/parse-cache.ts';
import { findRunningContainers, supervisedBy } from '../../../../agent/inspector/unobserved/running-containers.ts';
import { NODE_TREE, processTree } from '../../../fixture/inspector/daemon.ts';
import { INITIAL, namespaceLinks, treeHost } from '../../../fixture/inspector/tree.ts';
import type { Tree } from '../../../fixture/inspector/tree.ts';

const A = 'a1'.repeat(32);
const B = 'b2'.repeat(32);
const C = 'c3'.repeat(32);

const inCgroup = (pid: number, cgroup: string): Tree => processTree(pid, { comm: 'sleep', cgroup });

async function found(
  t: Parameters<typeof treeHost>[0],
  tree: Tree,
  known: readonly string[] = [],
  firstProcesses: ReadonlyMap<number, number> = new Map(),
  ofUsers: ReadonlyMap<string, number> = new Map(),
) {
  const access = { host: treeHost(t, { ...NODE_TREE, ...tree }), cache: createParseCache() };
  const containers = await findRunningContainers(access, { ids: new Set(known), ofUsers, firstProcesses });
  return containers.ok ? containers.value.map(({ id, name, pid }) => [id.slice(0, 12), name, pid]) : containers.reason;
}

const idsOf = (containers: Awaited<ReturnType<typeof found>>): readonly unknown[] =>
  typeof containers === 'string' ? [containers] : containers.map(([id]) => id);

void t.test('a container of a rootless engine is known only in cgroups of processes of its user', async (t) => {
  const claimed = new Map([[A, 1000]]);
  const uidMap = (pid: number, map: string): Tree => ({ [`/proc/${String(pid)}/uid_map`]: map });
  const cgroup = `0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-${A}.scope\n`;
  const maps: readonly (readonly [string, string, number])[] = [
    ['of the user, with subordinate ids', '         0       1000          1\n         1     100000      65536\n', 0],
    ['of the user alone', '0 1000 1\n', 0],
    ['the node itself', '0 0 4294967295\n', 1],
    ['another user', '0 1001 1\n1 165536 65536\n', 1],
    ['subordinate ids without the user', '0 100000 65536\n', 1],
    ['a range of accounts with the user in it', '0 0 65536\n', 1],
    ['the user and another account', '0 1000 1\n1 1001 1\n', 1],
    ['not a map', 'x', 1],
    ['none', '', 1],
  ];
  for (const [name, map, strangers] of maps)
    t.equal(
      (await found(t, { ...inCgroup(5, cgroup), ...uidMap(5, map) }, [], new Map(), claimed)).length,
      strangers,
      name,
    );
  const inner = { ...inCgroup(5, `0::/user.slice/libpod-${A}.scope/docker/${B}\n`), ...uidMap(5, '0 1000 1\n') };
  t.strictSame(await found(t, inner, [], new Map(), claimed), [], 'what runs inside of it belongs to it');
});

void t.test('cgroups as Docker, containerd, CRI-O, Podman, LXC and systemd-nspawn name them', async (t) => {
  const cases: readonly (readonly [string, string])[] = [
    [`0::/docker/${A}\n`, A.slice(0, 12)],
    [`12:pids:/docker/${A}\n0::/\n`, A.slice(0, 12)],
    [`0::/system.slice/docker-${A}.scope\n`, A.slice(0, 12)],
    [`0::/kubepods.slice/kubepods-pod1f2e.slice/cri-containerd-${A}.scope\n`, A.slice(0, 12)],
    [`0::/kubepods/besteffort/pod1f2e/crio-${A}\n`, A.slice(0, 12)],
    [`0::/machine.slice/libpod-${A}.scope/container\n`, A.slice(0, 12)],
    ['0::/lxc.payload.web/system.slice/x.service\n', 'web'],
    ['0::/machine.slice/systemd-nspawn@web.service/payload\n', 'web'],
  ];
  for (const [index, [cgroup, id]] of cases.entries())
    t.strictSame(await found(t, inCgroup(500 + index, cgroup)), [[id, '', 500 + index]], cgroup);
});

void t.test('what is no container', async (t) => {
  for (const cgroup of [
    '0::/system.slice/ssh.service\n',
    '0::/user.slice/user-1000.slice/session-3.scope\n',
    '0::/machine.slice/machine-qemu\\x2d1\\x2dvm.scope\n',
    `0::/process_api/${A.slice(0, 32)}\n`,
    '0::/\n',
  ])
    t.strictSame(await found(t, inCgroup(500, cgroup)), [], cgroup);
});

void t.test('a container that is known, and what runs in it', async (t) => {
  const tree = {
    ...inCgroup(500, `0::/docker/${A}\n`),
    ...inCgroup(501, `0::/docker/${A}/docker/${B}\n`),
    ...inCgroup(502, `0::/docker/${C}\n`),
    ...inCgroup(503, `0::/docker/${C}\n`),
  };
  t.strictSame(await found(t, tree, [A]), [[C.slice(0, 12), '', 502]]);
  t.strictSame(await found(t, tree, [A, C]), []);
});

void t.test('the container that the agent itself lives in', async (t) => {
  const cgroup = `0::/docker/${A}\n`;
  t.strictSame(await found(t, { ...inCgroup(500, cgroup), '/proc/self/cgroup': cgroup }), []);
  t.strictSame(await found(t, { ...inCgroup(500, cgroup), '/proc/1/cgroup': cgroup }), [], 'the node is a container');
});

void t.test('supervisors name the containers that no cgroup names', async (t) => {
  const words = (...args: readonly string[]): string => args.map((arg) => `${arg}\0`).join('');
  const shim = (id: string): string =>
    words('/usr/bin/containerd-shim-runc-v2', '-namespace', 'default', '-id', id, '-address', '/run/x.sock');
  const task = { '/proc/600/task/600/children': '601 ' };
  const running = { ...processTree(600, { comm: 'containerd-shim', cmdline: shim('web') }), ...task };
  t.strictSame(await found(t, running), [['web', 'default/web', 600]]);
  t.strictSame(await found(t, running, ['web']), []);
  const ended = processTree(600, { comm: 'containerd-shim', cmdline: shim('web') });
  t.strictSame(await found(t, ended), [], 'without a child there is no container');
  const users = { status: { Uid: '1000\t1000\t1000\t1000' } };
  const user = { ...processTree(600, { comm: 'containerd-shim', cmdline: shim('web'), ...users }), ...task };
  t.strictSame(await found(t, user), [], 'anybody may call a program so');
  const nested = {
    ...processTree(600, { comm: 'containerd-shim', cmdline: shim('web'), cgroup: `0::/docker/${A}\n` }),
  };
  t.strictSame(await found(t, { ...nested, ...task }, [A]), [], 'of an engine in a known container');
});

void t.test('the supervisor of a known container is its parent, and runs the program of a supervisor', async (t) => {
  const words = (id: string): string => `containerd-shim\0-namespace\0default\0-id\0${id}\0`;
  const supervisor = (pid: number, id: string, exe = '/usr/bin/containerd-shim-runc-v2'): Tree => ({
    ...processTree(pid, { comm: 'containerd-shim', exe, cmdline: words(id) }),
    [`/proc/${String(pid)}/task/${String(pid)}/children`]: `${String(pid + 1)} `,
  });
  const tree = { ...supervisor(600, 'web'), ...inCgroup(601, `0::/docker/${A}\n`) };
  t.strictSame(await found(t, tree, [A], new Map([[601, 600]])), [], 'of the known container');
  t.strictSame(await found(t, tree, [A]), [['web', 'default/web', 600]], 'not known to be');
  const other = { ...tree, ...supervisor(700, 'hidden') };
  t.strictSame(await found(t, other, [A], new Map([[601, 600]])), [['hidden', 'default/hidden', 700]]);
  const renamed = { ...supervisor(600, 'web', '/tmp/x'), ...inCgroup(601, `0::/docker/${A}\n`) };
  t.strictSame(await found(t, renamed, [A], new Map([[601, 600]])), [['web', 'default/web', 600]], 'by its name only');
  const stranger = { ...tree, ...inCgroup(602, `0::/docker/${B}\n`) };
  t.strictSame(await found(t, stranger, [A], new Map([[601, 600]])), [[B.slice(0, 12), '', 602]]);
});

void t.test('containers that no engine made, by their namespaces and their root', async (t) => {
  const NODE: Tree = { ...namespaceLinks(1, INITIAL), '/proc/1/mountinfo': '22 1 8:1 / / rw - ext4 /dev/sda1 rw\n' };
  const inner: Readonly<Record<string, number>> = { ...INITIAL, mnt: 5, pid: 6 };
  const machine = (
    cgroup: string,
    { nsPid = '500\t1', root = '8:1 /srv/web', namespaces = inner, parent = '1', uidMap = '' } = {},
  ): Tree => ({
    ...processTree(500, { comm: 'init', cgroup, status: { NSpid: nsPid, PPid: parent } }),
    ...namespaceLinks(500, namespaces),
    '/proc/500/mountinfo': `50 40 ${root} / rw - ext4 /dev/sda1 rw\n`,
    '/proc/500/uid_map': uidMap,
  });
  const user = { ...inner, user: 7 };
  const cases: readonly (readonly [string, Tree, readonly string[]])[] = [
    ['systemd-nspawn started by hand', machine('0::/payload\n'), ['pid:[6]']],
    ['registered with machined', machine('0::/machine.slice/machine-my\\x2dweb.scope/payload\n'), ['pid:[6]']],
    ['a range of ids of root', machine('0::/payload\n', { namespaces: user, uidMap: '0 524288 65536\n' }), ['pid:[6]']],
    ['a sandbox of a user', machine('0::/x\n', { namespaces: user, uidMap: '1000 1000 1\n' }), []],
    ['a service with private mounts', machine('0::/x\n', { nsPid: '500', namespaces: { ...INITIAL, mnt: 5 } }), []],
    ['the root of the node', machine('0::/x\n', { root: '8:1 /' }), []],
    ['in the mount namespace of the node', machine('0::/x\n', { namespaces: { ...INITIAL, pid: 6 } }), []],
    ['not the first process', machine('0::/x\n', { nsPid: '500\t7' }), []],
    ['of a known container', machine('0::/x\n', { parent: '400' }), []],
  ];
  for (const [name, tree, ids] of cases) {
    const all = { ...NODE, ...tree, ...inCgroup(400, `0::/docker/${A}\n`) };
    t.strictSame(idsOf(await found(t, all, [A], new Map([[400, 1]]))), ids, name);
  }
});

void t.test('a supervisor of a user', async (t) => {
  const conmon = (pid: number, namespaces: Readonly<Record<string, number>>, uid = '5501'): Tree => ({
    ...processTree(pid, {
      comm: 'conmon',
      exe: '/usr/bin/conmon',
      cmdline: ['/usr/bin/conmon', '-c', String(pid).padEnd(64, 'a'), '-n', 'web', ''].join('\0'),
      status: { Uid: [uid, uid, uid, uid].join('\t') },
    }),
    [`/proc/${String(pid)}/task/${String(pid)}/children`]: `${String(pid + 1)} `,
    ...inCgroup(pid + 1, '0::/user.slice\n'),
    ...namespaceLinks(pid + 1, namespaces),
  });
  const node = namespaceLinks(1, INITIAL);
  const apart = { ...INITIAL, mnt: 5, pid: 6 };
  t.equal((await found(t, { ...node, ...conmon(600, apart) })).length, 1);
  t.equal((await found(t, { ...node, ...conmon(600, INITIAL) })).length, 0, 'its child is not apart from the node');
  const id = '600'.padEnd(64, 'a');
  t.equal(
    (await found(t, { ...node, ...conmon(600, apart) }, [], new Map(), new Map([[id, 5501]]))).length,
    0,
    'known',
  );
  t.equal((await found(t, { ...node, ...conmon(600, apart) }, [], new Map(), new Map([[id, 1]]))).length, 1, 'claimed');
  const many = Array.from({ length: 40 }, (_, index) => conmon(1000 + 2 * index, apart));
  t.equal((await found(t, Object.assign({}, node, ...many) as Tree)).length, 20, 'each user has a limit');
});

void t.test('processes of others are hidden', async (t) => {
  const access = { host: treeHost(t, { '/proc/7/comm': 'sh\n' }), cache: createParseCache() };
  const containers = await findRunningContainers(access, {
    ids: new Set(),
    ofUsers: new Map(),
    firstProcesses: new Map(),
  });
  t.match(containers, { ok: false, reason: /hidden/ });
});

void t.test('command lines of supervisors', (t) => {
  const of = (line: string) => supervisedBy(line.split(' '));
  t.match(of('/usr/bin/containerd-shim-runc-v2 -namespace moby -id 0af3 -address /x'), {
    id: '0af3',
    name: 'moby/0af3',
  });
  t.match(of('/usr/bin/conmon --api-version 1 -c 0af3 -u 0af3 -r /usr/bin/crun -n web'), { id: '0af3', name: 'web' });
  t.match(of('runc --root /run/x run --bundle /b web'), { id: 'web' });
  for (const other of [
    'runc --root /run/x create web',
    'runc init',
    'runc run',
    'runc run --help',
    'conmon --version',
    '',
  ])
    t.equal(of(other), undefined, other);
  t.end();
});
