import t from 'tap';
import type { Test } from 'tap';
import { readDockerProcesses } from '../../../../agent/inspector/docker/process.ts';
import { createParseCache } from '../../../../agent/inspector/parse-cache.ts';
import { DOCKER_SOCKET_INODE, NODE_TREE, processTree } from '../../../fixture/inspector/daemon.ts';
import { recordedText } from '../../../fixture/inspector/read.ts';
import { treeHost } from '../../../fixture/inspector/tree.ts';
import type { Tree } from '../../../fixture/inspector/tree.ts';

const ENDPOINT = 'unix:///run/docker.sock';
const INODE = DOCKER_SOCKET_INODE;
const NODE: Tree = { ...NODE_TREE, '/run/docker.sock': '' };

const read = (t: Test, tree: Tree): ReturnType<typeof readDockerProcesses> =>
  readDockerProcesses({ host: treeHost(t, { ...NODE, ...tree }), cache: createParseCache() }, ENDPOINT);

t.test('the dockerd that holds the socket, whatever the path is called', async (t) => {
  const { daemon, proxies } = await read(t, {
    ...processTree(700, { sockets: [1, 2] }),
    ...processTree(812, { cmdline: 'dockerd\0-H\0unix:///var/run/docker.sock\0', sockets: [7, INODE] }),
    ...processTree(900, { comm: 'docker-proxy', status: { PPid: '812' } }),
    ...processTree(901, { comm: 'docker-proxy', status: { PPid: '700' } }),
  });
  t.match(daemon, {
    state: 'seen',
    value: {
      pid: 812,
      uid: 0,
      // 1795602913 s of btime and 91.27 s after boot.
      startedAtMs: 1795603004270,
      flags: { host: ['unix:///var/run/docker.sock'] },
      environment: { DOCKER_TLS_VERIFY: '1' },
    },
  });
  t.same(daemon.state === 'seen' && daemon.value.environment, { DOCKER_TLS_VERIFY: '1' }, 'no other variable');
  t.match(proxies, { state: 'seen', value: 1 });
});

t.test('descriptors that cannot be read: even the only one is not known to be it', async (t) => {
  t.match((await read(t, processTree(812))).daemon, { state: 'unreadable', source: '/proc/812' });
});

t.test('two that hold the socket', async (t) => {
  const both = { sockets: [INODE] };
  const { daemon } = await read(t, { ...processTree(812, both), ...processTree(813, both) });
  t.match(daemon, { state: 'unreadable', reason: /812, 813/ });
});

t.test('an older socket at the path, which nobody can reach any more', async (t) => {
  const unix = `${recordedText('net/unix')}0000000000000001: 00000002 00000000 00010000 0001 01 99 /run/docker.sock\n`;
  const { daemon } = await read(t, processTree(812, { sockets: [INODE], unix }));
  t.match(daemon, { state: 'unreadable', reason: /several sockets/ });
});

t.test('one that does not hold the socket is not it', async (t) => {
  t.match((await read(t, processTree(812, { sockets: [1] }))).daemon, { state: 'unreadable' });
});

t.test('a dockerd in a container is none of the node', async (t) => {
  const inside = await read(t, processTree(812, { status: { NSpid: '812\t7' }, sockets: [INODE] }));
  t.match(inside.daemon, { state: 'absent' });
  const shared = await read(t, processTree(812, { cgroup: `0::/docker/${'ab'.repeat(32)}\n`, sockets: [INODE] }));
  t.match(shared.daemon, { state: 'absent' }, 'nor with --pid=host');
  const nested = treeHost(t, {
    ...NODE,
    ...processTree(812, { cgroup: `0::/docker/${'ab'.repeat(32)}/system.slice\n`, sockets: [INODE] }),
    '/proc/1/cgroup': `0::/docker/${'ab'.repeat(32)}/init.scope\n`,
  });
  t.match(
    (await readDockerProcesses({ host: nested, cache: createParseCache() }, ENDPOINT)).daemon,
    { state: 'seen' },
    'but a node may be a container',
  );
});

t.test('cri-dockerd and a name that only begins alike are not it', async (t) => {
  t.match((await read(t, processTree(812, { comm: 'cri-dockerd' }))).daemon, { state: 'absent' });
});

t.test('processes of others are hidden', async (t) => {
  const host = treeHost(t, processTree(812));
  t.match((await readDockerProcesses({ host, cache: createParseCache() }, ENDPOINT)).daemon, {
    state: 'unreadable',
    reason: /hidepid/,
  });
});
