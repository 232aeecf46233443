import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { connectRaw, HELLO, startBroker } from '../agent/broker/broker-node.ts';
import { until } from '../agent/watch/watched.ts';

/** Stands in every file and process that the agent must not see. */
const SECRET = 'canary-5f1c0e9b';
/** A sysctl that every kernel shows to everybody. */
const HARMLESS = 'kernel.ostype';

/** A node with secrets in the places where nodes have them, and links to them. */
function nodeWithSecrets(t: Test): string {
  const root = mkdtempSync(join(tmpdir(), 'plimsoll-secrets-'));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  const files = {
    'etc/shadow': `root:${SECRET}:19000:0:99999:7:::\n`,
    'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\n',
    'etc/group': 'root:x:0:\n',
    'etc/machine-id': '0123456789abcdef0123456789abcdef\n',
    'etc/ssh/ssh_host_rsa_key': SECRET,
    'etc/ssh/sshd_config': 'HostKey /etc/ssh/ssh_host_rsa_key\nInclude /etc/shadow\n',
    'etc/docker/daemon.json': JSON.stringify({ tlskey: '/etc/docker/key.pem', 'http-proxy': `http://u:${SECRET}@p` }),
    'etc/docker/key.pem': SECRET,
    'root/.docker/config.json': SECRET,
    'var/run/secrets/kubernetes.io/serviceaccount/token': SECRET,
    'proc/sys/kernel/ostype': 'Linux\n',
    'proc/sys/kernel/secret/..data': SECRET,
  };
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  symlinkSync('/etc/shadow', join(root, 'etc/hostname'));
  symlinkSync('/etc/shadow', join(root, 'etc/default'));
  return root;
}

const PATHS = [
  '/etc/shadow',
  'etc/shadow',
  '../etc/shadow',
  '/etc/../etc/shadow',
  '/etc/./shadow',
  '//etc/shadow',
  '/etc/hostname',
  '/proc/1/root/etc/shadow',
  '/proc/self/root/etc/shadow',
  '/proc/self/cwd/../etc/shadow',
  '/proc/self/fd/0',
  '/proc/thread-self/root/etc/shadow',
  '/proc/1/environ',
  '/proc/1/cwd/etc/shadow',
  '/proc/1/task/1/root/etc/shadow',
  '/proc/1/map_files/../root/etc/shadow',
  '/dev/fd/3',
  '/var/run/secrets/kubernetes.io/serviceaccount/token',
  '/etc/ssh/ssh_host_rsa_key',
  '/etc/docker/key.pem',
  '/root/.docker/config.json',
  '/etc/shadow\u0000.txt',
];

void t.test('no request of a compromised agent names what is read', async (t) => {
  const broker = await startBroker(t, { hostRoot: nodeWithSecrets(t) });
  let received = '';
  for (const path of PATHS) {
    // One line that is not understood ends the connection, so each attempt has its own.
    for (const attempt of [
      { kind: 'readFile', path },
      { kind: 'nodeStatus', id: 1, path, rootFileSystem: path },
      { kind: 'sysctls', id: 1, names: [path, `kernel/../../..${path}`, path.replaceAll('/', '.'), `net..${path}`] },
    ]) {
      const agent = await connectRaw(t, broker.path);
      agent.send({ ...HELLO, hostRoot: path, path }, attempt);
      const isAnswered = (): boolean => agent.isClosed() || /"kind":"(?:nodeStatus|sysctls)"/.test(agent.received());
      await until('an answer', isAnswered);
      if (attempt.kind === 'readFile') t.ok(agent.isClosed(), `there is no message to read ${path}`);
      received += agent.received();
      agent.socket.destroy();
      await until('its end', agent.isClosed);
    }
  }
  t.match(received, /it is not the name of a sysctl/);
  t.notMatch(received, SECRET, 'nothing of the secrets reached the agent');
});

void t.test('facts hold nothing of the secrets of files and processes', async (t) => {
  const child = spawn('/bin/sleep', ['600'], { env: { DOCKER_AUTH: SECRET }, argv0: 'dockerd' });
  const other = spawn('/bin/sleep', ['600'], { env: {}, argv0: `sshd --password=${SECRET}` });
  t.teardown(() => [child.kill('SIGKILL'), other.kill('SIGKILL')]);
  for (const hostRoot of ['/', nodeWithSecrets(t)]) {
    const broker = await startBroker(t, { hostRoot });
    const agent = await connectRaw(t, broker.path);
    agent.send(HELLO);
    await until('all facts', () => agent.received().includes('"last":true'));
    t.ok(agent.received().length > 1000);
    t.notMatch(agent.received(), SECRET);
    await broker.stop();
  }
});

void t.test('floods, half messages and an agent that does not read', async (t) => {
  const hostRoot = nodeWithSecrets(t);
  const broker = await startBroker(t, { hostRoot });
  const before = process.memoryUsage.rss();
  const closedBy = async (reason: RegExp, ...messages: readonly (object | string)[]): Promise<void> => {
    const agent = await connectRaw(t, broker.path);
    agent.send(...messages);
    await until(`the end: ${String(reason)}`, agent.isClosed);
    await until('its reason', () => broker.logged.some((line) => reason.test(line)));
  };
  await closedBy(/first message is not hello/, { kind: 'pace', step: 0 });
  await closedBy(/a second hello/, HELLO, HELLO);
  await closedBy(/more than 65536 bytes/, HELLO, 'x'.repeat(1024 * 1024));
  await closedBy(/not JSON/, HELLO, '{"kind":\n');
  await closedBy(/unknown kind/, HELLO, { kind: '__proto__' });
  await closedBy(/unknown kind/, HELLO, '[[[[[[]]]]]]\n');
  await closedBy(/protocol/, { ...HELLO, protocol: 99 });
  await closedBy(/at most/, HELLO, { kind: 'pace', step: 1e9 });
  await closedBy(/at most/, HELLO, { kind: 'sysctls', id: 1, names: Array.from({ length: 1000 }, () => HARMLESS) });
  const flood = Array.from({ length: 10_000 }, (_, id) => ({ kind: 'nodeStatus', id }));
  await closedBy(/too many requests wait/, HELLO, ...flood);

  const half = await connectRaw(t, broker.path);
  half.send(HELLO, '{"kind":"sysctls","id":1,"names":["kernel.os');
  const others = await Promise.all(Array.from({ length: 200 }, () => connectRaw(t, broker.path)));
  await until('the others are closed', () => others.every((other) => other.isClosed()));
  t.notOk(half.isClosed(), 'further connections do not end the first one');
  half.send('type"]}\n');
  await until('the answer to the message in two parts', () => half.received().includes('"Linux"'));
  half.socket.destroy();
  await until('its end', () => half.isClosed());

  const deaf = await connectRaw(t, broker.path);
  deaf.socket.pause();
  deaf.send(HELLO);
  for (let change = 0; change < 20; change += 1) {
    writeFileSync(join(hostRoot, 'etc/group'), `root:x:0:\ng${String(change)}:x:${String(change + 1)}:\n`);
    await new Promise((resolve) => {
      setTimeout(resolve, 30);
    });
  }
  deaf.socket.resume();
  await until('the facts', () => deaf.received().includes('"last":true'));
  t.ok(process.memoryUsage.rss() - before < 64 * 1024 * 1024, 'memory is bounded');
  deaf.socket.destroy();

  const honest = await connectRaw(t, broker.path);
  honest.send(HELLO, { kind: 'sysctls', id: 7, names: [HARMLESS] });
  await until('an answer after all that', () => honest.received().includes('"Linux"'));
});
