import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { startServer, TOKEN } from '../collector/api/server.ts';
import { plimsoll, temporaryDirectory } from './process.ts';

void t.test('create, use, list, show and revoke', async (t) => {
  const server = await startServer(t);
  const directory = temporaryDirectory(t);
  const [adminFile, viewerFile] = [join(directory, 'operator-token'), join(directory, 'viewer')];
  writeFileSync(adminFile, TOKEN, { mode: 0o600 });
  const run = (tokenFile: string, ...args: readonly string[]) =>
    plimsoll([
      ...args,
      '--api',
      `127.0.0.1:${String(server.port)}`,
      '--token-file',
      tokenFile,
      '--data-dir',
      directory,
    ]);
  const created = await run(
    adminFile,
    'token',
    'create',
    '--role',
    'viewer',
    '--name',
    'grafana',
    '--scope',
    'read,status',
    '--ttl',
    '2h',
  );
  t.equal(created.code, 0, created.stderr);
  t.match(created.stdout, /^plo\.[0-9a-z]{10}\.[\w-]{43}\n$/, 'the token and nothing else');
  t.match(created.stderr, /^role viewer, until .*; id [0-9a-z]{10}\. It cannot be shown again\.\n$/);
  const id = created.stdout.split('.')[1] ?? '';
  t.equal(server.operatorTokens.find(id)?.expiresMs, (server.operatorTokens.find(id)?.createdMs ?? 0) + 7_200_000);
  writeFileSync(viewerFile, created.stdout, { mode: 0o600 });
  t.equal(statSync(viewerFile).size, 59);

  const [findings, shown, query, listed, json, denied] = await Promise.all([
    run(viewerFile, 'findings'),
    run(viewerFile, 'token', 'show'),
    run(viewerFile, 'query', 'kernel'),
    run(adminFile, 'token', 'list'),
    run(adminFile, 'token', 'list', '-o', 'json'),
    run(viewerFile, 'token', 'list'),
  ]);
  t.equal(findings.code, 0, findings.stderr);
  t.match(shown.stdout, new RegExp(`^grafana \\(${id}\\): role viewer, scopes read, status; until `));
  t.match(query, { code: 2, stderr: /this needs the role operator; yours is viewer\n +ask an administrator/ });
  t.match(listed.stdout, new RegExp(`^ID .*\n${id}  grafana +viewer  read,status +2`));
  t.notMatch(json.stdout, /hash|secret/);
  t.match(denied, { code: 2, stderr: /role admin/ });

  const revoked = await run(adminFile, 'token', 'revoke', id);
  t.same([revoked.code, revoked.stdout], [0, `${id} revoked (grafana)\n`]);
  const [after, again] = await Promise.all([run(viewerFile, 'findings'), run(adminFile, 'token', 'revoke', id)]);
  t.match(after, { code: 2, stderr: /does not accept this operator token/ });
  t.match(again, { code: 2, stderr: /no operator token has the id/ });
});

void t.test('wrong use says what is wrong, before anything is asked', async (t) => {
  const server = await startServer(t);
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'operator-token'), TOKEN, { mode: 0o600 });
  const cases: readonly (readonly [args: readonly string[], problem: RegExp])[] = [
    [['create'], /--role is missing: one of viewer, operator, admin/],
    [['create', '--role', 'root'], /"root" is not one of/],
    [['create', '--role', 'viewer', '--scope', 'all'], /"all" is not one of/],
    [['create', '--role', 'viewer', '--ttl', '5y'], /--ttl: "5y" is not a duration/],
    [['create', '--role', 'viewer', '--ttl', '400d'], /from 1m to 366d/],
    [['create', '--role', 'viewer', '-o', 'csv'], /no output csv/],
    [['list', '--role', 'viewer'], /--role is for: plimsoll token create/],
    [['revoke'], /wrong arguments/],
  ];
  const runs = cases.map(([args]) =>
    plimsoll(['token', ...args, '--api', `127.0.0.1:${String(server.port)}`, '--data-dir', directory]),
  );
  for (const [index, run] of (await Promise.all(runs)).entries())
    t.match(run, { code: 2, stdout: '', stderr: cases[index]?.[1] }, cases[index]?.[0].join(' ') ?? '');
  t.same(server.operatorTokens.all(), []);
});
