import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { setTimeout } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import t from 'tap';
import { NODE, ROOT } from '../../scripts/setup.mjs';
import type { Run } from '../cli/process.ts';
import { startReceivers, testBuiltProgram } from '../component/built-program.ts';
import type { RunAll } from '../component/built-program.ts';
import { testDocker } from '../component/docker.ts';
import { freePort } from '../fixture/free-port.ts';

const REFERENCE = 'plimsoll:test-image';
const EPOCH = 1_700_000_000;
const directory = t.testdir();

interface ImageConfig {
  readonly created: string;
  readonly config: {
    readonly User: string;
    readonly Env: readonly string[];
    readonly Entrypoint: readonly string[];
    readonly Cmd: readonly string[];
    readonly Labels: Readonly<Record<string, string>>;
  };
  readonly rootfs: { readonly diff_ids: readonly string[] };
}

interface Sbom {
  readonly components: readonly {
    readonly name: string;
    readonly version: string;
    readonly purl: string;
    readonly licenses?: readonly { readonly expression: string }[];
  }[];
}

/** Builds the image as `npm run image` does, into `name` below the test directory. */
function build(name: string, environment: NodeJS.ProcessEnv = {}): string {
  const output = join(directory, name);
  execFileSync(NODE, ['scripts/image.ts', '--output', output, '--tag', 'test-image'], {
    cwd: ROOT,
    stdio: 'pipe',
    env: { ...process.env, SOURCE_DATE_EPOCH: String(EPOCH), ...environment },
  });
  return output;
}

const tar = (...args: readonly string[]): string => execFileSync('tar', args, { encoding: 'utf8', stdio: 'pipe' });
const hash = (content: Buffer): string => `sha256:${createHash('sha256').update(content).digest('hex')}`;
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- says what the file holds
const json = <T>(path: string): T => JSON.parse(readFileSync(path, 'utf8')) as T;

const archive = build('image.tar');
const layout = join(directory, 'layout');
mkdirSync(layout);
tar('xf', archive, '-C', layout);
const blob = (digest: string): string => join(layout, 'blobs', digest.replace(':', '/'));
const [{ Config: configPath, Layers: layerPaths }] = json<[{ readonly Config: string; readonly Layers: string[] }]>(
  join(layout, 'manifest.json'),
);
const image = json<ImageConfig>(join(layout, configPath));
/** The root file system, as GNU tar unpacks it. */
const root = join(directory, 'root');
mkdirSync(root);
for (const layer of layerPaths) tar('xzf', join(layout, layer), '-C', root);
const sbomText = readFileSync(join(root, image.config.Labels['plimsoll.sbom.path'] ?? ''));
const sbom = JSON.parse(sbomText.toString()) as Sbom;

t.test('two builds are equal, whatever the machine is set to', (t) => {
  const second = build('second.tar', { TZ: 'Asia/Tokyo', LANG: 'tr_TR.UTF-8', TMPDIR: t.testdir() });
  t.equal(hash(readFileSync(second)), hash(readFileSync(archive)));
  t.equal(image.created, new Date(EPOCH * 1000).toISOString());
  t.end();
});

t.test('every digest names its content', (t) => {
  const index = json<{ manifests: [{ digest: string; size: number }] }>(join(layout, 'index.json'));
  const manifest = json<{ config: { digest: string }; layers: readonly { digest: string; size: number }[] }>(
    blob(index.manifests[0].digest),
  );
  for (const name of readdirSync(join(layout, 'blobs/sha256')))
    t.equal(hash(readFileSync(blob(`sha256:${name}`))), `sha256:${name}`);
  t.equal(blob(manifest.config.digest), join(layout, configPath), 'OCI and Docker name the same configuration');
  const diffIds = manifest.layers.map(({ digest }) => hash(gunzipSync(readFileSync(blob(digest)))));
  t.same(image.rootfs.diff_ids, diffIds);
  t.end();
});

t.test('the root file system is small and grants nothing', (t) => {
  const listing = layerPaths.flatMap((layer) => tar('tvzf', join(layout, layer)).trim().split('\n'));
  t.notOk(
    listing.find((line) => /^.{3}[sS]|^.{6}[sS]/.test(line)),
    'no set-user-ID or set-group-ID file',
  );
  const writable = listing.filter((line) => /^[^l].{7}w/.test(line)).map((line) => line.split(' ').at(-1));
  t.same(writable, ['tmp/'], 'only /tmp is writable by others');
  const owned = listing.filter((line) => line.includes('65532/65532')).map((line) => line.split(' ').at(-1));
  t.same(owned, ['var/lib/plimsoll/'], 'the program cannot change itself');
  t.equal(image.config.User, '65532:65532');
  t.ok(readFileSync(archive).length < 48 * 2 ** 20, 'less than 48 MiB');
  t.end();
});

t.test('node is the released program without symbols', (t) => {
  const [own, released] = [readFileSync(join(root, 'usr/bin/node')), readFileSync(NODE)];
  t.ok(own.length < released.length);
  // Bytes 40 to 47 and 60 to 63 of the header name the section table.
  t.ok(own.subarray(64).equals(released.subarray(64, own.length)), 'every byte that is loaded is the same');
  t.end();
});

t.test('the bill of materials lists what is in the image', (t) => {
  t.equal(hash(sbomText), image.config.Labels['plimsoll.sbom.digest']);
  const purls = new Set(sbom.components.map(({ purl }) => purl));
  t.equal(purls.size, sbom.components.length, 'each once');
  const lock = json<{ packages: Readonly<Record<string, { version: string }>> }>(join(ROOT, 'package-lock.json'));
  for (const { name, version, purl, licenses } of sbom.components.filter(({ purl }) => purl.startsWith('pkg:npm/'))) {
    const versions = Object.entries(lock.packages).filter(([path]) => path.endsWith(`node_modules/${name}`));
    t.ok(
      versions.some(([, entry]) => entry.version === version),
      `${purl} is in the lock file`,
    );
    // A package without a file of its licence names it in its manifest.
    const hasText = existsSync(join(root, 'usr/share/doc/npm', name));
    t.ok(hasText || licenses?.[0]?.expression !== undefined, `${name}: licence`);
  }
  for (const path of tar('tzf', join(layout, layerPaths[1] ?? '')).match(
    /node_modules\/(?:@[^/]+\/)?[^/]+\/package\.json$/gm,
  ) ?? []) {
    const { name, version } = json<{ name: string; version: string }>(join(root, 'opt/plimsoll', path));
    t.ok(purls.has(`pkg:npm/${name.replace('@', '%40')}@${version}`), `${path} is listed`);
  }
  for (const name of ['node', 'libc6', 'libstdc++6', 'libgcc-s1'])
    t.ok(
      sbom.components.some((each) => each.name === name),
      name,
    );
  t.end();
});

t.test('the Dockerfile sets the same configuration', (t) => {
  const text = readFileSync(join(ROOT, 'Dockerfile'), 'utf8');
  const { User, Env, Entrypoint, Cmd, Labels } = image.config;
  t.match(text, `\nUSER ${User}\n`);
  t.match(text, `\nENV ${Env.join(' ')}\n`);
  t.match(text, `\nENTRYPOINT ${JSON.stringify(Entrypoint)}\nCMD ${JSON.stringify(Cmd)}\n`);
  for (const name of ['org.opencontainers.image.title', 'plimsoll.sbom.path'])
    t.match(text, `${name}=${Labels[name] ?? ''}`);
  t.end();
});

const found = testDocker();
t.test('it runs', { skip: 'reason' in found ? found.reason : false }, async (t) => {
  if ('reason' in found) return;
  const { docker } = found.docker;
  await docker('load', '--input', archive);
  t.teardown(() => docker('image', 'rm', '--force', REFERENCE));
  const run = (...args: readonly string[]) =>
    docker('run', '--rm', '--read-only', '--cap-drop=ALL', '--network=none', ...args);
  t.match(await run(REFERENCE, 'version'), /^plimsoll \d/);
  const script = 'JSON.stringify([process.getuid(), process.getgid(), tls.getCACertificates("system").length])';
  t.same(JSON.parse(await run('--entrypoint=/usr/bin/node', REFERENCE, '--print', script)), [
    65_532,
    65_532,
    rootCertificates.length,
  ]);
  // What the collector loads beside the bundle: certificates, log lines, YAML.
  const name = 'plimsoll-test-image';
  t.teardown(() => docker('rm', '--force', name));
  const data = '--tmpfs=/var/lib/plimsoll:uid=65532,mode=700';
  const options = ['--detach', '--read-only', '--cap-drop=ALL', '--network=none', '--name', name, data];
  await docker('run', ...options, REFERENCE, 'collector', '--enroll', '127.0.0.1:7444');
  const isReady = async () => JSON.parse(await docker('exec', name, 'plimsoll', 'status', '--output', 'json'));
  for (let attempt = 0; ; attempt += 1) {
    const ready = await isReady().catch((error: unknown) => error);
    if (!(ready instanceof Error)) break;
    if (attempt > 40) throw ready;
    await setTimeout(250);
  }
  t.match(
    await docker('exec', name, 'plimsoll', 'join-token', 'create', '--host', '127.0.0.1'),
    /--join-ca-hash sha256:/,
  );
});

t.test('it runs each command and each sink', { skip: 'reason' in found ? found.reason : false }, async (t) => {
  if ('reason' in found) return;
  const { docker } = found.docker;
  const name = 'plimsoll-test-image-up';
  await docker('load', '--input', archive);
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-image-'));
  chmodSync(directory, 0o755);
  t.teardown(async () => {
    await docker('rm', '--force', name);
    await docker('image', 'rm', '--force', REFERENCE);
    rmSync(directory, { recursive: true, force: true });
  });
  const receivers = await startReceivers(t, directory);
  const environment = { ...receivers.environment, PLIMSOLL_API: `127.0.0.1:${String(await freePort())}` };
  const options = ['--detach', '--read-only', '--cap-drop=ALL', '--network=host', '--name', name];
  const variables = Object.entries(environment).flatMap(([variable, value]) => ['--env', `${variable}=${value}`]);
  const mounts = ['--tmpfs=/var/lib/plimsoll:uid=65532,mode=700', `--volume=${directory}:${directory}`];
  await docker('run', ...options, ...variables, ...mounts, REFERENCE, 'up', '--listen', '127.0.0.1:0');
  const printed = (): Promise<string> => docker('logs', name);
  while (!/console/i.test(await printed())) {
    if ((await docker('inspect', '--format', '{{.State.Running}}', name)) !== 'true') throw new Error(await printed());
    await setTimeout(250);
  }
  // One call for all: each call of the engine costs as much as the program.
  const script = `const { spawnSync } = require('node:child_process');
    const runs = JSON.parse(process.argv[1]).map((args) => spawnSync('/usr/bin/plimsoll', args, { encoding: 'utf8' }));
    console.log(JSON.stringify(runs.map(({ status, stdout, stderr }) => ({ code: status, stdout, stderr }))));`;
  const runAll: RunAll = async (commands) =>
    JSON.parse(
      await docker('exec', name, '/usr/bin/node', '--eval', script, JSON.stringify(commands)),
    ) as readonly Run[];
  await testBuiltProgram(t, runAll, receivers);
});
