import { chmodSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { createParseCache } from '../../../../agent/inspector/parse-cache.ts';
import { podmanEndpoints, serviceEndpoint } from '../../../../agent/runtime/docker/podman-endpoints.ts';
import { NODE_TREE, processTree } from '../../../fixture/inspector/daemon.ts';
import type { MadeProcess } from '../../../fixture/inspector/daemon.ts';
import { treeHost } from '../../../fixture/inspector/tree.ts';
import type { TreeHost } from '../../../fixture/inspector/tree.ts';

const USUAL = '/run/podman/podman.sock';
const line = (inode: number, path: string): string =>
  `00000000de66e4c4: 00000002 00000000 00010000 0001 01 ${String(inode)} ${path}\n`;

void t.test('the socket of a service: podman-system-service(1)', (t) => {
  const cases: readonly (readonly [string, string | undefined])[] = [
    ['podman system service', `unix://${USUAL}`],
    ['podman --root /x system service --time=0 unix:///srv/p.sock', 'unix:///srv/p.sock'],
    ['/usr/bin/podman --log-level info system service -t 5 unix:///srv/p.sock', 'unix:///srv/p.sock'],
    ['podman system service tcp://0.0.0.0:8080', undefined],
    ['podman system prune', undefined],
    ['podman', undefined],
  ];
  for (const [words, expected] of cases) t.equal(serviceEndpoint(words.split(' ')), expected, words);
  t.end();
});

/** A node with a process named podman, and a socket at the usual place and at /srv/p.sock. */
async function node(t: Test, made: MadeProcess, unixOfNode = ''): Promise<TreeHost> {
  const service = { comm: 'podman', exe: '/usr/bin/podman', sockets: [7], unix: line(7, '/srv/p.sock'), ...made };
  const host = treeHost(t, {
    ...NODE_TREE,
    ...processTree(9, { cmdline: 'podman\0system\0service\0unix:///srv/p.sock\0', ...service }),
    '/usr/bin/podman': '',
    '/srv/p.sock': '',
    // The processes share a network namespace, so the kernel shows the same table in both.
    '/proc/1/net/unix': `${line(7, '/srv/p.sock')}${unixOfNode}`,
    '/run/podman/README': '',
  });
  const server = createServer().listen(join(host.root, USUAL));
  await new Promise((resolve) => server.once('listening', resolve));
  t.teardown(() => void server.close());
  return host;
}

const found = async (host: TreeHost): Promise<readonly string[] | undefined> =>
  podmanEndpoints({ host, cache: createParseCache() });

void t.test('which sockets are asked', async (t) => {
  t.strictSame(await found(await node(t, {})), ['unix:///srv/p.sock'], 'a service that runs');
  const idle = await node(t, { comm: 'sleep', exe: '/usr/bin/sleep' }, line(8, USUAL));
  t.strictSame(await found(idle), [`unix://${USUAL}`], 'systemd listens for it');
  chmodSync(join(idle.root, 'run/podman'), 0o777);
  t.strictSame(await found(idle), [], 'a place where others can put a socket');
  const impostors: readonly MadeProcess[] = [
    { status: { Uid: '1000\t1000\t1000\t1000' } },
    { namespaces: { user: 2 } },
    { cgroup: `0::/docker/${'ab'.repeat(32)}\n` },
    { exe: '/home/ann/podman' },
    { sockets: [] },
    { cmdline: 'podman\0system\0service\0tcp://127.0.0.1:1\0' },
  ];
  for (const made of impostors) t.strictSame(await found(await node(t, made)), [], JSON.stringify(made));
});
