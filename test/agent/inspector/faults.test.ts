import t from 'tap';
import type { Test } from 'tap';
import { accountsInspector } from '../../../agent/inspector/account/inspect.ts';
import { auditInspector } from '../../../agent/inspector/audit/inspect.ts';
import { kubeletInspector } from '../../../agent/inspector/kubelet/inspect.ts';
import { listenerInspector } from '../../../agent/inspector/listener/inspect.ts';
import { createParseCache } from '../../../agent/inspector/parse-cache.ts';
import { findDaemons } from '../../../agent/inspector/proc/daemon-identity.ts';
import { findRunningContainers } from '../../../agent/inspector/unobserved/running-containers.ts';
import type { NodeAccess } from '../../../agent/node-access.ts';
import type { Facts } from '../../../posture/fact/facts.ts';
import { unreadable } from '../../../posture/observed.ts';
import { factsOf } from '../../fixture/facts.ts';
import { accessTo } from '../../fixture/inspector/access.ts';
import { NODE_TREE, processTree } from '../../fixture/inspector/daemon.ts';
import { treeHost } from '../../fixture/inspector/tree.ts';
import type { Tree } from '../../fixture/inspector/tree.ts';

const FAULT = { ok: false, code: 'failed', reason: 'too many open files (EMFILE)' } as const;
const CONTAINER = 'ab'.repeat(32);

/** A node on which nothing at a path that matches can be read at the moment. */
async function nodeWith(t: Test, tree: Tree, failing: RegExp): Promise<NodeAccess> {
  const host = treeHost(t, { ...NODE_TREE, ...tree });
  const unless = <R>(path: string, read: () => Promise<R>): Promise<R | typeof FAULT> =>
    failing.test(path) ? Promise.resolve(FAULT) : read();
  return {
    ...(await accessTo(t, host)),
    host: {
      ...host,
      readFile: (path, limits) => unless(path, () => host.readFile(path, limits)),
      stat: (path) => unless(path, () => host.stat(path)),
      list: (path, limits) => unless(path, () => host.list(path, limits)),
      readLink: (path) => unless(path, () => host.readLink(path)),
      readMany: async (requests, previous) => {
        const results = await host.readMany(requests, previous);
        return results.map((result, index) => (failing.test(requests[index]?.path ?? '') ? FAULT : result));
      },
    },
  };
}

for (const file of ['comm', 'stat', 'status', 'cgroup'])
  t.test(`a daemon whose /proc/PID/${file} cannot be read at the moment has not ended`, async (t) => {
    const failing = new RegExp(`^/proc/812/${file}$`);
    const dockerd = await nodeWith(t, processTree(812), failing);
    t.match(await findDaemons(dockerd, 'dockerd'), { ok: false, reason: /EMFILE/ });
    const kubelet = await nodeWith(t, { ...processTree(812, { comm: 'kubelet' }), '/usr/sbin/kubelet': '' }, failing);
    t.match(await kubeletInspector.inspect(kubelet, {}), { process: { state: 'unreadable', reason: /EMFILE/ } });
  });

t.test('where every process of others is denied, no process table is whole (hidepid=1)', async (t) => {
  const access = await nodeWith(t, processTree(812), /^$/);
  const { host } = access;
  const denied = { ok: false, code: 'denied', reason: 'operation not permitted (EPERM)' } as const;
  const readMany: typeof host.readMany = async (requests, previous) => {
    const results = await host.readMany(requests, previous);
    return results.map((result, index) => (requests[index]?.path.startsWith('/proc/') === true ? denied : result));
  };
  t.match(await findDaemons({ ...access, host: { ...host, readMany } }, 'dockerd'), { ok: false, code: 'denied' });
});

t.test('a container that no engine lists is not over because a cgroup cannot be read', async (t) => {
  const tree = processTree(900, { comm: 'sleep', cgroup: `0::/docker/${CONTAINER}\n` });
  const known = { ids: new Set<string>(), ofUsers: new Map(), firstProcesses: new Map() };
  const running = async (failing: RegExp) => {
    const { host } = await nodeWith(t, tree, failing);
    return findRunningContainers({ host, cache: createParseCache() }, known);
  };
  t.match(await running(/^$/), { ok: true, value: [{ id: CONTAINER }] });
  t.match(await running(/^\/proc\/900\/cgroup$/), { ok: false, reason: /EMFILE/ });
});

t.test('a port that systemd opens for Docker', async (t) => {
  const unit = '/etc/systemd/system/docker.socket';
  const drop = `${unit}.d/port.conf`;
  const tree = { [unit]: '[Socket]\n', [drop]: '[Socket]\nListenStream=2375\n' };
  const facts: Facts = factsOf();
  for (const failing of [unit, drop, `${unit}.d`]) {
    const access = await nodeWith(t, tree, new RegExp(`^${failing}$`));
    t.match(await listenerInspector.inspect(access, facts), { state: 'unreadable', reason: /EMFILE/ }, failing);
  }
});

t.test('ports of runtimes whose configuration cannot be read', async (t) => {
  const hidden = unreadable('/proc', 'too many open files (EMFILE)');
  const { containerds } = factsOf();
  for (const facts of [factsOf({ crio: hidden }), factsOf({ containerds: { ...containerds, daemons: hidden } })])
    t.match(await listenerInspector.inspect(await nodeWith(t, {}, /^$/), facts), { state: 'unreadable' });
});

t.test('whose groups are private is not known without /etc/group', async (t) => {
  const tree = {
    '/etc/passwd': 'ada:x:1000:1000::/home/ada:/bin/sh\n',
    '/etc/group': 'ada:x:1000:eve\n',
    '/proc/1/mountinfo': '20 1 8:1 / / rw - ext4 /dev/sda1 rw\n',
  };
  const fact = await accountsInspector.inspect(await nodeWith(t, tree, /^\/etc\/group$/), factsOf());
  t.match(fact.users, { state: 'seen', value: [{ authorizedKeys: { state: 'unreadable', reason: /EMFILE/ } }] });
  const trusting = await accountsInspector.inspect(
    await nodeWith(t, { ...tree, '/home/ada/.profile': '' }, /\/\.shosts$/),
    factsOf(),
  );
  t.match(trusting.users, { state: 'seen', value: [{ trustFiles: { state: 'unreadable', reason: /EMFILE/ } }] });
});

t.test('an audit rule that excludes a path which cannot be read at the moment', async (t) => {
  const rules = '/etc/audit/rules.d/docker.rules';
  const tree = { [rules]: '-w /etc/docker\n-a never,exit -F dir=/etc/docker/certs.d\n', '/etc/docker/certs.d/x': '' };
  const fact = await auditInspector.inspect(await nodeWith(t, tree, /^\/etc\/docker\/certs\.d$/), factsOf());
  t.match(fact.rulesDirectory, { state: 'seen', value: { notUnderstood: [`${rules}:2`] } });
});
