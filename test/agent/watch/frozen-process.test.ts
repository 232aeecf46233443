import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { ensureAuthority, ensureServerCertificate } from '../../../service/tls/authority.ts';
import { loadTlsFiles } from '../../../service/tls/load-tls-files.ts';
import { until } from '../transport/link-node.ts';
import { emptyMemory, startTinyCollector } from '../transport/tiny-collector.ts';
import { docker, IMAGE, noDocker, SOCKET } from './docker.ts';

const PROGRAM = fileURLToPath(new URL('../../../bin/plimsoll.js', import.meta.url));
/** An agent notices a stop that delays its 5 s timer by 5 s or more. */
const STOPPED_MS = 10_500;

void t.test(
  'an agent process that was stopped finds what ran meanwhile, what runs and what has ended',
  { skip: noDocker },
  async (t) => {
    const dataDir = mkdtempSync(join(tmpdir(), 'plimsoll-frozen-'));
    t.teardown(() => rmSync(dataDir, { recursive: true, force: true }));
    const tls = join(dataDir, 'tls');
    await ensureServerCertificate(await ensureAuthority(tls, Date.now()), ['127.0.0.1'], Date.now());
    const files = { ca: join(tls, 'ca.pem'), cert: join(tls, 'collector.pem'), key: join(tls, 'collector-key.pem') };
    const collector = await startTinyCollector(await loadTlsFiles(files), emptyMemory());
    t.teardown(collector.kill);
    const flags = ['--data-dir', dataDir, '--collector', `127.0.0.1:${String(collector.port)}`];
    const args = [PROGRAM, 'agent', ...flags, '--docker-host', `unix://${SOCKET}`];
    const agent = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    t.teardown(() => agent.kill('SIGKILL'));
    let log = '';
    agent.stderr.on('data', (part: Buffer) => (log += part.toString()));
    await until('the first transfer', () => collector.memory.findings.size > 100);

    const names = ['runs', 'ended'].map((name) => `frozen-${name}-${String(process.pid)}`);
    t.teardown(() => docker(SOCKET, 'rm', '-f', ...names));
    agent.kill('SIGSTOP');
    const stopped = Date.now();
    const [runs = '', ended = ''] = names;
    docker(SOCKET, 'run', '-d', '--name', runs, IMAGE, '/bin/sleep', '600');
    docker(SOCKET, 'run', '--name', ended, IMAGE, '/bin/sleep', '0');
    await sleep(STOPPED_MS - (Date.now() - stopped));
    const known = (name: string): boolean =>
      [...collector.memory.findings.values()].some(({ subject }) => subject.name === name);
    t.notOk(known(runs) || known(ended), 'a stopped process says nothing');
    agent.kill('SIGCONT');
    await until('both containers', () => known(runs) && known(ended));
    await until('a round for that reason', () => log.includes('this process stood still'));
    t.same(collector.violations, []);
    agent.kill('SIGTERM');
    await once(agent, 'exit');
  },
);
