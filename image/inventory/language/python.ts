import type { Detected, Detector } from '../detector.ts';
import type { TreeFile } from '../file-tree.ts';
import { detection, onlyGap } from './detection.ts';
import { baseName, directoryOf, readTextStart } from './manifest-content.ts';
import { readZipDirectory, readZipEntry } from './zip-archive.ts';

/** The fields come first; the long description that follows them is not read. */
const MAX_HEADER_BYTES = 256 * 1024;
const MAX_EGG_INFO_BYTES = 4 * 1024 * 1024;

const METADATA = /(?:\.dist-info\/METADATA|\.egg-info\/PKG-INFO|\/EGG-INFO\/PKG-INFO|\.egg-info)$/;

/**
 * Installed Python distributions: `*.dist-info/METADATA` (PEP 376, PEP 566), `*.egg-info/PKG-INFO`, `*.egg-info` files
 * of distutils, and `EGG-INFO/PKG-INFO` of eggs, which may be archives. Names are normalised by PEP 503.
 */
export const python: Detector = {
  name: 'python',
  matches: ({ path }) => METADATA.test(path) || path.endsWith('.egg'),
  layouts: [
    [/\.dist-info$/, /^METADATA$/],
    [/\.egg-info$/, /^PKG-INFO$/],
    [/^EGG-INFO$/, /^PKG-INFO$/],
    [/\.egg(?:-info)?$/],
  ],
  detect: (file) =>
    file.path.endsWith('.egg') ? readEgg(file) : readMetadata(file, readTextStart(file, MAX_HEADER_BYTES)),
};

/** An egg that Python imports from without unpacking it. */
function readEgg(file: TreeFile): Detected {
  const directory = readZipDirectory(file);
  if (!directory.ok) return onlyGap(file, directory.reason);
  const entry = directory.value.find(({ name }) => name === 'EGG-INFO/PKG-INFO');
  if (entry === undefined) return onlyGap(file, 'has no EGG-INFO/PKG-INFO');
  const content = readZipEntry(file, entry, MAX_EGG_INFO_BYTES);
  if (!content.ok) return onlyGap(file, `has an EGG-INFO/PKG-INFO that ${content.reason}`);
  return readMetadata(file, { text: new TextDecoder().decode(content.value), complete: true });
}

function readMetadata(
  file: TreeFile,
  { text, complete }: { readonly text: string; readonly complete: boolean },
): Detected {
  const found = detection('pypi', file);
  const header = parseHeader(text);
  const fallback = directoryIdentity(file.path);
  const name = header.name ?? fallback?.name;
  const version = header.version ?? fallback?.version;
  if (name === undefined || version === undefined) {
    found.gap(
      complete
        ? 'has no name or no version'
        : `has no name or no version in its first ${String(MAX_HEADER_BYTES)} bytes`,
    );
  } else found.add(normalizedName(name), version);
  return found.result();
}

/** The first `Name` and `Version` of the header, which ends at the first empty line (RFC 822). */
function parseHeader(text: string): { readonly name?: string; readonly version?: string } {
  let name: string | undefined;
  let version: string | undefined;
  for (const line of text.replace(/^\uFEFF/, '').split('\n')) {
    if (line === '' || line === '\r') break;
    const colon = line.indexOf(':');
    const key = line.slice(0, Math.max(0, colon)).toLowerCase();
    if (key === 'name') name ??= line.slice(colon + 1).trim();
    else if (key === 'version') version ??= line.slice(colon + 1).trim();
  }
  return { ...(name !== undefined && { name }), ...(version !== undefined && { version }) };
}

/** `NAME-VERSION.dist-info` and `NAME-VERSION[-pyX.Y].egg-info`, which installers use where the metadata is empty. */
function directoryIdentity(path: string): { readonly name: string; readonly version: string } | undefined {
  const holder = baseName(path.endsWith('.egg-info') ? path : directoryOf(path));
  const [name, version] = holder.replace(/\.(?:dist-info|egg-info)$/, '').split('-');
  return name === undefined || version === undefined || holder === 'EGG-INFO' ? undefined : { name, version };
}

/** PEP 503: lower case, runs of `-`, `_` and `.` are one `-`. */
function normalizedName(name: string): string {
  return name.replaceAll(/[-_.]+/g, '-').toLowerCase();
}
