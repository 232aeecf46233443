import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { runAgent } from '../../agent/main.ts';
import { systemClock } from '../../service/clock.ts';
import type { Settings } from '../../service/config/settings.ts';
import type { Logger } from '../../service/log.ts';
import { ensureAuthority, ensureNodeCertificate, ensureServerCertificate } from '../../service/tls/authority.ts';
import { loadTlsFiles } from '../../service/tls/load-tls-files.ts';
import { settingsWith } from '../fixture/settings.ts';
import { emptyMemory, startTinyCollector } from './transport/tiny-collector.ts';
import { until } from './transport/link-node.ts';
import { INVENTORY_WORKER } from '../fixture/workers.ts';

const QUERY_WORKER = new URL('../../agent/query/worker.ts', import.meta.url);
const SILENT: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

function start(settings: Settings, log = SILENT) {
  const controller = new AbortController();
  const ready: string[] = [];
  const running = runAgent({
    settings,
    version: '0.0.0-test',
    queryWorker: QUERY_WORKER,
    inventoryWorker: INVENTORY_WORKER,
    clock: systemClock(),
    log,
    signal: controller.signal,
    onReady: ({ nodeId }) => ready.push(nodeId),
  });
  return { running, ready, stop: () => controller.abort() };
}

void t.test('a whole agent: judges this machine, sends it, answers a query, and ends', async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'plimsoll-agent-'));
  t.teardown(() => rmSync(dataDir, { recursive: true, force: true }));
  const tls = join(dataDir, 'tls');
  const authority = await ensureAuthority(tls, Date.now());
  await ensureServerCertificate(authority, ['127.0.0.1'], Date.now());
  const files = { ca: join(tls, 'ca.pem'), cert: join(tls, 'collector.pem'), key: join(tls, 'collector-key.pem') };
  const collector = await startTinyCollector(await loadTlsFiles(files), emptyMemory());
  t.teardown(collector.kill);

  const settings = await settingsWith('agent', {
    'data-dir': dataDir,
    collector: `127.0.0.1:${String(collector.port)}`,
  });
  const agent = start(settings);
  await until('it is ready', () => agent.ready.length === 1);
  t.ok(collector.memory.findings.size > 100);
  t.ok([...collector.memory.findings.values()].some(({ check }) => check === 'kernel.lockdown'));
  await until('an inventory', () => collector.messages.some(({ inventory }) => inventory !== undefined));
  await t.rejects(start(settings).running, { message: /another agent \(process \d+\)/ }, 'only one a data directory');

  collector.call()?.write({ query: { id: 'q', expression: '1 + 1', deadlineMs: 10_000, maxRows: 10, maxBytes: 1000 } });
  await until('an answer', () => collector.results.some(({ last }) => last === true));
  t.equal(Buffer.from(collector.results[0]?.chunk ?? []).toString(), '2');
  agent.stop();
  await agent.running;
  t.same(collector.violations, []);

  const again = start(settings);
  await until('it is ready again', () => again.ready.length === 1);
  again.stop();
  await again.running;
  t.same(collector.violations, []);
});

void t.test('without certificates it does not start, and says which file is missing', async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'plimsoll-agent-'));
  t.teardown(() => rmSync(dataDir, { recursive: true, force: true }));
  await t.rejects(start(await settingsWith('agent', { 'data-dir': dataDir })).running, {
    code: 'absent',
    message: /ca\.pem/,
  });
});

void t.test('a certificate of another node is refused, with what to do', async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'plimsoll-agent-'));
  t.teardown(() => rmSync(dataDir, { recursive: true, force: true }));
  const authority = await ensureAuthority(join(dataDir, 'elsewhere'), Date.now());
  await ensureNodeCertificate(authority, 'node-7', Date.now());
  const at = (name: string): string => join(dataDir, 'elsewhere', name);
  const files = { 'tls-ca': at('ca.pem'), 'tls-cert': at('agent.pem'), 'tls-key': at('agent-key.pem') };
  await t.rejects(start(await settingsWith('agent', { 'data-dir': dataDir, ...files })).running, {
    code: 'mismatch',
    message: /is for URI:spiffe:\/\/plimsoll\.local\/host\/node-7, but this node is .* Put a certificate/,
  });
});

void t.test('an agent that was killed is told of by the next one', async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'plimsoll-agent-'));
  t.teardown(() => rmSync(dataDir, { recursive: true, force: true }));
  const warnings: string[] = [];
  const log = { ...SILENT, warn: (_fields: object, message: string): void => void warnings.push(message) };
  mkdirSync(join(dataDir, 'agent'));
  // No process has the number 0; what a killed one leaves names its own.
  writeFileSync(join(dataDir, 'agent', 'lock'), '0 1\n');
  await t.rejects(start(await settingsWith('agent', { 'data-dir': dataDir }), log).running, { code: 'absent' });
  t.match(warnings, [/^the agent before this one did not end in order/]);
  await t.rejects(start(await settingsWith('agent', { 'data-dir': dataDir }), log).running, { code: 'absent' });
  t.equal(warnings.length, 1, 'the second time it had ended in order');
});
