import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { receiveMessages } from '../../../collector/session/receive-stream.ts';
import type { Handled } from '../../../collector/session/receive-stream.ts';
import type { Ending, SessionCall } from '../../../collector/session/wire.ts';

const OVER: Ending = { code: 3, details: 'enough' };

/** A stream of messages, and what the handler is called with. */
function open(handle: (text: string) => Handled) {
  const stream = new PassThrough({ objectMode: true, highWaterMark: 1 });
  const handled: string[] = [];
  const result = receiveMessages(stream as unknown as SessionCall, (bytes) => {
    handled.push(String(bytes));
    return handle(String(bytes));
  });
  const write = (...texts: readonly string[]): void => texts.forEach((text) => void stream.write(Buffer.from(text)));
  return { stream, handled, result, write };
}

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 10; turn += 1) await new Promise(setImmediate);
};

await t.test('one after the other, until the node ends its side', async (t) => {
  const steps: (() => void)[] = [];
  const slow = (): Promise<undefined> => new Promise((resolve) => steps.push(() => resolve(undefined)));
  const { stream, handled, result, write } = open((text) => (text.startsWith('slow') ? slow() : undefined));
  write('a', 'b', 'slow 1', 'c', 'slow 2');
  stream.end();
  await turns();
  t.same(handled, ['a', 'b', 'slow 1'], 'nothing passes one that is being handled');
  steps[0]?.();
  await turns();
  t.same(handled, ['a', 'b', 'slow 1', 'c', 'slow 2']);
  let isOver = false;
  const ended = result.finally(() => (isOver = true));
  await turns();
  t.notOk(isOver, 'not before the last is handled');
  steps[1]?.();
  t.equal(await ended, undefined);
});

await t.test('the first ending counts, and nothing is read after it', async (t) => {
  const cases: readonly ((text: string) => Handled)[] = [
    (text) => (text === 'bad' ? OVER : undefined),
    (text) => Promise.resolve(text === 'bad' ? OVER : undefined),
  ];
  for (const handle of cases) {
    const { stream, handled, result, write } = open(handle);
    write('a', 'bad', 'c', 'd');
    t.same(await result, OVER);
    await turns();
    t.same(handled, ['a', 'bad']);
    t.notOk(stream.destroyed, 'the status has still to go out');
    t.ok(stream.isPaused());
  }
});

await t.test('a stream that breaks, and a handler that throws', async (t) => {
  const broken = open(() => undefined);
  broken.write('a');
  await turns();
  broken.stream.destroy(new Error('gone'));
  await t.rejects(broken.result, { message: 'gone' });
  const closed = open(() => undefined);
  closed.stream.destroy();
  await t.rejects(closed.result, { message: /closed before its end/ });
  const throwing = open(() => {
    throw new Error('a defect');
  });
  throwing.write('a', 'b');
  await t.rejects(throwing.result, { message: 'a defect' });
  await turns();
  t.same(throwing.handled, ['a']);
  const rejecting = open(() => Promise.reject(new Error('a defect')));
  rejecting.write('a', 'b');
  await t.rejects(rejecting.result, { message: 'a defect' });
  t.same(rejecting.handled, ['a']);
  // What is being handled is waited for: it may hold a lock, or wait for the store.
  let isDone = false;
  const busy = open(async () => {
    await sleep(20);
    isDone = true;
    return undefined;
  });
  busy.write('a');
  await turns();
  busy.stream.destroy(new Error('gone'));
  await t.rejects(busy.result, { message: 'gone' });
  t.ok(isDone);
});
