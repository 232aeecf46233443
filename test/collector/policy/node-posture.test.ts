import t from 'tap';
import { createNodePosture } from '../../../collector/policy/node-posture.ts';
import type { NodeListing } from '../../../collector/kubernetes/list-nodes.ts';
import { openSqliteStore } from '../../../collector/store/sqlite.ts';
import { temporaryDirectory } from '../../cli/process.ts';
import { createFakeClock } from '../../service/fake-clock.ts';
import { commit, finding, nodeRow, T0 } from '../store/fleet.ts';

const listed = (id: string, name: string) => ({
  id,
  name,
  operatingSystem: 'linux',
  labels: { pool: 'web', 'kubernetes.io/hostname': name },
});
const own = (check: string, over: object = {}) => finding({ check, kind: 'node', on: 'node', ...over });

void t.test('the posture of a node is what the agent with its certificate says', async (t) => {
  const store = await openSqliteStore({ path: `${temporaryDirectory(t)}/store.sqlite` });
  t.teardown(() => store.close());
  const clock = createFakeClock();
  let listing: NodeListing = {
    ok: true,
    nodes: [listed('uid-a', 'web-1'), listed('uid-b', 'web-2'), listed('uid-c', 'web-3')],
    isComplete: true,
  };
  const posture = createNodePosture({ list: () => Promise.resolve(listing), store, clock });
  const read = async () => new Map(((await posture.read())?.nodes ?? []).map((node) => [node.name, node]));

  await store.putNodes([
    nodeRow({ id: 'uid-a', name: 'web-1', lastSeenMs: T0 + 5 }),
    // The certificate of web-2 was stolen: its holder calls the node web-1, and reports that all is well there.
    nodeRow({ id: 'uid-b', name: 'web-1', lastSeenMs: T0 + 9 }),
    // It has connected, and its findings have not arrived.
    nodeRow({ id: 'uid-c', name: 'web-3', lastSeenMs: T0 + 9 }),
  ]);
  await store.commit([
    commit({
      nodeId: 'uid-a',
      sequence: 1,
      put: [
        own('kernel.lockdown'),
        own('kernel.aslr', { severity: 'high', verdict: 'unknown', reason: 'EACCES' }),
        own('ssh.root-login', { severity: 'low', verdict: 'pass' }),
        finding({ on: 'c1' }),
      ],
    }),
    commit({ nodeId: 'uid-b', sequence: 1, put: [own('kernel.lockdown', { verdict: 'pass' })] }),
  ]);
  const nodes = await read();
  t.strictSame(nodes.get('web-1'), {
    name: 'web-1',
    labels: { pool: 'web' },
    seenAt: T0 + 5,
    failed: [1, 0, 0, 0],
    unknown: [0, 1, 0, 0],
  });
  t.match(nodes.get('web-2'), { seenAt: T0 + 9, failed: [0, 0, 0, 0] });
  t.match(nodes.get('web-3'), { seenAt: 0 }, 'without findings it is not clean, it is not known');

  // Nodes that are not in the list of the API server do not exist, whatever connects.
  await store.putNodes([nodeRow({ id: 'uid-z', name: 'web-9' })]);
  t.equal((await read()).has('web-9'), false);

  // The API server does not answer: the earlier list counts, with its age.
  const before = (await posture.read())?.listedAt;
  listing = { ok: false, reason: 'HTTP 503' };
  await clock.advance(120_000);
  const after = await posture.read();
  t.equal(after?.listedAt, before);
  t.equal(after?.nodes.length, 3);
});

void t.test('before the cluster was listed there are no nodes', async (t) => {
  const store = await openSqliteStore({ path: `${temporaryDirectory(t)}/store.sqlite` });
  t.teardown(() => store.close());
  const list = (): Promise<NodeListing> => Promise.resolve({ ok: false, reason: 'HTTP 403' });
  t.equal(await createNodePosture({ list, store, clock: createFakeClock() }).read(), undefined);
});
