import fc from 'fast-check';
import t from 'tap';
import { readSbom } from '../../../image/sbom/read-sbom.ts';
import type { SbomResult } from '../../../image/sbom/read-sbom.ts';
import { writeCycloneDx } from '../../../image/sbom/write-cyclonedx.ts';
import { writeSpdx } from '../../../image/sbom/write-spdx.ts';
import { document } from './documents.ts';
import { cpuMs } from '../../fixture/cpu-time.ts';

const read = (value: unknown): SbomResult =>
  readSbom(new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value)));
const cycloneDx = (rest: object): object => ({ bomFormat: 'CycloneDX', specVersion: '1.6', ...rest });
const property = (name: string, value: string): object => ({ name, value });
const reasons = (result: SbomResult): readonly string[] =>
  result.ok ? result.inventory.gaps.map(({ reason }) => reason) : [result.problem];

void t.test('CycloneDX as Trivy writes it', (t) => {
  const result = read(
    cycloneDx({
      specVersion: '1.5',
      metadata: {
        timestamp: '2024-05-01T10:00:00+00:00',
        component: {
          type: 'container',
          name: 'app:1',
          'bom-ref': 'x',
          properties: [property('aquasecurity:trivy:RepoDigest', `app@sha256:${'1'.repeat(64)}`)],
        },
      },
      components: [
        {
          type: 'operating-system',
          name: 'debian',
          version: '12.5',
          properties: [property('aquasecurity:trivy:Class', 'os-pkgs')],
        },
        {
          type: 'library',
          name: 'bsdutils',
          version: '1:2.38.1-5+deb12u1',
          purl: 'pkg:deb/debian/bsdutils@2.38.1-5%2Bdeb12u1?arch=amd64&distro=debian-12.5&epoch=1',
          properties: [
            property('aquasecurity:trivy:SrcName', 'util-linux'),
            property('aquasecurity:trivy:SrcVersion', '2.38.1'),
            property('aquasecurity:trivy:SrcRelease', '5+deb12u1'),
          ],
        },
        {
          type: 'application',
          name: 'app/package-lock.json',
          properties: [property('aquasecurity:trivy:Type', 'npm')],
        },
        {
          type: 'library',
          name: 'toml',
          group: 'github.com/BurntSushi',
          version: 'v1.0.0',
          purl: 'pkg:golang/github.com/burntsushi/toml@v1.0.0',
          properties: [property('aquasecurity:trivy:FilePath', 'usr/bin/app')],
        },
      ],
    }),
  );
  t.strictSame(result, {
    ok: true,
    inventory: {
      distribution: { id: 'debian', versionId: '12', like: [] },
      packages: [
        {
          type: 'deb',
          name: 'bsdutils',
          version: '1:2.38.1-5+deb12u1',
          architecture: 'amd64',
          source: { name: 'util-linux', version: '2.38.1-5+deb12u1' },
          path: 'SBOM',
        },
        { type: 'golang', name: 'github.com/BurntSushi/toml', version: '1.0.0', path: '/usr/bin/app' },
      ],
      gaps: [],
    },
    origin: {
      format: 'CycloneDX 1.5',
      subject: { name: 'app:1', digest: `sha256:${'1'.repeat(64)}` },
      createdAt: Date.UTC(2024, 4, 1, 10),
    },
  });
  t.end();
});

void t.test('CycloneDX as Syft and cdxgen write it', (t) => {
  const syft = read(
    cycloneDx({
      metadata: { component: { type: 'container', name: 'app', version: `sha256:${'2'.repeat(64)}` } },
      components: [
        {
          type: 'library',
          name: 'libc6',
          version: '2.36-9',
          purl: 'pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=debian-12&upstream=glibc',
          properties: [property('syft:location:0:path', '/var/lib/dpkg/status')],
        },
        {
          type: 'operating-system',
          name: 'debian',
          version: '12',
          properties: [
            property('syft:distro:id', 'debian'),
            property('syft:distro:versionID', '12'),
            property('syft:distro:idLike:0', 'unix'),
          ],
        },
        { type: 'file', name: '/etc/passwd' },
        { type: 'application', name: 'node', version: '20.0.0', purl: 'pkg:generic/node@20.0.0' },
      ],
    }),
  );
  t.match(syft, {
    inventory: {
      distribution: { id: 'debian', versionId: '12', like: ['unix'] },
      packages: [{ name: 'libc6', source: { name: 'glibc', version: '2.36-9' }, path: '/var/lib/dpkg/status' }],
      gaps: [{ reason: 'has 1 package of a type that is not supported' }],
    },
    origin: { subject: { name: 'app', digest: `sha256:${'2'.repeat(64)}` } },
  });
  const cdxgen = read(
    cycloneDx({
      metadata: {
        component: {
          type: 'application',
          name: 'app',
          components: [{ type: 'application', name: 'web', version: '1.0.0', purl: 'pkg:npm/web@1.0.0' }],
        },
      },
      components: [
        {
          type: 'framework',
          group: '@angular',
          name: 'core',
          version: '12.0.0',
          purl: 'pkg:npm/%40angular/core@12.0.0',
          properties: [property('SrcFile', '/app/package-lock.json')],
        },
        {
          type: 'library',
          name: 'curl',
          version: '7.88.1-10',
          purl: 'pkg:deb/debian/curl@7.88.1-10?arch=amd64&distro=debian-12&distro_name=bookworm',
          components: [{ type: 'library', name: 'inner', version: '1', purl: 'pkg:cargo/inner@1' }],
        },
      ],
    }),
  );
  t.match(cdxgen, { inventory: { distribution: { id: 'debian', versionId: '12' }, gaps: [] } });
  t.strictSame(cdxgen.ok && cdxgen.inventory.packages.map(({ name, path }) => `${name} ${path}`), [
    'web SBOM',
    '@angular/core /app/package-lock.json',
    'curl SBOM',
    'inner SBOM',
  ]);
  t.end();
});

void t.test('SPDX as Trivy writes it', (t) => {
  const spdx = {
    spdxVersion: 'SPDX-2.3',
    SPDXID: 'SPDXRef-DOCUMENT',
    creationInfo: { created: '2024-05-01T10:00:00Z' },
    packages: [
      { SPDXID: 'SPDXRef-ContainerImage-1', name: 'app.tar' },
      { SPDXID: 'SPDXRef-OperatingSystem-2', name: 'centos', versionInfo: '7.6.1810' },
      { SPDXID: 'SPDXRef-Application-3', name: 'app/Gemfile.lock' },
      {
        SPDXID: 'SPDXRef-Package-4',
        name: 'openssl-libs',
        versionInfo: '1:1.0.2k',
        sourceInfo: 'built package from: openssl 1:1.0.2k-16.el7',
        externalRefs: [
          {
            referenceCategory: 'PACKAGE-MANAGER',
            referenceType: 'purl',
            referenceLocator: 'pkg:rpm/centos/openssl-libs@1.0.2k-16.el7?arch=x86_64&epoch=1&distro=centos-7.6.1810',
          },
        ],
      },
      { SPDXID: 'SPDXRef-Package-5', name: 'mystery', versionInfo: '1.0' },
    ],
    relationships: [
      {
        spdxElementId: 'SPDXRef-DOCUMENT',
        relationshipType: 'DESCRIBES',
        relatedSpdxElement: 'SPDXRef-ContainerImage-1',
      },
    ],
  };
  t.strictSame(read(spdx), {
    ok: true,
    inventory: {
      distribution: { id: 'centos', versionId: '7.6.1810', like: [] },
      packages: [
        {
          type: 'rpm',
          name: 'openssl-libs',
          version: '1:1.0.2k-16.el7',
          architecture: 'x86_64',
          source: { name: 'openssl', version: '1:1.0.2k-16.el7' },
          path: 'SBOM',
        },
      ],
      gaps: [{ path: 'SBOM', reason: 'has 1 package without a package URL' }],
    },
    origin: { format: 'SPDX 2.3', subject: { name: 'app.tar' }, createdAt: Date.UTC(2024, 4, 1, 10) },
  });
  t.end();
});

void t.test('what a document leaves open is a gap', (t) => {
  const library = (rest: object): object => ({ type: 'library', name: 'x', version: '1', ...rest });
  const good = library({ purl: 'pkg:npm/x@1' });
  const cases: readonly (readonly [string, object, RegExp])[] = [
    ['nothing at all', {}, /lists no package/],
    ['an empty list', { components: [] }, /lists no package/],
    ['no package URL', { components: [good, library({})] }, /1 package without a package URL/],
    ['an empty package URL', { components: [good, library({ purl: '' })] }, /1 package without a package URL/],
    [
      'a program with a version',
      { components: [good, { type: 'application', name: 'x', version: '1' }] },
      /without a package URL/,
    ],
    ['a malformed package URL', { components: [good, library({ purl: 'npm/x@1' })] }, /not valid/],
    ['control characters', { components: [good, library({ purl: 'pkg:npm/%1B[0m@1' })] }, /not valid/],
    ['no version', { components: [good, library({ version: '', purl: 'pkg:npm/x' })] }, /without a version/],
    [
      'two releases of a distribution',
      { components: ['11', '12'].map((id) => library({ purl: `pkg:deb/debian/x${id}@1?distro=debian-${id}` })) },
      /several releases/,
    ],
    [
      'packages of another release',
      {
        components: [
          { type: 'operating-system', name: 'alpine', version: '3.22.1' },
          library({ purl: 'pkg:apk/alpine/x@1?distro=alpine-3.20.0' }),
        ],
      },
      /several distributions/,
    ],
    ['another type', { components: [good, library({ purl: 'pkg:swift/x@1' })] }, /not supported/],
    [
      'two operating systems',
      {
        components: [good, { type: 'operating-system', name: 'debian' }, { type: 'operating-system', name: 'alpine' }],
      },
      /several operating systems/,
    ],
    [
      'two distributions',
      { components: ['debian', 'ubuntu'].map((id) => library({ purl: `pkg:deb/${id}/x@1?distro=${id}-12` })) },
      /several distributions/,
    ],
    ['no distribution', { components: [library({ purl: 'pkg:deb/x@1' })] }, /does not name the distribution/],
    [
      'packages of another distribution',
      {
        components: [
          { type: 'operating-system', name: 'alpine', version: '3.22' },
          library({ purl: 'pkg:deb/debian/x@1?distro=debian-12' }),
        ],
      },
      /several distributions/,
    ],
    [
      'incomplete by its own word',
      { components: [good], compositions: [{ aggregate: 'incomplete' }] },
      /says that it is incomplete/,
    ],
  ];
  for (const [name, rest, wanted] of cases)
    t.ok(
      reasons(read(cycloneDx(rest))).some((reason) => wanted.test(reason)),
      `${name}: ${reasons(read(cycloneDx(rest))).join('; ')}`,
    );
  t.strictSame(reasons(read(cycloneDx({ components: [good] }))), []);
  const alma = ['pkg:rpm/almalinux/x@1-1?distro=almalinux-9.4', 'pkg:rpm/almalinux/y@1-1?distro=almalinux-9'];
  t.strictSame(reasons(read(cycloneDx({ components: alma.map((purl) => library({ purl })) }))), []);
  const disguised = {
    SPDXID: 'SPDXRef-a',
    name: 'x',
    primaryPackagePurpose: 'CONTAINER',
    externalRefs: [{ referenceType: 'purl', referenceLocator: 'pkg:npm/x@1' }],
  };
  t.match(
    read({ spdxVersion: 'SPDX-2.3', packages: [disguised] }),
    { inventory: { packages: [{ name: 'x' }] } },
    'a package in the clothes of an image',
  );
  t.end();
});

void t.test('malformed documents are refused with the place, and not quoted', (t) => {
  const open = '{"type":"library","name":"secret","components":[';
  const deep = (depth: number): string =>
    `{"bomFormat":"CycloneDX","specVersion":"1.6","components":[${open.repeat(depth)}${']}'.repeat(depth)}]}`;
  const cases: readonly (readonly [string, unknown, RegExp])[] = [
    ['no JSON', '<bom/>', /not valid JSON/],
    ['a list', [], /expected an object/],
    ['another document', { secret: 1 }, /not an SBOM/],
    ['only a prototype', '{"__proto__":{"bomFormat":"CycloneDX","specVersion":"1.6"}}', /not an SBOM/],
    ['a version of the future', cycloneDx({ specVersion: '2.0' }), /^\.specVersion/],
    ['components that are none', cycloneDx({ components: { secret: 1 } }), /^\.components: expected a list/],
    [
      'a component that is none',
      cycloneDx({ components: [{ type: 'library', name: 'a' }, 'secret'] }),
      /^\.components\[1\]/,
    ],
    [
      'a name that is none',
      cycloneDx({ components: [{ type: 'library', name: ['secret'] }] }),
      /^\.components\[0\]\.name: expected a string/,
    ],
    [
      'nested',
      cycloneDx({ components: [{ type: 'library', name: 'a', components: [{ type: 1 }] }] }),
      /^\.components\[0\]\.components\[0\]/,
    ],
    ['too deep', deep(40), /at most 32 levels/],
    ['too many', cycloneDx({ components: Array.from({ length: 100_001 }, () => 0) }), /at most 100000 components/],
    ['very deep', deep(50_000), /at most 32 levels/],
    ['SPDX 3', { spdxVersion: 'SPDX-3.0' }, /^\.spdxVersion/],
    ['SPDX without ids', { spdxVersion: 'SPDX-2.3', packages: [{ name: 'secret' }] }, /^\.packages\[0\]\.SPDXID/],
    [
      'SPDX with one package',
      { spdxVersion: 'SPDX-2.3', packages: { SPDXID: 'secret' } },
      /^\.packages: expected a list/,
    ],
  ];
  for (const [name, value, wanted] of cases) {
    const start = cpuMs();
    const result = read(value);
    t.notOk(result.ok, name);
    t.match(reasons(result)[0], wanted, name);
    t.notMatch(reasons(result).join(' '), /secret/, name);
    t.ok(cpuMs() - start < 3000, `${name}: in bounded time`);
  }
  t.match(readSbom(new Uint8Array(64 * 1024 * 1024 + 1)), { ok: false, problem: /larger than/ });
  t.end();
});

void t.test('a large document is read in seconds', (t) => {
  const components = Array.from({ length: 50_000 }, (_, index) => ({
    type: 'library',
    name: 'x',
    version: '1',
    purl: `pkg:deb/debian/x${String(index)}@1?arch=amd64&distro=debian-12`,
  }));
  const start = cpuMs();
  const result = read(cycloneDx({ components }));
  t.equal(result.ok && result.inventory.packages.length, 50_000);
  t.ok(cpuMs() - start < 15_000, `${String(Math.round(cpuMs() - start))} ms`);
  t.end();
});

void t.test('no damage to a document makes the reader throw', (t) => {
  for (const text of [writeCycloneDx(document), writeSpdx(document)]) {
    const value = JSON.parse(text) as unknown;
    const replaced = fc.tuple(
      fc.nat(400),
      fc.oneof(fc.string(), fc.integer(), fc.constant(null), fc.constant([]), fc.constant({}), fc.boolean()),
    );
    const property = fc.property(replaced, ([at, other]) => {
      let index = 0;
      const changed = JSON.stringify(value, (_, each: unknown) => {
        index += 1;
        return index === at ? other : each;
      });
      if (changed !== undefined) readSbom(new TextEncoder().encode(changed));
    });
    fc.assert(property, { numRuns: 300 });
  }
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => void readSbom(bytes)),
    { numRuns: 300 },
  );
  t.pass('never throws');
  t.end();
});

void t.test('a version beside the package URL completes it', (t) => {
  // `[package URL, version, name@version or why there is none]`
  const cases = [
    ['pkg:npm/x', '1.0.0', 'x@1.0.0'],
    ['pkg:npm/%40scope/x', '1.0.0', '@scope/x@1.0.0'],
    ['pkg:npm/@scope/x', '1.0.0', '@scope/x@1.0.0'],
    ['pkg:deb/debian/x?arch=amd64&distro=debian-12', '2:1.0+b1-1~bpo12', 'x@2:1.0+b1-1~bpo12'],
    ['pkg:golang/example.com/x#sub/package', 'v1.0.0+incompatible', 'example.com/x@1.0.0+incompatible'],
    ['pkg:npm/x@2.0.0', '1.0.0', 'x@2.0.0'],
    ['pkg:npm/x', 'a b', undefined],
    ['pkg:npm/x', '\ud800', undefined],
  ] as const;
  for (const [purl, version, wanted] of cases) {
    const result = read(cycloneDx({ components: [{ type: 'library', name: 'x', version, purl }] }));
    const found = result.ok ? result.inventory.packages.map((item) => `${item.name}@${item.version}`) : [];
    t.strictSame(found, wanted === undefined ? [] : [wanted], purl);
  }
  t.end();
});
