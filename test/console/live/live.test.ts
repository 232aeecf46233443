import t from 'tap';
import type { RequestFailure, Result } from '../../../api/client.ts';
import type { WatchItem } from '../../../api/watch.ts';
import { startLive } from '../../../console/live/live.ts';
import { happened, shown } from '../finding.ts';

const REFUSED: RequestFailure = { kind: 'signedOut', message: 'no', hint: '', retryAfterMs: 0 };
const EVENT = `id: 4\nevent: finding\ndata: ${JSON.stringify(happened('opened', shown(), null, 4))}\n\n`;

/** A collector that answers each connection with the next of these, and then refuses the session. */
function scripted(answers: readonly (string | RequestFailure)[]) {
  const left = [...answers];
  const stream = (): Promise<Result<Response>> => {
    const answer = left.shift() ?? REFUSED;
    return Promise.resolve(
      typeof answer === 'string' ? { ok: true, value: new Response(answer) } : { ok: false, problem: answer },
    );
  };
  const wait = (ms: number, signal: AbortSignal): Promise<void> => {
    // The deadline of a silent stream is 45 s; it never expires here.
    if (ms === 45_000) return new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
    return Promise.resolve();
  };
  return { stream, wait };
}

void t.test('who shows changes hears them all, and how the stream is doing', async (t) => {
  const { stream, wait } = scripted([EVENT]);
  const never = (): Promise<never> => Promise.reject(new Error('nobody asks for it'));
  const live = startLive({ stream, get: never, post: never, delete: never }, { wait, random: () => 0 });
  const heard: WatchItem['type'][] = [];
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
  const heard: WatchItem['type'][] = [];
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  live.subscribe(({ type }) => heard.push(type));
  live.state.subscribe((state) => (state === 'signedOut' ? resolve() : undefined));
  await ended;
  t.strictSame(heard.slice(0, 8), ['lost', 'gap', 'connected', 'finding', 'lost', 'gap', 'connected', 'finding']);
  live.stop();
});
