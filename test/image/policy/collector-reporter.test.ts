import { appendFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { runCollector } from '../../../collector/main.ts';
import type { CollectorReady } from '../../../collector/main.ts';
import { openCollectorReporter } from '../../../image/policy/collector-reporter.ts';
import type { DenialRecord } from '../../../policy/denial-record.ts';
import { systemClock } from '../../../service/clock.ts';
import type { Logger } from '../../../service/log.ts';
import { openReportQueue } from '../../../service/report/report-queue.ts';
import { plimsoll, temporaryDirectory } from '../../cli/process.ts';
import { recordingLog } from '../../collector/api/server.ts';
import { denialRecord } from '../../fixture/denial.ts';
import { settingsWith } from '../../fixture/settings.ts';
import { DATABASE_WORKER } from '../../fixture/workers.ts';

const quiet = (): void => undefined;
const SILENT: Logger = { debug: quiet, info: quiet, warn: quiet, error: quiet };

/** A collector on TLS; `port` 0: any. */
async function startCollector(t: Test, dataDir: string, port = 0) {
  const flags = {
    listen: '127.0.0.1:0',
    api: `127.0.0.1:${String(port)}`,
    'api-tls': 'on',
    'data-dir': dataDir,
    'sink-ndjson': join(dataDir, 'events.ndjson'),
  };
  const stop = new AbortController();
  const ready = Promise.withResolvers<CollectorReady>();
  const running = runCollector({
    settings: await settingsWith('collector', flags),
    version: '0.1.0',
    clock: systemClock(),
    log: SILENT,
    signal: stop.signal,
    onReady: ready.resolve,
    databaseWorker: DATABASE_WORKER,
    inventoryWorker: new URL('../../../image/inventory/worker.ts', import.meta.url),
    standardOutput: process.stderr,
  });
  running.catch(ready.reject);
  const end = async (): Promise<void> => {
    stop.abort();
    await running;
  };
  t.teardown(end);
  return { port: (await ready.promise).api.port, end };
}

async function until(what: string, isTrue: () => boolean): Promise<void> {
  for (let tries = 0; tries < 300; tries += 1) {
    if (isTrue()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`never: ${what}`);
}

/** Ids of the denials that the NDJSON sink of a collector has written. */
function shipped(dataDir: string): readonly string[] {
  let text = '';
  try {
    text = readFileSync(join(dataDir, 'events.ndjson'), 'utf8');
  } catch {
    return [];
  }
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { class_uid: number; metadata: { correlation_uid: string } })
    .filter(({ class_uid }) => class_uid === 2004)
    .map(({ metadata }) => metadata.correlation_uid);
}

void t.test('denials reach the sinks of the collector, also those of its absence and before a crash', async (t) => {
  const dataDir = join(temporaryDirectory(t), 'collector');
  const own = temporaryDirectory(t);
  let collector = await startCollector(t, dataDir);
  const { port } = collector;
  const token = await plimsoll(
    ['token', 'create', '--name', 'webhook', '--role', 'operator', '--scope', 'report'].concat([
      '--api',
      `127.0.0.1:${String(port)}`,
      '--api-tls',
      'on',
      '--data-dir',
      dataDir,
    ]),
  );
  writeFileSync(join(own, 'token'), `${/plo\.\S+/.exec(token.stdout)?.[0] ?? token.stderr}\n`);
  const settings = await settingsWith('authz', {
    'data-dir': own,
    'report-collector': `127.0.0.1:${String(port)}`,
    'report-token-file': join(own, 'token'),
    'report-ca': join(dataDir, 'tls/ca.pem'),
  });
  const { log, logged } = recordingLog();
  const open = async () => {
    const stop = new AbortController();
    const parts = {
      program: 'authz',
      name: 'host-1',
      settings,
      clock: systemClock(),
      log,
      signal: stop.signal,
    } as const;
    const reporter = await openCollectorReporter(parts);
    if (reporter === undefined) throw new Error('no reporter');
    return { ...reporter, stop };
  };
  let reporter = await open();
  const add = (id: string): void =>
    reporter.add({ denial: denialRecord({ id, program: 'authz' }) satisfies DenialRecord });
  add('first');
  await until('the first is shipped', () => shipped(dataDir).includes('first'));
  await collector.end();
  for (let index = 0; index < 450; index += 1) add(`away-${String(index)}`);
  await until('the absence is logged', () => logged.some(({ fields }) => fields['reason'] === 'ECONNREFUSED'));
  reporter.stop.abort();
  await reporter.over;
  const warnings = logged.filter(({ level }) => level === 'warn').map(({ fields }) => fields['reason']);
  t.equal(new Set(warnings).size, warnings.length, 'one line for each reason');
  // A crash leaves a line torn.
  const [newest = ''] = readdirSync(join(own, 'reports')).toSorted().toReversed();
  appendFileSync(join(own, 'reports', newest), '{"id":"torn');
  t.equal(statSync(join(own, 'reports', newest)).mode & 0o077, 0);
  collector = await startCollector(t, dataDir, port);
  reporter = await open();
  add('last');
  await until('all are shipped', () => shipped(dataDir).length >= 452);
  const ids = shipped(dataDir);
  t.equal(new Set(ids).size, 452);
  t.equal(ids.length, 452, 'each once');
  t.strictSame(
    ids.filter((id) => id.startsWith('away')).map((id) => id.slice(5)),
    [...Array(450).keys()].map(String),
  );
  t.ok(ids.includes('last'));
  await until('the queue is empty', () => readdirSync(join(own, 'reports')).length === 0);

  // What the collector will never accept does not keep back what comes after it.
  reporter.add({ denial: { id: 'malformed' } as DenialRecord });
  await until('it is refused', () => logged.some(({ message }) => message.includes('refused records for good')));
  add('after');
  await until('the next one is shipped', () => shipped(dataDir).includes('after'));
  writeFileSync(join(own, 'token'), 'x'.repeat(43));
  add('wrong token');
  await until('the token is refused', () => logged.some(({ fields }) => fields['reason'] === 'HTTP 401'));
  reporter.stop.abort();
  await reporter.over;
  t.equal(readdirSync(join(own, 'reports')).length, 1, 'it waits on the disk');
  t.notOk(JSON.stringify(logged).includes('plo.'), 'no token in the log');
});

void t.test('a full queue loses the oldest and counts them; a directory that fails costs nothing else', async (t) => {
  const directory = join(temporaryDirectory(t), 'reports');
  const { log, logged } = recordingLog();
  const queue = await openReportQueue({ directory, log, maxBytes: 100_000 });
  for (let round = 0; round < 20; round += 1) {
    for (let index = 0; index < 100; index += 1)
      queue.add(JSON.stringify({ id: `${String(round)}-${String(index)}`, text: 'x'.repeat(100) }));
    await queue.flush();
  }
  const bytes = readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
  t.ok(bytes <= 100_000 + 48 * 1024, String(bytes));
  t.equal(queue.pending() + queue.dropped(), 2_000);
  t.ok(queue.dropped() > 1_000, String(queue.dropped()));
  const oldest = await queue.oldest();
  t.match(oldest?.lines[0], /"id":"1\d-/);
  const before = queue.dropped();
  queue.add('x'.repeat(60_000));
  t.equal(queue.dropped(), before + 1, 'larger than a report');

  const blocked = join(temporaryDirectory(t), 'reports');
  const other = await openReportQueue({ directory: blocked, log });
  mkdirSync(join(blocked, '000000000001.ndjson'));
  for (let index = 0; index < 3_000; index += 1) other.add('{}');
  await other.flush();
  t.match(logged.at(-1), { level: 'error', fields: { reason: 'EISDIR' } });
  t.equal(other.dropped(), 1_000, 'memory is bounded');
  await other.flush();
  t.match((await other.oldest())?.lines.length, 200, 'the next attempt uses another file');
});
