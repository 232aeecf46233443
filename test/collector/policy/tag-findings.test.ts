import { createServer } from 'node:net';
import { join } from 'node:path';
import { setImmediate, setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { followRunningImages } from '../../../collector/image/running-images.ts';
import { keepImageFindings } from '../../../collector/policy/image-findings.ts';
import { NO_REGISTRIES } from '../../../collector/policy/registry-facts.ts';
import { watchRegistries } from '../../../collector/policy/registry-watch.ts';
import { createTagJudgement } from '../../../collector/policy/tag-findings.ts';
import { createEventBus } from '../../../collector/store/event-bus.ts';
import { openSqliteStore } from '../../../collector/store/sqlite.ts';
import { isFindingEvent } from '../../../collector/store/stored-event.ts';
import type { NodeRow, Store } from '../../../collector/store/store.ts';
import { anonymous } from '../../../image/registry/credentials.ts';
import { systemClock } from '../../../service/clock.ts';
import { noRegistry, startRegistry } from '../../component/registry.ts';
import type { TestRegistry } from '../../component/registry.ts';
import { createFakeClock } from '../../service/fake-clock.ts';
import { nodeRow } from '../store/fleet.ts';

const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** The digest of the configuration of an image, which runtimes call it by. */
async function idOf(registry: TestRegistry, digest: string): Promise<string> {
  const { body } = await registry.send('GET', `/v2/app/manifests/${digest}`);
  return (JSON.parse(body.toString()) as { config: { digest: string } }).config.digest;
}

function rowOf(id: string, images: readonly (readonly [image: string, imageId: string])[]): NodeRow {
  const containers = images.map(([image, imageId], index) => {
    const name = `c${String(index)}`;
    return { id: name, name, image, imageId, startedAt: '' };
  });
  return nodeRow({ id, name: id, containers });
}

/** What a collector does with the tags of its nodes; `end` ends it as a restart does, the store goes on. */
async function start(t: Test, store: Store, { registries }: { registries: readonly string[] | 'none' }) {
  const eventBus = createEventBus();
  const running = await followRunningImages(store, eventBus);
  const stop = new AbortController();
  const { signal } = stop;
  const watch =
    registries === 'none'
      ? undefined
      : watchRegistries({
          running,
          registries,
          credentials: anonymous,
          ca: undefined,
          plainHttp: true,
          intervalMs: 200,
          policies: () => [],
          onChange: () => undefined,
          clock: systemClock(),
          log: quiet,
          signal,
        });
  const clock = createFakeClock();
  const kept = keepImageFindings({
    judgements: [createTagJudgement(watch ?? NO_REGISTRIES)],
    nodesOf: (imageId) => running.containersOf(imageId).map(({ nodeId }) => nodeId),
    store,
    eventBus,
    clock,
    log: quiet,
    signal,
  });
  const end = async (): Promise<void> => {
    stop.abort();
    await Promise.all([kept, watch?.over]);
  };
  t.teardown(end);
  const round = async (): Promise<void> => {
    while (clock.waiting() === 0) await setImmediate();
    await clock.advance(5000);
    while (clock.waiting() === 0) await setImmediate();
  };
  const findings = async (): Promise<readonly string[]> => {
    await round();
    const page = await store.findings({ checks: ['image.tag-moved'], limit: 100 });
    return page.findings.map(({ nodeId, subject, verdict }) => `${nodeId} ${subject.name} ${verdict}`).sort();
  };
  return {
    end,
    findings,
    put: async (row: NodeRow): Promise<void> => {
      await store.putNodes([row]);
      eventBus.publish({ type: 'node', node: row });
    },
    becomes: async (expected: readonly string[], message: string): Promise<void> => {
      for (let left = 600; left > 0 && JSON.stringify(await findings()) !== JSON.stringify(expected); left -= 1)
        await delay(50);
      t.strictSame(await findings(), expected, message);
    },
    /** Gives the registry time for several questions. */
    staysAs: async (expected: readonly string[], message: string): Promise<void> => {
      await delay(700);
      t.strictSame(await findings(), expected, message);
    },
  };
}

const events = async (store: Store): Promise<readonly string[]> =>
  (await store.outbox(0, 1000))
    .filter(isFindingEvent)
    .map(({ action, finding }) => `${action} ${finding.nodeId} ${finding.subject.name} ${finding.verdict}`);

await t.test('a tag that moves is a finding of each node that runs the image', { skip: noRegistry }, async (t) => {
  let closeRegistry = (): unknown => undefined;
  const registry = await startRegistry({ teardown: (end: () => unknown) => (closeRegistry = end) } as unknown as Test);
  t.teardown(() => closeRegistry());
  const store = await openSqliteStore({ path: join(t.testdir(), 'store.sqlite') });
  t.teardown(() => store.close());
  const first = await registry.pushImage('app', 'stable', 'one');
  await registry.pushImage('app', 'pinned', 'one');
  const imageId = await idOf(registry, first);
  const stable = `${registry.host}/app:stable`;
  const pinned = `${registry.host}/app@${first}`;
  const images = [
    [stable, imageId],
    [pinned, 'sha256:other'],
    ['elsewhere.example.com/app:1', 'sha256:elsewhere'],
    ['cafe', 'sha256:cafe'],
  ] as const;
  await store.putNodes([rowOf('n1', images), rowOf('n2', [[stable, imageId]]), rowOf('n3', [])]);
  const before = await start(t, store, { registries: [registry.host] });
  await before.becomes([`n1 ${stable} pass`, `n2 ${stable} pass`], 'neither a digest, nor an id, nor another registry');
  t.strictSame(await events(store), [], 'a pass is no event');

  const second = await registry.pushImage('app', 'stable', 'two');
  await before.becomes([`n1 ${stable} fail`, `n2 ${stable} fail`], 'moved');
  t.strictSame((await events(store)).toSorted(), [`opened n1 ${stable} fail`, `opened n2 ${stable} fail`]);
  const [finding] = (await store.findings({ checks: ['image.tag-moved'], limit: 1 })).findings;
  t.match(finding, { evidence: [{ seen: new RegExp(second), expected: new RegExp(imageId) }] });

  await before.put(rowOf('n2', [[stable, await idOf(registry, second)]]));
  await before.becomes([`n1 ${stable} fail`, `n2 ${stable} pass`], 'rolled out on one node');
  t.equal((await events(store)).at(-1), `resolved n2 ${stable} fail`);

  await before.end();
  closeRegistry();
  const silent = await start(t, store, { registries: [registry.host] });
  await silent.becomes([`n1 ${stable} fail`, `n2 ${stable} unknown`], 'after a restart, without the registry');
  await silent.staysAs(
    [`n1 ${stable} fail`, `n2 ${stable} unknown`],
    'a registry that does not answer resolves nothing',
  );
  await silent.put(rowOf('n1', []));
  await silent.becomes([`n2 ${stable} unknown`], 'the image does not run any more');
  t.equal((await events(store)).at(-1), `resolved n1 ${stable} fail`);
  await silent.end();

  const off = await start(t, store, { registries: 'none' });
  await off.becomes([], 'nothing is kept where no registry is asked any more');
});

await t.test('attack: a node lies about what it runs', { skip: noRegistry }, async (t) => {
  const registry = await startRegistry(t);
  const store = await openSqliteStore({ path: join(t.testdir(), 'store.sqlite') });
  t.teardown(() => store.close());
  const imageId = await idOf(registry, await registry.pushImage('app', 'stable', 'one'));
  const stable = `${registry.host}/app:stable`;
  let asked = 0;
  const trap = createServer((socket) => {
    asked += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => trap.listen(0, '127.0.0.1', resolve));
  t.teardown(() => trap.close());
  const address = trap.address();
  const port = typeof address === 'object' ? String(address?.port) : '';
  const many = Array.from(
    { length: 40 },
    (_, index) => [`${registry.host}/app:lie-${String(index)}`, imageId] as const,
  );
  const lies = [
    ...many,
    [`127.0.0.1:${port}/app:1`, 'sha256:1'],
    [`127.0.0.1:${port}/${registry.host}/app:1`, 'sha256:2'],
    [`${registry.host}@127.0.0.1:${port}/app:1`, 'sha256:3'],
    [`http://127.0.0.1:${port}/app:1`, 'sha256:4'],
    ['', 'sha256:5'],
  ] as const;
  await store.putNodes([rowOf('liar', lies), rowOf('n1', [[stable, imageId]]), rowOf('n2', [[stable, imageId]])]);
  const collector = await start(t, store, { registries: [registry.host] });
  const name = many[0]?.[0] ?? '';
  const expected = [`liar ${name} fail`, `n1 ${stable} pass`, `n2 ${stable} pass`];
  await collector.becomes(expected, 'its names count for itself only, and do not crowd out those of others');
  t.equal(asked, 0, 'no connection to an address that only a node names');
});
