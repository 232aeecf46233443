import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { runAgent } from '../../../agent/main.ts';
import type { DetectionInfo } from '../../../api/detection.ts';
import { systemClock } from '../../../service/clock.ts';
import type { Logger } from '../../../service/log.ts';
import { WEAK_NODE, writeTree } from '../../agent/hostile/weak-node.ts';
import { testDocker } from '../../component/docker.ts';
import { settingsWith } from '../../fixture/settings.ts';
import { INVENTORY_WORKER } from '../../fixture/workers.ts';
import { collector, directoryOf } from '../run-collector.ts';

t.setTimeout(230_000);

const SILENT: Logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** A collector and a real agent of it, which has reported all it knows. Resolves to what reads the detections. */
async function startNode(t: Test, flags: Readonly<Record<string, string>>) {
  const dataDir = directoryOf(t);
  const running = await collector(t, { 'data-dir': dataDir, 'sink-ndjson': 'off' });
  const { api, listen } = await running.ready;
  const address = `127.0.0.1:${String(listen.port)}`;
  const settings = await settingsWith('agent', { 'data-dir': dataDir, collector: address, ...flags });
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
  const authorization = `Bearer ${readFileSync(join(dataDir, 'operator-token'), 'utf8').trim()}`;
  const url = `http://127.0.0.1:${String(api.port)}/v1/detections`;
  const read = async (): Promise<readonly DetectionInfo[]> => {
    const answer = await fetch(url, { headers: { authorization } });
    // A busy collector refuses.
    return answer.ok ? ((await answer.json()) as { readonly detections: readonly DetectionInfo[] }).detections : [];
  };
  /** Waits for a detection by each of these rules, which the condition accepts. */
  const expectRules = async (rules: readonly string[], isMine: (one: DetectionInfo) => boolean = () => true) => {
    for (let tries = 0; ; tries += 1) {
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
  t.notOk(
    detections.some(({ subject }) => subject.id === ids[3]),
    'one that is confined',
  );
});

void t.test('accounts, keys, sudo and SELinux of a node', async (t) => {
  const root = t.testdir();
  writeTree(root, {
    ...WEAK_NODE,
    '/etc/shadow': 'root:*:20000::::::\nann:$6$salt$hash:20000::::::\n',
    '/etc/group': 'root:x:0:\ndisk:x:6:\n',
    '/etc/sudoers': '',
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
  appendFileSync(join(root, 'etc/passwd'), 'toor:x:0:0::/root:/bin/sh\n');
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\ndisk:x:6:ann\n');
  writeFileSync(join(root, 'etc/sudoers'), 'ann ALL=(ALL) NOPASSWD: ALL\n');
  writeFileSync(join(root, 'sys/fs/selinux/enforce'), '0');
  const detections = await node.expectRules([
    'ssh-key-added',
    'root-account-added',
    'root-group-member-added',
    'sudo-without-password',
    'lsm-permissive',
  ]);
  const [, fingerprint = '-'] = execFileSync('ssh-keygen', ['-lf', join(root, 'key.pub')], { encoding: 'utf8' }).split(
    ' ',
  );
  const key = detections.find(({ rule }) => rule === 'ssh-key-added');
  t.match(key?.evidence, [{ source: '/home/ann/.ssh/authorized_keys', seen: fingerprint }]);
  t.match(detections.find(({ rule }) => rule === 'root-account-added')?.evidence, [{ seen: /toor/ }]);
});
