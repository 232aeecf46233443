import { spawn } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { environmentOf, plimsoll, PROGRAM, temporaryDirectory } from '../process.ts';

/** What `up` prints, as it comes. */
function collect(stream: NodeJS.ReadableStream) {
  let text = '';
  let wake = (): void => undefined;
  let over = false;
  stream.on('data', (chunk: Buffer) => {
    text += chunk.toString('utf8');
    wake();
  });
  stream.on('end', () => {
    over = true;
    wake();
  });
  return {
    text: () => text,
    /** Resolves with the match as soon as `pattern` was printed. */
    until: async (pattern: RegExp): Promise<RegExpExecArray> => {
      for (;;) {
        const match = pattern.exec(text);
        if (match !== null) return match;
        if (over) throw new Error(`ended without ${String(pattern)}:\n${text}`);
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
  };
}

/** Processes whose command line has `word`, by id. */
function processesWith(word: string): readonly { readonly pid: number; readonly command: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const command = readFileSync(`/proc/${name}/cmdline`, 'latin1').replaceAll('\0', ' ');
        return command.includes(word) ? [{ pid: Number(name), command }] : [];
      } catch {
        return [];
      }
    });
}

void t.test('a collector and an agent, from the first start to the last', async (t) => {
  const directory = temporaryDirectory(t);
  const flags = ['--data-dir', directory, '--listen', '127.0.0.1:0', '--api', '127.0.0.1:0'];
  const child = spawn(process.execPath, [PROGRAM, 'up', ...flags], {
    env: environmentOf(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [out, err] = [collect(child.stdout), collect(child.stderr)];

  await out.until(/watching for changes, Ctrl-C ends it/);
  const [, address = ''] = await out.until(/^operator API {2}http:\/\/(127\.0\.0\.1:\d+) {3}token in (\S+)$/m);
  t.match(out.text(), /^\S+ · .* · kernel /, 'the node');
  t.match(out.text(), /^kernel {2}LSM /m);
  t.match(out.text(), /^critical \d+ {3}high \d+/m, 'the counts');
  t.match(out.text(), /^(CRITICAL|HIGH|MEDIUM|LOW) +[a-z]+\.[a-z-]+ /m, 'the worst findings');
  const [, link = '', code = ''] = await out.until(/^console {7}(http:\/\/\S+\/)#code=(\S+)$/m);
  t.equal(link, `http://${address}/`);
  t.match(out.text(), /^ {14}opens once, within 5 min; another: plimsoll console --data-dir /m);
  const signIn = (body: object) =>
    fetch(`${link}v1/console/sessions`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    });
  const session = (await (await signIn({ code })).json()) as { token: string };
  t.equal((await signIn({ code })).status, 401);
  t.match(err.text(), /the collector listens on 127\.0\.0\.1:\d+; starting the agent/);

  const client = ['--data-dir', directory, '--api', address];
  t.match((await plimsoll(['nodes', ...client])).stdout, / connected /);
  const lockdown = await plimsoll(['query', 'node.cpus', ...client]);
  t.equal(lockdown.code, 0, lockdown.stderr);
  t.match(lockdown.stdout, /^\S+\n {2}\d+\n$/);
  t.equal((await plimsoll(['findings', '--fail-on', 'info', ...client])).code, 1);
  for (const secret of ['operator-token', 'tls/ca-key.pem', 'tls/agent-key.pem', 'tls/collector-key.pem'])
    t.equal(statSync(join(directory, secret)).mode & 0o077, 0, secret);

  const second = await plimsoll(['up', ...flags]);
  t.equal(second.code, 2);
  t.match(second.stderr, new RegExp(`plimsoll up already runs on ${directory} \\(process ${String(child.pid)}\\)`));
  const taken = await plimsoll([
    'up',
    '--data-dir',
    temporaryDirectory(t),
    '--listen',
    '127.0.0.1:0',
    '--api',
    address,
  ]);
  t.equal(taken.code, 2);
  t.match(
    taken.stderr,
    /cannot listen on 127\.0\.0\.1:\d+: another program listens there already\n {2}.*--api HOST:PORT/,
  );

  const collector = processesWith(directory).find(({ command }) => / collector /.test(command));
  if (collector === undefined) throw new Error('no collector process');
  process.kill(collector.pid, 'SIGKILL');
  await err.until(/the collector stopped \(SIGKILL\); it is started again in \d+ s/);
  // Events of the stream wait for the collector as well: its return is seen when the client is answered again.
  let answered = '';
  while (!/ connected /.test(answered)) answered = (await plimsoll(['nodes', ...client])).stdout;
  t.pass('on the address where it was');
  const headers = { authorization: `Bearer ${session.token}` };
  t.equal((await fetch(`${link}v1/nodes`, { headers })).status, 200, 'and a session of the console goes on');

  child.kill('SIGINT');
  t.equal(await closed, 0);
  t.match(err.text(), /… stopping/);
  t.strictSame(processesWith(directory), [], 'nothing is left running');
  const log = readFileSync(join(directory, 'log', 'collector.log'), 'utf8');
  t.match(log, 'console session opened');
  for (const secret of [code, session.token]) t.notOk(log.includes(secret) || err.text().includes(secret));
  t.notOk(existsSync(join(directory, 'up.lock')));
});

void t.test('children do not outlive an up that is killed', async (t) => {
  const directory = temporaryDirectory(t);
  const flags = ['--data-dir', directory, '--listen', '127.0.0.1:0', '--api', '127.0.0.1:0'];
  const child = spawn(process.execPath, [PROGRAM, 'up', ...flags], {
    env: environmentOf(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const out = collect(child.stdout);
  await out.until(/watching for changes/);
  t.equal(processesWith(directory).length, 3);
  child.kill('SIGKILL');
  while (processesWith(directory).length > 0) await new Promise((resolve) => setTimeout(resolve, 50));
  t.pass('all gone');
});

void t.test('a directory that cannot be used', async (t) => {
  const path = join(temporaryDirectory(t), 'file');
  writeFileSync(path, '');
  const run = await plimsoll(['up', '--data-dir', path]);
  t.equal(run.code, 2);
  t.match(run.stderr, /^plimsoll: \S+ cannot be used: E\w+\n {2}.*--data-dir DIR/);
});
