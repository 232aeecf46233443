import type { Inventory } from '../../vulnerability/package.ts';
import { field, isObject, parseJson } from '../inventory/language/manifest-content.ts';
import { PackageList } from './package-list.ts';
import { readCycloneDx } from './read-cyclonedx.ts';
import type { SbomOrigin } from './read-cyclonedx.ts';
import { readSpdx } from './read-spdx.ts';

/** The packages of an SBOM and what it says about itself, or the problem (`.components[3].name: expected a string`). */
export type SbomResult =
  | { readonly ok: true; readonly inventory: Inventory; readonly origin: SbomOrigin }
  | { readonly ok: false; readonly problem: string };

/** Trivy's document of a large image has some MiB. */
export const MAX_SBOM_BYTES = 64 * 1024 * 1024;

/**
 * Reads an SBOM in JSON: CycloneDX 1.2 to 1.7 or SPDX 2.2 and 2.3, of at most 64 MiB and 100,000 components. What the
 * document leaves open is a gap of the inventory: components without a package URL or version, types that are not
 * supported, several distributions, no package at all. Never throws; a problem quotes nothing of the document.
 */
export function readSbom(bytes: Uint8Array): SbomResult {
  if (bytes.length > MAX_SBOM_BYTES) return { ok: false, problem: `larger than ${String(MAX_SBOM_BYTES)} bytes` };
  const json = parseJson(new TextDecoder().decode(bytes));
  if (!json.ok) return { ok: false, problem: json.reason };
  const packages = new PackageList();
  const origin = readDocument(json.value, packages);
  if (!origin.ok) return origin;
  const { distribution, gaps } = packages;
  const inventory = { ...(distribution !== undefined && { distribution }), packages: packages.packages, gaps };
  return { ok: true, inventory, origin: origin.value };
}

function readDocument(value: unknown, packages: PackageList): ReturnType<typeof readCycloneDx> {
  if (!isObject(value)) return { ok: false, problem: 'not an SBOM: expected an object' };
  if (field(value, 'bomFormat') === 'CycloneDX') return readCycloneDx(value, packages);
  if (field(value, 'spdxVersion') !== undefined) return readSpdx(value, packages);
  return { ok: false, problem: 'not an SBOM: expected CycloneDX (bomFormat) or SPDX 2 (spdxVersion) in JSON' };
}
