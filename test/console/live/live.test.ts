import t from 'tap';
import type { RequestFailure, Result } from '../../../api/client.ts';
import { startLive, watchEvents } from '../../../console/live/live.ts';
import type { LiveItem } from '../../../console/live/live.ts';
import { happened, shown } from '../finding.ts';

const REFUSED: RequestFailure = { kind: 'signedOut', message: 'no', hint: '', retryAfterMs: 0 };
const BUSY: RequestFailure = { ...REFUSED, kind: 'failed', retryAfterMs: 9000 };
const EVENT = `id: 4\nevent: finding\ndata: ${JSON.stringify(happened('opened', shown(), null, 4))}\n\n`;

/** A collector that answers each connection with the next of these, and then refuses the session. */
function scripted(answers: readonly (string | RequestFailure)[]) {
  const asked: string[] = [];
  const waited: number[] = [];
  const stream = (path: string, lastId: string): Promise<Result<Response>> => {
    const answer = answers[asked.length] ?? REFUSED;
    asked.push(`${path} ${lastId}`);
    return Promise.resolve(
      typeof answer === 'string' ? { ok: true, value: new Response(answer) } : { ok: false, problem: answer },
    );
  };
  const wait = (ms: number, signal: AbortSignal): Promise<void> => {
    // The watch for silence waits 45 s; it is never the one that ends here.
    if (ms === 45_000) return new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
    waited.push(ms);
    return Promise.resolve();
  };
  return { asked, waited, stream, wait };
}

void t.test('it goes on after what passes, as late as it is told to, and ends with the session', async (t) => {
  const { asked, waited, stream, wait } = scripted([EVENT, BUSY, { ...REFUSED, kind: 'unreachable' }]);
  const types: string[] = [];
  const options = { wait, random: () => 0.5, signal: new AbortController().signal };
  for await (const { type } of watchEvents({ stream }, options)) types.push(type);
  t.strictSame(asked, ['/v1/events ', '/v1/events 4', '/v1/events 4', '/v1/events 4']);
  t.strictSame(waited, [250, 9000, 1000]);
  t.strictSame(types, ['connected', 'finding', 'lost', 'lost', 'lost', 'lost']);
});

void t.test('who shows changes hears them all, and how the stream is doing', async (t) => {
  const { stream, wait } = scripted([EVENT]);
  const never = (): Promise<never> => Promise.reject(new Error('nobody asks for it'));
  const live = startLive({ stream, get: never, post: never, delete: never }, { wait, random: () => 0 });
  const heard: LiveItem['type'][] = [];
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  t.equal(live.state.get(), 'connecting');
  live.state.subscribe(() => (live.state.get() === 'signedOut' ? resolve() : undefined));
  live.subscribe(({ type }) => heard.push(type));
  await live.ready;
  await ended;
  await new Promise((done) => setImmediate(done));
  t.strictSame(
    heard.filter((type) => type !== 'gap'),
    ['connected', 'finding', 'lost', 'lost'],
  );
  live.stop();
});

void t.test('after every lost connection, everything is read again', async (t) => {
  const { stream, wait } = scripted([{ ...REFUSED, kind: 'unreachable' }, EVENT, EVENT]);
  const never = (): Promise<never> => Promise.reject(new Error('nobody asks for it'));
  const live = startLive({ stream, get: never, post: never, delete: never }, { wait, random: () => 0 });
  const heard: LiveItem['type'][] = [];
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  live.subscribe(({ type }) => heard.push(type));
  live.state.subscribe((state) => (state === 'signedOut' ? resolve() : undefined));
  await ended;
  t.strictSame(heard.slice(0, 8), ['lost', 'gap', 'connected', 'finding', 'lost', 'gap', 'connected', 'finding']);
  live.stop();
});
