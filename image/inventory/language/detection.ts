import type { Package, PackageType } from '../../../vulnerability/package.ts';
import type { Detected } from '../detector.ts';
import type { TreeFile } from '../file-tree.ts';

/** Most packages that one file may describe; the largest real lock files and jars hold some thousands. */
const MAX_PACKAGES = 50_000;
const MAX_NAME_LENGTH = 512;
const MAX_VERSION_LENGTH = 256;
const MAX_REASONS = 100;

/**
 * What names look like in an ecosystem. Its advisories know no other name, so that one which is none hides a package
 * instead of describing it. npm: also those of before 2014, with capitals. The rest: PEP 508, crates.io, NuGet, RubyGems.
 */
const NAMES: Partial<Record<PackageType, RegExp>> = {
  npm: /^(?:@[^\s/@%:?#\\]+\/)?[^\s/@%:?#\\._][^\s/@%:?#\\]*$/,
  pypi: /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/,
  cargo: /^[A-Za-z0-9_-]+$/,
  composer: /^[a-z0-9_.-]+\/[a-z0-9_.-]+$/,
  gem: /^[A-Za-z0-9._-]+$/,
  golang: /^[A-Za-z0-9._~-]+(?:\/[A-Za-z0-9._~-]+)*$/,
  maven: /^[A-Za-z0-9_.-]+:[A-Za-z0-9_.-]+$/,
  nuget: /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/,
};

/** Collects what one file describes: valid packages once each, and reasons why others are unknown. */
export interface Detection {
  /** Adds a package. Without a usable name and version it counts as invalid, which becomes a gap. */
  readonly add: (name: unknown, version: unknown, path?: string) => void;
  /** Reports packages of this file as unknown. */
  readonly gap: (reason: string, path?: string) => void;
  readonly result: () => Detected;
}

/** A collector for the packages of one type in one file, with the architecture that the file is for. */
export function detection(type: PackageType, file: Pick<TreeFile, 'path'>, architecture?: string): Detection {
  const packages = new Map<string, Package>();
  const gaps = new Map<string, { path: string; reason: string }>();
  const limits = architecture === undefined ? {} : { architecture };
  let invalid = 0;
  const gap = (reason: string, path = file.path): void => {
    if (gaps.size < MAX_REASONS) gaps.set(`${path}\0${reason}`, { path, reason });
  };
  return {
    gap,
    add: (name, version, path = file.path) => {
      if (!isName(name) || !isVersion(version) || NAMES[type]?.test(name) === false) {
        invalid += 1;
        return;
      }
      const key = `${name}\0${version}\0${path}`;
      if (packages.has(key)) return;
      if (packages.size < MAX_PACKAGES) packages.set(key, { type, name, version, ...limits, path });
      else gap(`describes more than ${String(MAX_PACKAGES)} packages`);
    },
    result: () => {
      if (invalid > 0)
        gap(`${String(invalid)} ${invalid === 1 ? 'entry has' : 'entries have'} no valid name or version`);
      return { packages: [...packages.values()], gaps: [...gaps.values()] };
    },
  };
}

/** What a detector returns for a file whose packages are unknown. `reason` never quotes the file. */
export function onlyGap(file: Pick<TreeFile, 'path'>, reason: string): Detected {
  return { packages: [], gaps: [{ path: file.path, reason }] };
}

/** What a detector returns for a file that describes no package. */
export const NO_PACKAGES: Detected = { packages: [], gaps: [] };

/** Whether a value can be the name of a package: printable, without spaces, of a bounded length. */
export function isName(value: unknown): value is string {
  return isToken(value, MAX_NAME_LENGTH);
}

/** Whether a value can be a version of a package: printable, without spaces, of a bounded length. */
export function isVersion(value: unknown): value is string {
  return isToken(value, MAX_VERSION_LENGTH);
}

function isToken(value: unknown, maxLength: number): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= maxLength && !/[\s\p{C}]/u.test(value);
}
