import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import t from 'tap';
import type { Test } from 'tap';
import { runAgent } from '../../agent/main.ts';
import { fixList, imageDetail, imageList, vulnerabilityDetail, vulnerabilityList } from '../../api/image.ts';
import type { Schema } from '../../posture/schema.ts';
import { systemClock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import { collector, directoryOf } from '../collector/run-collector.ts';
import { TEST_IMAGE, testDocker } from '../component/docker.ts';
import { noRegistry, REGISTRY_USER, startRegistry } from '../component/registry.ts';
import { settingsWith } from '../fixture/settings.ts';
import { build, noVulnerabilityData, vulnerabilityData } from '../fixture/vulnerability-data.ts';
import { plimsoll } from './process.ts';
import type { Run } from './process.ts';

/*
 * A real engine runs a container whose image has the packages of a Debian 12; an agent reports it to a collector with a
 * database of real advisories. What the command line prints is compared with what another scanner found there.
 */

const found = testDocker();
const SKIP = 'reason' in found ? found.reason : noVulnerabilityData;
const SILENT: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const IMAGE = 'plimsoll-test/shop:1.4';
const [BASE, CONTAINER] = ['plimsoll-test-shop-base', 'plimsoll-test-shop'];
const ORACLE = join(vulnerabilityData, 'oracle');

/** [package, installed, id, fixed in] */
type Expected = readonly [string, string, string, string];

function expected(): readonly Expected[] {
  const all = JSON.parse(readFileSync(join(ORACLE, 'expected.json'), 'utf8')) as Record<string, readonly Expected[]>;
  const key = Object.keys(all).find((name) => name.startsWith('debian_app')) ?? '';
  return all[key] ?? [];
}

/** Runs a container of an image with the packages of the oracle; resolves to the id of the image. */
async function runShop(t: Test): Promise<string> {
  if ('reason' in found) throw new Error(found.reason);
  const { docker } = found.docker;
  const root = t.testdir({ etc: {}, var: { lib: { dpkg: {} } } });
  writeFileSync(join(root, 'var/lib/dpkg/status'), gunzipSync(readFileSync(join(ORACLE, 'app.dpkg-status.gz'))));
  writeFileSync(join(root, 'etc/os-release'), 'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n');
  writeFileSync(join(root, 'etc/rootme'), 'x');
  chmodSync(join(root, 'etc/rootme'), 0o4755);
  const remove = () => docker('rm', '-f', BASE, CONTAINER);
  await remove();
  t.teardown(async () => {
    await remove();
    await docker('rmi', '-f', IMAGE);
  });
  await docker('create', '--name', BASE, TEST_IMAGE, '/bin/sleep', '1');
  await docker('cp', `${root}/.`, `${BASE}:/`);
  await docker('commit', BASE, IMAGE);
  await docker('run', '-d', '--name', CONTAINER, IMAGE, '/bin/sleep', '3600');
  return docker('inspect', '-f', '{{.Id}}', IMAGE);
}

/** A database of real advisories; its path. */
async function buildDatabase(t: Test): Promise<string> {
  const vulndb = join(directoryOf(t), 'vulndb.sqlite');
  const inputs = ['osv/debian-12-13.ndjson.gz', 'kev.json'].map((name) => join(vulnerabilityData, name));
  const built = await build(inputs, vulndb, { builtAt: Date.now() });
  if (!built.ok) throw new Error(built.problem);
  return vulndb;
}

/** A collector with these settings, and an agent that reports this machine to it. */
async function startFleet(t: Test, flags: Readonly<Record<string, string>>) {
  if ('reason' in found) throw new Error(found.reason);
  const dataDir = directoryOf(t);
  const running = await collector(t, { 'data-dir': dataDir, ...flags });
  const { api, listen } = await running.ready;
  const stop = new AbortController();
  const agent = runAgent({
    settings: await settingsWith('agent', {
      'data-dir': dataDir,
      collector: `127.0.0.1:${String(listen.port)}`,
      'docker-host': found.docker.endpoint,
    }),
    version: '0.0.0-test',
    queryWorker: new URL('../../agent/query/worker.ts', import.meta.url),
    inventoryWorker: new URL('../../image/inventory/worker.ts', import.meta.url),
    clock: systemClock(),
    log: SILENT,
    signal: stop.signal,
    onReady: () => undefined,
  });
  t.teardown(async () => {
    stop.abort();
    await agent;
  });
  const tokenFile = join(dataDir, 'operator-token');
  const client = ['--api', `127.0.0.1:${String(api.port)}`, '--token-file', tokenFile];
  const authorization = `Bearer ${readFileSync(tokenFile, 'utf8').trim()}`;
  return {
    run: (...args: readonly string[]): Promise<Run> => plimsoll([...args, ...client]),
    get: async (path: string): Promise<unknown> =>
      (await fetch(`http://127.0.0.1:${String(api.port)}${path}`, { headers: { authorization } })).json(),
  };
}

/** The value of a text in JSON that the schema of the API accepts. */
function parsed<T>(schema: Schema<T>, { stdout }: Run): T {
  const result = schema.parse(JSON.parse(stdout), '');
  if (!result.ok) throw new Error(result.problem);
  return result.value;
}

/** The cells of the row that begins with `name`. */
const row = ({ stdout }: Run, name: string): readonly string[] =>
  stdout
    .split('\n')
    .find((line) => line.startsWith(name))
    ?.split(/ {2,}/) ?? [];

void t.test('images, vulnerabilities and fixes of a live fleet', { skip: SKIP, timeout: 180_000 }, async (t) => {
  const imageId = await runShop(t);
  const { run, get } = await startFleet(t, { vulndb: await buildDatabase(t) });
  for (let left = 200; left > 0; left -= 1) {
    const list = imageList.parse(await get('/v1/images'), '');
    const image = list.ok ? list.value.images.find(({ id }) => id === imageId) : undefined;
    if (image?.state === 'complete') break;
    await delay(250);
  }

  const images = await run('images');
  t.match(images, { code: 0, stderr: /^plimsoll: \d+ further images do not run; see: plimsoll images --unused\n$/ });
  t.match(row(images, IMAGE), [IMAGE, 'complete', /^\d+\.\d$/, /^\d+$/, /^\d+$/, '1', '1'], 'one is in KEV');
  const list = parsed(imageList, await run('images', 'list', '-o', 'json')).images;
  t.match(
    list.find(({ id }) => id === imageId),
    { names: [IMAGE], packages: 182, distribution: 'debian 12' },
  );
  for (const { id, state, packages } of list)
    if (id !== imageId) t.not(state, 'complete', `an image of ${String(packages)} packages is not known to be clean`);

  let judged = await run('findings', '--check', 'image.setuid-files', '-o', 'json');
  for (let left = 100; left > 0 && !judged.stdout.includes('/etc/rootme'); left -= 1) {
    await delay(100);
    judged = await run('findings', '--check', 'image.setuid-files', '-o', 'json');
  }
  t.match(
    (JSON.parse(judged.stdout) as { findings: readonly { subject: { id: string } }[] }).findings.find(
      ({ subject }) => subject.id === imageId,
    ),
    { verdict: 'fail', evidence: [{ seen: '4755 /etc/rootme' }] },
  );

  const scanner = expected();
  const detail = parsed(imageDetail, await run('images', 'show', IMAGE, '-o', 'json'));
  t.same(detail.setuid, [{ path: '/etc/rootme', mode: '4755' }]);
  const rows = new Set(
    detail.vulnerabilities.map((item) => [item.package, item.version, item.id, item.fixedVersion].join(' ')),
  );
  const missing = scanner.map((item) => item.join(' ')).filter((item) => !rows.has(item));
  t.ok(scanner.length > 100);
  t.same(missing, [], 'all that another scanner found');
  const known = new Set(scanner.map(([name, , id]) => `${name} ${id}`));
  t.same(
    detail.vulnerabilities.filter((item) => !known.has(`${item.package} ${item.id}`)).map(({ id }) => id),
    [],
    'and nothing else',
  );
  const shown = await run('images', 'show', imageId.slice(7, 19));
  t.match(row(shown, 'CVE-2024-28757'), ['CVE-2024-28757', /./, /^\d/, 'libexpat1', '2.5.0-1+deb12u4']);

  const vulnerabilities = await run('vulnerabilities');
  const ids = new Set(scanner.map(([, , id]) => id));
  t.equal(vulnerabilities.stdout.trimEnd().split('\n').length - 1, ids.size);
  const exploited = parsed(vulnerabilityList, await run('vulnerabilities', '--exploited', '-o', 'json'));
  t.match(exploited.vulnerabilities, [{ id: 'CVE-2023-44487', containers: 1, images: 1, nodes: 1 }]);
  t.equal(exploited.vulnerabilities.length, 1);
  const affected = await run('vulnerabilities', 'show', 'CVE-2024-28757');
  t.match(affected.stdout, new RegExp(`${CONTAINER} +${IMAGE}`));
  const one = parsed(vulnerabilityDetail, await run('vulnerabilities', 'show', 'CVE-2024-28757', '-o', 'json'));
  t.match(one.containers, [{ name: CONTAINER, image: IMAGE }]);
  t.match(await run('vulnerabilities', 'show', 'CVE-1999-0001'), {
    code: 2,
    stdout: '',
    stderr: /no image .*CVE-1999/,
  });

  const fixes = await run('fixes');
  // The versions are whole, and the name of the image gives room for them.
  t.match(row(fixes, IMAGE.slice(0, 9)), [/^plimsoll-/, /./, /\d/, /\d/, /^\d+$/, /^\d+\.\d$/]);
  t.match(row(await run('fixes', '-o', 'wide'), IMAGE), [IMAGE, /./, /\d/, /\d/]);
  const { fixes: upgrades } = parsed(fixList, await run('fixes', '-o', 'json'));
  const nginx = upgrades.find((fix) => fix.package === 'nginx');
  const ofNginx = new Set(scanner.filter(([name]) => name.startsWith('nginx')).map(([, , id]) => id));
  t.match(nginx, { imageId, vulnerabilities: ofNginx.size, exploited: 1 });

  // In a terminal of 80 columns no version is cut.
  for (const { stdout } of [images, shown, vulnerabilities, affected, fixes])
    for (const line of stdout.split('\n')) t.ok(line.length <= 80, line);
  for (const { stdout } of [images, shown, fixes]) t.notMatch(stdout, /\d…/);

  // Its container ends, and the image lies on the node.
  if ('reason' in found) return;
  await found.docker.docker('rm', '-f', CONTAINER);
  let unused = await run('images', '--unused');
  for (let left = 100; left > 0 && !row(unused, IMAGE).includes('at rest'); left -= 1) {
    await delay(100);
    unused = await run('images', '--unused');
  }
  t.same(row(unused, IMAGE), [...row(images, IMAGE).slice(0, 6), 'at rest'], 'with the same vulnerabilities');
  t.same(row(await run('images'), IMAGE), [], 'it does not run');
  t.notMatch((await run('vulnerabilities')).stdout, 'CVE-2024-28757');
  t.match(parsed(imageDetail, await run('images', 'show', IMAGE, '-o', 'json')), { atRest: 1, containers: [] });
});

/*
 * The engine pulled an image by its tag from a real registry with TLS and a password; then another image got the tag.
 * What is deployed anew from the tag closes the finding.
 */
void t.test(
  'a tag that moved',
  { skip: 'reason' in found ? found.reason : noRegistry, timeout: 120_000 },
  async (t) => {
    if ('reason' in found) return;
    const { docker } = found.docker;
    const registry = await startRegistry(t, { tls: true, password: true });
    const name = `${registry.host}/shop/web:1`;
    const container = 'plimsoll-test-tag';
    const auth = Buffer.from(`${REGISTRY_USER.username}:${REGISTRY_USER.password}`).toString('base64');
    const credentials = t.testdir({
      'config.json': JSON.stringify({ auths: { [registry.host]: { auth } } }),
      'policy.yaml': POLICY,
    });
    const push = () => docker('--config', credentials, 'push', name);
    t.teardown(async () => {
      await docker('rm', '-f', container);
      await docker('rmi', '-f', name);
    });
    await docker('tag', TEST_IMAGE, name);
    await push();
    await docker('run', '-d', '--name', container, name, '/bin/sleep', '3600');
    const before = await docker('inspect', '-f', '{{.Image}}', container);
    await docker('commit', '--change', 'LABEL release=2', container, name);
    await push();

    const { run } = await startFleet(t, {
      policies: join(credentials, 'policy.yaml'),
      registries: registry.host,
      'registry-ca': registry.caFile,
      'registry-credentials': join(credentials, 'config.json'),
    });
    /** The finding about an image once it has this verdict. */
    const findingOf = async (
      imageId: string,
      verdict: string,
      check = 'image.tag-moved',
    ): Promise<TagFinding | undefined> => {
      for (let left = 100; left > 0; left -= 1) {
        const { stdout } = await run('findings', '--check', check, '--verdict', verdict, '-o', 'json');
        const { findings } = JSON.parse(stdout) as { readonly findings: readonly TagFinding[] };
        const finding = findings.find(({ subject }) => subject.id === imageId);
        if (finding !== undefined) return finding;
        await delay(250);
      }
      return undefined;
    };
    const moved = await findingOf(before, 'fail');
    t.match(moved?.evidence, [{ source: new RegExp(name) }], 'the tag is named');
    const pushed = await docker('inspect', '-f', '{{index .RepoDigests 0}}', name);
    t.match(JSON.stringify(moved?.evidence), pushed.replace(/^.*@/, ''), 'and what it names now');

    await docker('rm', '-f', container);
    await docker('run', '-d', '--name', container, name, '/bin/sleep', '3600');
    const after = await docker('inspect', '-f', '{{.Image}}', container);
    t.not(after, before);
    t.ok(await findingOf(after, 'pass'));
    const left = await run('findings', '--check', 'image.tag-moved', '--verdict', 'fail', '-o', 'json');
    t.notMatch(left.stdout, before);
    // The image has programs that no package manager lists: what they are is not known.
    const judged = await findingOf(after, 'unknown', 'image.packages');
    t.match(judged?.evidence, [{ source: 'image policy all, spec.rules[1]' }], 'also in mode observe');
  },
);

const POLICY = `apiVersion: plimsoll.dev/v1
kind: ImagePolicy
metadata: { name: all }
spec:
  mode: observe
  rules:
    - type: registry
      allow: ['**']
    - type: package
      forbid: [{ name: '*' }]
`;

interface TagFinding {
  readonly subject: { readonly id: string };
  readonly evidence: readonly { readonly source: string }[];
}

void t.test('what is wrong with a command line', async (t) => {
  for (const [args, problem] of [
    [['images', 'show'], 'show needs an image'],
    [['images', 'remove'], 'images has no action "remove"'],
    [['vulnerabilities', 'show'], 'show needs the id of a vulnerability'],
    [['vulnerabilities', '\u001b[31m'], 'vulnerabilities has no action'],
    [['vulnerabilities', '--severity', 'worst'], 'is not one of'],
    [['fixes', 'more'], 'does not take "more"'],
  ] as const) {
    const { code, stderr } = await plimsoll(args);
    t.equal(code, 2, args.join(' '));
    t.match(stderr, problem);
    t.notMatch(stderr, '\u001b');
  }
});
