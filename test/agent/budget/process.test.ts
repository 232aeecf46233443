import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { ensureAuthority, ensureServerCertificate } from '../../../service/tls/authority.ts';
import { loadTlsFiles } from '../../../service/tls/load-tls-files.ts';
import { environmentOf, PROGRAM } from '../../cli/process.ts';
import { emptyMemory, startTinyCollector } from '../transport/tiny-collector.ts';
import type { TinyCollector } from '../transport/tiny-collector.ts';

const DEADLINE_MS = 75_000;

async function until(what: string, isTrue: () => boolean): Promise<void> {
  const startedMs = performance.now();
  while (!isTrue()) {
    if (performance.now() - startedMs > DEADLINE_MS) throw new Error(`not within its time: ${what}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
  }
}

/** The agent as a shell starts it. */
function startAgent(dataDir: string, port: number, ...flags: readonly string[]) {
  const args = [
    'agent',
    `--data-dir=${dataDir}`,
    `--collector=127.0.0.1:${String(port)}`,
    '--docker-host=unix:///none',
  ];
  const child = spawn(process.execPath, [PROGRAM, ...args, ...flags], { env: environmentOf(), stdio: 'pipe' });
  let logged = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (logged += text));
  const exited = once(child, 'exit');
  return {
    logged: () => logged,
    isAlive: () => child.exitCode === null && child.signalCode === null,
    end: async (): Promise<unknown> => {
      child.kill('SIGTERM');
      const [code] = (await exited) as [number | null];
      return code;
    },
    kill: () => child.kill('SIGKILL'),
  };
}

async function tinyCollector(dataDir: string): Promise<TinyCollector> {
  const tls = join(dataDir, 'tls');
  await ensureServerCertificate(await ensureAuthority(tls, Date.now()), ['127.0.0.1'], Date.now());
  const files = { ca: join(tls, 'ca.pem'), cert: join(tls, 'collector.pem'), key: join(tls, 'collector-key.pem') };
  return startTinyCollector(await loadTlsFiles(files), emptyMemory());
}

void t.test('a process over its memory budget says so, lives on, answers, and ends in order', async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'plimsoll-budget-'));
  t.teardown(() => rmSync(dataDir, { recursive: true, force: true }));
  const collector = await tinyCollector(dataDir);
  t.teardown(collector.kill);
  const finding = () => [...collector.memory.findings.values()].find(({ check }) => check === 'agent.resource-budget');

  const small = startAgent(dataDir, collector.port, '--agent-memory-budget=1MiB');
  t.teardown(small.kill);
  await until('the first round', () => finding() !== undefined);
  t.equal(finding()?.verdict, 'pass', 'starting does not count');
  await until('the finding', () => finding()?.verdict === 'fail');
  t.match(finding()?.evidence, [
    { source: /VmRSS/, seen: /^up to \d{2,3}(\.\d)? MiB since 2/, expected: 'at most 1 MiB' },
    {},
  ]);
  t.match(small.logged(), /"level":"?(warn|40)"?.*over its budget: the agent slows down/);

  collector
    .call()
    ?.write({ query: { id: 'q', expression: 'agent.level', deadlineMs: 10_000, maxRows: 10, maxBytes: 1000 } });
  await until('an answer', () => collector.results.some(({ last }) => last === true));
  t.equal(Buffer.from(collector.results[0]?.chunk ?? []).toString(), '"throttled"');
  t.ok(small.isAlive());
  t.equal(await small.end(), 0);

  const large = startAgent(dataDir, collector.port, '--agent-memory-budget=1GiB');
  t.teardown(large.kill);
  await until('the finding to pass', () => finding()?.verdict === 'pass');
  t.match(finding()?.evidence, [{ seen: 'within the budget', expected: 'at most 1024 MiB' }, {}]);
  t.equal(await large.end(), 0);
  t.same(collector.violations, []);
});
