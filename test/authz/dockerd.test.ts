import { execFile, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { noDockerd, startDockerd } from '../agent/runtime/docker/own-dockerd.ts';
import type { OwnDockerd } from '../agent/runtime/docker/own-dockerd.ts';
import { createRandom } from '../fixture/random.ts';
import { fuzzRequest } from './fuzzed-requests.ts';
import { openNotifySocket } from './notify-socket.ts';
import { clientOf, privateDirectory, startPlugin, startPluginWith, stopPlugin, writePolicy } from './rig.ts';
import type { Call, Plugin } from './rig.ts';
import { freePort } from '../fixture/free-port.ts';

/*
 * A real dockerd that asks the plugin. What it then did is read from dockerd itself. A container of an image that does
 * not exist: 404 means that dockerd performed the request, 403 that it was refused.
 */

const NAME = `plimsoll-test-${String(process.pid)}`;
const PLUGINS = '/run/docker/plugins';
const SOCKET = join(PLUGINS, `${NAME}.sock`);
const IMAGE = 'plimsoll-test/busybox:1';
/** With one small file: dockerd copies it for each container. */
const SMALL_IMAGE = 'plimsoll-test/small:1';
const OWN_CGROUPS = ['--cgroupns', 'private'];
const HARMLESS = { Image: 'none', HostConfig: { CgroupnsMode: 'private' } };
const busybox = ['/bin/busybox', '/usr/bin/busybox'].find((path) => existsSync(path));
const skip = noDockerd || (busybox === undefined ? 'no static busybox' : false);
const run = promisify(execFile);

t.test('dockerd asks the plugin', { skip }, async (t) => {
  removeAbandoned();
  const directory = privateDirectory();
  const spec = '{ hostPaths: [{ path: /srv/**, readOnly: true }], operations: [attach, commit, copy, exec, import] }';
  writePolicy(join(directory.path, 'policies'), spec);
  const ci = '{ match: { clients: [ci-*] }, allowPrivileged: true, operations: [build] }';
  writePolicy(join(directory.path, 'policies'), ci, 'ci');
  const policy = join(directory.path, 'policies');
  const events = join(directory.path, 'events.ndjson');
  const flags = ['--container-policy', policy, '--authz-events', events];
  let plugin: Plugin = await startPlugin(SOCKET, ...flags);
  const tls = join(directory.path, 'tls');
  const port = await freePort();
  issueCertificates(tls);
  const tlsFlags = [
    '--tlsverify',
    `--tlscacert=${tls}/ca.pem`,
    `--tlscert=${tls}/server.pem`,
    `--tlskey=${tls}/server.key`,
  ];
  const listening = ['-H', `tcp://127.0.0.1:${String(port)}`, ...tlsFlags];
  const dockerd: OwnDockerd = await startDockerd(() => [
    `--authorization-plugin=${NAME}`,
    '--storage-driver=vfs',
    // Nothing here may reach a registry: buildx pulls an image of its own.
    '--https-proxy=http://127.0.0.1:9',
    ...listening,
  ]);
  const send = clientOf(dockerd.socketPath);
  t.teardown(async () => {
    await docker('rm', '-f', 'base').catch(() => undefined);
    await dockerd.stop();
    await stopPlugin(plugin, 'SIGKILL');
    rmSync(SOCKET, { force: true });
    directory.remove();
  });
  // Not what the machine's own clients are configured with: buildx keeps its builders there too.
  const env = { ...process.env, DOCKER_CONFIG: join(directory.path, 'docker') };
  const docker = async (...args: readonly string[]): Promise<string> => {
    const { stdout } = await run('docker', ['-H', dockerd.endpoint, ...args], { timeout: 30_000, env });
    return stdout.trim();
  };
  /** What the command prints where it fails. */
  const refusalOf = (...args: readonly string[]): Promise<string> =>
    docker(...args).then(
      () => 'it did not fail',
      (error: unknown) => String((error as { stderr?: unknown }).stderr),
    );
  const inspect = async (kind: string, id: string): Promise<Inspected> => {
    const { text } = await send({ method: 'GET', target: `/${kind}/${id}/json` });
    return JSON.parse(text) as Inspected;
  };

  await t.test('what the policy allows works with the docker command', async (t) => {
    importImages(dockerd.endpoint, directory.path);
    await docker('run', '-d', '--name', 'base', ...OWN_CGROUPS, '--network', 'none', IMAGE, 'sleep', '1000');
    t.equal(await docker('exec', 'base', 'echo', 'works'), 'works');
    t.match(await docker('run', '--rm', ...OWN_CGROUPS, '--network=none', '-v', 'vol:/data', IMAGE, 'echo', 'a'), 'a');
    t.match(await docker('volume', 'create', 'plain'), 'plain');
    t.match(await docker('ps', '--format', '{{.Names}}'), 'base');
    t.match(await docker('commit', 'base', 'copied'), /^sha256:/);
    t.match(await docker('update', '--cpu-shares', '512', 'base'), 'base');
    t.match(await refusalOf('run', '--rm', '--privileged', IMAGE), /403|HostConfig\.Privileged: privileged/);
    t.match(await refusalOf('exec', '--privileged', 'base', 'id'), /Privileged: privileged is not allowed/);
    t.match(await refusalOf('load', '-i', '/dev/null'), /no such file/, 'allowed, and nothing to load');
  });

  await t.test('builds need the operation, by whichever builder', async (t) => {
    const context = join(directory.path, 'context');
    mkdirSync(context);
    writeFileSync(join(context, 'Dockerfile'), 'FROM scratch\nCOPY Dockerfile /\n');
    const hasBuildx = spawnSync('docker', ['buildx', 'version'], { env }).status === 0;
    const asCi = ['-H', `tcp://127.0.0.1:${String(port)}`, '--tlsverify', '--tlscacert', `${tls}/ca.pem`];
    const identity = ['--tlscert', `${tls}/ci-1.pem`, '--tlskey', `${tls}/ci-1.key`];
    const build = (where: readonly string[], builder: string, image: string) =>
      run('docker', [...where, 'build', '--tag', image, context], {
        timeout: 60_000,
        env: { ...env, DOCKER_BUILDKIT: builder },
      }).then(
        () => 'built',
        (error: unknown) => String((error as { stderr?: unknown }).stderr),
      );
    // The builder of dockerd sends POST /build, buildx POST /session and /grpc; without these buildx starts a builder of
    // its own as a privileged container, of this image if it is there and cannot be pulled.
    await docker('tag', SMALL_IMAGE, 'moby/buildkit:buildx-stable-1');
    for (const target of ['/session', '/grpc', '/build']) t.match(await send({ target }), { status: 403 }, target);
    for (const builder of ['0', '1']) {
      if (builder === '1' && !hasBuildx) t.comment('docker has no buildx here');
      else {
        t.match(
          await build(['-H', dockerd.endpoint], builder, 'no'),
          builder === '0' ? /operation "build"/ : /HostConfig\.Privileged: privileged is not allowed/,
          `DOCKER_BUILDKIT=${builder}`,
        );
        t.equal(
          await build([...asCi, ...identity], builder, `built:${builder}`),
          'built',
          `DOCKER_BUILDKIT=${builder}`,
        );
        t.match(await docker('images', '--quiet', `built:${builder}`), /^[0-9a-f]{12}$/);
      }
    }
    t.strictSame(await docker('images', '--quiet', 'no'), '');
  });

  await t.test('the cgroup namespace of the host, and what dockerd makes of each field', async (t) => {
    const isCgroupV2 = existsSync('/sys/fs/cgroup/cgroup.controllers');
    const create = (HostConfig: object, above: object = {}) =>
      send({ target: '/v1.45/containers/create', body: { Image: SMALL_IMAGE, Cmd: ['x'], HostConfig, ...above } });
    const created = async (HostConfig: object, above: object = {}): Promise<Inspected | undefined> => {
      const { status, text } = await create(HostConfig, above);
      return status === 201 ? inspect('containers', (JSON.parse(text) as { readonly Id: string }).Id) : undefined;
    };
    const own = { CgroupnsMode: 'private' };
    for (const [what, given, above] of [
      ['no mode', {}, {}],
      ['a mode', own, {}],
      ['a field above HostConfig', own, { AutoRemove: true }],
    ] as const) {
      const container = await created(given, above);
      t.ok(isCgroupV2 || what === 'a mode' || container === undefined, what);
      if (container !== undefined) t.match(container.HostConfig, own, what);
    }
    for (const refused of [{ OomScoreAdj: -1 }, { Ulimits: [{ Name: 'RTPRIO', Soft: 1, Hard: 1 }] }])
      t.match(await create({ ...own, ...refused }), { status: 403 }, JSON.stringify(refused));
    // Every field that this dockerd has is known, with the value that it gives it itself.
    const { HostConfig } = (await created(own)) ?? { HostConfig: {} };
    t.ok(Object.keys(HostConfig).length > 50);
    t.match(await create({ ...HostConfig, MaskedPaths: null, ReadonlyPaths: null }), { status: 201 });
  });

  await t.test('bypasses of plugins that compare texts', async (t) => {
    const host = { Image: 'none', HostConfig: { Privileged: true } };
    const create = '/v1.45/containers/create';
    const cases: readonly (readonly [what: string, call: Call, allowed?: 'allowed'])[] = [
      ['plain', { target: create, body: HARMLESS }, 'allowed'],
      ['no version', { target: '/containers/create', body: HARMLESS }, 'allowed'],
      ['encoded path', { target: '/v1.45/containers/%63reate', body: HARMLESS }, 'allowed'],
      ['privileged', { target: create, body: host }],
      ['lower-case keys', { target: create, body: { Image: 'none', hostconfig: { privileged: true } } }],
      ['long s', { target: create, body: { Image: 'none', HoſtConfig: { Privileged: true } } }],
      ['two HostConfig', { target: create, body: '{"Image":"none","HostConfig":{"Privileged":true},"HostConfig":{}}' }],
      ['two spellings', { target: create, body: '{"Image":"none","HostConfig":{"Privileged":true},"hostConfig":{}}' }],
      ['settings at the top, as engines up to 26 read', { target: create, body: { Image: 'none', Privileged: true } }],
      ['%2f', { target: '/v1.45/containers%2fcreate', body: host }],
      ['%63', { target: '/containers/%63reate', body: host }],
      ['absolute form', { target: 'http://x/v1.45/containers/create', body: { Image: 'none' } }],
      ['two types', { target: create, body: host, headers: { 'Content-Type': ['application/json', 'text/plain'] } }],
      ['chunked', { target: create, body: host, headers: { 'Transfer-Encoding': 'chunked' } }],
      ['2 MB', { target: create, body: { ...host, Labels: { x: 'x'.repeat(2e6) } } }],
      ['deep', { target: create, body: `{"Image":"none","x":${'['.repeat(100)}${']'.repeat(100)}}` }],
      ['no body', { target: create, headers: { 'Content-Type': 'application/json' } }],
      ['volume bind', { target: '/volumes/create', body: { DriverOpts: { type: 'none', o: 'bind', device: '/' } } }],
      ['volume of a disk', { target: '/volumes/create', body: { DriverOpts: { type: 'ext4', device: '/dev/sda1' } } }],
      [
        'volume in memory',
        { target: '/volumes/create', body: { DriverOpts: { type: 'tmpfs', device: 'tmpfs' } } },
        'allowed',
      ],
      ['exec', { target: '/containers/base/exec', body: { Cmd: ['id'], privileged: true } }],
      ['update', { target: '/containers/base/update', body: { DeviceCgroupRules: ['a *:* rwm'] } }],
      ['start with a HostConfig', { target: '/v1.24/containers/base/start', body: { Privileged: true } }],
      ['swarm', { target: '/swarm/init', body: { ListenAddr: '127.0.0.1:1' } }],
      ['services', { target: '/services/create', body: {} }],
      ['plugins', { target: '/plugins/pull?remote=x', body: [] }],
      ['BuildKit', { target: '/session' }],
      ['BuildKit gRPC', { target: '/grpc' }],
      ['build', { target: '/build?networkmode=host' }],
      ['network on the wire', { target: '/networks/create', body: { Name: 'm', Driver: 'macvlan' } }],
      [
        'form that replaces the query',
        {
          target: '/images/create?fromImage=good',
          body: 'fromImage=evil',
          headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
        },
      ],
      ['image twice', { target: '/images/create?fromImage=a&fromImage=b' }],
      ['unknown call', { method: 'OPTIONS', target: '/containers/create' }],
      ['reads', { method: 'GET', target: '/v1.45/containers/json?all=1' }, 'allowed'],
    ];
    for (const [what, call, allowed] of cases) {
      const { status, text } = await send(call);
      if (allowed === undefined)
        t.ok(status === 403 || status === 500, `${what}: ${String(status)} ${text.slice(0, 200)}`);
      else t.notOk([403, 500].includes(status), `${what}: ${String(status)} ${text.slice(0, 200)}`);
    }
  });

  await t.test('2,000 fuzzed requests: dockerd makes nothing that the policy forbids', async (t) => {
    const random = createRandom(20_261_128);
    const results = { made: 0, refused: 0, other: 0 };
    const wrong: string[] = [];
    const requests = Array.from({ length: 2000 }, () => fuzzRequest(random, SMALL_IMAGE));
    const worker = async (): Promise<void> => {
      for (let next = requests.pop(); next !== undefined; next = requests.pop()) {
        const { status, text } = await send(next.call);
        if (next.isHarmless && status !== 201)
          wrong.push(`harmless, but ${String(status)}: ${text} ${String(next.call.body)}`);
        results[status === 201 ? 'made' : status === 403 ? 'refused' : 'other'] += 1;
        if (status !== 201) continue;
        const { Id } = JSON.parse(text) as { readonly Id: string };
        const container = await inspect('containers', Id);
        wrong.push(...forbiddenIn(container).map((what) => `${what}: ${JSON.stringify(next.call).slice(0, 500)}`));
      }
    };
    await Promise.all(Array.from({ length: 4 }, worker));
    t.strictSame(wrong.slice(0, 5), []);
    t.ok(results.made > 100, JSON.stringify(results));
    t.ok(results.refused > 500, JSON.stringify(results));
    const { Volumes } = JSON.parse((await send({ method: 'GET', target: '/volumes' })).text) as {
      readonly Volumes: readonly { readonly Options: Readonly<Record<string, string>> | null }[];
    };
    t.strictSame(
      Volumes.filter(({ Options }) => Options?.['o']?.includes('bind')),
      [],
    );
    t.comment(JSON.stringify(results));
  });

  await t.test('a client certificate has a policy of its own', async (t) => {
    const create = (client: string): Promise<number> =>
      new Promise((resolve, reject) => {
        const file = (name: string): Buffer => readFileSync(join(tls, name));
        const identity = { ca: file('ca.pem'), cert: file(`${client}.pem`), key: file(`${client}.key`) };
        const headers = { 'Content-Type': 'application/json' };
        const options = { ...identity, host: '127.0.0.1', port, path: '/containers/create', method: 'POST', headers };
        const call = request(options, (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        });
        call.on('error', reject);
        call.end(JSON.stringify({ Image: 'none', HostConfig: { Privileged: true, CgroupnsMode: 'private' } }));
      });
    t.equal(await create('ci-1'), 404, 'let through');
    t.equal(await create('dev-1'), 403);
  });

  await t.test('denials are events', (t) => {
    const lines = readFileSync(events, 'utf8').trim().split('\n');
    t.ok(lines.length >= 20);
    for (const line of lines.slice(0, 5)) t.match(JSON.parse(line), { class_uid: 2004, action: 'Denied' });
    t.end();
  });

  await t.test('a stopped plugin no longer notifies systemd; its successor answers', async (t) => {
    await stopPlugin(plugin);
    const watchdog = await openNotifySocket(t, join(directory.path, 'notify'));
    // As systemd sets it for WatchdogSec=1s: the plugin notifies twice in each interval.
    const environment = { NOTIFY_SOCKET: watchdog.path, WATCHDOG_USEC: '1000000' };
    plugin = await startPluginWith(environment, SOCKET, ...flags);
    await watchdog.next();
    await watchdog.next();
    plugin.process.kill('SIGSTOP');
    const pending = send({ target: '/containers/create', body: { Image: 'none', HostConfig: { Privileged: true } } });
    await watchdog.silence(1500);
    t.equal(await Promise.race([pending, new Promise((resolve) => setTimeout(resolve, 10, 'blocked'))]), 'blocked');
    // What systemd does then: WatchdogSignal=SIGKILL, Restart=always.
    await stopPlugin(plugin, 'SIGKILL');
    plugin = await startPlugin(SOCKET, ...flags);
    const { status } = (await pending) as { readonly status: number };
    t.ok(status === 403 || status === 500, String(status));
    t.match(await send({ target: '/containers/create', body: HARMLESS }), { status: 404 });
  });

  await t.test('a plugin that stands still blocks, and answers when it goes on', async (t) => {
    plugin.process.kill('SIGSTOP');
    const pending = send({ target: '/containers/create', body: { Image: 'none', HostConfig: { Privileged: true } } });
    const first = await Promise.race([pending, new Promise((resolve) => setTimeout(resolve, 500, 'blocked'))]);
    t.equal(first, 'blocked');
    plugin.process.kill('SIGCONT');
    t.match(await pending, { status: 403 });
  });

  await t.test('a plugin that is killed refuses nothing and allows nothing; its successor answers', async (t) => {
    await stopPlugin(plugin, 'SIGKILL');
    const pending = send({ target: '/containers/create', body: { Image: 'none', HostConfig: { Privileged: true } } });
    plugin = await startPlugin(SOCKET, ...flags);
    const { status } = await pending;
    t.ok(status === 403 || status === 500, String(status));
    t.match(await send({ target: '/containers/create', body: HARMLESS }), { status: 404 });
  });
});

interface Inspected {
  readonly HostConfig: Readonly<Record<string, unknown>>;
  readonly Mounts: readonly { readonly Type: string; readonly Source: string; readonly RW: boolean }[];
}

const OWN_IPC = new Set(['private', 'shareable', 'none']);

/** What the policy of this test forbids and a container has, by what dockerd says about it. */
function forbiddenIn({ HostConfig: config, Mounts }: Inspected): readonly string[] {
  const text = JSON.stringify(config);
  const list = (name: string): readonly unknown[] => (config[name] ?? []) as readonly unknown[];
  const checks: Readonly<Record<string, boolean>> = {
    privileged: config['Privileged'] === true,
    pid: config['PidMode'] !== '',
    ipc: !OWN_IPC.has(String(config['IpcMode'])),
    uts: config['UTSMode'] !== '',
    user: config['UsernsMode'] !== '',
    cgroupns: config['CgroupnsMode'] !== 'private',
    oomScore: Number(config['OomScoreAdj']) < 0,
    ulimits: /rtprio/i.test(text),
    network: /^(?:host|container:)/.test(String(config['NetworkMode'])),
    binds: Mounts.some(({ Type, Source, RW }) => Type === 'bind' && (RW || !Source.startsWith('/srv/'))),
    driver: text.includes('"bind"') && text.includes('DriverConfig'),
    volumesFrom: list('VolumesFrom').length > 0,
    capabilities: list('CapAdd').some((one) => !/^(?:CAP_)?CHOWN$/i.test(String(one))),
    security: list('SecurityOpt').some((one) => one !== 'no-new-privileges'),
    sysctls: text.includes('shmmax'),
    devices: list('Devices').length > 0 || list('DeviceCgroupRules').length > 0,
    cgroup: config['CgroupParent'] !== '',
    masked: list('MaskedPaths').length < 5 || list('ReadonlyPaths').length < 3,
    annotations: text.includes('run.oci'),
  };
  return Object.keys(checks).filter((name) => checks[name]);
}

/** A socket that a killed run left makes every dockerd of the machine wait for 15 s when it looks for volume plugins. */
function removeAbandoned(): void {
  for (const name of existsSync(PLUGINS) ? readdirSync(PLUGINS) : []) {
    const pid = /^plimsoll-test-(\d+)\.sock$/.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) rmSync(join(PLUGINS, name), { force: true });
  }
}

/** A CA, and certificates of the server and of two clients, as `docker --tlsverify` takes them. */
function issueCertificates(directory: string): void {
  mkdirSync(directory);
  const openssl = (...args: readonly string[]): void => {
    const { status, stderr } = spawnSync('openssl', args, { cwd: directory, encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
  };
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'];
  openssl('req', '-x509', ...key, '-subj', '/CN=test CA', '-keyout', 'ca.key', '-out', 'ca.pem');
  for (const name of ['server', 'ci-1', 'dev-1']) {
    const usage = name === 'server' ? 'serverAuth' : 'clientAuth';
    const extensions = ['-addext', 'subjectAltName=IP:127.0.0.1', '-addext', `extendedKeyUsage=${usage}`];
    const signer = ['-CA', 'ca.pem', '-CAkey', 'ca.key'];
    const files = ['-keyout', `${name}.key`, '-out', `${name}.pem`];
    openssl('req', '-x509', ...signer, ...key, '-subj', `/CN=${name}`, ...extensions, ...files);
  }
}

function importImages(endpoint: string, directory: string): void {
  const root = join(directory, 'image');
  mkdirSync(join(root, 'bin'), { recursive: true });
  cpSync(busybox ?? '', join(root, 'bin', 'busybox'));
  for (const name of ['sleep', 'echo', 'id']) symlinkSync('busybox', join(root, 'bin', name));
  writeFileSync(join(root, 'small'), 'small\n');
  for (const [image, path] of [[IMAGE, '.'] as const, [SMALL_IMAGE, 'small'] as const]) {
    const packed = spawnSync('tar', ['-C', root, '-c', path], { maxBuffer: 64 * 1024 * 1024 });
    const imported = spawnSync('docker', ['-H', endpoint, 'import', '-', image], { input: packed.stdout });
    if (imported.status !== 0) throw new Error(String(imported.stderr));
  }
}
