import { inflateSync } from 'node:zlib';
import type { TreeFile } from '../file-tree.ts';
import type { ElfHeaders } from './elf.ts';
import { field, parseJson } from './manifest-content.ts';
import type { Content } from './manifest-content.ts';

/** A crate in an executable; all values are untrusted. */
export interface Crate {
  readonly name: unknown;
  readonly version: unknown;
}

/** The format limits both to 8 MiB; real data is some kilobytes. */
const MAX_COMPRESSED_BYTES = 8 * 1024 * 1024;
const MAX_BYTES = 8 * 1024 * 1024;

/**
 * The crates that `cargo auditable` recorded in the section `.dep-v0` of an executable: zlib around JSON. Build
 * dependencies are left out, and local crates except for the program itself. Undefined where there is no such section.
 * https://github.com/rust-secure-code/cargo-auditable/blob/master/PARSING.md
 */
export function readCrates(file: TreeFile, elf: ElfHeaders): Content<readonly Crate[]> | undefined {
  const section = elf.sections.find(({ name }) => name === '.dep-v0');
  if (section === undefined) return undefined;
  if (section.size > MAX_COMPRESSED_BYTES) return { ok: false, reason: 'has Rust dependencies beyond 8 MiB' };
  const text = inflate(file.read(section.offset, section.size));
  if (text === undefined) return { ok: false, reason: 'has Rust dependencies that are damaged or beyond 8 MiB' };
  const json = parseJson(text);
  const packages = json.ok ? field(json.value, 'packages') : undefined;
  if (!Array.isArray(packages)) return { ok: false, reason: 'has Rust dependencies that are damaged' };
  return {
    ok: true,
    value: packages
      .filter((each) => isShipped(each))
      .map((each) => ({ name: field(each, 'name'), version: field(each, 'version') })),
  };
}

function isShipped(crate: unknown): boolean {
  if (field(crate, 'kind') === 'build') return false;
  return field(crate, 'source') !== 'local' || field(crate, 'root') === true;
}

function inflate(bytes: Uint8Array): string | undefined {
  try {
    return inflateSync(bytes, { maxOutputLength: MAX_BYTES }).toString('utf8');
  } catch {
    return undefined;
  }
}
