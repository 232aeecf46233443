import t from 'tap';
import type { WatchItem } from '../../../api/watch.ts';
import type { RequestFailure } from '../../../api/client.ts';
import { createCliClient } from '../../../cli/api/connect.ts';
import { watchEvents } from '../../../cli/api/watch.ts';
import { startApi } from '../../../collector/api/api.ts';
import { systemClock } from '../../../service/clock.ts';
import { commit, finding, nodeRow } from '../../collector/store/fleet.ts';
import { startServer, TOKEN } from '../../collector/api/server.ts';

void t.test('a collector that goes and comes back: nothing is missed, nothing comes twice', async (t) => {
  const server = await startServer(t);
  const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
  const start = (port: number) =>
    startApi({
      listen: { host: '127.0.0.1', port },
      token: TOKEN,
      store: server.store,
      queries: { ask: () => Promise.resolve({ outcome: 'answered', answers: [] }) },
      eventBus: server.eventBus,
      sinks: () => [],
      status: () => Promise.reject(new Error('nobody asks for it here')),
      removeNode: () => Promise.resolve({ outcome: 'unknown' }),
      admission: {
        tokens: {
          all: () => [],
          create: () => Promise.reject(new Error('not here')),
          remove: () => Promise.resolve(false),
        },
        caHash: '',
        addresses: () => ({ listen: { host: '127.0.0.1', port: 0 } }),
        revoke: () => Promise.resolve(),
      },
      clock: systemClock(),
      log: silent,
      heartbeatMs: 30_000,
      version: '0.1.0',
    });
  const first = await start(0);
  const stop = new AbortController();
  const client = createCliClient({ address: first.address, token: TOKEN, signal: stop.signal });
  const items: WatchItem<RequestFailure>[] = [];
  let wake = (): void => undefined;
  const watched = (async () => {
    for await (const item of watchEvents(client, { clock: systemClock(), signal: stop.signal, random: () => 0.1 })) {
      items.push(item);
      wake();
    }
  })();
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) await new Promise<void>((resolve) => (wake = resolve));
  };
  const count = (type: WatchItem<RequestFailure>['type']): number => items.filter((item) => item.type === type).length;
  await until(() => count('connected') === 1);
  await server.commit(commit({ sequence: 1, snapshot: true, put: [finding({ on: 'a' })] }));
  server.eventBus.publish({ type: 'node', node: nodeRow() });
  await until(() => count('finding') === 1 && count('node') === 1);
  await first.close();
  await until(() => count('lost') > 0);
  await server.commit(commit({ sequence: 2, put: [finding({ on: 'b' }), finding({ on: 'c' })] }));
  const second = await start(first.address.port);
  await until(() => count('finding') === 3);
  await server.commit(commit({ sequence: 3, put: [finding({ on: 'd' })] }));
  await until(() => count('finding') === 4);
  t.strictSame(
    items.flatMap((item) => (item.type === 'finding' ? [item.event.finding.subject.id] : [])),
    ['a', 'b', 'c', 'd'],
  );
  t.equal(count('gap'), 0);
  stop.abort();
  await watched;
  await second.close();
});

void t.test('what is gone from the outbox is told', async (t) => {
  const server = await startServer(t);
  const ids = ['a', 'b', 'c'];
  await server.commit(commit({ sequence: 1, snapshot: true, put: ids.map((id) => finding({ on: id })) }));
  await server.store.prune([], 0);
  const response = await server.fetch('/v1/events?after=1');
  const { store, eventBus } = server;
  const later = await store.commit([commit({ sequence: 2, put: [finding({ on: 'd' })] })]);
  for (const result of later)
    if (result.outcome === 'applied') for (const event of result.events) eventBus.publish({ type: 'finding', event });
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk as Uint8Array).toString('utf8');
    if (text.includes('"position":4')) break;
  }
  t.match(text, /event: gap\ndata: \{"after":1,"next":4\}\n\nid: 4\n/);
});

void t.test('a wrong token ends the watch', async (t) => {
  const server = await startServer(t);
  const stop = new AbortController();
  const client = createCliClient({
    address: { host: '127.0.0.1', port: server.port },
    token: 'wrong',
    signal: stop.signal,
  });
  const items: WatchItem<RequestFailure>[] = [];
  for await (const item of watchEvents(client, { clock: systemClock(), signal: stop.signal, random: () => 0 }))
    items.push(item);
  t.match(items, [{ type: 'lost', problem: { kind: 'signedOut' } }]);
});
