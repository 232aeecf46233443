import type { Detected, Detector } from '../detector.ts';
import type { TreeFile } from '../file-tree.ts';
import { detection, NO_PACKAGES } from './detection.ts';
import type { Detection } from './detection.ts';
import { identifyJar, parseFileName, parseManifest, parsePomProperties } from './jar-identity.ts';
import type { Coordinates } from './jar-identity.ts';
import { baseName } from './manifest-content.ts';
import { isStored, readZipDirectory, readZipEntry, storedSource } from './zip-archive.ts';
import type { ByteSource, ZipEntry } from './zip-archive.ts';

/** Archives in archives: an ear holds wars that hold jars. */
const MAX_DEPTH = 3;
const MAX_NESTED = 5000;
/** Of one nested archive; the largest real ones are some dozen MiB. */
const MAX_NESTED_BYTES = 128 * 1024 * 1024;
/** Inflated from one file of the image, all nested archives together. */
const MAX_TOTAL_BYTES = 512 * 1024 * 1024;
const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
const MAX_POM_BYTES = 64 * 1024;

const ARCHIVE = /\.(?:jar|war|ear|par|sar|nar|kar|hpi|jpi|lpkg)$/i;
const POM_PROPERTIES = /(?:^|\/)META-INF\/maven\/[^/]+\/[^/]+\/pom\.properties$/;
const MANIFEST = /^META-INF\/MANIFEST\.MF$/i;

/**
 * Java archives, also in other archives: the libraries whose `pom.properties` they contain, which includes those that
 * were merged into one jar; otherwise the jar itself by its manifest and file name. A jar with classes whose Maven
 * coordinates remain unknown is a gap.
 */
export const java: Detector = {
  name: 'java',
  matches: ({ path, sizeBytes }) => sizeBytes > 0 && ARCHIVE.test(path),
  layouts: [[ARCHIVE]],
  detect: (file) => readArchiveFile(file),
};

/** What may still be read for one file of the image. */
interface Budget {
  bytes: number;
  nested: number;
}

interface Archive {
  readonly source: ByteSource;
  readonly fileName: string;
  readonly depth: number;
}

function readArchiveFile(file: TreeFile): Detected {
  // The runtime's own file system provider, which has no coordinates.
  if (baseName(file.path) === 'jrt-fs.jar') return NO_PACKAGES;
  const found = detection('maven', file);
  readArchive({ source: file, fileName: baseName(file.path), depth: 0 }, found, {
    bytes: MAX_TOTAL_BYTES,
    nested: MAX_NESTED,
  });
  return found.result();
}

function readArchive(archive: Archive, found: Detection, budget: Budget): void {
  const where = archive.depth === 0 ? '' : 'nested archive ';
  const directory = readZipDirectory(archive.source);
  if (!directory.ok) {
    found.gap(`${where}${directory.reason}`);
    return;
  }
  const entries = directory.value;
  const named = readPoms(archive, entries, found, budget);
  const own = ownCoordinates(archive, entries, named, found, budget);
  for (const { group, artifact, version } of own === undefined ? named : [...named, own]) {
    found.add(`${group}:${artifact}`, version);
  }
  const nested = entries.filter(({ name }) => ARCHIVE.test(name));
  // A program that carries its libraries as jars is itself no library.
  if (
    own === undefined &&
    named.length === 0 &&
    nested.length === 0 &&
    entries.some(({ name }) => name.endsWith('.class'))
  ) {
    found.gap(`${where}has classes without known Maven coordinates`);
  }
  for (const entry of nested) readNested(archive, entry, found, budget);
}

function readPoms(
  archive: Archive,
  entries: readonly ZipEntry[],
  found: Detection,
  budget: Budget,
): readonly Coordinates[] {
  const named: Coordinates[] = [];
  for (const entry of entries.filter(({ name }) => POM_PROPERTIES.test(name))) {
    const text = readTextEntry(archive, entry, MAX_POM_BYTES, budget);
    const coordinates = typeof text === 'string' ? parsePomProperties(text) : undefined;
    if (coordinates === undefined) found.gap('has a pom.properties that cannot be used');
    else named.push(coordinates);
  }
  return named;
}

/** Coordinates of the jar itself, where its `pom.properties` do not give them already. */
function ownCoordinates(
  archive: Archive,
  entries: readonly ZipEntry[],
  named: readonly Coordinates[],
  found: Detection,
  budget: Budget,
): Coordinates | undefined {
  const { artifact } = parseFileName(archive.fileName);
  if (named.some((each) => each.artifact === artifact) || named.length === 1) return undefined;
  const entry = entries.find(({ name }) => MANIFEST.test(name));
  const text = entry === undefined ? '' : readTextEntry(archive, entry, MAX_MANIFEST_BYTES, budget);
  if (typeof text !== 'string') found.gap('has a manifest that cannot be used');
  return identifyJar({
    fileName: archive.fileName,
    manifest: parseManifest(typeof text === 'string' ? text : ''),
    hasDirectory: (prefix) => entries.some(({ name }) => name.startsWith(prefix)),
  });
}

function readTextEntry(archive: Archive, entry: ZipEntry, maxBytes: number, budget: Budget): string | undefined {
  if (entry.sizeBytes > budget.bytes) return undefined;
  const content = readZipEntry(archive.source, entry, maxBytes);
  if (!content.ok) return undefined;
  budget.bytes -= content.value.length;
  return new TextDecoder().decode(content.value);
}

function readNested(archive: Archive, entry: ZipEntry, found: Detection, budget: Budget): void {
  if (entry.sizeBytes === 0) return;
  const reason = nestedLimit(archive, entry, budget);
  if (reason !== undefined) {
    found.gap(reason);
    return;
  }
  budget.nested -= 1;
  const source = nestedSource(archive.source, entry, budget);
  if (typeof source === 'string') found.gap(`nested archive ${source}`);
  else readArchive({ source, fileName: baseName(entry.name), depth: archive.depth + 1 }, found, budget);
}

function nestedLimit(archive: Archive, entry: ZipEntry, budget: Budget): string | undefined {
  if (archive.depth >= MAX_DEPTH) return `nests archives more than ${String(MAX_DEPTH)} levels deep`;
  if (budget.nested === 0) return `has more than ${String(MAX_NESTED)} nested archives`;
  if (!isStored(entry) && entry.sizeBytes > budget.bytes)
    return `has nested archives of more than ${String(MAX_TOTAL_BYTES)} bytes`;
  return undefined;
}

/** Stored archives, as in executable jars of Spring Boot, are read where they are; others are inflated into memory. */
function nestedSource(source: ByteSource, entry: ZipEntry, budget: Budget): ByteSource | string {
  if (isStored(entry)) {
    const stored = storedSource(source, entry);
    return stored.ok ? stored.value : stored.reason;
  }
  budget.bytes -= entry.sizeBytes;
  const content = readZipEntry(source, entry, MAX_NESTED_BYTES);
  if (!content.ok) return content.reason;
  const bytes = content.value;
  return { sizeBytes: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length) };
}
