import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import type { AuditPage, AuditRecord } from '../../../api/audit.ts';
import { startServer, TOKEN } from './server.ts';
import type { ApiServer } from './server.ts';

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const post = (server: ApiServer, path: string, body: object, token: string) =>
  server.fetch(path, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { ...bearer(token), 'content-type': 'application/json' },
  });

/** The records once `count` of them were written, the oldest first. */
async function recordsOf(server: ApiServer, count: number): Promise<readonly AuditRecord[]> {
  for (let attempt = 0; attempt < 600; attempt += 1) {
    const response = await server.fetch('/v1/audit?limit=1000');
    const { records } = (await response.json()) as AuditPage;
    const others = records.filter(({ operation }) => operation !== 'listAudit');
    if (others.length >= count) return others.toReversed();
    await delay(50);
  }
  throw new Error(`fewer than ${String(count)} records`);
}

void t.test('every call is recorded with who, from where, what and with which result', async (t) => {
  const server = await startServer(t);
  const viewer = await server.createToken('viewer');
  const id = viewer.split('.')[1] ?? '';
  await server.fetch('/v1/findings?verdict=fail&limit=3', { headers: bearer(viewer) });
  await post(server, '/v1/query', { expression: 'kernel.lockdown', nodes: ['web-1'] }, viewer);
  await post(server, '/v1/query', { expression: 'kernel.lockdown', nodes: ['web-1'] }, TOKEN);
  await server.fetch('/v1/nodes/n1', { method: 'DELETE' });
  const { code } = (await (await post(server, '/v1/console/links', {}, viewer)).json()) as { code: string };
  const session = (await (await post(server, '/v1/console/sessions', { code }, '')).json()) as { token: string };
  await server.fetch('/v1/summary', { headers: bearer(session.token) });
  const created = (await (await post(server, '/v1/tokens', { role: 'viewer', name: 'x' }, TOKEN)).json()) as {
    token: string;
  };
  await server.fetch('/v1/nodes', { headers: bearer('wrong-wrong-wrong') });
  await post(server, '/v1/console/sessions', { token: 'wrong-wrong-wrong' }, '');
  const stream = await server.fetch('/v1/events', { headers: bearer(viewer) });
  await server.fetch('/healthz', { headers: {} });
  const records = await recordsOf(server, 11);
  await stream.body?.cancel();
  t.match(
    records.map(({ operation, status, code, role, principal }) => [
      operation,
      status,
      code,
      role ?? '-',
      principal.id,
      principal.session,
    ]),
    [
      ['listFindings', 200, '', 'viewer', id, false],
      ['askNodes', 403, 'forbidden', 'viewer', id, false],
      ['askNodes', 200, '', 'admin', 'token-file', false],
      ['removeNode', 404, 'unknownNode', 'admin', 'token-file', false],
      ['createConsoleLink', 200, '', 'viewer', id, false],
      ['openConsoleSession', 200, '', 'viewer', id, true],
      ['getSummary', 200, '', 'viewer', id, true],
      ['createOperatorToken', 200, '', 'admin', 'token-file', false],
      ['listNodes', 401, 'unauthorized', '-', '', false],
      ['openConsoleSession', 401, 'unauthorized', '-', '', false],
      ['watchEvents', 200, '', 'viewer', id, false],
    ],
  );
  t.match(records[0], {
    parameters: { verdict: ['fail'], limit: 3 },
    method: 'GET',
    address: '127.0.0.1',
    phase: 'completed',
  });
  t.match(records[2], { parameters: { expression: 'kernel.lockdown', nodes: ['web-1'] } });
  t.match(records[3], { parameters: { id: 'n1' } });
  t.match(records[7], { parameters: { role: 'viewer', name: 'x' } });
  const text = readFileSync(server.auditPath, 'utf8');
  for (const secret of [TOKEN, viewer, code, session.token, created.token, 'wrong-wrong'])
    t.notOk(text.includes(secret) || text.includes(secret.slice(-43)), 'no secret');
});

void t.test('without a writable audit log nothing is changed, reading goes on, and status says so', async (t) => {
  let removed = 0;
  const server = await startServer(t, {
    removeNode: () => {
      removed += 1;
      return Promise.resolve({ outcome: 'unknown' });
    },
  });
  mkdirSync(server.auditPath);
  const refused = await server.fetch('/v1/nodes/n1', { method: 'DELETE' });
  t.equal(refused.status, 503);
  t.match(await refused.json(), { error: { code: 'unavailable', message: /audit log/ } });
  t.equal((await post(server, '/v1/tokens', { role: 'viewer' }, TOKEN)).status, 503);
  t.equal((await post(server, '/v1/join-tokens', {}, TOKEN)).status, 503);
  t.same([removed, server.operatorTokens.all()], [0, []]);
  t.equal((await server.fetch('/v1/findings')).status, 200);
  t.equal((await post(server, '/v1/query', { expression: '1' }, TOKEN)).status, 200);
  t.match(await (await server.fetch('/v1/status')).json(), {
    issues: [{ code: 'auditUnwritable', subject: server.auditPath }],
  });
  rmSync(server.auditPath, { recursive: true });
  t.equal((await server.fetch('/v1/nodes/n1', { method: 'DELETE' })).status, 404);
  t.equal(removed, 1);
  t.notMatch(await (await server.fetch('/v1/status')).text(), /auditUnwritable/);
});
