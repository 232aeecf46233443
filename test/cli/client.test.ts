import { existsSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { createQueryHub, DEFAULT_QUERY_LIMITS } from '../../collector/query/hub.ts';
import { systemClock } from '../../service/clock.ts';
import { commit, finding, nodeRow, T0 } from '../collector/store/fleet.ts';
import { startServer, TOKEN } from '../collector/api/server.ts';
import type { ApiServer, ServerOptions } from '../collector/api/server.ts';
import type { FleetFinding } from '../../api/finding.ts';
import { asffIssues } from '../collector/event/asff-constraints.ts';
import { readValidator } from '../collector/event/ocsf/validator.ts';
import { closedAddress, environmentOf, plimsoll, PROGRAM, temporaryDirectory } from './process.ts';
import type { Run } from './process.ts';
import { UNUSED } from '../collector/sink/events.ts';

/** A collector's API with two nodes, and the flags that lead to it. */
async function fleet(t: Test, options: ServerOptions = {}) {
  const server = await startServer(t, options);
  const directory = temporaryDirectory(t);
  const tokenFile = join(directory, 'operator-token');
  writeFileSync(tokenFile, `${TOKEN}\n`, { mode: 0o600 });
  const flags = ['--api', `127.0.0.1:${String(server.port)}`, '--token-file', tokenFile, '--data-dir', directory];
  const run = (...args: readonly string[]): Promise<Run> => plimsoll([...args, ...flags]);
  await server.store.putNodes([nodeRow({ id: 'n1', name: 'web-3' })]);
  return { server, flags, run, directory, tokenFile };
}

const SECCOMP = finding({
  check: 'container.seccomp-filter',
  severity: 'high',
  subject: { kind: 'container', id: 'b'.repeat(64), name: 'shop-db' },
  evidence: [
    { source: '/proc/4121/status', seen: 'Seccomp: 0', expected: 'Seccomp: 2 on every thread' },
    { source: 'inspect HostConfig.SecurityOpt', seen: 'default', expected: 'default' },
  ],
});
const HOSTILE = finding({
  subject: { kind: 'container', id: 'a'.repeat(64), name: 'evil\u001b]0;owned\u0007\u202e\nx' },
  evidence: [{ source: '/proc/1/status', seen: 'CapEff 1ff', expected: '' }],
});

const SHOP_DB = { id: SECCOMP.subject.id, name: 'shop-db', image: 'shop:7', imageId: `sha256:${'7'.repeat(64)}` };
const OCSF = new URL('../../../shared/ocsf/required.json', import.meta.url).pathname;
const noOcsf = existsSync(OCSF) ? false : 'no facts of OCSF beside the project';

/** What is read of an event. */
interface OcsfRecord {
  readonly time: number;
  readonly finding_info: { readonly uid: string };
  readonly device: { readonly uid: string };
  readonly metadata: { readonly uid: string };
}

/** What is read of a log of SARIF. */
interface SarifLog {
  readonly runs: readonly [
    {
      readonly tool: { readonly driver: { readonly rules: readonly { readonly id: string }[] } };
      readonly invocations: readonly [{ readonly executionSuccessful: boolean }];
      readonly results: readonly {
        readonly ruleId: string;
        readonly partialFingerprints: { readonly 'plimsoll/v1': string };
      }[];
    },
  ];
}

async function seed(server: ApiServer): Promise<void> {
  await server.commit(
    commit({
      sequence: 1,
      snapshot: true,
      put: [
        SECCOMP,
        HOSTILE,
        finding({ check: 'ssh.root-login', kind: 'daemon', on: 'sshd', verdict: 'pass', severity: 'medium' }),
        finding({
          check: 'kernel.lockdown',
          subject: { kind: 'node', id: 'n1', name: 'web-3' },
          verdict: 'unknown',
          severity: 'medium',
          evidence: [],
          reason: '/sys/kernel/security/lockdown: permission denied (EACCES)',
        }),
      ],
    }),
  );
}

void t.test('findings', async (t) => {
  const { server, run } = await fleet(t);
  await seed(server);
  const table = await run('findings');
  t.equal(table.code, 0);
  t.equal(
    table.stdout,
    [
      'RESULT    CHECK                     SUBJECT',
      String.raw`CRITICAL  container.privileged      evil\x1b]0;owned\x07\u202e\nx`,
      '          CapEff 1ff in /proc/1/status',
      'HIGH      container.seccomp-filter  shop-db',
      '          Seccomp: 0 in /proc/4121/status, inspect HostConfig.SecurityOpt: defa…',
      '',
    ].join('\n'),
  );
  const unknown = await run('findings', '--verdict', 'unknown');
  t.equal(
    unknown.stdout,
    [
      'RESULT    CHECK            SUBJECT',
      'UNKNOWN   kernel.lockdown  web-3',
      '          /sys/kernel/security/lockdown: permission denied (EACCES)',
      '',
    ].join('\n'),
  );
  t.equal((await run('findings', '--check', 'tls')).stdout, 'No matching findings.\n');
  t.match((await run('findings', '--check', 'container')).stdout, /shop-db/, 'an area');
  t.match((await run('findings', '--subject', 'shop-db')).stdout, /^RESULT .*\nHIGH .*\n.*\n$/);
  const limited = await run('findings', '--limit', '1');
  t.equal(limited.stdout.split('\n').length, 4);
  t.match(limited.stderr, /more than 1 findings match; raise --limit/);
  const json = JSON.parse((await run('findings', '--output', 'json')).stdout) as { findings: { verdict: string }[] };
  t.strictSame(
    json.findings.map(({ verdict }) => verdict),
    ['fail', 'fail', 'unknown', 'pass'],
    'json has all',
  );
  const lines = (await run('findings', '--output', 'ndjson', '--verdict', 'fail')).stdout.trimEnd().split('\n');
  t.strictSame(
    lines.map((line) => (JSON.parse(line) as { subject: { name: string } }).subject.name),
    [HOSTILE.subject.name, 'shop-db'],
  );
  t.notMatch(lines.join(''), /[\p{Cc}\u202e]/u, 'JSON too is safe to look at');
  t.equal((await run('findings', '--fail-on', 'critical')).code, 1);
  t.equal((await run('findings', '--fail-on', 'critical', '--check', 'ssh')).code, 0);
  const none = await run('findings', '--node', 'nobody');
  t.equal(none.code, 2);
  t.match(none.stderr, /no node has the id or name "nobody"/);
});

void t.test('findings for other tools', { timeout: 300_000 }, async (t) => {
  const { server, run } = await fleet(t);
  await server.store.putNodes([
    nodeRow({ id: 'n1', name: 'web-3', containers: [{ ...SHOP_DB, startedAt: '' }] }),
    nodeRow({ id: 'n2', name: 'web-3', connected: false, offlineSinceMs: T0 }),
  ]);
  await seed(server);
  await server.commit(commit({ nodeId: 'n2', sequence: 1, snapshot: true, put: [SECCOMP] }));
  const { findings } = JSON.parse((await run('findings', '-o', 'json')).stdout) as {
    readonly findings: FleetFinding[];
  };
  t.equal(findings.length, 5);
  await t.test('OCSF: as the collector sends them', { skip: noOcsf, timeout: 120_000 }, async (t) => {
    const validate = readValidator(OCSF);
    const events = (await run('findings', '-o', 'ocsf')).stdout.trimEnd().split('\n');
    const parsed = events.map((line) => JSON.parse(line) as OcsfRecord);
    t.same(parsed.flatMap(validate), []);
    t.same(
      parsed.map((event) => [event.finding_info.uid, event.device.uid, event.time]),
      findings.map(({ uid, nodeId, changedMs }) => [uid, nodeId, changedMs]),
      'the uid of the API',
    );
    t.same(
      parsed.map(({ metadata }) => metadata.uid),
      findings.map(({ uid, changedMs }) => `${uid}-${String(changedMs)}`),
      'an event that was printed before has its id',
    );
    t.match(
      events.find((line) => line.includes('Seccomp: 0') && line.includes('"n1"')),
      /shop:7/,
      'the image',
    );
  });
  const account = ['--aws-account', '111122223333', '--aws-region', 'eu-central-1'];
  const asff = JSON.parse((await run('findings', '-o', 'asff', ...account)).stdout) as Readonly<
    Record<string, unknown>
  >[];
  t.same(asff.flatMap(asffIssues), []);
  t.strictSame(
    asff.map(({ Id: id }) => id),
    findings.map(({ uid }) => `plimsoll/${uid}`),
  );
  const whole = await run('findings', '-o', 'sarif', '--fail-on', 'critical');
  t.equal(whole.code, 1);
  const sarif = JSON.parse(whole.stdout) as SarifLog;
  const [{ results, invocations, tool }] = sarif.runs;
  t.equal(new Set(results.map((one) => one.partialFingerprints['plimsoll/v1'])).size, 5, 'nodes with one name differ');
  t.strictSame(
    results.map(({ ruleId }) => tool.driver.rules.some(({ id }) => id === ruleId)),
    findings.map(() => true),
  );
  t.equal(invocations[0].executionSuccessful, true);
  const cut = await run('findings', '-o', 'sarif', '--limit', '2');
  t.match(cut.stderr, /raise --limit/);
  t.equal((JSON.parse(cut.stdout) as SarifLog).runs[0].invocations[0].executionSuccessful, false, 'it is incomplete');
  const junit = (await run('findings', '-o', 'junit', '--limit', '3')).stdout;
  t.match(junit, /tests="4" failures="3" errors="1"[^]*<error message="more findings match/);
  const html = (await run('findings', '-o', 'html')).stdout;
  t.match(html, /shop-db on web-3 \(n2\)[\s\S]*<\/html>\n$/);
  t.match(html, /Not connected, so that their findings may be old or missing: .*web-3 \(n2\)\./);
  t.notMatch(html, /Incomplete/);
  const controls = (await run('findings', '--benchmark', 'cis-docker-1.8', '--control', '5.22', '-o', 'html')).stdout;
  t.match(controls, /CIS Docker Benchmark 1\.8\.0[\s\S]*0 of 1 controls/);
  const part = await run(
    'findings',
    '--benchmark',
    'cis-docker-1.8.0',
    '--verdict',
    'pass',
    '--limit',
    '1',
    '-o',
    'html',
  );
  t.notMatch(part.stdout, /class="score"/, 'what was left out would pass');
  for (const args of [
    ['-o', 'asff'],
    ['-o', 'sarif', '--by', 'check'],
    ['-o', 'junit', '--watch'],
  ])
    t.match(await run('findings', ...args), { code: 2, stdout: '' }, args.join(' '));
});

void t.test('history', async (t) => {
  const { server, run } = await fleet(t);
  await seed(server);
  const later = T0 + 61_000;
  await server.commit(commit({ sequence: 2, gone: [SECCOMP.id], observedAtMs: later, receivedAtMs: later }));
  const table = await run('findings', '--history');
  t.equal(table.code, 0, table.stderr);
  const lines = table.stdout.split('\n');
  t.strictSame(lines.slice(0, 2), [
    'TIME                 CHANGE    RESULT    CHECK                     SUBJECT',
    '2026-06-01 00:01:01  resolved  HIGH      container.seccomp-filter  shop-db',
  ]);
  t.equal(lines.length, 6, 'three opened, one resolved');
  t.equal((await run('findings', '--history', '--since', '1m')).stdout, 'No changes.\n');
  t.match(JSON.parse((await run('findings', '--history', '--limit', '1', '--output', 'json')).stdout), {
    entries: [{ action: 'resolved', check: 'container.seccomp-filter' }],
  });
  t.equal((await run('findings', '--history', '--watch')).code, 2);
});

void t.test('nodes', async (t) => {
  const { server, run } = await fleet(t);
  await server.store.putNodes([
    nodeRow({
      id: 'n2',
      name: 'db-1',
      runtime: '',
      containers: [],
      connected: false,
      offlineSinceMs: Date.now() - 190_000,
    }),
  ]);
  await seed(server);
  const table = await run('nodes');
  t.equal(
    table.stdout,
    [
      'NODE   STATE          RUNTIME        RUNNING  CRIT  HIGH  MED  LOW',
      'db-1   offline 3 min  none                 0     0     0    0    0',
      'web-3  connected      docker 26.1.5        1     1     1    0    0',
      '',
    ].join('\n'),
  );
  t.match(JSON.parse((await run('nodes', '--output', 'json')).stdout), {
    nodes: [{ name: 'db-1' }, { name: 'web-3' }],
  });
});

void t.test('sinks', async (t) => {
  const sink = {
    state: 'ok',
    position: 812,
    lastError: '',
    delivered: 812,
    rejected: 0,
    discarded: 0,
    ...UNUSED,
  } as const;
  const reason = '127.0.0.1:6514: nothing listens there (ECONNREFUSED)\u001b[2J';
  const all = [
    { ...sink, name: 'ndjson' },
    { ...sink, name: 'syslog', state: 'retrying', position: 12, delivered: 40, lastError: reason },
  ] as const;
  const { run } = await fleet(t, { sinks: () => all });
  const table = await run('sinks');
  t.equal(table.code, 1, 'one of them is not ok');
  t.equal(
    table.stdout,
    [
      'SINK    STATE     WAITING  SINCE  DELIVERED  DEAD  LAST ERROR',
      'ndjson  ok              0  -            812     0',
      'syslog  retrying        0  -             40     0  127.0.0.1:6514: nothing list…',
      '',
    ].join('\n'),
  );
  const lines = (await run('sinks', '--output', 'ndjson')).stdout.trimEnd().split('\n');
  t.match(
    lines.map((line) => JSON.parse(line) as unknown),
    all.map((one) => ({ ...one, behind: 0, deadLetters: 0 })),
  );
  t.match(JSON.parse((await run('sinks', '--output', 'json')).stdout), { sinks: all });
  t.match(await run('sink', 'status', 'ndjson', '-o', 'name'), { code: 0, stdout: 'ndjson\n' });
  const none = await fleet(t, {
    testSink: (name) =>
      Promise.resolve(
        name === 'syslog'
          ? {
              eventUid: 'test-1',
              steps: [{ step: 'tls', ok: false, detail: 'CERT_HAS_EXPIRED\u001b[2J', advice: 'renew it' }],
            }
          : undefined,
      ),
  });
  const tested = await none.run('sink', 'test', 'syslog');
  t.match(tested, {
    code: 1,
    stdout: /^STEP +RESULT +DETAIL *\ntls +failed +CERT_HAS_EXPIRED.*\n\nWhat to do: renew it\n$/,
  });
  t.notMatch(tested.stdout, '\u001b');
  t.match(await none.run('sink', 'test', 'x'), { code: 2, stderr: /no sink "x" is on/ });
  const empty = await none.run('sinks');
  t.match(empty, { code: 0, stdout: /shipped nowhere/ });
});

void t.test('explain, with what was seen', async (t) => {
  const { server, run } = await fleet(t);
  await seed(server);
  const page = await run('explain', 'container.seccomp-filter', '--subject', 'shop-db');
  t.equal(page.code, 0);
  t.match(
    page.stdout,
    /^container\.seccomp-filter {2}UP TO HIGH\nPasses: Seccomp protection is effective\nFails: Seccomp protection is missing or weak\n/,
  );
  // This machine has apt, as CONTRIBUTING says.
  if (existsSync('/etc/debian_version'))
    t.match(
      (await run('explain', 'kernel.apparmor-profiles')).stdout,
      /\nOn this host \(debian\)\n {2}apt-get install /,
    );
  for (const title of ['Severity', 'Why', 'What to do', 'What is read', 'Where to read more', 'Benchmarks'])
    t.match(page.stdout, `\n${title}\n`);
  t.ok(
    page.stdout.endsWith(
      [
        '',
        'HIGH  shop-db on web-3',
        '  /proc/4121/status: Seccomp: 0',
        '    expected: Seccomp: 2 on every thread',
        '  inspect HostConfig.SecurityOpt: default',
        '    expected: default',
        '',
      ].join('\n'),
    ),
    page.stdout,
  );
  const [uid = ''] = (await run('findings', '--check', 'container.seccomp-filter', '-o', 'name')).stdout.split('\n');
  t.match(
    (await run('explain', uid.slice(0, 12))).stdout,
    /^HIGH {2}shop-db on web-3\n.+\n[^]+\n\ncontainer\.seccomp-filter /,
  );
  t.match(await run('explain', uid, '-o', 'json'), { stdout: /"id": "container\.seccomp-filter"[^]+"uid": / });
  t.match(await run('explain', '0'.repeat(32)), { code: 2, stderr: /no finding has the uid "0{32}"/ });
  const evil = await run('explain', 'container.privileged', '--node', 'web-3');
  t.match(evil.stdout, String.raw`evil\x1b]0;owned\x07\u202e\nx on web-3`);
  const away = await plimsoll(['explain', 'ssh.root-login', '--node', 'x', '--api', await closedAddress()]);
  t.equal(away.code, 2, 'the page is printed, and that the collector does not answer is a failure');
  t.match(away.stdout, /^ssh\.root-login/);
  t.match(away.stderr, /no collector answers/);
});

void t.test('query', async (t) => {
  const clock = systemClock();
  const { server, run } = await fleet(t, {
    queries: {
      ask: async (request, signal) => {
        // The real hub, whose only connected node answers what the test says.
        const hub = createQueryHub({
          store: server.store,
          clock,
          log: { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined },
          limits: DEFAULT_QUERY_LIMITS,
          sessions: () => ({
            connected: () => ['n1'],
            send: () => false,
            sendAll: ([nodeId = ''], { query }) => {
              const answer =
                query?.expression === '1/0'
                  ? { error: 'divide by zero' }
                  : { chunk: Buffer.from('["shop-db","a\\u009bb"]') };
              hub.replies.onResult(nodeId, {
                queryId: query?.id ?? '',
                last: true,
                rows: 2,
                truncated: true,
                unread: ['x: y'],
                ...answer,
              });
              return new Set([nodeId]);
            },
          }),
        });
        return hub.ask(request, signal);
      },
    },
  });
  const one = await run('query', '[1]', '--node', 'web-3');
  t.equal(one.code, 0, one.stderr);
  t.equal(
    one.stdout,
    ['web-3  2 rows  (truncated)', '  "shop-db"', String.raw`  "a\u009bb"`, '  not read: x: y', ''].join('\n'),
  );
  await server.store.putNodes([nodeRow({ id: 'n2', name: 'db-1', connected: false, offlineSinceMs: T0 })]);
  const all = await run('query', '[1]');
  t.match(
    all.stdout,
    /\n\ndb-1\n {2}offline since 2026-06-01 00:00:00 \(\d+ d\)\n$|^db-1\n {2}offline since 2026-06-01 00:00:00 \(\d+ d\)\n\n/,
  );
  t.equal(all.code, 0, 'an offline node is reported, not a failure');
  t.equal((await run('query', '[1]', '--node', 'db-1')).code, 2, 'but nobody answering is');
  const failing = await run('query', '1/0', '--node', 'n1');
  t.equal(failing.code, 2);
  t.equal(failing.stdout, 'web-3\n  error: divide by zero\n');
  const wrong = await run('query', 'kernel.lokdown');
  t.equal(wrong.code, 2);
  t.match(wrong.stderr, /lockdown/, 'says what was probably meant');
  t.equal(wrong.stdout, '');
  t.match(JSON.parse((await run('query', '[1]', '--node', 'n1', '--output', 'json')).stdout), {
    answers: [{ outcome: 'ok', nodeName: 'web-3', rows: 2, truncated: true }],
  });
});

void t.test('watching', async (t) => {
  const { server, flags } = await fleet(t);
  const child = spawn(process.execPath, [PROGRAM, 'findings', '--watch', '--severity', 'high', ...flags], {
    env: environmentOf(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
  const told = until(child.stderr, /watching http/);
  const line = until(child.stdout, /\n/);
  await told;
  await seed(server);
  t.match(await line, /^00:00:00 {2}opened {4}HIGH {6}web-3 {2}container\.seccomp-filter {2}shop-db/);
  child.kill('SIGINT');
  t.equal(await closed, 0);
});

function until(stream: NodeJS.ReadableStream, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
      if (pattern.test(text)) resolve(text);
    });
    stream.on('end', () => reject(new Error(`ended with: ${text}`)));
  });
}

void t.test('a link to the console', async (t) => {
  const { server, run, tokenFile } = await fleet(t);
  const text = await run('console');
  t.equal(text.code, 0, text.stderr);
  const [, base, code] = /^(http:\/\/127\.0\.0\.1:\d+)\/#code=([\w-]{32})\n$/.exec(text.stdout) ?? [];
  t.equal(base, server.url, 'nothing else on standard output');
  t.match(text.stderr, /^opens once, until \d\d:\d\d:\d\d\n$/);
  const json = await run('console', '--output', 'json');
  const document = JSON.parse(json.stdout) as { url: string; expiresMs: number };
  t.ok(document.expiresMs > Date.now() && document.expiresMs <= Date.now() + 300_000);
  t.not(document.url, text.stdout.trim(), 'each time another');
  const signIn = () =>
    server.fetch('/v1/console/sessions', {
      method: 'POST',
      body: JSON.stringify({ code }),
      headers: { 'content-type': 'application/json' },
    });
  t.equal((await signIn()).status, 200);
  t.equal((await signIn()).status, 401);
  for (const secret of [code ?? '', TOKEN]) t.notOk(JSON.stringify(server.logged).includes(secret));
  writeFileSync(tokenFile, 'd3Jvbmc');
  const refused = await run('console');
  t.equal(refused.code, 2);
  t.match(refused.stderr, /does not accept this operator token/);
});
