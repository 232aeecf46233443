import { writeFileSync } from 'node:fs';
import t from 'tap';
import type { Infer } from '../../../posture/schema.ts';
import type { exposureList, successorSearch } from '../../../api/rollout.ts';
import { noRegistry, OCI_INDEX, OCI_MANIFEST, startRegistry } from '../../component/registry.ts';
import { pushDebianImage } from '../../component/debian-image.ts';
import { TOKEN } from '../api/server.ts';
import { askUntil, startRolloutCollector } from './rollout-collector.ts';

const POLICY = `
apiVersion: plimsoll.dev/v1
kind: ImagePolicy
metadata: { name: all }
spec:
  rules:
    - { type: vulnerability, severity: critical }
    - { type: package, forbid: [{ name: telnetd }] }
`;
const ADVISORIES = [
  { id: 'CVE-2026-1001', package: 'openssl', fixed: '3.0.2', isExploited: true },
  { id: 'CVE-2026-1002', package: 'zlib1g', fixed: '9' },
];

type Search = Infer<typeof successorSearch>;

await t.test('what runs, what is wrong with it, and what could replace it', { skip: noRegistry }, async (t) => {
  const registry = await startRegistry(t, { tls: true, password: true });
  const push = (repository: string, tag: string, packages: Readonly<Record<string, string>>, created?: string) =>
    pushDebianImage(registry, { repository, tag }, { packages, ...(created === undefined ? {} : { created }) });
  const old = await push('shop/db', '16.1', { openssl: '3.0.1' });
  const image = `${registry.host}/shop/db:16.1`;
  const { server, putNode, putImage, waivers } = await startRolloutCollector(t, registry, {
    advisories: ADVISORIES,
    policy: POLICY,
  });
  const container = (id: string, imageId: string, name: string) => ({
    id,
    name: id,
    image: name,
    imageId,
    startedAt: '',
  });
  await putNode('n1', [container('c1', old.imageId, image)]);
  await putImage('n1', old.imageId, { openssl: '3.0.1' });

  const exposure = async () =>
    ((await (await server.fetch('/v1/rollouts/exposure')).json()) as Infer<typeof exposureList>).images;
  const [seen] = await askUntil(
    exposure,
    ([one]) => (one?.vulnerabilities.length ?? 0) > 0 && (one?.digests.length ?? 0) > 1,
  );
  t.match(seen, {
    id: old.imageId,
    digests: [old.imageId, old.digest],
    containers: [{ nodeId: 'n1', id: 'c1' }],
    source: 'layers',
    vulnerabilities: [
      { id: 'CVE-2026-1001', severity: 'critical', exploited: true, fixable: true, expiredWaiver: false },
    ],
  });

  const waiver = (until: string) => `
waivers:
  - ids: [CVE-2026-1001]
    reason: not reachable
    owner: shop
    expires: ${until}
`;
  writeFileSync(waivers, waiver('2026-01-01'));
  const expired = await askUntil(exposure, ([one]) => one?.vulnerabilities[0]?.expiredWaiver === true);
  t.match(expired, [{ vulnerabilities: [{ id: 'CVE-2026-1001', expiredWaiver: true }] }], 'a waiver that has expired');

  await putImage('n2', old.imageId, { openssl: '3.0.1', extra: '1' });
  t.match(await askUntil(exposure, ([one]) => one?.source === 'conflict'), [{ source: 'conflict' }], 'nodes disagree');

  const search = async (rules: readonly object[], digests = [old.digest], of = image): Promise<Search> =>
    askUntil(
      async () => {
        const body = JSON.stringify({ image: of, namespace: 'shop', digests, rules });
        const headers = { 'content-type': 'application/json', authorization: `Bearer ${TOKEN}` };
        const response = await server.fetch('/v1/rollouts/successors', { method: 'POST', headers, body });
        if (response.status !== 200) throw new Error(await response.text());
        return (await response.json()) as Search;
      },
      ({ candidates }) => candidates.every(({ state }) => state !== 'pending'),
    );
  const same = [{ type: 'sameTag', order: 'semver' }];
  const pattern = [{ type: 'tagPattern', pattern: '16.*', order: 'semver' }];
  t.strictSame(await search(same), { candidates: [], problem: '' }, 'the tag names what runs');

  const older = await push('shop/db', '16.1', { openssl: '3.0.2', older: '1' }, '2026-10-31T23:59:59Z');
  t.match(
    await askUntil(
      () => search(same),
      ({ candidates }) => candidates.length > 0,
      40_000,
    ),
    { candidates: [{ digest: older.digest, outcome: 'deny', reasons: [/was built before the image that runs/] }] },
    'the tag was moved back',
  );
  const rebuilt = await push('shop/db', '16.1', { openssl: '3.0.2' });
  t.match(
    await askUntil(
      () => search(same),
      ({ candidates }) => candidates.some(({ digest }) => digest !== older.digest),
      40_000,
    ),
    {
      candidates: [{ reference: `${image}@${rebuilt.digest}`, state: 'judged', outcome: 'allow', vulnerabilities: [] }],
    },
    'the tag was rebuilt',
  );
  // An image that was loaded is known by the digest of its configuration, which Distribution has as a blob.
  t.match(
    await search(same, [old.imageId]),
    { candidates: [{ digest: rebuilt.digest, outcome: 'allow' }], problem: '' },
    'the tag was rebuilt since the image was loaded',
  );
  t.match(
    await search(same, [rebuilt.imageId]),
    { candidates: [], problem: '' },
    'the tag names the image that was loaded',
  );
  const index = await registry.pushManifest(
    'shop/db',
    'index',
    {
      schemaVersion: 2,
      mediaType: OCI_INDEX,
      manifests: [
        { mediaType: OCI_MANIFEST, digest: rebuilt.digest, size: 1, platform: { os: 'linux', architecture: 's390x' } },
      ],
    },
    OCI_INDEX,
  );
  t.match(await search(same, [rebuilt.imageId], `${registry.host}/shop/db:index`), { candidates: [], problem: '' });
  t.match((await search(same, [old.imageId], `${registry.host}/shop/db:index`)).candidates, [{ digest: index }]);
  const later = await push('shop/moved', '1', { openssl: '3.0.2' });
  await push('shop/moved', '1', { openssl: '3.0.2', older: '1' }, '2026-10-31T23:59:59Z');
  t.match(
    (await search(same, [later.imageId], `${registry.host}/shop/moved:1`)).candidates,
    [{ outcome: 'deny', reasons: [/was built before the image that runs/] }],
    'the tag was moved back since the image was loaded',
  );
  // The registry fails at the image that runs: the tag is not blamed.
  const lost = await push('shop/lost', '1', { openssl: '3.0.2', lost: '1' });
  const newer = await push('shop/lost', '1', { openssl: '3.0.2', newer: '1' });
  const blob = lost.digest.slice('sha256:'.length);
  writeFileSync(`${registry.storage}/docker/registry/v2/blobs/sha256/${blob.slice(0, 2)}/${blob}/data`, 'x');
  t.match(await search(same, [lost.digest], `${registry.host}/shop/lost:1`), {
    candidates: [],
    problem: new RegExp(`^when the image that runs, ${lost.digest}, was built is not known: `),
  });
  t.match(await search(same, [lost.digest, lost.imageId], `${registry.host}/shop/lost:1`), {
    candidates: [{ digest: newer.digest }],
    problem: '',
  });

  await push('shop/db', '16.2', { openssl: '3.0.1', other: '1' });
  await push('shop/db', '16.3', { openssl: '3.0.2', telnetd: '1' });
  await push('shop/db', '17.0', { openssl: '3.0.2' });
  const byPattern = await askUntil(
    () => search(pattern),
    ({ candidates }) => candidates.length > 1,
    40_000,
  );
  t.match(
    byPattern.candidates.map(({ reference, outcome }) => [reference.split('@')[0], outcome]),
    [
      [`${registry.host}/shop/db:16.3`, 'deny'],
      [`${registry.host}/shop/db:16.2`, 'deny'],
    ],
    'newest first, judged by the image policies',
  );
  t.match(byPattern.candidates[1]?.vulnerabilities, [{ id: 'CVE-2026-1001' }]);

  const announce = async (body: object): Promise<number> => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${TOKEN}` };
    const init = { method: 'POST', headers, body: JSON.stringify(body) };
    return (await server.fetch('/v1/images/announcements', init)).status;
  };
  const announced = [{ type: 'announced', order: 'semver' }];
  t.equal(await announce({ image }), 400, 'a tag can be moved');
  const other = await push('evil/db', '16.1', { openssl: '3.0.2' });
  t.equal(await announce({ image: `${registry.host}/evil/db@${other.digest}`, replaces: ['16.1'] }), 200);
  t.strictSame(await search(announced), { candidates: [], problem: '' }, 'of another repository');
  t.equal(await announce({ image: `${registry.host}/shop/db@${rebuilt.digest}`, replaces: ['16.1'] }), 200);
  t.match((await search(announced)).candidates, [{ digest: rebuilt.digest, outcome: 'allow' }]);

  t.match(await search(same, [], 'other.example.com/db:1'), { candidates: [], problem: /may not ask other\.example/ });
  t.match(
    await search(same, [], `${registry.host}/shop/none:1`),
    { candidates: [], problem: '' },
    'not in the registry',
  );

  const viewer = { headers: { authorization: `Bearer ${await server.createToken('viewer', ['read'])}` } };
  t.equal((await server.fetch('/v1/rollouts/exposure', viewer)).status, 403);
});
