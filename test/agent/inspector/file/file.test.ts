import t from 'tap';
import { fileInspector } from '../../../../agent/inspector/file/inspect.ts';
import { dockerPaths, registryDirectory, sshPaths } from '../../../../agent/inspector/file/paths.ts';
import { namesOf } from '../../../../agent/inspector/accounts.ts';
import { parseUnitFile } from '../../../../agent/inspector/systemd/unit-file.ts';
import { filesSchema } from '../../../../posture/fact/file.ts';
import type { DockerFact, DockerProcess } from '../../../../posture/fact/docker.ts';
import { absent, seen, unreadable } from '../../../../posture/observed.ts';
import { dockerFact, factsOf, sshdFact } from '../../../fixture/facts.ts';
import { treeHost } from '../../../fixture/inspector/tree.ts';
import { accessTo } from '../../../fixture/inspector/access.ts';

const PROCESS: DockerProcess = {
  pid: 812,
  uid: 0,
  startedAtMs: 0,
  executable: '/usr/bin/dockerd (deleted)',
  flags: {},
  environment: {},
};

function docker(process: Partial<DockerProcess>, keys: Readonly<Record<string, unknown>> = {}): DockerFact {
  return dockerFact({
    process: seen({ ...PROCESS, ...process }, '/proc/812'),
    file: seen({ path: '/etc/docker/daemon.json', modifiedAtMs: 0, keys }, '/etc/docker/daemon.json'),
  });
}

function roles(fact: DockerFact, unit = ''): Readonly<Record<string, readonly string[]>> {
  const found: Record<string, string[]> = {};
  for (const { role, path } of dockerPaths(fact, '/root', parseUnitFile(unit))) (found[role] ??= []).push(path);
  return found;
}

t.test('sockets: the endpoint, those of flags and file, and that of the socket unit', (t) => {
  const fact = docker({ flags: { host: ['fd://', 'tcp://0.0.0.0:2376'] } }, { hosts: ['unix:///srv/d.sock'] });
  const unit = '[Socket]\nListenStream=/run/docker.sock\nListenStream=2375\nSocketGroup=ops\n';
  t.same(roles(fact, unit)['dockerSocket'], ['/var/run/docker.sock', '/srv/d.sock', '/run/docker.sock']);
  const group = (given: DockerFact, text: string): string | null | undefined =>
    dockerPaths(given, '/root', parseUnitFile(text)).find(({ role }) => role === 'dockerSocket')?.expectedGroup;
  t.equal(group(fact, unit), 'ops');
  t.equal(group(fact, ''), 'root', 'systemd gives it to root unless told otherwise');
  t.equal(group(docker({}), unit), 'docker', 'the default of dockerd');
  t.equal(group(docker({ flags: { group: ['a', 'b'] } }), unit), 'b');
  t.equal(group(docker({}, { group: 'c' }), unit), 'c');
  t.equal(group(docker({ uid: 1000 }), unit), '', 'a rootless dockerd gives it to nobody');
  t.end();
});

t.test('sockets that an unreadable configuration may name are unknown, and so is the group', (t) => {
  const path = '/etc/docker/daemon.json';
  const unread = (flags: DockerProcess['flags']): DockerFact => ({
    ...docker({ flags }),
    file: unreadable(path, 'it is writable by uid 1000'),
  });
  const sockets = (fact: DockerFact): readonly unknown[] =>
    dockerPaths(fact, '/root', []).filter(({ role }) => role === 'dockerSocket');
  const reason = `dockerd may listen on further sockets: ${path}: it is writable by uid 1000`;
  t.match(sockets(unread({})), [
    { path: '/var/run/docker.sock', expectedGroup: null },
    { path, unread: reason },
  ]);
  // dockerd refuses a setting that both its flags and its file have.
  t.match(sockets(unread({ host: ['unix:///srv/d.sock'], group: ['ops'] })), [
    { path: '/var/run/docker.sock', expectedGroup: 'ops' },
    { path: '/srv/d.sock', expectedGroup: 'ops' },
  ]);
  t.equal(sockets(unread({ host: ['unix:///srv/d.sock'] })).length, 2);
  const hidden = { ...docker({}), process: unreadable('/proc/*/exe dockerd', 'hidepid') };
  t.match(sockets(hidden), [{ expectedGroup: null }, { path, unread: /hidepid/ }]);
  t.end();
});

t.test('TLS files: explicit, by default directory, or none', (t) => {
  const tls = (fact: DockerFact): readonly (readonly string[] | undefined)[] => {
    const { dockerCaCertificate: ca, dockerServerCertificate: cert, dockerServerKey: key } = roles(fact);
    return [ca, cert, key];
  };
  t.same(tls(docker({})), [undefined, undefined, undefined]);
  t.same(tls(docker({ flags: { tlsverify: ['true'], tlscacert: ['/a/ca.pem'] } })), [
    ['/a/ca.pem'],
    ['/root/.docker/cert.pem'],
    ['/root/.docker/key.pem'],
  ]);
  t.same(tls(docker({ environment: { DOCKER_CERT_PATH: '/c' } }, { tlsverify: false })), [
    ['/c/ca.pem'],
    ['/c/cert.pem'],
    ['/c/key.pem'],
  ]);
  t.same(tls(docker({ environment: { DOCKER_TLS_VERIFY: '1', DOCKER_CONFIG: '/d' } }))[2], ['/d/key.pem']);
  t.same(tls(docker({}, { tls: false }))[2], undefined);
  t.end();
});

t.test('binaries, containerd and registries', (t) => {
  t.same(roles(docker({}))['dockerdBinary'], ['/usr/bin/dockerd']);
  t.same(roles(docker({ flags: { containerd: ['/run/c.sock'] } }))['containerdSocket'], ['/run/c.sock']);
  t.equal(roles(docker({ flags: { 'exec-root': ['/x'] } }))['containerdSocket']?.[0], '/x/containerd/containerd.sock');
  t.equal(registryDirectory(docker({})), '/etc/docker/certs.d');
  t.end();
});

t.test('SSH: included files and configured host keys', (t) => {
  const context = { condition: '', settings: { hostkey: { values: ['/k'], source: '/etc/ssh/sshd_config:3' } } };
  const sshd = sshdFact({
    present: seen('running', '/proc/1'),
    contexts: seen([context], 'x'),
    files: ['/etc/ssh/sshd_config', '/etc/ssh/sshd_config.d/a.conf'],
  });
  t.same(
    sshPaths(sshd).map(({ path }) => path),
    ['/etc/ssh/sshd_config', '/etc/ssh/sshd_config.d/a.conf', '/k'],
  );
  t.same(sshPaths(sshdFact()), [], 'without an SSH server there is nothing to ask');
  t.end();
});

t.test('names by number', (t) => {
  const names = namesOf('root:x:0:0::/root:/bin/sh\ntoor:x:0:0:::\nbad\n:x:5:\nx:y:z:\ndaemon:x:1:\n');
  t.same(
    [...names],
    [
      [0, 'root'],
      [1, 'daemon'],
    ],
  );
  t.end();
});

t.test('a node', async (t) => {
  const host = treeHost(t, {
    '/etc/passwd': 'root:x:0:0::/root:/bin/sh\n',
    '/etc/group': 'root:x:0:\n',
    '/etc/docker/daemon.json': '{}',
    '/etc/docker/certs.d/registry.shop/ca.crt': '',
    '/etc/docker/certs.d/registry.shop/client.key': '',
    '/etc/docker/certs.d/registry.shop/notes.txt': '',
    '/usr/lib/systemd/system/docker.service': '[Service]\n',
    '/etc/systemd/system/docker.service.d/a.conf': '[Service]\n',
    '/etc/systemd/system/docker.socket': '-> /dev/null',
    '/usr/sbin/runc': '',
    '/usr/bin/runc': '-> /usr/sbin/runc',
  });
  const facts = factsOf({ docker: dockerFact({ process: absent('x') }) });
  const access = await accessTo(t, host);
  const files = await fileInspector.inspect(access, facts);
  t.ok(filesSchema.parse(files).ok);
  const at = (role: string): readonly string[] => files.filter((file) => file.role === role).map(({ path }) => path);
  t.same(at('dockerRegistryCertificate'), [
    '/etc/docker/certs.d/registry.shop/ca.crt',
    '/etc/docker/certs.d/registry.shop/client.key',
  ]);
  t.same(at('dockerServiceUnit'), [
    '/usr/lib/systemd/system/docker.service',
    '/etc/systemd/system/docker.service.d/a.conf',
  ]);
  t.same(at('dockerSocketUnit'), ['/etc/systemd/system/docker.socket']);
  t.same(at('dockerdBinary'), [], 'nobody named it and it is nowhere');
  t.match(
    files.find(({ role }) => role === 'runcBinary'),
    { path: '/usr/bin/runc', stat: { state: 'seen', value: { realPath: '/usr/sbin/runc', kind: 'file' } } },
  );
  t.match(
    files.find(({ role }) => role === 'sysconfigDocker'),
    { stat: { state: 'absent' } },
  );
  t.ok(fileInspector.watches({ ...facts, files }).includes('/etc/docker/certs.d'));
});
