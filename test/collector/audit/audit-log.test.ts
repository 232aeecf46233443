import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import t from 'tap';
import type { Test } from 'tap';
import { createAuditLog, LINES_PER_MINUTE } from '../../../collector/audit/audit-log.ts';
import type { AuditEntry } from '../../../collector/audit/audit-log.ts';
import { auditParameters } from '../../../collector/audit/parameters.ts';
import { readAudit } from '../../../collector/audit/read-audit.ts';
import { openRotatedFile } from '../../../service/rotated-file.ts';
import { systemClock } from '../../../service/clock.ts';
import { createFakeClock } from '../../service/fake-clock.ts';
import { recordingLog } from '../api/server.ts';

interface Line {
  readonly id: string;
  readonly atMs: number;
  readonly phase: string;
  readonly operation: string;
  readonly code: string;
  readonly calls: number;
  readonly principal: { readonly id: string };
}

function createFiles(t: Test, maxBytes = 1_000_000) {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-audit-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const files = { path: join(directory, 'audit.ndjson'), keep: 3 };
  const linesOf = (path: string): readonly Line[] =>
    readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Line);
  return { directory, files, file: openRotatedFile({ ...files, maxBytes }), linesOf };
}

function entry(id: string, fields: Partial<AuditEntry> = {}): AuditEntry {
  return {
    id,
    atMs: 1_000,
    principal: { kind: 'token', id: 'tok', name: 'ci', session: false },
    role: 'viewer',
    address: '127.0.0.1',
    method: 'GET',
    operation: 'listNodes',
    parameters: {},
    status: 200,
    code: '',
    durationMs: 1,
    ...fields,
  };
}

const ALL = {
  sinceMs: 0,
  untilMs: Number.MAX_SAFE_INTEGER,
  principal: undefined,
  operation: undefined,
  refused: false,
  limit: 1_000,
};

void t.test('a caller that reads without end does not fill the log, and hides nobody', async (t) => {
  const { files, file, linesOf } = createFiles(t);
  const clock = createFakeClock();
  const audit = createAuditLog({ file, clock, log: recordingLog().log });
  for (let count = 0; count < LINES_PER_MINUTE + 700; count += 1) audit.complete(entry(`a${String(count)}`));
  for (let count = 0; count < LINES_PER_MINUTE + 50; count += 1)
    audit.complete(
      entry(`d${String(count)}`, {
        principal: { kind: 'anonymous', id: '', name: '', session: false },
        role: null,
        address: `10.0.0.${String(count % 256)}`,
        status: 401,
        code: 'unauthorized',
      }),
    );
  for (let count = 0; count < 400; count += 1)
    audit.complete(entry(`q${String(count)}`, { method: 'POST', operation: 'askNodes' }));
  await clock.advance(60_000);
  await audit.close();
  const lines = linesOf(files.path);
  const of = (letter: string) => lines.filter(({ id, calls }) => id.startsWith(letter) && calls === 1).length;
  t.same([of('a'), of('d'), of('q')], [LINES_PER_MINUTE, LINES_PER_MINUTE, 400], 'queries are never joined');
  t.match(
    lines.filter(({ calls }) => calls > 1).map(({ calls, operation }) => [calls, operation]),
    [
      [700, '*'],
      [50, '*'],
    ],
  );
  t.equal(statSync(files.path).mode & 0o777, 0o600);
});

void t.test('a change waits for its record; where it cannot be written, the answer is no', async (t) => {
  const { files, file, linesOf } = createFiles(t);
  const { log, logged } = recordingLog();
  const audit = createAuditLog({ file, clock: systemClock(), log });
  t.equal(await audit.start(entry('c1', { method: 'DELETE', operation: 'removeNode', status: 0 })), true);
  t.match(linesOf(files.path), [{ id: 'c1', phase: 'started' }], 'it is on the disk before the call is carried out');
  rmSync(files.path);
  mkdirSync(files.path);
  t.equal(await audit.start(entry('c2', { method: 'DELETE' })), false);
  t.match(audit.problem(), /\w/);
  audit.complete(entry('lost'));
  t.equal(await audit.start(entry('c3', { method: 'DELETE' })), false);
  rmSync(files.path, { recursive: true });
  t.equal(await audit.start(entry('c4', { method: 'DELETE' })), true);
  t.equal(audit.problem(), undefined);
  await audit.close();
  t.match(linesOf(files.path)[0], { code: 'auditGap', calls: 1 }, 'what was lost is counted');
  t.same(
    logged.map(({ level }) => level),
    ['error', 'info'],
    'logged once each way',
  );
});

void t.test('a disk that hangs: changes are refused after a deadline, memory stays bounded', async (t) => {
  const clock = createFakeClock();
  const { promise, resolve } = Promise.withResolvers<void>();
  const hung = { append: () => promise, close: () => Promise.resolve() };
  const audit = createAuditLog({ file: hung, clock, log: recordingLog().log });
  const first = audit.start(entry('c1', { method: 'POST' }));
  await clock.advance(3_000);
  t.equal(await first, false);
  t.equal(audit.problem(), 'the disk does not answer');
  for (let count = 0; count < 10_000; count += 1) audit.complete(entry(`x${String(count)}`, { method: 'POST' }));
  t.equal(await audit.start(entry('c2', { method: 'POST' })), false, 'no room is a no, at once');
  resolve();
  await audit.close();
});

void t.test('read back: newest first, through rotated files, without what is no record', async (t) => {
  const { files, file, linesOf, directory } = createFiles(t, 20_000);
  const audit = createAuditLog({ file, clock: systemClock(), log: recordingLog().log });
  for (let count = 0; count < 150; count += 1) {
    const own = { method: 'POST', atMs: 1_000 + count, operation: count % 3 === 0 ? 'askNodes' : 'removeNode' };
    const call = entry(`r${String(count)}`, {
      ...own,
      code: count % 10 === 0 ? 'unknownNode' : '',
      parameters: { filler: 'x'.repeat(count) },
    });
    if (own.operation === 'removeNode') await audit.start(call);
    if (count !== 100) audit.complete(call);
  }
  await audit.close();
  const names = readdirSync(directory).toSorted();
  t.ok(names.length >= 3, `rotated: ${names.join(', ')}`);
  appendFileSync(files.path, `not json\n{"id":1}\n${'y'.repeat(200_000)}\n{"torn":`);
  // By the definition: all lines, the last first; of a call with an end, only the end.
  const lines = [1, 2, 3]
    .map((number) => `${files.path}.${String(number)}`)
    .filter((path) => names.includes(path.slice(directory.length + 1)));
  const kept = lines.toReversed().flatMap(linesOf);
  const current = readFileSync(files.path, 'utf8')
    .split('\n')
    .flatMap((line) => (line.startsWith('{"id":"') ? [JSON.parse(line) as Line] : []));
  const everything = [...kept, ...current];
  const ended = new Set(everything.filter(({ phase }) => phase === 'completed').map(({ id }) => id));
  const expected = everything.filter(({ phase, id }) => phase === 'completed' || !ended.has(id)).toReversed();
  t.ok(expected.length > 60);
  const idsOf = async (query: Partial<typeof ALL> | object) =>
    (await readAudit(files, { ...ALL, ...query })).records.map(({ id }) => id);
  t.same(
    await idsOf({}),
    expected.map(({ id }) => id),
  );
  t.ok(
    expected.some(({ id, phase }) => id === 'r100' && phase === 'started'),
    'a call without an end is shown as started',
  );
  t.same(
    await idsOf({ operation: 'askNodes' }),
    expected.filter(({ operation }) => operation === 'askNodes').map(({ id }) => id),
  );
  t.same(
    await idsOf({ refused: true }),
    expected.filter(({ code }) => code !== '').map(({ id }) => id),
  );
  t.same(await idsOf({ principal: 'nobody' }), []);
  t.same(
    await idsOf({ sinceMs: 1_120, untilMs: 1_130 }),
    expected.filter(({ atMs }) => atMs >= 1_120 && atMs <= 1_130).map(({ id }) => id),
  );
  const page = await readAudit(files, { ...ALL, limit: 7 });
  t.match([page.records.length, page.more, page.reachedMs], [7, true, page.records[6]?.atMs]);
  t.match(await readAudit({ path: join(directory, 'absent'), keep: 2 }, ALL), { records: [], more: false });
});

void t.test('one request reads a bounded part of a large log', async (t) => {
  const { files } = createFiles(t);
  writeFileSync(files.path, `${JSON.stringify({ ...entry('x'), phase: 'completed', calls: 1 })}\n`.repeat(40_000));
  const page = await readAudit(files, { ...ALL, operation: 'removeNode' });
  t.match(page, { records: [], more: true });
});

void t.test('parameters: no secrets, bounded, whatever comes', (t) => {
  const shown = auditParameters(
    { id: 'n1' },
    { after: null, check: ['a'] },
    { expression: 'x'.repeat(10_000), nodes: Array.from({ length: 100 }, () => 'n'), password: 'hunter2hunter2' },
  );
  t.match(shown, { id: 'n1', check: ['a'] });
  t.notOk('after' in shown);
  t.notMatch(JSON.stringify(shown), /hunter2/);
  t.ok(JSON.stringify(shown).length < 6_000);
  fc.assert(
    fc.property(fc.object({ maxDepth: 4, maxKeys: 30 }), (given) => {
      // 20 fields of 4 KiB, in UTF-16 units that JSON may escape sixfold.
      return JSON.stringify(auditParameters(given)).length < 20 * 6 * 5_000;
    }),
    { numRuns: 200 },
  );
  t.end();
});
