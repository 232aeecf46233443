import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { renderReport } from '../../../cli/doctor/render.ts';
import { createPaint } from '../../../cli/render/paint.ts';
import { displayWidth } from '../../../cli/render/width.ts';
import type { DiagnosticReport } from '../../../service/diagnostic.ts';
import { environmentOf, plimsoll, PROGRAM, temporaryDirectory } from '../process.ts';

interface Report {
  readonly counts: Readonly<Record<string, number>>;
  readonly examinations: readonly DiagnosticReport[];
}

async function reportOf(args: readonly string[], extra: Readonly<Record<string, string>> = {}) {
  const run = await plimsoll(['doctor', '--output', 'json', ...args], extra);
  const report = JSON.parse(run.stdout) as Report;
  const of = (id: string): DiagnosticReport | undefined => report.examinations.find((one) => one.id === id);
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
  t.match(of('data.lock'), {
    outcome: 'ok',
    observed: /^by plimsoll up, process \d+; a collector, process \d+; an agent, /,
  });
  t.match(of('port.listen'), { outcome: 'ok', observed: /held by our collector/ });
  t.match(of('port.api'), { outcome: 'ok', observed: /held by our collector/ });
  t.match(of('collector.connection'), { outcome: 'ok', observed: /both certificates accepted$/ });
  t.match(of('collector.api')?.observed, new RegExp(`^${api.replaceAll('.', '\\.')} answers and accepts the token`));
  for (const id of ['certificate.authority', 'certificate.collector', 'certificate.agent', 'token.file', 'data.store'])
    t.equal(of(id)?.outcome, 'ok', id);
  const token = readFileSync(join(directory, 'operator-token'), 'utf8').trim();
  t.notOk(run.stdout.includes(token), 'the token is not shown');
  child.kill('SIGINT');
  await closed;

  const before = contentsOf(directory);
  const table = await plimsoll(['doctor', ...flags]);
  t.strictSame(contentsOf(directory), before, 'nothing is written');
  t.match(table.stdout, /^ {2}warning {2}operator API {9}\S+: nobody listens there$/m);
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
  t.equal(typo.run.stderr, '', 'it is told in the report');
  t.match(typo.of('settings.values'), {
    outcome: 'problem',
    observed: `${file}:1: listn: unknown setting; did you mean listen?; ${file}:2: api: expected host:port such as 127.0.0.1:7443 or [::1]:7443, got "nowhere"`,
  });
  t.match(typo.of('settings.environment'), {
    outcome: 'warning',
    observed: 'PLIMSOLL_DATADIR is set but means nothing; did you mean PLIMSOLL_DATA_DIR?',
  });
  t.match(typo.of('port.api'), { observed: /^127\.0\.0\.1:7480/ }, 'a default in its place');
  t.equal((await plimsoll(['doctor', '--nonsense'])).code, 2);
  t.equal((await plimsoll(['doctor', 'x'])).code, 2);
});

/** Runs the program as a user who has no rights at all; undefined where that cannot be done. */
function asNobody(args: readonly string[]) {
  if (process.getuid?.() !== 0) return undefined;
  const { status, stdout } = spawnSync(process.execPath, [PROGRAM, ...args], {
    uid: 65_534,
    gid: 65_534,
    env: { ...environmentOf(), DOCKER_HOST: 'unix:///nonexistent/docker.sock' },
    encoding: 'utf8',
  });
  return status === null ? undefined : { status, stdout };
}

// Where the program itself lies in a closed directory, that user cannot start it.
const cannotBecome = asNobody(['version'])?.status === 0 ? false : 'this user cannot run the program as another';
void t.test('another user is told what it may not see', { skip: cannotBecome }, (t) => {
  const directory = temporaryDirectory(t);
  chmodSync(directory, 0o700);
  const run = asNobody(['doctor', '--data-dir', directory]);
  t.equal(run?.status, 1);
  const text = run?.stdout.replaceAll(/\s+/g, ' ') ?? '';
  t.match(text, / problem directory \S+, mode 0700, owner 0: user 65534 may not write in it → become the user/);
  for (const title of ['in use', 'store', 'authority', 'file'])
    t.match(
      text,
      new RegExp(` unknown ${title} .{1,200}EACCES → run this as the user who runs the collector or agent`),
    );
  t.match(text, / warning rights user 65534, not root: /);
  t.match(text, / problem engine unix:\/\/\/nonexistent\/docker\.sock: no socket \(ENOENT\) /);
  t.end();
});

void t.test('what was seen is shown safely, in its column', (t) => {
  const reported: readonly DiagnosticReport[] = [
    {
      id: 'data.directory',
      group: 'data directory',
      title: 'directory',
      outcome: 'problem',
      observed: `/data/${'x'.repeat(100)}\u001b[2J`,
      advice: `chmod 700 /data/${'x'.repeat(60)}`,
    },
    { id: 'node.rights', group: 'node', title: 'rights', outcome: 'ok', observed: 'root', advice: '' },
  ];
  const plain = createPaint({ color: 'never', isTerminal: false, terminal: undefined });
  t.strictSame(renderReport(reported, { width: 80, paint: plain, invocation: 'plimsoll' }), [
    'data directory',
    `  problem  directory            /data/${'x'.repeat(42)}`,
    `                                ${'x'.repeat(48)}`,
    `                                ${'x'.repeat(10)}\\x1b[2J`,
    '                                → chmod 700',
    `                                  /data/${'x'.repeat(40)}`,
    `                                  ${'x'.repeat(20)}`,
    'node',
    '  ok       rights               root',
    '',
    '1 problem, 1 ok',
  ]);
  const coloured = renderReport(reported, {
    invocation: 'plimsoll',
    width: 80,
    paint: createPaint({ color: 'always', isTerminal: false, terminal: undefined }),
  });
  t.match(coloured[1], '  \u001b[31mproblem  \u001b[0mdirectory');
  t.end();
});
