import type { Inventory, Package } from '../../../vulnerability/package.ts';
import type { VulnerabilityMatch } from '../../../vulnerability/vulnerability.ts';
import type { SbomDocument } from '../../../image/sbom/sbom-document.ts';

const status = '/var/lib/dpkg/status';

const curl: Package = {
  type: 'deb',
  name: 'libcurl4',
  version: '7.88.1-10+deb12u5',
  architecture: 'amd64',
  source: { name: 'curl', version: '7.88.1-10+deb12u5' },
  vendor: 'Debian',
  path: status,
};
const lodash: Package = {
  type: 'npm',
  name: 'lodash',
  version: '4.17.15',
  path: '/app/node_modules/lodash/package.json',
};

/** Packages of all types, one of them in two places. */
export const inventory: Inventory = {
  distribution: { id: 'debian', versionId: '12', codename: 'bookworm', like: ['x', 'y'] },
  packages: [
    curl,
    { type: 'apk', name: 'musl', version: '1.2.5-r0', path: '/lib/apk/db/installed' },
    { type: 'rpm', name: 'bash', version: '1:5.1.8-9.el9', modularity: 'a:b:c:d', path: '/var/lib/rpm/rpmdb.sqlite' },
    lodash,
    { ...lodash, path: '/opt/node_modules/lodash/package.json' },
    { type: 'npm', name: '@babel/core', version: '7.0.0', path: '/app/node_modules/@babel/core/package.json' },
    { type: 'npm', name: 'JSONStream', version: '1.3.5', path: '/app/node_modules/JSONStream/package.json' },
    { type: 'pypi', name: 'requests', version: '1!2.0+local', path: '/requests-2.0.dist-info/METADATA' },
    { type: 'golang', name: 'github.com/BurntSushi/toml', version: '1.0.0', path: '/usr/bin/app' },
    { type: 'golang', name: 'stdlib', version: '1.22.3', path: '/usr/bin/app' },
    { type: 'cargo', name: 'rand', version: '0.7.2', path: '/usr/bin/rg' },
    { type: 'gem', name: 'rake', version: '13.0.6', path: '/specifications/rake-13.0.6.gemspec' },
    { type: 'maven', name: 'org.apache.logging.log4j:log4j-core', version: '2.14.1', path: '/app/app.jar' },
    { type: 'composer', name: 'symfony/console', version: '6.4.1', path: '/vendor/composer/installed.json' },
    { type: 'nuget', name: 'Newtonsoft.Json', version: '12.0.1', path: '/app/app.deps.json' },
  ],
  gaps: [
    { path: '/app/broken.jar', reason: 'java: is not a ZIP archive' },
    { path: '/opt/tool', reason: 'is packed (UPX), so its modules are unknown' },
  ],
};

const vulnerability = {
  id: 'CVE-2020-8203',
  advisory: 'GHSA-p6mc-m468-83gw',
  aliases: ['SNYK-JS-LODASH-590103'],
  severity: 'high',
  cvss: { version: '3.1', vector: 'CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:N/I:H/A:H', score: 7.4 },
  summary: 'Prototype pollution',
  publishedAt: Date.UTC(2020, 6, 15),
  modifiedAt: Date.UTC(2021, 6, 15),
  kev: { addedAt: 0, ransomware: false },
  epss: { score: 0.02, percentile: 0.8 },
  risk: 10,
} as const;

const matches: readonly VulnerabilityMatch[] = [
  { package: lodash, vulnerability, status: 'fixed', fixedVersion: '4.17.19' },
  {
    package: curl,
    vulnerability: {
      ...vulnerability,
      id: 'CVE-2023-0001',
      advisory: 'DEBIAN-CVE-2023-0001',
      severity: 'negligible',
      aliases: [],
    },
    status: 'affected',
  },
  {
    package: curl,
    vulnerability,
    status: 'affected',
    suppressed: { by: 'vex', reason: 'Not reachable', source: 'vex.json' },
  },
];

/** A document with everything that the formats can say. */
export const document: SbomDocument = {
  subject: { name: 'registry.example/app:1', digest: `sha256:${'ab'.repeat(32)}` },
  inventory,
  createdAt: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
  toolVersion: '0.1.0',
  matches,
};

/** One with the least that there can be. */
export const emptyDocument: SbomDocument = {
  subject: { name: 'scratch' },
  inventory: { packages: [], gaps: [] },
  createdAt: 0,
  toolVersion: '0.1.0',
};
