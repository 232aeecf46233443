import { createServer } from 'node:net';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { membersOf, readSocketAccess } from '../../../../agent/inspector/docker/socket-access.ts';
import { readStorage } from '../../../../agent/inspector/docker/storage.ts';
import { createParseCache } from '../../../../agent/inspector/parse-cache.ts';
import type { DockerApi } from '../../../../posture/fact/docker.ts';
import { dockerApi } from '../../../fixture/facts.ts';
import { treeHost } from '../../../fixture/inspector/tree.ts';
import type { TreeHost } from '../../../fixture/inspector/tree.ts';

const PASSWD =
  'root:x:0:0::/root:/bin/sh\ntoor:x:0:998::/root:/bin/sh\nci:x:1001:998::/:/bin/sh\nanna:x:1000:1000::/:/bin/sh\n';
const GROUP = 'root:x:0:\ndocker:x:998:anna,adm\ndocker2:x:0998:bert\nadmin:x:999:eve\n';

t.test('members of a group: its list, primary groups, several lines of one number', (t) => {
  // As `id -nG` shows on a Debian with these files: anna and adm by the list, ci by its primary group, bert by the alias.
  t.same(membersOf(998, GROUP, PASSWD), ['adm', 'anna', 'bert', 'ci']);
  t.same(membersOf(0, GROUP, PASSWD), [], 'root is root anyway');
  t.same(membersOf(1000, GROUP, PASSWD), ['anna']);
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.nat(), (group, passwd, gid) =>
      Array.isArray(membersOf(gid, group, passwd)),
    ),
  );
  t.end();
});

async function listen(host: TreeHost, mode: number): Promise<() => void> {
  const path = join(host.root, 's');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  chmodSync(path, mode);
  return () => server.close();
}

t.test('who may use a real socket', async (t) => {
  const host = treeHost(t, {
    '/etc/passwd': PASSWD,
    '/etc/group': GROUP,
    '/etc/nsswitch.conf': 'passwd: files systemd\ngroup: files [SUCCESS=merge] sss # ldap\n',
  });
  const close = await listen(host, 0o660);
  const inGroup: TreeHost = {
    ...host,
    stat: async (path) => {
      const stat = await host.stat(path);
      return stat.ok ? { ok: true, value: { ...stat.value, gid: 998 } } : stat;
    },
  };
  t.match(await readSocketAccess(inGroup, 'unix:///s'), {
    state: 'seen',
    value: {
      uid: 0,
      gid: 998,
      group: 'docker',
      everybody: false,
      members: ['adm', 'anna', 'bert', 'ci'],
      otherServices: ['sss'],
    },
  });
  chmodSync(join(host.root, 's'), 0o640);
  t.match(await readSocketAccess(inGroup, 'unix:///s'), { value: { members: [] } }, 'the group cannot connect');
  chmodSync(join(host.root, 's'), 0o666);
  t.match(await readSocketAccess(inGroup, 'unix:///s'), { value: { everybody: true } });
  t.equal((await readSocketAccess(host, 'tcp://127.0.0.1:2375')).state, 'absent');
  t.equal((await readSocketAccess(host, 'unix:///none')).state, 'absent');
  host.replace({ '/etc/group': undefined });
  t.match(await readSocketAccess(inGroup, 'unix:///s'), { state: 'unreadable', source: '/etc/group' });
  close();
});

/** mountinfo of a host: / on vda, /var/lib/docker on vdb, a bind mount of / at /srv/bind. */
const MOUNTS = [
  '21 1 254:0 / / rw - ext4 /dev/vda1 rw',
  '22 21 254:16 / /var/lib/docker rw - ext4 /dev/vdb rw',
  '23 21 254:0 /data /srv/bind rw - ext4 /dev/vda1 rw',
  '',
].join('\n');

t.test('the file systems of the data root and of containerd', async (t) => {
  const host = treeHost(t, {
    '/proc/1/mountinfo': MOUNTS,
    '/etc/containerd/config.toml': 'version = 2\nroot = "/srv/bind"\n[plugins]\nroot = "/elsewhere"\n',
  });
  for (const path of ['var/lib/docker/100000.100000', 'srv/bind', 'var/lib/containerd'])
    mkdirSync(join(host.root, path), { recursive: true });
  const base = dockerApi();
  const read = (changes: Partial<DockerApi>, flags: Readonly<Record<string, readonly string[]>> = {}) => {
    const access = { host, cache: createParseCache() };
    return readStorage(access as never, base.state === 'seen' ? { ...base.value, ...changes } : undefined, flags);
  };
  const engine = {
    purpose: 'engine',
    path: '/var/lib/docker',
    mount: { value: { mountPoint: '/var/lib/docker', device: '254:16', rootDevice: '254:0' } },
  };
  t.match(await read({}), [engine]);
  t.match(await read({ dataRoot: '/var/lib/docker/100000.100000' }), [engine], 'user namespaces are remapped');
  t.match(await read({ dataRoot: '/srv/bind' }), [{ mount: { value: { mountPoint: '/srv/bind', device: '254:0' } } }]);
  t.match(await read({ dataRoot: '/none' }), [{ mount: { state: 'absent' } }]);
  const flags = { containerd: ['/run/containerd/containerd.sock'] };
  t.match(await read({ imageStore: 'containerd' }, flags), [engine, { purpose: 'containerd', path: '/srv/bind' }]);
  t.equal((await read({ imageStore: 'containerd' })).length, 1, 'dockerd starts its own containerd in the data root');
  host.replace({ '/etc/containerd/config.toml': 'imports = ["/etc/containerd/conf.d/*.toml"]\n' });
  t.match(await read({ imageStore: 'containerd' }, flags), [
    engine,
    { mount: { state: 'unreadable', reason: /imports/ } },
  ]);
  host.replace({ '/etc/containerd/config.toml': undefined });
  t.match(await read({ imageStore: 'containerd' }, flags), [engine, { path: '/var/lib/containerd' }]);
});
