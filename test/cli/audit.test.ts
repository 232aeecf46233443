import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t from 'tap';
import { startServer, TOKEN } from '../collector/api/server.ts';
import { environmentOf, plimsoll, PROGRAM, temporaryDirectory } from './process.ts';

void t.test('audit lists calls in every form, filters them, and watches', async (t) => {
  const server = await startServer(t);
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'operator-token'), TOKEN, { mode: 0o600 });
  const flags = ['--api', `127.0.0.1:${String(server.port)}`, '--data-dir', directory];
  const run = (...args: readonly string[]) => plimsoll(['audit', ...args, ...flags]);
  const viewer = await server.createToken('viewer');
  const query = (token: string, expression: string) =>
    server.fetch('/v1/query', {
      method: 'POST',
      body: JSON.stringify({ expression }),
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    });
  await query(TOKEN, 'kernel.lockdown');
  await query(viewer, '"\u001b[31m"');
  // The first answer of the program takes longer than the record takes to the disk.
  const [wide, json, refused, none] = await Promise.all([
    run('-o', 'wide'),
    run('-o', 'ndjson', '--operation', 'askNodes'),
    run('--refused', '--since', '1h'),
    run('--principal', 'nobody'),
  ]);
  t.equal(wide.code, 0, wide.stderr);
  t.match(wide.stdout, /^TIME +WHO +ROLE +FROM +OPERATION +STATUS +PARAMETERS +MS +CODE +ID\n/);
  t.match(wide.stdout, /token file +admin +127\.0\.0\.1 +askNodes +200 +\{"expression":"kernel\.lockdown"/);
  t.match(
    json.stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { status: number }).status),
    [403, 200],
  );
  t.match(refused.stdout, /viewer +127\.0\.0\.1 +askNodes +403/);
  t.notOk((wide.stdout + refused.stdout).includes('\u001b'), 'nothing that a terminal obeys');
  t.equal(none.stdout, 'No calls.\n');

  const child = spawn(
    process.execPath,
    [PROGRAM, 'audit', '--watch', '-o', 'ndjson', '--operation', 'askNodes', ...flags],
    {
      env: environmentOf(),
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  t.teardown(() => child.kill());
  // Until it watches, calls are made again.
  const timer = setInterval(() => void query(TOKEN, 'kernel.release'), 500);
  for await (const line of createInterface({ input: child.stdout })) {
    t.match(JSON.parse(line), { operation: 'askNodes', parameters: { expression: 'kernel.release' } });
    break;
  }
  clearInterval(timer);
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGINT');
  t.equal(await ended, 0);
});

void t.test('wrong use says what is wrong', async (t) => {
  const directory = temporaryDirectory(t);
  const cases: readonly (readonly [args: readonly string[], problem: RegExp])[] = [
    [['--since', 'yesterday'], /--since: expected a duration/],
    [['--limit', '0'], /--limit: expected a number from 1/],
    [['--watch', '--since', '1h'], /--watch|--since/],
    [['--watch', '-o', 'csv'], /no output csv/],
  ];
  const runs = await Promise.all(cases.map(([args]) => plimsoll(['audit', ...args, '--data-dir', directory])));
  for (const [index, run] of runs.entries()) t.match(run, { code: 2, stdout: '', stderr: cases[index]?.[1] });
});
