import { createHash } from 'node:crypto';
import type { Inventory, Package } from '../../vulnerability/package.ts';
import { packageUrl } from './package-url.ts';
import type { VulnerabilityMatch } from '../../vulnerability/vulnerability.ts';

/** What an SBOM describes: an image by its name and digest (`sha256:…`), or a directory by its name. */
export interface SbomSubject {
  readonly name: string;
  readonly digest?: string;
}

/** Everything that an SBOM is written from; equal documents give equal text. */
export interface SbomDocument {
  readonly subject: SbomSubject;
  readonly inventory: Inventory;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** Version of this program. */
  readonly toolVersion: string;
  /** Written as vulnerabilities where the format has them (CycloneDX). */
  readonly matches?: readonly VulnerabilityMatch[];
}

/** A package of an SBOM: one for each package URL, with all places where it was found. */
export interface SbomPackage {
  readonly purl: string;
  readonly item: Package;
  readonly paths: readonly string[];
}

/** The packages of an inventory by package URL, in the order of the inventory. */
export function sbomPackages({ packages, distribution }: Inventory): readonly SbomPackage[] {
  const found = new Map<string, { item: Package; paths: string[] }>();
  for (const item of packages) {
    const purl = packageUrl(item, distribution);
    const known = found.get(purl);
    if (known === undefined) found.set(purl, { item, paths: [item.path] });
    else known.paths.push(item.path);
  }
  return [...found].map(([purl, { item, paths }]) => ({ purl, item, paths: paths.toSorted() }));
}

/** A UUID (RFC 9562, version 8) that follows from the content of a document. */
export function documentUuid(document: SbomDocument): string {
  const digest = createHash('sha256').update(JSON.stringify(document)).digest();
  digest[6] = ((digest[6] ?? 0) & 0x0f) | 0x80;
  digest[8] = ((digest[8] ?? 0) & 0x3f) | 0x80;
  const hex = digest.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
}

/** A time as both formats write it: UTC, whole seconds. */
export function sbomTime(time: number): string {
  return new Date(time).toISOString().replace(/\.\d{3}Z$/, 'Z');
}
