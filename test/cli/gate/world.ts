import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Test } from 'tap';
import { buildDatabase } from '../../../image/vulndb/build.ts';
import { plimsoll, temporaryDirectory } from '../process.ts';
import type { Run } from '../process.ts';

/** A dpkg database with two packages. */
export const STATUS = `Package: openssl
Status: install ok installed
Architecture: amd64
Maintainer: Debian OpenSSL Team <pkg-openssl-devel@alioth-lists.debian.net>
Version: 3.0.11-1~deb12u2

Package: bash
Status: install ok installed
Architecture: amd64
Maintainer: Matthias Klose <doko@debian.org>
Version: 5.2.15-2

`;

/** Debian 12. */
export const OS_RELEASE = 'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n';

/** In the form of OSV's Debian export. */
const ADVISORY = {
  id: 'DEBIAN-CVE-2026-0001',
  modified: '2026-11-01T00:00:00Z',
  published: '2026-10-01T00:00:00Z',
  upstream: ['CVE-2026-0001'],
  severity: [{ type: 'CVSS_V3', score: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H' }],
  affected: [
    {
      package: { ecosystem: 'Debian:12', name: 'openssl' },
      ranges: [{ type: 'ECOSYSTEM', events: [{ introduced: '0' }, { fixed: '3.0.13-1~deb12u1' }] }],
    },
  ],
};

/** A directory with a root file system and a vulnerability database. */
export interface World {
  readonly path: (name: string) => string;
  readonly database: string;
}

/** Makes it; `files` are added by their name. */
export async function worldOf(t: Test, files: Readonly<Record<string, string>> = {}): Promise<World> {
  const directory = temporaryDirectory(t);
  const path = (name: string): string => join(directory, name);
  const all = {
    'rootfs/etc/os-release': OS_RELEASE,
    'rootfs/var/lib/dpkg/status': STATUS,
    'osv/records.ndjson': `${JSON.stringify(ADVISORY)}\n`,
    ...files,
  };
  for (const [name, text] of Object.entries(all)) {
    mkdirSync(dirname(path(name)), { recursive: true });
    writeFileSync(path(name), text);
  }
  const database = path('vulndb.sqlite');
  const { signal } = new AbortController();
  const built = await buildDatabase({
    from: [path('osv')],
    output: database,
    builtAt: Date.now() - 3_600_000,
    signal,
    onProgress: () => undefined,
  });
  if (!built.ok) throw new Error(built.problem);
  return { path, database };
}

/** A policy with this spec. */
export const policyText = (spec: object): string =>
  JSON.stringify({ apiVersion: 'plimsoll.dev/v1', kind: 'ImagePolicy', metadata: { name: 'p' }, spec });

/** Runs the gate on the root file system. */
export function gate({ path, database }: World, ...args: readonly string[]): Promise<Run> {
  return plimsoll(['gate', '--rootfs', path('rootfs'), '--vulndb', database, ...args]);
}
