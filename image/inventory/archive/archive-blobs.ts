import { closeSync, fstatSync, openSync } from 'node:fs';
import { readRange } from '../directory-handle.ts';
import { openDirectoryTree } from '../directory-tree.ts';
import { FileTreeError } from '../file-tree.ts';
import { ContentStore } from './content-store.ts';
import { decompress, isCompressed } from './decompression.ts';
import type { Blob } from './decompression.ts';
import { TarReader } from './tar-reader.ts';

/** The files of an image archive by name: manifests, configurations, layers. */
export interface ArchiveBlobs {
  readonly blob: (name: string) => Blob | undefined;
  readonly close: () => void;
}

/** Files of an archive of several images; each image has two and its layers. */
const MAX_FILES = 20_000;
const MAX_NAME_LENGTH = 512;
const MAX_LINKS = 8;
/** The largest archive that is decompressed into a temporary file. */
const MAX_SPOOLED_BYTES = 32 * 1024 ** 3;
const HEADER_READ_BYTES = 64 * 1024;

/** Opens an archive: a tar file, also compressed, or a directory that holds what the tar file would. */
export async function openArchiveBlobs(path: string, temporaryDirectory: string): Promise<ArchiveBlobs> {
  const descriptor = openSync(path, 'r');
  let stats;
  try {
    stats = fstatSync(descriptor);
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
  if (stats.isDirectory()) {
    closeSync(descriptor);
    const tree = openDirectoryTree(path, { mounts: 'volume' });
    return { blob: (name) => tree.file(`/${name}`), close: tree.close };
  }
  const file: Blob = {
    sizeBytes: stats.size,
    read: (offset, length) =>
      readRange(descriptor, { offset, length: Math.max(0, Math.min(length, stats.size - offset)) }),
  };
  try {
    if (!isCompressed(file)) return tarBlobs(file, () => closeSync(descriptor));
    const store = new ContentStore(temporaryDirectory, MAX_SPOOLED_BYTES);
    try {
      for await (const chunk of decompress(file)) store.append(chunk);
      closeSync(descriptor);
      const content = {
        sizeBytes: store.length,
        read: (offset: number, length: number) => store.read({ offset, length }),
      };
      return tarBlobs(content, () => store.close());
    } catch (error) {
      store.close();
      throw error;
    }
  } catch (error) {
    tryClose(descriptor);
    throw error;
  }
}

function tryClose(descriptor: number): void {
  try {
    closeSync(descriptor);
  } catch {
    // It was closed before.
  }
}

type Located = { readonly offset: number; readonly length: number } | { readonly link: string };

/** Finds the files of a tar archive without reading their content. */
function tarBlobs(file: Blob, close: () => void): ArchiveBlobs {
  const files = new Map<string, Located>();
  let position = 0;
  const reader = new TarReader(
    ({ name: given, kind, sizeBytes, target }) => {
      const name = cleanName(given);
      if (kind === 'directory' || name === '') return undefined;
      if (name.split('/').includes('..')) throw new FileTreeError('damaged', 'the archive has a name with ..');
      // Two files of one name are two answers to what the image is.
      if (files.has(name)) throw new FileTreeError('damaged', 'the archive has two files of one name');
      if (kind === 'file') files.set(name, { offset: position, length: sizeBytes });
      // Old versions of Docker wrote a layer that is used twice as a link.
      else if (kind === 'hardlink') files.set(name, { link: cleanName(target) });
      else if (kind === 'symlink') files.set(name, { link: joinName(name, target) });
      return undefined;
    },
    { maxEntries: MAX_FILES, maxHeaderBytes: 64 * 1024 },
  );
  let buffer = new Uint8Array(0);
  let bufferAt = 0;
  while (position < file.sizeBytes) {
    const skip = reader.skippableBytes;
    if (skip > 0) {
      if (position + skip > file.sizeBytes) break;
      reader.skip(skip);
      position += skip;
      continue;
    }
    if (position < bufferAt || position + 512 > bufferAt + buffer.length) {
      buffer = new Uint8Array(file.read(position, HEADER_READ_BYTES));
      bufferAt = position;
    }
    const block = buffer.subarray(position - bufferAt, position - bufferAt + 512);
    if (block.length === 0) break;
    position += block.length;
    reader.write(block);
  }
  reader.end();
  // What loads the archive follows a link in the middle of a name, and would read another file than is read here.
  for (const name of files.keys())
    if (parentsOf(name).some((parent) => files.has(parent)))
      throw new FileTreeError('damaged', 'the archive has an entry below one that is no directory');
  const locate = (name: string, links = 0): Blob | undefined => {
    const found = files.get(name);
    if (found === undefined) return undefined;
    if ('link' in found) return links >= MAX_LINKS ? undefined : locate(found.link, links + 1);
    const { offset, length } = found;
    return {
      sizeBytes: length,
      read: (from, count) => file.read(offset + from, Math.max(0, Math.min(count, length - from))),
    };
  };
  return { blob: (name) => locate(name), close };
}

function parentsOf(name: string): string[] {
  const parts = name.split('/');
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('/'));
}

function cleanName(name: string): string {
  if (name.length > MAX_NAME_LENGTH) return '';
  return name
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/');
}

function joinName(name: string, target: string): string {
  if (target.length > MAX_NAME_LENGTH) return '';
  const parts = target.startsWith('/') ? [] : name.split('/').slice(0, -1);
  for (const part of target.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts.join('/');
}
