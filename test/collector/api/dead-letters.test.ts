import t from 'tap';
import type { AuditPage } from '../../../api/audit.ts';
import { commit, finding, T0 } from '../store/fleet.ts';
import { startServer, TOKEN } from './server.ts';
import { UNUSED } from '../sink/events.ts';

const SINK = { position: 0, lastError: '', delivered: 0, rejected: 1, discarded: 0, ...UNUSED };
const SINKS = [{ ...SINK, name: 'syslog', state: 'ok' }] as const;

async function rejected(t: Parameters<typeof startServer>[0]) {
  const server = await startServer(t, { sinks: () => SINKS });
  await server.commit(commit({ sequence: 1, snapshot: true, put: [finding({ on: 'a' }), finding({ on: 'b' })] }));
  const [a, b] = await server.store.outbox(0, 2);
  if (a === undefined || b === undefined) throw new Error('two events');
  const reason = 'too large \u001b[2J';
  await server.store.deadLetters.add({ sink: 'syslog', events: [a], reason, atMs: T0 });
  await server.store.deadLetters.add({ sink: 'off', events: [b], reason: 'mapping', atMs: T0 });
  const post = (path: string, body: object, token = TOKEN) =>
    server.fetch(path, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    });
  const get = async (path: string): Promise<unknown> => (await server.fetch(path)).json();
  return { server, a, b, post, get };
}

void t.test('dead letters are listed, shown, replayed and purged', async (t) => {
  const { server, a, post, get } = await rejected(t);
  t.match(await get('/v1/dead-letters'), {
    deadLetters: [
      { id: 2, sink: 'off', reason: 'mapping' },
      {
        id: 1,
        sink: 'syslog',
        attempts: 1,
        rejectedMs: T0,
        isReplaying: false,
        eventUid: a.uid,
        type: 'Compliance Finding: Create',
        message: /container\.privileged fail on .*: container name-of-a/,
        findingUid: /^[0-9a-f]{32}$/,
      },
    ],
  });
  t.match(await get('/v1/dead-letters?sink=syslog&limit=1'), { deadLetters: [{ id: 1 }] });
  t.match(await get('/v1/dead-letters/1'), {
    reason: 'too large \u001b[2J',
    event: { class_uid: 2003, metadata: { uid: a.uid } },
  });
  t.match(await get('/v1/dead-letters/9'), { error: { code: 'notFound' } });
  t.match(await get('/v1/sinks'), { sinks: [{ name: 'syslog', deadLetters: 1 }] });
  t.match(await get('/v1/status'), { issues: [{ code: 'sinkRejected', subject: 'syslog' }] });
  for (const body of [{}, { ids: [1], all: true }, { ids: ['1'] }, { sink: '' }])
    t.equal((await post('/v1/dead-letters/replay', body)).status, 400, JSON.stringify(body));

  const positions: number[] = [];
  server.eventBus.subscribeToPositions((position) => positions.push(position));
  t.same(await (await post('/v1/dead-letters/replay', { all: true })).json(), { replayed: 1 }, 'the other sink is off');
  t.same(positions, [a.position + 2], 'the worker is notified');
  t.match(await get('/v1/dead-letters/1'), { isReplaying: true });
  t.same(await (await post('/v1/dead-letters/purge', { all: true, beforeMs: T0 })).json(), { purged: 0 });
  t.same(await (await post('/v1/dead-letters/purge', { sink: 'off' })).json(), { purged: 1 });
});

void t.test('readers of the event stream see neither a replayed event nor a gap', async (t) => {
  const { server, b, post } = await rejected(t);
  await post('/v1/dead-letters/replay', { all: true });
  await server.commit(commit({ sequence: 2, put: [finding({ on: 'c' })] }));
  const stream = await server.fetch(`/v1/events?after=${String(b.position)}`);
  const reader = stream.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  while (!text.includes('name-of-c')) text += (await reader?.read())?.value ?? '';
  await reader?.cancel();
  t.match(text, new RegExp(`^retry: 1000\n\n(?:event: node[^]*\n\n)*id: ${String(b.position + 2)}\nevent: finding\n`));
  t.notMatch(text, /name-of-a|event: gap/);
});

void t.test('purging needs its role and its scope, and is recorded before it is done', async (t) => {
  const { server, post, get } = await rejected(t);
  const viewer = await server.createToken('viewer');
  const other = await server.createToken('admin', ['read', 'status', 'nodes']);
  const delivery = await server.createToken('operator', ['delivery']);
  for (const action of ['purge', 'replay']) {
    t.equal((await post(`/v1/dead-letters/${action}`, { all: true }, viewer)).status, 403);
    t.equal((await post(`/v1/dead-letters/${action}`, { all: true }, other)).status, 403);
  }
  t.equal((await server.store.deadLetters.counts()).size, 2);
  t.same(await (await post('/v1/dead-letters/purge', { ids: [1, 2] }, delivery)).json(), { purged: 2 });
  const { records } = (await get('/v1/audit')) as AuditPage;
  t.match(
    records.filter(({ phase, operation }) => phase === 'started' && operation === 'purgeDeadLetters'),
    [{ parameters: { ids: [1, 2] }, principal: { id: delivery.split('.')[1] } }],
  );
});
