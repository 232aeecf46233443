import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { runAgent } from '../../../agent/main.ts';
import type { DetectionInfo } from '../../../api/detection.ts';
import { systemClock } from '../../../service/clock.ts';
import type { Clock } from '../../../service/clock.ts';
import type { Logger } from '../../../service/log.ts';
import { issueCertificate } from '../../../service/tls/issue.ts';
import { WEAK_NODE, writeTree } from '../../agent/hostile/weak-node.ts';
import { TEST_IMAGE, testDocker } from '../../component/docker.ts';
import { settingsWith } from '../../fixture/settings.ts';
import { INVENTORY_WORKER } from '../../fixture/workers.ts';
import { environmentOf, PROGRAM } from '../../cli/process.ts';
import { noDockerd, startDockerd } from '../../agent/runtime/docker/own-dockerd.ts';
import { freePort } from '../../fixture/free-port.ts';
import { createAdvancedClock } from '../../service/fake-clock.ts';
import { collector, directoryOf } from '../run-collector.ts';

t.setTimeout(230_000);

const SILENT: Logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** Starts an agent; resolves once it has reported all it knows. */
type StartAgent = (t: Test, flags: Readonly<Record<string, string>>) => Promise<void>;

const startAgent: StartAgent = async (t, flags) => {
  const settings = await settingsWith('agent', flags);
  const stop = new AbortController();
  const { promise: ready, resolve, reject } = Promise.withResolvers<unknown>();
  const over = runAgent({
    settings,
    version: '0.1.0',
    queryWorker: new URL('../../../agent/query/worker.ts', import.meta.url),
    inventoryWorker: INVENTORY_WORKER,
    clock: systemClock(),
    log: SILENT,
    signal: stop.signal,
    onReady: resolve,
  });
  over.catch(reject);
  t.teardown(async () => {
    stop.abort();
    await over.catch(() => undefined);
  });
  await ready;
};

/** A collector and a real agent of it. Resolves to what reads the detections. */
async function startNode(
  t: Test,
  flags: Readonly<Record<string, string>>,
  { start = startAgent, clock = systemClock() }: { readonly start?: StartAgent; readonly clock?: Clock } = {},
) {
  const dataDir = directoryOf(t);
  const running = await collector(t, { 'data-dir': dataDir, 'sink-ndjson': 'off' }, { clock });
  const { api, listen } = await running.ready;
  await start(t, { 'data-dir': dataDir, collector: `127.0.0.1:${String(listen.port)}`, ...flags });
  const authorization = `Bearer ${readFileSync(join(dataDir, 'operator-token'), 'utf8').trim()}`;
  const url = `http://127.0.0.1:${String(api.port)}/v1/detections`;
  const read = async (): Promise<readonly DetectionInfo[]> => {
    const answer = await fetch(url, { headers: { authorization } });
    // A busy collector refuses.
    return answer.ok ? ((await answer.json()) as { readonly detections: readonly DetectionInfo[] }).detections : [];
  };
  /** Waits for a detection by each of these rules, which the condition accepts. */
  const expectRules = async (
    rules: readonly string[],
    isMine: (one: DetectionInfo) => boolean = () => true,
    whileWaiting = (): void => undefined,
  ) => {
    for (let tries = 0; ; tries += 1) {
      whileWaiting();
      const mine = (await read()).filter(isMine);
      const missing = rules.filter((rule) => mine.every((one) => one.rule !== rule));
      if (missing.length === 0) return mine;
      if (tries > 1000) throw new Error(`not detected: ${missing.join(', ')}`);
      await new Promise((done) => setTimeout(done, 150));
    }
  };
  return { read, expectRules };
}

const found = testDocker();

void t.test('containers of a real engine', { skip: 'reason' in found && found.reason }, async (t) => {
  if ('reason' in found) return;
  const { docker } = found;
  const names = ['detected-privileged', 'detected-seccomp', 'detected-socket', 'detected-plain'];
  // What a run that was killed left behind.
  await docker.remove(...names).catch(() => undefined);
  t.teardown(() => docker.remove(...names));
  const node = await startNode(t, { 'docker-host': docker.endpoint });
  // Each is gone before the agent can look at its processes, and on a busy machine before it can ask the engine.
  const brief: string[] = [];
  const directory = directoryOf(t);
  for (const name of ['one', 'two', 'three', 'four', 'five']) {
    const cidFile = join(directory, name);
    await docker.docker('run', '--rm', '--privileged', '--cidfile', cidFile, TEST_IMAGE, '/bin/sh', '-c', ':');
    brief.push(readFileSync(cidFile, 'utf8'));
  }
  const ids = await Promise.all([
    docker.start('detected-privileged', '--privileged'),
    docker.start('detected-seccomp', '--security-opt', 'seccomp=unconfined'),
    docker.start('detected-socket', '-v', '/var/run:/host-run', '-v', `${docker.endpoint.slice(7)}:/engine.sock`),
    docker.start('detected-plain'),
  ]);
  const rules = ['privileged-container', 'seccomp-disabled', 'runtime-socket-mounted'];
  const detections = await node.expectRules(rules, ({ subject }) => ids.includes(subject.id));
  for (const [index, rule] of rules.entries())
    t.ok(
      detections.some((one) => one.rule === rule && one.subject.id === ids[index]),
      rule,
    );
  t.ok(await node.expectRules(['privileged-container'], ({ subject }) => brief.includes(subject.id)), 'a brief one');
  t.notOk(
    detections.some(({ subject }) => subject.id === ids[3]),
    'one that is confined',
  );
});

void t.test('groups, keys and SELinux of a node', async (t) => {
  const root = t.testdir();
  writeTree(root, {
    ...WEAK_NODE,
    '/etc/group': 'root:x:0:\ndisk:x:6:\n',
    '/sys/kernel/security/lsm': 'capability,selinux\n',
    '/sys/fs/selinux/enforce': '1',
  });
  const node = await startNode(t, {
    'host-root': root,
    'docker-host': 'unix:///run/none.sock',
    'sweep-interval': '10s',
  });
  const ssh = join(root, 'home/ann/.ssh');
  mkdirSync(ssh, { recursive: true, mode: 0o700 });
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'x', '-f', join(root, 'key')]);
  writeFileSync(join(ssh, 'authorized_keys'), readFileSync(join(root, 'key.pub')), { mode: 0o600 });
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\ndisk:x:6:ann\n');
  writeFileSync(join(root, 'sys/fs/selinux/enforce'), '0');
  const YEAR_MS = 366 * 24 * 60 * 60 * 1000;
  const authority = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
  const expired = await issueCertificate({ kind: 'server', names: ['api'] }, authority, Date.now() - 2 * YEAR_MS);
  mkdirSync(join(root, 'etc/kubernetes/pki'), { recursive: true });
  writeFileSync(join(root, 'etc/kubernetes/pki/apiserver.crt'), expired.certificatePem);
  const detections = await node.expectRules([
    'ssh-key-added',
    'root-group-member-added',
    'lsm-permissive',
    'certificate-expired',
  ]);
  const [, fingerprint = '-'] = execFileSync('ssh-keygen', ['-lf', join(root, 'key.pub')], { encoding: 'utf8' }).split(
    ' ',
  );
  const key = detections.find(({ rule }) => rule === 'ssh-key-added');
  t.match(key?.evidence, [{ source: '/home/ann/.ssh/authorized_keys', seen: fingerprint }]);
  t.match(detections.find(({ rule }) => rule === 'root-group-member-added')?.evidence, [{ seen: /ann/ }]);
  const certificate = detections.find(({ rule }) => rule === 'certificate-expired');
  t.match(certificate?.evidence, [{ source: '/etc/kubernetes/pki/apiserver.crt' }]);
  // As after a start of the kernel without one.
  writeFileSync(join(root, 'sys/kernel/security/lsm'), 'capability\n');
  const [disabled] = await node.expectRules(['lsm-disabled'], ({ rule }) => rule === 'lsm-disabled');
  t.match(disabled?.evidence, [{ source: '/sys/kernel/security/lsm', seen: /capability/ }]);
});

/** A sshd of the test's own that lets root in with a key; resolves to what opens a session that lasts. */
async function startSshd(t: Test, directory: string): Promise<() => ChildProcess> {
  const path = (name: string): string => join(directory, name);
  for (const name of ['host', 'client'])
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path(name)]);
  const port = await freePort();
  const config = {
    Port: port,
    ListenAddress: '127.0.0.1',
    HostKey: path('host'),
    AuthorizedKeysFile: path('client.pub'),
    StrictModes: 'no',
    UsePAM: 'no',
    PidFile: 'none',
    PermitRootLogin: 'prohibit-password',
  };
  const lines = Object.entries(config).map(([name, value]) => `${name} ${String(value)}\n`);
  writeFileSync(path('sshd_config'), lines.join(''));
  mkdirSync('/run/sshd', { recursive: true });
  const sshd = spawn(SSHD, ['-D', '-f', path('sshd_config')], { stdio: 'ignore' });
  t.teardown(() => sshd.kill());
  const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'ConnectionAttempts=20'];
  const args = ['-p', String(port), '-i', path('client'), ...options.flatMap((option) => ['-o', option])];
  return () => {
    const session = spawn('ssh', [...args, 'root@127.0.0.1', 'sleep', '600'], { stdio: 'ignore' });
    t.teardown(() => session.kill());
    return session;
  };
}

const SSHD = '/usr/sbin/sshd';
const noNode = noDockerd || (existsSync(SSHD) ? false : 'no sshd');

void t.test('a port of Docker, an SSH session, an agent that is stopped', { skip: noNode }, async (t) => {
  const directory = directoryOf(t);
  const endpoint = join(directory, 'engine.sock');
  const openSession = await startSshd(t, directory);
  const local = await startDockerd(() => ['-H', `unix://${endpoint}`]);
  t.teardown(() => local.stop());
  const { clock, advance } = createAdvancedClock();
  let agent: ChildProcess | undefined;
  const start: StartAgent = async (t, flags) => {
    const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
    const child = spawn(process.execPath, [PROGRAM, 'agent', ...args], {
      env: environmentOf(),
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    agent = child;
    t.teardown(() => child.kill('SIGKILL'));
    await new Promise<void>((resolve, reject) => {
      child.once('message', () => resolve());
      child.once('exit', (code) => reject(new Error(`the agent ended with ${String(code)}`)));
    });
  };
  const flags = { 'docker-host': `unix://${endpoint}`, 'sweep-interval': '10s' };
  const node = await startNode(t, flags, { start, clock });
  openSession();
  await local.stop();
  const port = String(await freePort());
  const open = await startDockerd(() => ['-H', `unix://${endpoint}`, '-H', `tcp://127.0.0.1:${port}`]);
  t.teardown(() => open.stop());
  const detections = await node.expectRules(['docker-port-opened', 'ssh-session']);
  const byRule = new Map(detections.map((one) => [one.rule, one]));
  t.match(byRule.get('docker-port-opened'), { severity: 'high', subject: { id: `tcp:127.0.0.1:${port}` } });
  const sessions = byRule.get('ssh-session')?.evidence ?? [];
  t.equal(sessions.length, 1, 'one session is one piece of evidence');
  t.match(readFileSync(join(sessions[0]?.source ?? '', 'cmdline'), 'utf8'), /^sshd-session: root/);
  t.notOk(byRule.has('agent-silent'));
  // The connection of a stopped process stays open.
  agent?.kill('SIGSTOP');
  await node.expectRules(['agent-silent'], undefined, () => advance(60_000));
});
