import { spawn } from 'node:child_process';
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { renderReport } from '../../../cli/doctor/render.ts';
import { createPaint } from '../../../cli/render/paint.ts';
import { displayWidth } from '../../../cli/render/width.ts';
import type { DiagnosticReport } from '../../../service/diagnostic.ts';
import { cannotRunAsUser, runAsUser } from '../as-user.ts';
import { environmentOf, plimsoll, PROGRAM, temporaryDirectory } from '../process.ts';

interface Report {
  readonly counts: Readonly<Record<string, number>>;
  readonly diagnostics: readonly DiagnosticReport[];
}

async function reportOf(args: readonly string[], extra: Readonly<Record<string, string>> = {}) {
  const run = await plimsoll(['doctor', '--output', 'json', ...args], extra);
  const report = JSON.parse(run.stdout) as Report;
  const of = (id: string): DiagnosticReport | undefined => report.diagnostics.find((one) => one.id === id);
  return { run, report, of };
}

/** Every file below a directory with what it holds and when it was changed. */
function contentsOf(directory: string): readonly string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const stats = statSync(join(directory, name));
      return `${name} ${String(stats.mode)} ${stats.isFile() ? `${String(stats.size)} ${String(stats.mtimeMs)}` : ''}`;
    });
}

void t.test('beside a collector and an agent that run, and after they have ended', async (t) => {
  const directory = temporaryDirectory(t);
  const listening = ['--listen', '127.0.0.1:0', '--api', '127.0.0.1:0'];
  const child = spawn(process.execPath, [PROGRAM, 'up', '--data-dir', directory, ...listening], {
    env: environmentOf(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const closed = new Promise((resolve) => child.once('close', resolve));
  let text = '';
  child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
  await new Promise<void>((resolve, reject) => {
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString('utf8');
      if (out.includes('watching for changes')) resolve();
    });
    child.once('close', () => reject(new Error(text)));
  });
  // The log of the collector has its addresses; `up` was told to let the system choose them.
  const log = readFileSync(join(directory, 'log', 'collector.log'), 'utf8');
  const [, listen = '', api = ''] = /"listen":"([^"]+)","api":"([^"]+)"/.exec(log) ?? [];
  const flags = ['--data-dir', directory, '--listen', listen, '--api', api];
  const { run, of } = await reportOf(flags);
  t.equal(run.stderr, '');
  const data = of('data-directory');
  // On a volatile or full file system the warning about it is reported instead.
  if (data?.outcome === 'ok')
    t.match(data.observed, /used by plimsoll up, process \d+; a collector, process \d+; an agent, process \d+$/);
  t.match(of('ports'), {
    outcome: 'ok',
    observed: /held by the collector of this installation .*; .* held by the collector of this installation/,
  });
  t.match(of('collector-connection'), { outcome: 'ok', observed: /both certificates accepted$/ });
  t.match(of('operator-api')?.observed, new RegExp(`^${api.replaceAll('.', '\\.')} answers and accepts the token`));
  for (const id of ['certificates', 'operator-token', 'store']) t.equal(of(id)?.outcome, 'ok', id);
  const token = readFileSync(join(directory, 'operator-token'), 'utf8').trim();
  t.notOk(run.stdout.includes(token), 'the token is not shown');
  child.kill('SIGINT');
  await closed;

  const before = contentsOf(directory);
  const table = await plimsoll(['doctor', ...flags]);
  t.strictSame(contentsOf(directory), before, 'nothing is written');
  t.match(table.stdout, /^warning {2}operator API {10}\S+: nothing listens there$/m);
  for (const line of table.stdout.split('\n')) t.ok(displayWidth(line) <= 80, line);
  chmodSync(join(directory, 'operator-token'), 0o644);
  t.equal((await plimsoll(['doctor', ...flags])).code, 1, 'a problem');
});

void t.test('wrong settings are what it is for', async (t) => {
  const directory = temporaryDirectory(t);
  const file = join(directory, 'typo.yaml');
  writeFileSync(file, 'listn: 127.0.0.1:1\napi: nowhere\n', { mode: 0o600 });
  const typo = await reportOf(['--config', file, '--data-dir', join(directory, 'data')], { PLIMSOLL_DATADIR: '/x' });
  t.equal(typo.run.code, 1);
  t.equal(typo.run.stderr, '', 'the report contains it');
  t.match(typo.of('settings'), {
    outcome: 'problem',
    observed: `${file}:1: listn: unknown setting; did you mean listen?; ${file}:2: api: expected host:port such as 127.0.0.1:7443 or [::1]:7443, got "nowhere"`,
  });
  t.match(typo.of('ports')?.observed, /127\.0\.0\.1:7480/, 'the default instead of the wrong value');
  t.equal((await plimsoll(['doctor', '--nonsense'])).code, 2);
  t.equal((await plimsoll(['doctor', 'x'])).code, 2);
});

/** Runs the program as a user who has no rights at all. */
function asNobody(args: readonly string[]): ReturnType<typeof runAsUser> {
  return runAsUser(65_534, args, { ...environmentOf(), DOCKER_HOST: 'unix:///nonexistent/docker.sock' });
}

void t.test('what a user cannot read is unknown', { skip: cannotRunAsUser }, (t) => {
  const directory = temporaryDirectory(t);
  chmodSync(directory, 0o700);
  const run = asNobody(['doctor', '--data-dir', directory]);
  t.equal(run.status, 1, run.stderr);
  const text = run.stdout.replaceAll(/\s+/g, ' ');
  t.match(text, /problem data directory \S+, mode 0700, owner 0: user 65534 cannot write to it → run this as the user/);
  for (const title of ['store', 'certificates', 'operator token'])
    t.match(
      text,
      new RegExp(` unknown ${title} .{1,300}EACCES → run this as the user who runs the collector or agent`),
    );
  t.match(text, /(warning|unknown) node visibility /);
  t.match(text, /problem Docker engine unix:\/\/\/nonexistent\/docker\.sock: no socket \(ENOENT\) /);
  t.end();
});

void t.test('what was seen is shown safely, in its column', (t) => {
  const reported: readonly DiagnosticReport[] = [
    {
      id: 'data-directory',
      title: 'data directory',
      outcome: 'problem',
      observed: `/data/${'x'.repeat(100)}\u001b[2J`,
      advice: `chmod 700 /data/${'x'.repeat(60)}`,
    },
    { id: 'node-visibility', title: 'node visibility', outcome: 'ok', observed: 'root', advice: '' },
  ];
  const plain = createPaint({ color: 'never', isTerminal: false, terminal: undefined });
  t.strictSame(renderReport(reported, { width: 80, paint: plain, invocation: 'plimsoll' }), [
    `problem  data directory        /data/${'x'.repeat(43)}`,
    `                               ${'x'.repeat(49)}`,
    `                               ${'x'.repeat(8)}\\x1b[2J`,
    '                               → chmod 700',
    `                                 /data/${'x'.repeat(41)}`,
    `                                 ${'x'.repeat(19)}`,
    'ok       node visibility       root',
    '',
    '1 problem, 1 ok',
  ]);
  const coloured = renderReport(reported, {
    invocation: 'plimsoll',
    width: 80,
    paint: createPaint({ color: 'always', isTerminal: false, terminal: undefined }),
  });
  t.match(coloured[0], '\u001b[31mproblem  \u001b[0mdata directory');
  t.end();
});
