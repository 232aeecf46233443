import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { createLinuxHost } from '../../../agent/host/linux.ts';
import { observeAll } from '../../../agent/inspector/observe.ts';
import { CHECKS } from '../../../posture/check/registry.ts';
import { FACT_SCHEMAS } from '../../../posture/fact/facts.ts';
import type { FactName, Facts } from '../../../posture/fact/facts.ts';
import type { Finding } from '../../../posture/finding.ts';
import { judgeAll } from '../../../posture/judge.ts';
import { serveDocker } from '../../fixture/inspector/docker-api.ts';
import { accessOf, WEAK_ANSWERS, WEAK_NODE, writeTree } from './weak-node.ts';

/** In memory where that is offered: to make and remove so many is slow on some disks. */
const PLACE = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
/** CPU time, so that other work on the machine does not count. */
const MAX_ROUND_CPU_MS = 20_000;
const MANY = 10_000;

/** The weak node with many entries in one directory: names by number, and what each is. */
async function lookAt(t: Test, directory: string, count: number, put: (native: string, index: number) => void) {
  const root = mkdtempSync(join(PLACE, 'plm-'));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  writeTree(root, WEAK_NODE);
  const native = join(root, directory);
  mkdirSync(native, { recursive: true });
  for (let index = 0; index < count; index += 1) put(native, index);
  const runtime = await serveDocker(t, WEAK_ANSWERS);
  const before = process.cpuUsage();
  const facts: Facts = await observeAll(accessOf(createLinuxHost({ root }), runtime));
  const findings = [...judgeAll(CHECKS, facts).values()];
  const { user, system } = process.cpuUsage(before);
  t.ok((user + system) / 1000 < MAX_ROUND_CPU_MS, `${directory}: in time`);
  for (const [name, fact] of Object.entries(facts)) t.match(FACT_SCHEMAS[name as FactName].parse(fact), { ok: true });
  return {
    facts,
    of: (prefix: string): readonly Finding[] => findings.filter(({ check }) => check.startsWith(prefix)),
  };
}

const file =
  (name: (index: number) => string, content = '') =>
  (directory: string, index: number): void =>
    writeFileSync(join(directory, name(index)), content, { mode: 0o444 });

void t.test('ten thousand registries: not one is called fine', async (t) => {
  const put = (directory: string, index: number): void => mkdirSync(join(directory, `r${String(index)}`));
  const node = await lookAt(t, '/etc/docker/certs.d', MANY, put);
  for (const finding of node.of('file.registry-certificate'))
    t.match(finding, { verdict: 'unknown', reason: /certs\.d: more than 256 entries/ });
  t.equal(node.of('file.registry-certificate').length, 2);
});

void t.test('ten thousand files of one registry, and too many of several', async (t) => {
  const one = await lookAt(
    t,
    '/etc/docker/certs.d/registry.example',
    MANY,
    file((index) => `${String(index)}.crt`),
  );
  for (const finding of one.of('file.registry-certificate'))
    t.match(finding, { verdict: 'unknown', reason: /registry\.example: more than 1024 entries/ });
  const several = await lookAt(t, '/etc/docker/certs.d', 3, (directory, registry) => {
    mkdirSync(join(directory, `r${String(registry)}`));
    for (let index = 0; index < 400; index += 1)
      writeFileSync(join(directory, `r${String(registry)}`, `${String(index)}.crt`), '', { mode: 0o444 });
  });
  const modes = several.of('file.registry-certificate-mode');
  t.equal(modes.length, 1025);
  t.match(
    modes.filter(({ verdict }) => verdict === 'unknown'),
    [{ subject: { id: '/etc/docker/certs.d' }, reason: /more than 1024 files/ }],
  );
});

void t.test('ten thousand drop-ins of a unit', async (t) => {
  const directory = '/usr/lib/systemd/system/docker.service.d';
  const node = await lookAt(
    t,
    directory,
    MANY,
    file((index) => `${String(index)}.conf`),
  );
  const modes = node.of('file.docker-service-mode');
  t.equal(modes.length, 66, 'the unit, 64 drop-ins, and one word on the others');
  t.match(
    modes.filter(({ verdict }) => verdict === 'unknown'),
    [{ subject: { id: directory }, reason: /more than/ }],
  );
});

void t.test('ten thousand files for sshd: nothing is said about it', async (t) => {
  const node = await lookAt(
    t,
    '/etc/ssh/sshd_config.d',
    MANY,
    file((index) => `${String(index)}.conf`, 'UseDNS no\n'),
  );
  // These read other files than the configuration, or the sessions. There is no system account.
  const others = new Set([
    'ssh.moduli',
    'ssh.root-session',
    'ssh.session-age',
    'ssh.system-account-keys',
    'ssh.trust-files',
    'ssh.unencrypted-private-key',
  ]);
  for (const finding of node.of('ssh.'))
    if (!others.has(finding.check)) t.equal(finding.verdict, 'unknown', finding.id);
  t.equal(node.facts.sshd.contexts.state, 'unreadable');
});

void t.test('ten thousand processes: those that matter are found', async (t) => {
  const node = await lookAt(t, '/proc', MANY, (directory, index) => {
    const pid = join(directory, String(index + 100_000));
    mkdirSync(pid);
    writeFileSync(join(pid, 'comm'), 'sleep\n');
  });
  t.match(node.facts.docker.process, { state: 'seen', value: { pid: 812 } });
  t.match(node.facts.sshd.present, { state: 'seen', value: 'running' });
});

void t.test('ten thousand vulnerabilities', async (t) => {
  const directory = '/sys/devices/system/cpu/vulnerabilities';
  const node = await lookAt(
    t,
    directory,
    MANY,
    file((index) => `v${String(index)}`, 'Not affected\n'),
  );
  t.match(node.of('kernel.cpu-vulnerabilities'), [{ verdict: /^(fail|unknown)$/ }]);
});
