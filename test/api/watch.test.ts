import t from 'tap';
import { followRunningImages } from '../../collector/image/running-images.ts';
import type { RequestFailure, Result } from '../../api/client.ts';
import { watchEvents } from '../../api/watch.ts';
import type { WatchItem } from '../../api/watch.ts';
import { createCliClient } from '../../cli/api/connect.ts';
import { startApi } from '../../collector/api/api.ts';
import { sleep, systemClock } from '../../service/clock.ts';
import { settingsWith } from '../fixture/settings.ts';
import { createDeadLetters } from '../../collector/sink/dead-letters.ts';
import { startServer, TOKEN } from '../collector/api/server.ts';
import { commit, finding, nodeRow } from '../collector/store/fleet.ts';
import { BUILT_IN_CATALOG } from '../../tailoring/catalog.ts';
import { happened, shown } from '../console/finding.ts';

const REFUSED: RequestFailure = { kind: 'signedOut', message: 'no', hint: '', retryAfterMs: 0 };

/** A number: the collector fails and asks to wait this long, in milliseconds. */
type ScriptedAnswer = string | number;

/** A collector that answers each connection with the next of these, and then refuses the token. */
function scripted(answers: readonly ScriptedAnswer[]) {
  const asked: string[] = [];
  const waited: number[] = [];
  const stream = (path: string, lastId: string): Promise<Result<Response>> => {
    const answer = answers[asked.length];
    asked.push(`${path} ${lastId}`);
    if (typeof answer === 'string') return Promise.resolve({ ok: true, value: new Response(answer) });
    const problem: RequestFailure =
      answer === undefined ? REFUSED : { ...REFUSED, kind: 'failed', retryAfterMs: answer };
    return Promise.resolve({ ok: false, problem });
  };
  const wait = (ms: number, signal: AbortSignal): Promise<void> => {
    // The deadline of a silent stream is 45 s; it never expires here.
    if (ms === 45_000) return new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
    waited.push(ms);
    return Promise.resolve();
  };
  return { asked, waited, stream, wait };
}

async function items(answers: readonly ScriptedAnswer[], random = 0.5) {
  const { asked, waited, stream, wait } = scripted(answers);
  const seen: WatchItem[] = [];
  for await (const item of watchEvents(
    { stream },
    { wait, random: () => random, signal: new AbortController().signal },
  )) {
    seen.push(item);
    if (item.type === 'lost' && item.problem?.kind === 'signedOut') break;
  }
  return { asked, waited, seen, types: seen.map(({ type }) => type) };
}

const event = (position: number): string =>
  `id: ${String(position)}\nevent: finding\ndata: ${JSON.stringify(happened('opened', shown(), null, position))}\n\n`;

void t.test('a broken connection is opened again after the last event', async (t) => {
  const { asked, types } = await items([event(4) + event(5), event(6)]);
  t.strictSame(asked, ['/v1/events ', '/v1/events 5', '/v1/events 6']);
  t.strictSame(types, ['connected', 'finding', 'finding', 'lost', 'connected', 'finding', 'lost', 'lost']);
});

void t.test('what may have been missed is a gap', async (t) => {
  t.strictSame(
    (await items([': nothing', ': nothing'])).types,
    ['connected', 'lost', 'connected', 'gap', 'lost', 'lost'],
    'no id to resume at',
  );
  const broken =
    'event: gap\ndata: {}\n\nevent: overflow\ndata: {}\n\nevent: finding\ndata: {"x":1}\n\n' +
    'event: node\ndata: {\n\nevent: new\ndata: 1\n\n';
  const { types, seen } = await items([broken]);
  t.strictSame(types, ['connected', 'gap', 'gap', 'gap', 'gap', 'lost', 'lost']);
  const reasons = seen.flatMap((item) => (item.type === 'gap' ? [item.reason] : []));
  t.equal(new Set(reasons).size, 4, 'each says why');
});

void t.test('failed attempts back off, and wait as long as the collector asks', async (t) => {
  const { waited, types } = await items([0, 0, 0, 9000]);
  t.strictSame(waited, [250, 500, 1000, 9000]);
  t.strictSame(types, ['lost', 'lost', 'lost', 'lost', 'lost']);
  const many = await items(
    Array.from({ length: 50 }, () => 0),
    1,
  );
  t.strictSame(many.waited.slice(0, 7), [500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
  t.equal(many.waited[49], 10_000);
});

void t.test('a caller that stops closes the connection', async (t) => {
  for (const leave of ['break', 'abort'] as const) {
    const stop = new AbortController();
    let connection: AbortSignal | undefined;
    const { wait } = scripted([]);
    const stream = (_path: string, _lastId: string, signal: AbortSignal): Promise<Result<Response>> => {
      connection = signal;
      return Promise.resolve({ ok: true, value: new Response(event(1)) });
    };
    for await (const { type } of watchEvents({ stream }, { wait, random: () => 0, signal: stop.signal })) {
      if (type !== 'finding') continue;
      if (leave === 'break') break;
      stop.abort();
    }
    t.equal(connection?.aborted, true, leave);
  }
});

void t.test('a collector that goes and comes back: nothing is missed, nothing comes twice', async (t) => {
  const server = await startServer(t);
  const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
  const running = await followRunningImages(server.store, server.eventBus);
  const start = (port: number) =>
    startApi({
      running,
      checks: BUILT_IN_CATALOG.checks,
      benchmarks: BUILT_IN_CATALOG.benchmarks,
      excluded: new Map(),
      waivers: () => [],
      waiverUses: () => ({ findings: [], vulnerabilities: [] }),
      exemptNamespaces: () => undefined,
      suppressionIn: () => undefined,
      denials: { take: () => Promise.reject(new Error('not here')) },
      hasExpiredWaiver: () => false,
      rollouts: undefined,
      database: () => ({ state: 'missing', problem: '' }),
      listen: { host: '127.0.0.1', port },
      fileToken: TOKEN,
      certificate: undefined,
      operatorTokens: server.operatorTokens,
      audit: server.audit,
      oidc: undefined,
      readAudit: () => Promise.reject(new Error('not here')),
      store: server.store,
      policies: undefined,
      queries: { ask: () => Promise.resolve({ outcome: 'answered', answers: [] }) },
      activities: { noteAnswers: () => undefined },
      eventBus: server.eventBus,
      sinks: () => [],
      unreadiness: () => [],
      testSink: () => Promise.resolve(undefined),
      deadLetters: createDeadLetters({ ...server, render: () => Promise.resolve([]), sinks: [] }),
      status: () => Promise.reject(new Error('nobody asks for it here')),
      removeNode: () => Promise.resolve({ outcome: 'unknown' }),
      admission: {
        tokens: {
          all: () => [],
          create: () => Promise.reject(new Error('not here')),
          remove: () => Promise.resolve(false),
        },
        tls: { authorities: () => [], rotationEndsMs: () => 0, rotate: () => Promise.resolve(undefined) },
        addresses: () => ({ listen: { host: '127.0.0.1', port: 0 } }),
        revoke: () => Promise.resolve(),
        readmit: () => Promise.resolve(true),
      },
      clock: systemClock(),
      log: silent,
      presenceTerms: () => ({ nowMs: Date.now(), heartbeatMs: 30_000, duplicated: new Set() }),
      version: '0.1.0',
    });
  const first = await start(0);
  const stop = new AbortController();
  const client = createCliClient({ settings: await apiAt(first.address.port), token: TOKEN, signal: stop.signal });
  const items: WatchItem[] = [];
  const wait = (ms: number, signal: AbortSignal) => sleep(systemClock(), ms, signal);
  let wake = (): void => undefined;
  const watched = (async () => {
    for await (const item of watchEvents(client, { wait, signal: stop.signal, random: () => 0.1 })) {
      items.push(item);
      wake();
    }
  })();
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) await new Promise<void>((resolve) => (wake = resolve));
  };
  const count = (type: WatchItem['type']): number => items.filter((item) => item.type === type).length;
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

void t.test('events that the outbox does not have any more are a gap', async (t) => {
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

const apiAt = (port: number) => settingsWith('collector', { api: `127.0.0.1:${String(port)}` });

void t.test('a wrong token', async (t) => {
  const server = await startServer(t);
  const stop = new AbortController();
  const client = createCliClient({
    settings: await apiAt(server.port),
    token: 'wrong',
    signal: stop.signal,
  });
  const items: WatchItem[] = [];
  const wait = (ms: number, signal: AbortSignal) => sleep(systemClock(), ms, signal);
  for await (const item of watchEvents(client, { wait, signal: stop.signal, random: () => 0 })) {
    items.push(item);
    if (item.type === 'lost') stop.abort();
  }
  t.match(items, [{ type: 'lost', problem: { kind: 'signedOut' } }]);
});
