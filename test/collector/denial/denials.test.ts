import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { toFrame } from '../../../collector/sink/syslog-frame.ts';
import { toOcsf } from '../../../collector/event/ocsf/ocsf.ts';
import { isDenialEvent } from '../../../collector/store/stored-event.ts';
import type { DenialRecord } from '../../../policy/denial-record.ts';
import { plimsoll, temporaryDirectory } from '../../cli/process.ts';
import { denialRecord } from '../../fixture/denial.ts';
import { startServer, TOKEN } from '../api/server.ts';
import type { ApiServer } from '../api/server.ts';
import { readValidator } from '../event/ocsf/validator.ts';

const OCSF = new URL('../../../../shared/ocsf/required.json', import.meta.url).pathname;
const reporter = { program: 'admission', name: 'plimsoll-admission-1', instance: 'i-1' };

function report(server: ApiServer, token: string, denials: readonly unknown[], over: object = {}): Promise<Response> {
  return server.fetch('/v1/denials', {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ reporter, pending: 0, dropped: 0, denials, ...over }),
  });
}

function numbered(count: number, over: Partial<DenialRecord>, prefix = 'n'): readonly DenialRecord[] {
  return Array.from({ length: count }, (_, index) => denialRecord({ id: `${prefix}-${String(index)}`, ...over }));
}

void t.test('reported denials are stored once, shipped, and listed with their source', async (t) => {
  const server = await startServer(t);
  const token = await server.createToken('operator', ['report']);
  const announced: number[] = [];
  server.eventBus.subscribeToPositions((position) => announced.push(position));
  const denials = [denialRecord(), denialRecord({ id: 'd-2', outcome: 'overridden', breakGlass: 'outage' })];
  t.match(await (await report(server, token, denials)).json(), { stored: 2 });
  t.match(await (await report(server, token, denials)).json(), { stored: 0 }, 'sent again');
  const other = await server.createToken('operator', ['report']);
  t.match(await (await report(server, other, denials.slice(0, 1))).json(), { stored: 1 }, 'of another source');
  t.strictSame(announced, [2, 3]);

  const events = (await server.store.outbox(0, 10)).filter(isDenialEvent);
  t.strictSame(
    events.map(({ position, denial }) => [position, denial.id]),
    [
      [1, 'd-1'],
      [2, 'd-2'],
      [3, 'd-1'],
    ],
  );
  t.equal(new Set(events.map(({ uid }) => uid)).size, 3);
  const list = (await (await server.fetch('/v1/denials')).json()) as { denials: { id: string; source: string }[] };
  t.strictSame(
    list.denials.map(({ id }) => id),
    ['d-1', 'd-2', 'd-1'],
  );
  t.match(list.denials[1], { ...denials[1], reporter: reporter.name, source: /^operator \([0-9a-z]{10}\)$/ });
  t.not(list.denials[0]?.source, list.denials[2]?.source);
  const filtered = await server.fetch('/v1/denials?outcome=overridden&namespace=prod-eu&limit=1');
  t.match(await filtered.json(), { denials: [{ id: 'd-2' }] });
  const first = (await (await server.fetch('/v1/denials?limit=2')).json()) as { cursor: string };
  t.match(await (await server.fetch(`/v1/denials?limit=2&cursor=${first.cursor}`)).json(), {
    denials: [{ id: 'd-1' }],
  });
  t.equal((await server.fetch('/v1/denials?cursor=x')).status, 400);
});

void t.test('a denial is an OCSF Detection Finding and a syslog message', { skip: !existsSync(OCSF) }, async (t) => {
  const server = await startServer(t);
  const validate = readValidator(OCSF);
  const text = 'ü'.repeat(512);
  const reasons = Array.from({ length: 20 }, () => ({ code: 'c'.repeat(128), field: text.slice(0, 256), text }));
  const large = denialRecord({ id: 'l', name: text.slice(0, 256), user: text, operation: text, reasons });
  await report(server, TOKEN, [denialRecord(), denialRecord({ id: 'o', outcome: 'observed' }), large]);
  const context = { version: '0.1.0', checks: new Map(), node: () => undefined, nowMs: Date.now() };
  const events = await server.store.outbox(0, 10);
  t.equal(events.length, 3);
  for (const event of events) {
    const ocsf = toOcsf(event, context);
    t.strictSame(validate(ocsf), []);
    t.match(ocsf, { class_uid: 2004, unmapped: { reporter: reporter.name, source: 'token file (token-file)' } });
    t.equal((ocsf['metadata'] as { uid?: string }).uid, event.uid);
    const frame = toFrame(event, ocsf, { facility: 'local0', maxBytes: 8000, procId: '1' });
    t.match(frame?.toString(), / denial-admission \[plimsoll@32473 [^\]]*uid=/);
  }
});

void t.test('who may report, and what', async (t) => {
  const server = await startServer(t);
  const token = await server.createToken('operator', ['report']);
  const wrongTokens = [
    await server.createToken('viewer'),
    await server.createToken('viewer', ['report']),
    await server.createToken('operator', ['policy']),
  ];
  for (const wrong of wrongTokens) t.equal((await report(server, wrong, [denialRecord()])).status, 403);
  t.equal((await server.fetch('/v1/denials', { headers: { authorization: `Bearer ${token}` } })).status, 403);
  for (const hostile of [
    denialRecord({ name: 'x'.repeat(257) }),
    denialRecord({ reasons: Array.from({ length: 21 }, () => ({ code: '', field: '', text: '' })) }),
    denialRecord({ program: 'collector' as 'authz' }),
    { ...denialRecord(), atMs: -1 },
    'text',
  ])
    t.equal((await report(server, token, [hostile])).status, 400, JSON.stringify(hostile).slice(0, 60));
  t.equal((await report(server, token, numbered(201, { reasons: [] }))).status, 400, 'too many at once');
  t.equal((await report(server, token, [], { padding: 'x'.repeat(70_000) })).status, 413);
  t.strictSame(await server.store.outbox(0, 10), []);
  t.equal((await report(server, token, [])).status, 200);
  await server.audit.close();
  const audited = (await (await server.fetch('/v1/audit?operation=reportDenials')).json()) as {
    records: readonly { status: number }[];
  };
  t.strictSame(new Set(audited.records.map(({ status }) => status)), new Set([400, 403, 413]), 'only what was refused');
});

void t.test('a stolen token that floods', async (t) => {
  const server = await startServer(t);
  const [stolen, honest] = [
    await server.createToken('operator', ['report']),
    await server.createToken('operator', ['report']),
  ];
  let stored = 0;
  let limited: Response | undefined;
  for (let round = 0; round < 30 && limited === undefined; round += 1) {
    const denials = numbered(200, { reasons: [] }, `f-${String(round)}`);
    const response = await report(server, stolen, denials);
    if (response.status === 429) limited = response;
    else stored += ((await response.json()) as { stored: number }).stored;
  }
  t.ok(stored >= 2_000 && stored < 3_000, String(stored));
  t.ok(Number(limited?.headers.get('retry-after')) > 0);
  t.equal((await report(server, honest, [denialRecord()])).status, 200, 'another token is not affected');
  t.match(await (await server.fetch('/v1/denials?limit=1')).json(), { denials: [{ id: 'd-1' }] });
});

void t.test('the table is bounded for each source, and keeps what the sinks have not got', async (t) => {
  const server = await startServer(t);
  const { store } = server;
  const batch = (source: string, from: number, count: number) => ({
    source,
    reporter: 'r',
    receivedMs: 1000,
    denials: Array.from({ length: count }, (_, index) => denialRecord({ id: String(from + index), reasons: [] })),
  });
  await store.recordDenials(batch('honest', 0, 3));
  for (let from = 0; from < 10_000; from += 1_000) await store.recordDenials(batch('thief', from, 1_000));
  t.match(await store.recordDenials(batch('thief', 10_000, 1)), { outcome: 'full' });
  t.match(await store.recordDenials(batch('honest', 3, 1)), { outcome: 'stored', stored: 1 });
  await store.prune(['ndjson'], 0);
  t.equal((await store.outbox(0, 10_000)).length, 10_000, 'nothing is lost while a sink waits');
  await store.advance('ndjson', 10_004);
  await store.prune(['ndjson'], 0);
  t.match(await store.recordDenials(batch('thief', 10_000, 1_000)), { outcome: 'stored' });
  await store.advance('ndjson', 11_004);
  await store.prune(['ndjson'], 0);
  const count = async (ids: readonly string[]) => (await store.denials({ ids, limit: 1_000 })).denials.length;
  t.equal(await count(['0', '1', '2', '3']), 4, 'those of the honest source stay, the oldest of the thief are gone');
  t.equal(await count(['10500', '999', '1001']), 2);
  await store.prune(['ndjson'], 2_000);
  t.strictSame((await store.denials({ limit: 10 })).denials, [], 'retention');
});

void t.test('plimsoll denials', async (t) => {
  const server = await startServer(t);
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'operator-token'), TOKEN, { mode: 0o600 });
  const flags = ['--api', `127.0.0.1:${String(server.port)}`, '--data-dir', directory];
  const run = (...args: readonly string[]) => plimsoll(['denials', ...args, ...flags]);
  t.equal((await run()).stdout, 'No denials.\n');
  const evil = denialRecord({ id: 'aaaaaaaa-1', user: '\u001B[2Jbob', outcome: 'observed' });
  await report(server, TOKEN, [denialRecord({ id: 'bbbbbbbb-2', breakGlass: 'outage' }), evil], { dropped: 7 });
  const [table, json, shown, none, wrong] = await Promise.all([
    run('--since', '1h'),
    run('-o', 'ndjson', '--outcome', 'denied'),
    run('show', 'bbbbbbbb'),
    run('show', 'cccccccc'),
    run('--outcome', 'refused'),
  ]);
  t.equal(table.code, 0, table.stderr);
  t.match(table.stdout, /^TIME +OUTCOME +OBJECT +USER +WHY +ID\n/);
  t.match(table.stdout, /denied +Pod prod-eu\/db-0 +alice +hostNamespaces +bbbbbbbb/);
  t.notOk(table.stdout.includes('\u001B'));
  t.match(JSON.parse(json.stdout), { id: 'bbbbbbbb-2', reporter: reporter.name });
  t.match(shown.stdout, /Pod prod-eu\/db-0: denied\n[^]*break-glass outage\n[^]*1\. hostPID: true; expected false\.\n/);
  t.match(none.stderr, /no denial cccccccc/);
  t.match(wrong.stderr, /--outcome: expected one of denied, overridden, observed/);
});
