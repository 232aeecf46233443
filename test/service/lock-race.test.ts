import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import t from 'tap';
import type { Test } from 'tap';

/** A process that takes a lock and releases it as its standard input says, one word a line. */
const SCRIPT = `
  import { createInterface } from 'node:readline';
  import { takeLock } from ${JSON.stringify(new URL('../../service/lock.ts', import.meta.url).href)};
  let held;
  console.log('ready');
  for await (const line of createInterface({ input: process.stdin })) {
    const [word, atMs] = line.split(' ');
    if (word === 'take') {
      while (Date.now() < Number(atMs));
      const lock = takeLock(process.argv[2]);
      if (lock.ok) held = lock;
      console.log(lock.ok ? 'held' : lock.holder);
    } else {
      held?.release();
      held = undefined;
      console.log('released');
    }
  }`;

interface Starter {
  readonly child: ChildProcessByStdio<Writable, Readable, null>;
  readonly say: (line: string) => Promise<string>;
}

async function startStarter(t: Test, path: string, wrapper: readonly string[] = []): Promise<Starter> {
  const script = join(t.testdirName, 'starter.ts');
  writeFileSync(script, SCRIPT);
  const [command, ...args] = [...wrapper, process.execPath, script, path] as const;
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => String((await lines.next()).value);
  await next();
  return {
    child,
    say: (line) => {
      child.stdin.write(`${line}\n`);
      return next();
    },
  };
}

const isHeld = (answer: string): boolean => answer === 'held';

await t.test('two starters at once, 20 times, over what a killed process left: one has it', async (t) => {
  const path = join(t.testdir(), 'collector.lock');
  const starters = await Promise.all([startStarter(t, path), startStarter(t, path)]);
  const wrong: string[] = [];
  for (let round = 0; round < 20; round += 1) {
    writeFileSync(path, '4194305 1\n');
    const go = `take ${String(Date.now() + 3)}`;
    const answers = await Promise.all(starters.map(({ say }) => say(go)));
    if (answers.filter(isHeld).length !== 1) wrong.push(answers.join(' | '));
    await Promise.all(starters.map(({ say }) => say('release')));
  }
  t.same(wrong, []);
});

await t.test('a holder that is killed with SIGKILL has nothing more', async (t) => {
  const path = join(t.testdir(), 'collector.lock');
  const second = await startStarter(t, path);
  for (let round = 0; round < 3; round += 1) {
    const first = await startStarter(t, path);
    t.equal(await first.say('take'), 'held');
    t.equal(await second.say('take'), `process ${String(first.child.pid)}`);
    first.child.kill('SIGKILL');
    await once(first.child, 'exit');
    t.equal(await second.say('take'), 'held');
    await second.say('release');
  }
});

const NAMESPACE = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'];
const cannotUnshare = spawnSync(NAMESPACE[0] ?? '', [...NAMESPACE.slice(1), 'true']).status !== 0;

await t.test(
  'two PID namespaces that share the directory',
  { skip: cannotUnshare && 'unshare is not permitted' },
  async (t) => {
    const path = join(t.testdir(), 'collector.lock');
    const [one, other] = await Promise.all([startStarter(t, path, NAMESPACE), startStarter(t, path, NAMESPACE)]);
    const outside = await startStarter(t, path);
    t.equal(await one.say('take'), 'held');
    // Both are process 1 of their namespace: a number says nothing across them.
    t.match(await other.say('take'), /another container or PID namespace|^process 1$/);
    t.match(await outside.say('take'), /another container or PID namespace/);
    await one.say('release');
    t.equal(await other.say('take'), 'held');
    other.child.kill('SIGKILL');
    await once(other.child, 'exit');
    t.equal(await outside.say('take'), 'held');
  },
);
