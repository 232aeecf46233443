import fc from 'fast-check';
import t from 'tap';
import type { Distribution, Package } from '../../../vulnerability/package.ts';
import { packageUrl, parsePackageUrl, releaseOf } from '../../../image/sbom/package-url.ts';
import { distributionId } from '../../../vulnerability/purl.ts';

const debian: Distribution = { id: 'debian', versionId: '12', codename: 'bookworm', like: [] };
const rhel: Distribution = { id: 'rhel', versionId: '9.4', like: ['fedora'] };

/** A package, its distribution, and its URL by the rules of each type in the purl specification. */
const ROUND_TRIPS: readonly (readonly [Omit<Package, 'path'>, Distribution | undefined, string])[] = [
  [
    { type: 'deb', name: 'curl', version: '7.88.1-10+deb12u5', architecture: 'amd64' },
    debian,
    'pkg:deb/debian/curl@7.88.1-10+deb12u5?arch=amd64&distro=debian-12',
  ],
  [
    { type: 'deb', name: 'libstdc++6', version: '1:12.2.0-14', source: { name: 'gcc-12', version: '12.2.0-14' } },
    debian,
    'pkg:deb/debian/libstdc%2B%2B6@1:12.2.0-14?distro=debian-12&upstream=gcc-12%4012.2.0-14',
  ],
  [
    { type: 'rpm', name: 'bash', version: '1:5.1.8-9.el9', architecture: 'x86_64' },
    rhel,
    'pkg:rpm/redhat/bash@5.1.8-9.el9?arch=x86_64&distro=rhel-9.4&epoch=1',
  ],
  [
    { type: 'rpm', name: 'nodejs', version: '18.2.0-1.el9', modularity: 'nodejs:18:9020:rhel9' },
    rhel,
    'pkg:rpm/redhat/nodejs@18.2.0-1.el9?distro=rhel-9.4&rpmmod=nodejs%3A18%3A9020%3Arhel9',
  ],
  [
    { type: 'apk', name: 'musl', version: '1.2.5-r0' },
    { id: 'alpine', versionId: '3.22.1', like: [] },
    'pkg:apk/alpine/musl@1.2.5-r0?distro=alpine-3.22.1',
  ],
  [{ type: 'npm', name: '@angular/core', version: '12.0.0' }, debian, 'pkg:npm/%40angular/core@12.0.0'],
  [{ type: 'npm', name: 'JSONStream', version: '1.3.5' }, undefined, 'pkg:npm/JSONStream@1.3.5'],
  [{ type: 'pypi', name: 'typing-extensions', version: '4.0' }, undefined, 'pkg:pypi/typing-extensions@4.0'],
  [
    { type: 'golang', name: 'github.com/BurntSushi/toml', version: '1.0.0' },
    undefined,
    'pkg:golang/github.com/BurntSushi/toml@v1.0.0',
  ],
  [{ type: 'golang', name: 'stdlib', version: '1.22.3' }, undefined, 'pkg:golang/stdlib@1.22.3'],
  [{ type: 'golang', name: 'toolchain', version: '1.22.3' }, undefined, 'pkg:golang/toolchain@1.22.3'],
  [
    { type: 'golang', name: 'golang.org/x/sys', version: '0.1.0', architecture: 'arm64' },
    undefined,
    'pkg:golang/golang.org/x/sys@v0.1.0?arch=arm64',
  ],
  [{ type: 'golang', name: 'example.com/x', version: '(devel)' }, undefined, 'pkg:golang/example.com/x@(devel)'],
  [{ type: 'cargo', name: 'rand', version: '0.7.2' }, undefined, 'pkg:cargo/rand@0.7.2'],
  [{ type: 'gem', name: 'rake', version: '13.0.6' }, undefined, 'pkg:gem/rake@13.0.6'],
  [
    { type: 'maven', name: 'org.apache.xmlgraphics:batik-anim', version: '1.9.1' },
    undefined,
    'pkg:maven/org.apache.xmlgraphics/batik-anim@1.9.1',
  ],
  [{ type: 'composer', name: 'symfony/console', version: '6.4.1' }, undefined, 'pkg:composer/symfony/console@6.4.1'],
  [{ type: 'nuget', name: 'Newtonsoft.Json', version: '12.0.1' }, undefined, 'pkg:nuget/Newtonsoft.Json@12.0.1'],
];

void t.test('packages become URLs and come back', (t) => {
  for (const [item, distribution, url] of ROUND_TRIPS) {
    t.equal(packageUrl(item, distribution), url);
    const parsed = parsePackageUrl(url);
    t.strictSame(typeof parsed === 'string' ? parsed : parsed.package, item, url);
  }
  t.end();
});

const DEBIAN_12 = { id: 'debian', versionId: '12' };

void t.test('URLs as other scanners write them', (t) => {
  const cases: readonly (readonly [url: string, Omit<Package, 'path'>, Partial<Distribution>?])[] = [
    [
      'pkg:deb/debian/bsdutils@2.38.1-5%2Bdeb12u1?arch=amd64&distro=debian-12.5&epoch=1',
      { type: 'deb', name: 'bsdutils', version: '1:2.38.1-5+deb12u1', architecture: 'amd64' },
      DEBIAN_12,
    ],
    [
      'pkg:deb/debian/bsdutils@1%3A2.38.1-5?upstream=util-linux%402.38.1-5&distro=debian-12',
      { type: 'deb', name: 'bsdutils', version: '1:2.38.1-5', source: { name: 'util-linux', version: '2.38.1-5' } },
      DEBIAN_12,
    ],
    [
      'pkg:deb/ubuntu/libc6@2.35-0ubuntu3?upstream=glibc&distro=ubuntu-22.04',
      { type: 'deb', name: 'libc6', version: '2.35-0ubuntu3', source: { name: 'glibc', version: '2.35-0ubuntu3' } },
      { id: 'ubuntu', versionId: '22.04' },
    ],
    [
      'pkg:apk/alpine/musl@1.2.4-r2?arch=x86_64&distro=3.18.4',
      { type: 'apk', name: 'musl', version: '1.2.4-r2', architecture: 'x86_64' },
      { id: 'alpine', versionId: '3.18.4' },
    ],
    [
      'pkg:rpm/rhel/bash@5.1.8-6.el9?distro=rhel-9.2&upstream=bash-5.1.8-6.el9.src.rpm',
      { type: 'rpm', name: 'bash', version: '5.1.8-6.el9', source: { name: 'bash', version: '5.1.8-6.el9' } },
      { id: 'rhel', versionId: '9.2' },
    ],
    [
      'pkg:rpm/opensuse/curl@8.0.1-1?distro=opensuse-leap-15.4',
      { type: 'rpm', name: 'curl', version: '8.0.1-1' },
      { id: 'opensuse-leap', versionId: '15.4' },
    ],
    [
      'pkg:deb/debian/curl@7.50.3-1?arch=i386&distro=jessie',
      { type: 'deb', name: 'curl', version: '7.50.3-1', architecture: 'i386' },
      { id: 'debian', codename: 'jessie' },
    ],
    [
      'pkg:deb/debian/curl@8.14.1-2?distro=debian-forky',
      { type: 'deb', name: 'curl', version: '8.14.1-2' },
      { id: 'debian', codename: 'forky' },
    ],
    ['pkg:golang/golang.org/x/net@v0.1.0', { type: 'golang', name: 'golang.org/x/net', version: '0.1.0' }],
    ['pkg:golang/stdlib@v1.20', { type: 'golang', name: 'stdlib', version: '1.20' }],
    ['pkg:composer/symfony/console@v6.4.1', { type: 'composer', name: 'symfony/console', version: '6.4.1' }],
    ['pkg:pypi/Typing_Extensions@4.0', { type: 'pypi', name: 'typing-extensions', version: '4.0' }],
    ['pkg://npm/foo@1.0.0', { type: 'npm', name: 'foo', version: '1.0.0' }],
  ];
  for (const [url, wanted, from] of cases)
    t.strictSame(parsePackageUrl(url), { package: wanted, ...(from && { distribution: from }) }, url);
  t.end();
});

void t.test('URLs that give no package', (t) => {
  const cases: readonly (readonly [string, string])[] = [
    ['', 'malformed'],
    ['a-purl-1', 'malformed'],
    ['pkg:npm', 'malformed'],
    ['pkg:npm/', 'malformed'],
    ['pkg:npm/a@1?x=%', 'malformed'],
    ['pkg:deb/debian/a@1:2-3?epoch=2', 'malformed'],
    ['pkg:rpm/rhel/a@2-3?epoch=one', 'malformed'],
    ['pkg:npm/a@1.0.0?epoch=1', 'malformed'],
    [`pkg:npm/${'a'.repeat(5000)}@1`, 'malformed'],
    ['pkg:npm/a', 'no-version'],
    ['pkg:generic/node@20.0.0', 'unsupported-type'],
    ['pkg:oci/debian@sha256%3Aabc', 'unsupported-type'],
  ];
  for (const [url, wanted] of cases) t.equal(parsePackageUrl(url), wanted, url.slice(0, 40));
  t.equal(distributionId('RedHat'), 'rhel');
  t.equal(releaseOf('debian', '12.5'), '12');
  t.equal(releaseOf('alpine', '3.22.1'), '3.22.1');
  t.end();
});

void t.test('arbitrary text is never thrown at', (t) => {
  const text = fc.oneof(
    fc.string(),
    fc.string().map((rest) => `pkg:deb/debian/${rest}`),
    fc.string().map((rest) => `pkg:rpm/x/a@1?distro=${rest}&upstream=${rest}`),
  );
  fc.assert(
    fc.property(text, (url) => {
      parsePackageUrl(url);
    }),
    { numRuns: 2000 },
  );
  t.pass('2000 texts');
  t.end();
});
