import t from 'tap';
import { pauseMs, watch } from '../../api/watch.ts';
import type { WatchItem } from '../../api/watch.ts';
import { happened, shown } from '../console/finding.ts';

/** Why a request did not work: how long to wait before the next; -1: there is no use. */
type Refusal = number;

/** A collector that answers each connection with the next of these, and then refuses. */
function scripted(answers: readonly (string | Refusal)[]) {
  const asked: string[] = [];
  const waited: number[] = [];
  const open = (lastId: string) => {
    const answer = answers[asked.length] ?? -1;
    asked.push(lastId);
    return Promise.resolve(
      typeof answer === 'string'
        ? { ok: true as const, value: new Response(answer) }
        : { ok: false as const, problem: answer },
    );
  };
  const wait = (ms: number, signal: AbortSignal): Promise<void> => {
    // The watch for silence waits 45 s; it is never the one that ends here.
    if (ms === 45_000) return new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
    waited.push(ms);
    return Promise.resolve();
  };
  const retryAfterMs = (problem: Refusal) => (problem === -1 ? undefined : problem);
  return { asked, waited, options: { open, wait, retryAfterMs, longestPauseMs: 15_000 } };
}

async function items(answers: readonly (string | Refusal)[]) {
  const { asked, waited, options } = scripted(answers);
  const seen: WatchItem<Refusal>[] = [];
  const rest = { random: () => 0.5, signal: new AbortController().signal };
  for await (const item of watch<Refusal>({ ...options, ...rest })) seen.push(item);
  return { asked, waited, seen, types: seen.map(({ type }) => type) };
}

const event = (position: number): string =>
  `id: ${String(position)}\nevent: finding\ndata: ${JSON.stringify(happened('opened', shown(), null, position))}\n\n`;

void t.test('a connection that breaks is made again where it broke off', async (t) => {
  const { asked, types } = await items([event(4) + event(5), event(6)]);
  t.strictSame(asked, ['', '5', '6']);
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

void t.test('attempts that fail wait longer, and as long as they are told to', async (t) => {
  const { waited, types } = await items([0, 0, 0, 9000]);
  t.strictSame(waited, [250, 500, 1000, 9000]);
  t.strictSame(types, ['lost', 'lost', 'lost', 'lost', 'lost']);
  t.equal(pauseMs(50, 15_000, 1), 15_000, 'never longer than this');
});

void t.test('who stops watching closes the connection', async (t) => {
  for (const leave of ['break', 'abort'] as const) {
    const stop = new AbortController();
    let connection: AbortSignal | undefined;
    const { options } = scripted([]);
    const open = (_lastId: string, signal: AbortSignal) => {
      connection = signal;
      return Promise.resolve({ ok: true as const, value: new Response(event(1)) });
    };
    for await (const { type } of watch<Refusal>({ ...options, open, random: () => 0, signal: stop.signal })) {
      if (type !== 'finding') continue;
      if (leave === 'break') break;
      stop.abort();
    }
    t.equal(connection?.aborted, true, leave);
  }
});
