import { execFile, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { startServer, TOKEN } from '../collector/api/server.ts';
import { commit, finding, nodeRow, T0 } from '../collector/store/fleet.ts';
import { environmentOf, plimsoll, PROGRAM, temporaryDirectory } from './process.ts';
import type { Run } from './process.ts';

const EVIL = 'evil\u001b]0;owned\u0007\u202e\nx\u009b2J';
const FORMULA = '=HYPERLINK("http://x")';
const DB = 'b'.repeat(64);
const NODE = '0123456789abcdef0123456789abcdef';
const LONG = 'v'.repeat(300);

async function fleet(t: Test) {
  const server = await startServer(t);
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'operator-token'), TOKEN, { mode: 0o600 });
  const container = {
    id: DB,
    name: 'shop-db',
    image: 'postgres:17',
    imageId: 'sha256:1',
    startedAt: '2026-01-01T00:00:00Z',
  };
  await server.store.putNodes([nodeRow({ id: NODE, name: 'web-3', containers: [container] })]);
  await server.store.putNodes([nodeRow({ id: 'n2', name: EVIL, containers: [] })]);
  const subject = { kind: 'container', id: DB, name: 'shop-db' } as const;
  await server.commit(
    commit({
      nodeId: NODE,
      sequence: 1,
      snapshot: true,
      put: [
        finding({ check: 'container.privileged', verdict: 'pass', subject, evidence: [] }),
        finding({
          check: 'container.seccomp-filter',
          severity: 'high',
          subject,
          evidence: [{ source: '/proc/1/status', seen: LONG, expected: '' }],
        }),
        finding({ check: 'kernel.lockdown', severity: 'medium', subject: { kind: 'node', id: NODE, name: 'web-3' } }),
      ],
    }),
  );
  const evil = { kind: 'container', id: 'e'.repeat(64), name: FORMULA } as const;
  await server.commit(
    commit({
      nodeId: 'n2',
      sequence: 1,
      snapshot: true,
      put: [
        finding({
          check: 'container.privileged',
          severity: 'critical',
          subject: evil,
          evidence: [{ source: EVIL, seen: EVIL, expected: '' }],
        }),
      ],
    }),
  );
  const flags = ['--api', `127.0.0.1:${String(server.port)}`, '--data-dir', directory];
  const run = (...args: readonly string[]): Promise<Run> => plimsoll([...args, ...flags]);
  return { server, flags, run };
}

await t.test('one fleet', async (t) => {
  const { server, flags, run } = await fleet(t);

  await t.test('short options, options before the command, any case', async (t) => {
    const long = await run(
      'findings',
      '--node',
      'web-3',
      '--verdict',
      'fail',
      '--severity',
      'high',
      '--output',
      'json',
    );
    t.equal(long.code, 0, long.stderr);
    t.equal((JSON.parse(long.stdout) as { findings: unknown[] }).findings.length, 1);
    for (const args of [
      ['findings', '-n', 'web-3', '-v', 'FAIL', '--severity', 'HIGH', '-o', 'JSON'],
      ['-o', 'json', '-n', 'web-3', 'findings', '--severity=High', '-vfail'],
      ['findings', '-n', NODE.slice(0, 6), '--severity', 'high', '-v', 'Fail', '-ojson'],
    ])
      t.strictSame(await run(...args), long, args.join(' '));
    t.strictSame(await plimsoll([...flags, '-o', 'name', 'nodes']), await run('nodes', '--output', 'name'));
    t.match(await plimsoll(['-v']), { code: 0, stdout: /^plimsoll \d/ });
    t.match(await plimsoll(['-o', 'json', 'nods']), { code: 2, stderr: /did you mean nodes\?/ });
    t.match(await run('findings', '-q', '--fail-on', 'critical'), { code: 1, stdout: '', stderr: '' });
  });

  await t.test('formats', async (t) => {
    t.equal(
      (await run('findings', '-n', 'web-3', '-o', 'jsonpath={.items[*].check}')).stdout,
      'container.seccomp-filter kernel.lockdown container.privileged\n',
    );
    t.match(await run('findings', '-o', 'jsonpath={.items'), { code: 2, stdout: '', stderr: /jsonpath: the brace/ });
    t.equal((await run('nodes', '-o', 'name')).stdout.split('\n')[1], 'web-3');
    t.match((await run('nodes', '-o', 'wide')).stdout, /^NODE .* ID .* AGENT .*\n[^]*0123456789abcdef0123456789abcdef/);
    const csv = (await run('findings', '-o', 'csv', '-v', 'fail')).stdout.split('\r\n');
    t.equal(csv[0], 'node,result,check,kind,subject,subject id,evidence,accepted');
    t.equal(csv.length, 5, 'three failures');
    t.match(csv[1], `"'=HYPERLINK(""http://x"")"`, 'no formula');
  });

  await t.test('nothing hostile in any format', async (t) => {
    const formats = [
      'table',
      'wide',
      'json',
      'ndjson',
      'csv',
      'name',
      'jsonpath={.items[*]}',
      'jsonpath={..name}{..seen}',
    ];
    const cases = [
      ...formats.map((format) => ['findings', '-o', format]),
      ['findings', '--history', '-o', 'csv'],
      ['findings', '--by', 'node', '-o', 'csv'],
      ['nodes', '-o', 'csv'],
    ];
    for (const args of cases) {
      const { code, stdout } = await run(...args);
      t.equal(code, 0);
      t.notMatch(
        stdout.replaceAll('\r\n', '\n'),
        // oxlint-disable-next-line no-control-regex -- finding them is the point
        /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/,
        args.join(' '),
      );
    }
  });

  await t.test('a pipe gets whole lines, a page is cut', async (t) => {
    const piped = await plimsoll(['findings', ...flags], { COLUMNS: '' });
    t.match(piped.stdout, new RegExp(`shop-db +${LONG}`));
    t.notMatch(piped.stdout, '…');
    t.match((await run('findings')).stdout, '…');
  });

  await t.test('groups', async (t) => {
    t.strictSame((await run('findings', '--by', 'check')).stdout.split('\n'), [
      'CHECK                     CRIT  HIGH  MED  LOW  UNKNOWN  MANUAL  PASSED',
      'container.privileged         1     0    0    0        0       0       0',
      'container.seccomp-filter     0     1    0    0        0       0       0',
      'kernel.lockdown              0     0    1    0        0       0       0',
      '',
    ]);
    t.match((await run('findings', '--by', 'image', '-o', 'json')).stdout, /"\(unknown image\)"[^]*"postgres:17"/);
    t.match((await run('findings', '--by', 'container')).stdout, /^shop-db +0 +1 /m);
    t.match((await run('findings', '--by', 'node')).stdout, /^web-3 +0 +1 +1 /m);
  });

  await t.test('names: shortened ids, and what was probably meant', async (t) => {
    for (const word of ['shop-db', DB, DB.slice(0, 12), DB.slice(0, 4)])
      t.match((await run('findings', '--container', word, '-o', 'name', '-v', 'fail')).stdout, /^\S+\n$/, word);
    t.match(await run('findings', '-n', 'wbe-3'), {
      code: 2,
      stderr: /no node has the id or name "wbe-3"; did you mean web-3\?/,
    });
    t.match(await run('query', '1', '-n', 'web3'), { code: 2, stderr: /did you mean web-3\?/ });
    t.match(await run('findings', '--container', 'shop-bd'), {
      code: 2,
      stderr: /no container has the name or id "shop-bd"; did you mean shop-db\?/,
    });
    t.match(await run('findings', '--subject', 'web-3', '-v', 'unknown'), {
      code: 0,
      stdout: 'No matching findings.\n',
    });
  });

  await t.test('completion offers names that mean nothing to a shell, and no others', async (t) => {
    await server.store.putNodes([nodeRow({ id: 'n4', name: '$(touch pwned)', containers: [] })]);
    const [, api = '', , dataDir = ''] = flags;
    const settings = { PLIMSOLL_API: api, PLIMSOLL_DATA_DIR: dataDir };
    const offered = await plimsoll(['completion', 'names', 'node'], settings);
    t.strictSame(offered, { code: 0, stdout: 'web-3\n', stderr: '' });
    t.equal((await plimsoll(['completion', 'names', 'container'], settings)).stdout, 'shop-db\n');
    t.match(await plimsoll(['completion', 'names', 'node'], { PLIMSOLL_API: '127.0.0.1:9' }), {
      stdout: '',
      stderr: '',
    });
    const { stdout: script } = await plimsoll(['completion', 'bash']);
    const body = `${script}\nCOMP_WORDS=(plimsoll findings --node we)\nCOMP_CWORD=3\n_plimsoll\nprintf '%s\\n' "\${COMPREPLY[@]}"`;
    const bash = await new Promise<string>((resolve) => {
      const child = execFile('bash', ['--norc', '-s'], { env: environmentOf(settings) }, (_, stdout) =>
        resolve(stdout),
      );
      // An argument has at most 128 KiB, and the script is longer.
      child.stdin?.end(body);
    });
    t.equal(bash, 'web-3\n');
    await server.store.removeNode('n4', T0);
  });

  await t.test('options that do not go together', async (t) => {
    for (const [args, problem] of [
      ['--since 24h', /--since is for --history only/],
      ['--history --text x', /--text and --history exclude each other/],
      ['--watch --history', /exclude each other/],
      ['--watch --fail-on high', /exclude each other/],
      ['--history --by node', /exclude each other/],
      ['-q -o json', /--quiet and --output exclude each other/],
      ['--container a --subject b', /exclude each other/],
      ['-n ,', /--node needs a value: --node NODE/],
      ['--watch -o csv', /findings --watch has no output csv; use table, wide, json/],
      ['--watch -o name', /findings --watch has no output name/],
    ] as const)
      t.match(await run('findings', ...args.split(' ')), { code: 2, stdout: '', stderr: problem }, args);
  });

  await t.test('the history can be filtered, and one finding has its own', async (t) => {
    const later = T0 + 60_000;
    const gone = finding({
      check: 'container.seccomp-filter',
      subject: { kind: 'container', id: DB, name: 'shop-db' },
    }).id;
    const uid = (await run('findings', '--container', 'shop-db', '-v', 'fail', '-o', 'name')).stdout.trim();
    const open = await run('findings', uid.slice(0, 12));
    t.match(open, { code: 0, stdout: /^HIGH {2}shop-db on web-3\n[^]*\nTIME .*\n.* opened +HIGH/ });
    await server.commit(commit({ nodeId: NODE, sequence: 2, gone: [gone], observedAtMs: later, receivedAtMs: later }));
    for (const word of [uid, uid.slice(0, 12)])
      t.match(
        await run('findings', word),
        { code: 0, stdout: /^Resolved: .*\n\nTIME .*\n.* resolved +HIGH .*\n.* opened / },
        word,
      );
    t.match(await run('findings', 'f'.repeat(12)), { code: 2, stderr: /no finding has the uid/ });
    t.match(await run('findings', 'f'.repeat(32)), { code: 2, stderr: /no finding has the uid/ });
    for (const word of ['fffffff', 'f'.repeat(33), `${'f'.repeat(31)}g`, 'web-3'])
      t.match(await run('findings', word), { code: 2, stderr: /is not the uid of a finding\n {2}a uid has 32/ }, word);
    for (const [option, ...value] of [
      ['--fail-on', 'low'],
      ['--watch'],
      ['--history'],
      ['--severity', 'high'],
      ['--by', 'node'],
      ['--node', 'web-3'],
      ['--limit', '5'],
    ] as const) {
      const refused = await run('findings', uid, option, ...value);
      t.match(refused, { code: 2, stdout: '', stderr: `${option} is not for one finding` }, option);
    }
    t.match(await run('findings', uid, '-o', 'csv'), { code: 2, stderr: /findings UID has no output csv/ });
    t.match(await run('join-token', 'create', '-o', 'name'), {
      code: 2,
      stdout: '',
      stderr: /join-token create has no output name/,
    });
    const high = await run('findings', '--history', '--severity', 'high');
    t.equal(high.stdout.split('\n').length, 4, 'header, resolved, opened');
    t.equal((await run('findings', '--history', '--check', 'kernel', '-o', 'ndjson')).stdout.split('\n').length, 2);
    const oldest = await run('findings', '--history', '--check', 'kernel', '--limit', '1', '-o', 'ndjson');
    t.equal(oldest.stdout.split('\n').length, 2, 'entries that do not match do not count for the limit');
    t.match(await run('findings', '--history', '--container', 'shop-db', '-o', 'name'), { code: 0, stdout: uid });
    for (const id of [DB, DB.slice(0, 12)])
      t.match(await run('findings', '--history', '--container', id), {
        code: 2,
        stdout: '',
        stderr: /the history knows subjects by name only/,
      });
  });
});

await t.test('the same name on two nodes is two groups', async (t) => {
  const { server, run } = await fleet(t);
  const subject = { kind: 'container', id: 'c'.repeat(64), name: 'shop-db' } as const;
  const put = [finding({ check: 'container.devices', severity: 'low', subject })];
  for (const [id, name] of [
    ['n3', 'db-1'],
    ['n4', 'twin'],
    ['n5', 'twin'],
  ] as const) {
    await server.store.putNodes([nodeRow({ id, name, containers: [] })]);
    await server.commit(commit({ nodeId: id, sequence: 1, snapshot: true, put }));
  }
  const lines = async (by: string): Promise<readonly string[]> =>
    (await run('findings', '--by', by, '--check', 'container')).stdout.trimEnd().split('\n').slice(2);
  t.strictSame(
    (await lines('container')).map((line) => line.split(/ {2,}/).slice(0, 5)),
    [
      ['shop-db on web-3', '0', '1', '0', '0'],
      ['shop-db on db-1', '0', '0', '0', '1'],
      ['shop-db on n4', '0', '0', '0', '1'],
      ['shop-db on n5', '0', '0', '0', '1'],
    ],
  );
  t.strictSame(
    (await lines('node')).map((line) => line.split(/ {2,}/).slice(0, 5)),
    [
      ['web-3', '0', '1', '0', '0'],
      ['db-1', '0', '0', '0', '1'],
      ['n4', '0', '0', '0', '1'],
      ['n5', '0', '0', '0', '1'],
    ],
  );
});

await t.test('watch: a container by a part of its id, printed by a template', async (t) => {
  const { server, flags } = await fleet(t);
  const words = ['findings', '--watch', '--container', DB.slice(0, 12), '-o', 'jsonpath={.finding.check}'];
  const child = spawn(process.execPath, [PROGRAM, ...words, ...flags], { env: environmentOf(), stdio: 'pipe' });
  t.teardown(() => child.kill('SIGKILL'));
  const { promise: printed, resolve } = Promise.withResolvers<string>();
  child.stdout.setEncoding('utf8').once('data', resolve);
  child.once('close', () => resolve('nothing'));
  // The stream is open once the collector has a connection: until then nothing is lost, changes are printed from there.
  const other = { kind: 'container', id: 'a'.repeat(64), name: 'other' } as const;
  const mine = { kind: 'container', id: DB, name: 'shop-db' } as const;
  let sequence = 2;
  const change = setInterval(() => {
    const put = [other, mine].map((subject) => finding({ check: `container.made-up-${String(sequence)}`, subject }));
    void server.commit(commit({ nodeId: NODE, sequence, put: [put[0], put[1]].filter((one) => one !== undefined) }));
    sequence += 1;
  }, 200);
  t.teardown(() => clearInterval(change));
  t.match(await printed, /^container\.made-up-\d+\n$/, 'one line: not the other container');
  child.kill('SIGINT');
});

await t.test('hints name the program as it was started', async (t) => {
  const absent = (extra: Readonly<Record<string, string>>): Promise<Run> =>
    plimsoll(['nodes', '--api', '127.0.0.1:9', '--token-file', '/nonexistent'], extra);
  t.match((await absent({})).stderr, /start one with: plimsoll up/, 'it is on the PATH');
  t.match((await absent({ npm_command: 'exec' })).stderr, /start one with: npx plimsoll up/);
  const path = (process.env['PATH'] ?? '').replaceAll(/[^:]*plimsoll-path[^:]*:/g, '');
  t.match((await absent({ PATH: path })).stderr, /start one with: \S*bin\/plimsoll\.js up/);
});
