import type { Package } from '../../../vulnerability/package.ts';
import type { Detected, Detector } from '../detector.ts';
import type { TreeFile } from '../file-tree.ts';
import { detection, NO_PACKAGES, onlyGap } from './detection.ts';
import { readElf } from './elf.ts';
import type { ElfHeaders } from './elf.ts';
import { findGoModules, goRelease, isGoExecutable, parseGoModules, readGoBuildInfo } from './go-build-info.ts';
import { readCrates } from './rust-audit-data.ts';

/**
 * Go programs start at 400 KiB even when packed, Rust programs with their standard library at 250 KiB. Two of three
 * executables of an image are smaller than this, and would each cost three reads.
 */
const MIN_BYTES = 64 * 1024;
/** Packers such as UPX leave their name close to the headers. */
const UPX_MARK = 'UPX!';

/**
 * Modules in ELF executables: those of Go by the build information of its linker, with the standard library as `stdlib`,
 * and those of Rust by the data of `cargo auditable`. One detector for both, so that a file is read once. A Go program
 * without its build information and a packed program are gaps.
 */
export const executable: Detector = {
  name: 'executable',
  matches: ({ sizeBytes, mode }) => (mode & 0o111) !== 0 && sizeBytes >= MIN_BYTES,
  layouts: [],
  detect: readExecutable,
};

function readExecutable(file: TreeFile): Detected {
  const elf = readElf(file);
  if (elf === undefined) return NO_PACKAGES;
  if ('reason' in elf) return onlyGap(file, elf.reason);
  const go = readGo(file, elf);
  const rust = readRust(file, elf);
  const unknown = go === undefined && rust === undefined ? readUnknown(file, elf) : undefined;
  const found = [go, rust, unknown].filter((each) => each !== undefined);
  return {
    packages: found.flatMap<Package>(({ packages }) => packages),
    gaps: found.flatMap(({ gaps }) => gaps),
  };
}

function readGo(file: TreeFile, elf: ElfHeaders): Detected | undefined {
  const isGo = isGoExecutable(file, elf);
  // Without section headers there is no other way to find out than to look for the build information.
  const info = isGo || elf.sections.length === 0 ? readGoBuildInfo(file, elf) : undefined;
  if (info === undefined && !isGo) return undefined;
  const found = detection('golang', file, elf.architecture);
  const release = goRelease(info?.goVersion ?? '');
  if (info === undefined) found.gap('is a Go program without readable build information');
  else if (release === undefined) found.gap('was built by a Go that is no release');
  else found.add('stdlib', release);
  const { program, main, dependencies, localModules } = parseGoModules(info?.modules ?? findGoModules(file, elf) ?? '');
  // The commands of Go itself consist of the standard library.
  const withModules = main !== undefined || dependencies.length > 0 || program.startsWith('cmd/');
  if (info !== undefined && !withModules) found.gap('was built by Go without module information');
  for (const { path, version } of main === undefined ? dependencies : [main, ...dependencies]) {
    // The application itself, built from a checkout, and modules of its workspace.
    if (version !== '(devel)' && version !== '') found.add(path, version.replace(/^v/, ''));
  }
  if (localModules > 0) found.gap(`has ${String(localModules)} Go modules replaced by local directories`);
  return found.result();
}

function readRust(file: TreeFile, elf: ElfHeaders): Detected | undefined {
  const crates = readCrates(file, elf);
  if (crates === undefined) return undefined;
  if (!crates.ok) return onlyGap(file, crates.reason);
  const found = detection('cargo', file, elf.architecture);
  for (const { name, version } of crates.value) found.add(name, version);
  return found.result();
}

/** What hides the modules of a program: linkers always write section headers, packers remove them. */
function readUnknown(file: TreeFile, elf: ElfHeaders): Detected | undefined {
  if (elf.sections.length > 0) return undefined;
  const start = String.fromCharCode(...file.read(0, 1024));
  const packed = start.includes(UPX_MARK);
  return onlyGap(
    file,
    packed ? 'is packed (UPX), so its modules are unknown' : 'has no section headers, so its modules are unknown',
  );
}
