import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { Logger } from '../../service/log.ts';
import { closeInOrder } from '../../service/shutdown.ts';
import { createFakeClock } from './fake-clock.ts';

const MODULE = fileURLToPath(new URL('../../service/shutdown.ts', import.meta.url));
/** A real process: says ready, tells of the first signal and then stays. */
const PROGRAM = `
const { listenForShutdown } = await import(${JSON.stringify(MODULE)});
const { signal } = listenForShutdown(process);
signal.addEventListener('abort', () => console.log('ending after ' + signal.reason));
process.on('SIGTERM', () => console.log('got SIGTERM'));
setInterval(() => undefined, 1000);
console.log('ready');
`;

async function start() {
  const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM]);
  const said = child.stdout.setEncoding('utf8')[Symbol.asyncIterator]() as AsyncIterator<string>;
  await said.next();
  return { child, said };
}

void t.test('the first signal aborts, the same again exits with 130', async (t) => {
  const { child, said } = await start();
  child.kill('SIGINT');
  t.match((await said.next()).value, /ending after SIGINT/);
  child.kill('SIGINT');
  t.same(await once(child, 'exit'), [130, null]);
});

void t.test('SIGTERM of a parent after Ctrl-C is no impatience', async (t) => {
  const { child, said } = await start();
  child.kill('SIGINT');
  await said.next();
  child.kill('SIGTERM');
  t.match((await said.next()).value, /got SIGTERM/, 'it is still there');
  // Not sooner: two signals that wait together are delivered as one.
  child.kill('SIGTERM');
  t.same(await once(child, 'exit'), [143, null], 'only the second SIGTERM ended it');
});

void t.test('closes in order, and passes over what fails or hangs', async (t) => {
  const clock = createFakeClock();
  const done: string[] = [];
  const warned: unknown[] = [];
  const log: Logger = {
    debug: () => {},
    info: () => {},
    error: () => {},
    warn: (fields) => warned.push(fields['step']),
  };
  const closing = closeInOrder(
    [
      { name: 'link', close: () => void done.push('link') },
      { name: 'broken', close: () => Promise.reject(new Error('no')) },
      { name: 'hanging', close: () => new Promise(() => undefined) },
      { name: 'store', close: async () => void done.push('store') },
    ],
    { deadlineMs: 1000, clock, log },
  );
  await clock.advance(1000);
  t.same(await closing, ['broken', 'hanging']);
  t.same(done, ['link', 'store']);
  t.same(warned, ['broken', 'hanging']);
});
