import { spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { createBrokerObserver } from '../../../agent/broker/broker-observer.ts';
import { UNTHROTTLED } from '../../../agent/budget/throttle-profile.ts';
import { createProber } from '../../../agent/probe/tls-prober.ts';
import { CHECKS } from '../../../posture/check/registry.ts';
import type { Facts } from '../../../posture/fact/facts.ts';
import { judgeAll } from '../../../posture/judge.ts';
import type { Verdict } from '../../../posture/verdict.ts';
import { NODE, ROOT } from '../../../scripts/setup.mjs';
import { systemClock } from '../../../service/clock.ts';
import { ensureAuthority, ensureServerCertificate } from '../../../service/tls/authority.ts';
import { loadTlsFiles } from '../../../service/tls/load-tls-files.ts';
import { noAgent } from '../../fixture/facts.ts';
import { emptyMemory, startTinyCollector } from '../transport/tiny-collector.ts';
import { docker, IMAGE, noDocker, SOCKET } from '../watch/docker.ts';
import { until } from '../watch/watched.ts';

const PROGRAM = join(ROOT, 'bin', 'plimsoll.js');
/** User and group of the agent in the image, and one that has nothing to do with it. */
const AGENT = 65_532;
const STRANGER = 65_533;
const MINIMUM = '-all,+sys_ptrace,+dac_read_search';

const noSetpriv = noDocker || (spawnSync('setpriv', ['--version']).status === 0 ? false : 'no setpriv (util-linux)');

interface Program {
  readonly pid: number;
  readonly output: () => string;
  readonly stop: () => Promise<void>;
}

/** Starts a part of the program with the privileges that `setpriv` leaves it. */
function start(t: Test, privileges: readonly string[], args: readonly string[]): Program {
  const environment = { PATH: process.env['PATH'], HOME: '/nonexistent', MALLOC_ARENA_MAX: '1' };
  const child = spawn('setpriv', [...privileges, '--', NODE, PROGRAM, ...args], { env: environment });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
  });
  const stop = (): Promise<void> => {
    child.kill('SIGTERM');
    return ended;
  };
  t.teardown(stop);
  return { pid: child.pid ?? 0, output: () => output, stop };
}

/** A broker as user 0 and group of the agent, with the capabilities of `bounding`. */
async function startBroker(t: Test, bounding: string): Promise<Program & { readonly path: string }> {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-processes-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  // Others may pass through it, as through /run.
  chmodSync(directory, 0o755);
  const path = join(directory, 'broker', 'broker.sock');
  const privileges = ['--regid', String(AGENT), '--clear-groups', '--no-new-privs', '--bounding-set', bounding];
  const broker = start(t, privileges, ['broker', '--socket', path, '--docker-host', `unix://${SOCKET}`]);
  await until('the socket', () => existsSync(path));
  return { ...broker, path };
}

async function factsFrom(t: Test, bounding: string): Promise<Facts> {
  const broker = await startBroker(t, bounding);
  const controller = new AbortController();
  const observer = createBrokerObserver({
    path: broker.path,
    nodeId: '0'.repeat(32),
    prober: createProber(),
    agent: noAgent,
    clock: systemClock(),
    log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
    signal: controller.signal,
  });
  let facts: Facts | undefined;
  observer.watch({ onChange: (current) => (facts = current), pace: () => UNTHROTTLED });
  await until('the facts', () => facts !== undefined);
  controller.abort();
  await broker.stop();
  return facts as unknown as Facts;
}

void t.test(
  'capabilities of the broker: without one, facts are unknown, never pass',
  { skip: noSetpriv },
  async (t) => {
    const name = `plimsoll-caps-${randomUUID().slice(0, 8)}`;
    const id = docker(SOCKET, 'run', '-d', '--name', name, '--pid', 'host', IMAGE, 'sleep', '600');
    t.teardown(() => docker(SOCKET, 'rm', '-f', id));
    const verdicts = async (bounding: string): Promise<ReadonlyMap<string, Verdict>> => {
      const findings = [...judgeAll(CHECKS, await factsFrom(t, bounding)).values()];
      // Other tests start and stop containers and engines.
      const stable = findings.filter(
        ({ check, subject: { kind, id: its } }) =>
          check !== 'runtime.unobserved' &&
          !its.startsWith('docker:unix://') &&
          (kind === 'container' ? its === id : kind !== 'image'),
      );
      return new Map(stable.map((finding) => [`${finding.check} ${finding.subject.id}`, finding.verdict]));
    };
    const all = await verdicts('+all');
    const differences = async (bounding: string): Promise<ReadonlyMap<string, string>> => {
      const reduced = await verdicts(bounding);
      const changed = [...all].flatMap(([key, verdict]) => {
        const now = reduced.get(key) ?? 'gone';
        return now === verdict ? [] : [[key.replace(` ${id}`, ''), `${verdict} → ${now}`] as const];
      });
      for (const [key, change] of changed) t.notMatch(change, / → (?:pass|notApplicable|fail)$/, `${bounding}: ${key}`);
      return new Map(changed);
    };
    const minimum = await differences(MINIMUM);
    t.same(
      [...minimum.keys()].map((key) => key.split(' ')[0]),
      minimum.size === 0 ? [] : ['kernel.bpf-jit-harden'],
    );

    const withoutSearch = await differences('-all,+sys_ptrace');
    t.equal(withoutSearch.get('container.runtime-socket'), 'pass → unknown');

    const withoutPtrace = await differences('-all,+dac_read_search');
    t.equal(withoutPtrace.get('container.host-network'), 'pass → unknown');
    t.match([...withoutPtrace.keys()].join(), /daemon\./, 'what dockerd was told cannot be attributed to it');
  },
);

void t.test('an agent without privileges behind a broker reports its node', { skip: noSetpriv }, async (t) => {
  const broker = await startBroker(t, MINIMUM);
  const dataDir = mkdtempSync(join(tmpdir(), 'plimsoll-processes-agent-'));
  t.teardown(() => rmSync(dataDir, { recursive: true, force: true }));
  const tls = join(dataDir, 'tls');
  const authority = await ensureAuthority(tls, Date.now());
  await ensureServerCertificate(authority, ['127.0.0.1'], Date.now());
  const files = { ca: join(tls, 'ca.pem'), cert: join(tls, 'collector.pem'), key: join(tls, 'collector-key.pem') };
  const collector = await startTinyCollector(await loadTlsFiles(files), emptyMemory());
  t.teardown(collector.kill);
  for (const path of [dataDir, tls, ...readdirSync(tls).map((file) => join(tls, file))]) chownSync(path, AGENT, AGENT);

  const run = (user: number): Program => {
    const ids = ['--reuid', String(user), '--regid', String(user), '--clear-groups'];
    const target = ['--collector', `127.0.0.1:${String(collector.port)}`, '--data-dir', dataDir];
    const args = ['agent', '--broker', `unix://${broker.path}`, ...target];
    return start(t, [...ids, '--no-new-privs', '--bounding-set', '-all'], args);
  };
  const agent = run(AGENT);
  await until('its findings', () => collector.memory.findings.size > 100);
  t.match(readFileSync(`/proc/${String(agent.pid)}/status`, 'utf8'), /CapEff:\t0{16}/);
  const lockdown = [...collector.memory.findings.values()].find(({ check }) => check === 'kernel.lockdown');
  t.ok(lockdown);
  t.not(lockdown?.verdict, 'unknown', 'securityfs is for root: the broker read it');
  t.equal(statSync(broker.path).gid, AGENT);
  await agent.stop();

  chownSync(dataDir, STRANGER, STRANGER);
  const stranger = run(STRANGER);
  await until('a refusal', () => /EACCES/.test(stranger.output()));
});
