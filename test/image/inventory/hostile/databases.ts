import { spawnSync } from 'node:child_process';
import { truncateSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import type { FileSpec } from '../../../fixture/image-root.ts';

/** A root with a hostile database, and what has to come of it. */
export interface HostileRoot {
  readonly name: string;
  readonly files: () => Readonly<Record<string, FileSpec>>;
  /** Changes the root after its files were written. */
  readonly prepare?: (root: string) => void;
  readonly packages: readonly string[];
  readonly gaps: readonly RegExp[];
}

const STATUS = 'var/lib/dpkg/status';
const MIB = 1024 ** 2;
const good = (name: string): string => `Package: ${name}\nStatus: install ok installed\nVersion: 1\n\n`;

/** The header of an rpm with a name, a version and a release, as rpmtag.h and header.c define it. */
function rpmHeader(name: string): Buffer {
  const values: readonly [number, string][] = [
    [1000, name],
    [1001, '1.0'],
    [1002, '1'],
  ];
  const data = Buffer.from(values.map(([, text]) => `${text}\0`).join(''));
  const entries = Buffer.alloc(values.length * 16);
  let offset = 0;
  for (const [index, [tag, text]] of values.entries()) {
    entries.writeUInt32BE(tag, index * 16);
    entries.writeUInt32BE(6, index * 16 + 4);
    entries.writeUInt32BE(offset, index * 16 + 8);
    entries.writeUInt32BE(1, index * 16 + 12);
    offset += text.length + 1;
  }
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32BE(values.length, 0);
  lengths.writeUInt32BE(data.length, 4);
  return Buffer.concat([lengths, entries, data]);
}

function sqlite(blobs: readonly Uint8Array[], edit: (bytes: Buffer) => Buffer = (bytes) => bytes): Buffer {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-sqlite-'));
  try {
    const path = join(directory, 'db');
    const database = new DatabaseSync(path);
    database.exec(
      'PRAGMA page_size=4096; CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)',
    );
    for (const blob of blobs) database.prepare('INSERT INTO Packages (blob) VALUES (?)').run(blob);
    database.close();
    return edit(readFileSync(path));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** An ndb database with one slot page, rpmpkg.c. */
function ndb(blob: Uint8Array, edit: (bytes: Buffer) => void = () => undefined): Buffer {
  const size = Math.ceil((16 + blob.length + 12) / 16) * 16;
  const bytes = Buffer.alloc(4096 + size);
  bytes.write('RpmP', 0);
  bytes.writeUInt32LE(1, 12);
  for (let at = 32; at < 4096; at += 16) bytes.write('Slot', at);
  bytes.writeUInt32LE(1, 36);
  bytes.writeUInt32LE(4096 / 16, 40);
  bytes.writeUInt32LE(size / 16, 44);
  bytes.write('BlbS', 4096);
  bytes.writeUInt32LE(1, 4100);
  bytes.writeUInt32LE(blob.length, 4108);
  Buffer.from(blob).copy(bytes, 4112);
  bytes.writeUInt32LE(blob.length, 4096 + size - 8);
  bytes.write('BlbE', 4096 + size - 4);
  edit(bytes);
  return bytes;
}

/** A hash of Berkeley DB with one pair whose value lies on an overflow page, db_page.h. */
function bdb(blob: Uint8Array, edit: (bytes: Buffer) => void = () => undefined): Buffer {
  const bytes = Buffer.alloc(3 * 4096);
  bytes.writeUInt32LE(0x61561, 12);
  bytes.writeUInt32LE(4096, 20);
  bytes[25] = 8;
  bytes.writeUInt32LE(2, 32);
  const hash = bytes.subarray(4096, 8192);
  hash[25] = 13;
  hash.writeUInt16LE(2, 20);
  hash.writeUInt16LE(4091, 26);
  hash.writeUInt16LE(4079, 28);
  hash[4091] = 1;
  hash.writeUInt32LE(1, 4092);
  hash[4079] = 3;
  hash.writeUInt32LE(2, 4083);
  hash.writeUInt32LE(blob.length, 4087);
  const overflow = bytes.subarray(8192);
  overflow[25] = 7;
  overflow.writeUInt16LE(blob.length, 22);
  Buffer.from(blob).copy(overflow, 26);
  edit(bytes);
  return bytes;
}

const A = rpmHeader('a');
const SQLITE = 'var/lib/rpm/rpmdb.sqlite';
const NDB = 'var/lib/rpm/Packages.db';
const BDB = 'var/lib/rpm/Packages';
const rpm = (
  name: string,
  path: string,
  bytes: () => Uint8Array,
  gap: RegExp,
  packages: readonly string[] = [],
): HostileRoot => ({
  name: `rpm: ${name}`,
  files: () => ({ [path]: bytes() }),
  packages,
  gaps: [gap],
});

export const HOSTILE_ROOTS: readonly HostileRoot[] = [
  {
    name: 'dpkg: a status of 200 MiB',
    files: () => ({ [STATUS]: '' }),
    prepare: (root) => truncateSync(join(root, STATUS), 200 * MIB),
    packages: [],
    gaps: [/larger than 128 MiB/],
  },
  {
    name: 'dpkg: a line of 3 MiB',
    files: () => ({ [STATUS]: `${good('a')}Package: ${'x'.repeat(3 * MIB)}` }),
    packages: [],
    gaps: [/a line is longer/],
  },
  {
    name: 'dpkg: names with control characters',
    files: () => ({ [STATUS]: `${good('a')}${good('b\u001B[31m')}${good('c\0d')}${good('e f')}` }),
    packages: ['a'],
    gaps: [/3 malformed entries/],
  },
  {
    name: 'dpkg: half a million empty lines',
    files: () => ({ [STATUS]: `${'\n'.repeat(500_000)}${good('a')}` }),
    packages: ['a'],
    gaps: [],
  },
  {
    name: 'dpkg: fields twice; the first one counts, as for dpkg',
    files: () => ({ [STATUS]: good('a').replace('\n\n', '\nStatus: deinstall ok config-files\n\n') }),
    packages: ['a'],
    gaps: [],
  },
  {
    name: 'dpkg: the status is a FIFO',
    files: () => ({ 'var/lib/dpkg/x': '' }),
    prepare: (root) => void spawnSync('mkfifo', [join(root, STATUS)]),
    packages: [],
    gaps: [],
  },
  {
    name: 'dpkg: links that lead to each other',
    files: () => ({ [STATUS]: { link: 'status-old' }, 'var/lib/dpkg/status-old': { link: 'status' } }),
    packages: [],
    gaps: [],
  },
  {
    name: 'dpkg: 300 links in a row',
    files: () => ({
      ...Object.fromEntries(
        Array.from({ length: 300 }, (_, index) => [`l${String(index)}`, { link: `/l${String(index + 1)}` }]),
      ),
      l300: good('a'),
      [STATUS]: { link: '/l0' },
    }),
    packages: [],
    gaps: [],
  },
  {
    name: 'apk: no line of the format',
    files: () => ({ 'lib/apk/db/installed': '\u0000\u0001garbage\n'.repeat(1000) }),
    packages: [],
    gaps: [/malformed/],
  },
  {
    name: 'apk: a package without an end',
    files: () => ({ 'lib/apk/db/installed': 'P:a\nV:1' }),
    packages: ['a'],
    gaps: [],
  },
  {
    name: 'os-release: a link to a file of this machine',
    files: () => ({ [STATUS]: good('a'), 'etc/os-release': { link: '/proc/1/root/etc/os-release' } }),
    packages: ['a'],
    gaps: [/the distribution is unknown/],
  },
  rpm(
    'a table page that is its own child',
    SQLITE,
    () =>
      sqlite([A], (bytes) => {
        const page = bytes.subarray(4096, 8192);
        page.fill(0);
        page[0] = 5;
        page.writeUInt32BE(2, 8);
        return bytes;
      }),
    /form a loop/,
  ),
  rpm(
    'a page size of 0',
    SQLITE,
    () => sqlite([A], (bytes) => (bytes.writeUInt16BE(0, 16), bytes)),
    /size of its pages/,
  ),
  rpm(
    'a database that ends after the schema',
    SQLITE,
    () => sqlite([A], (bytes) => bytes.subarray(0, 4096)),
    /ends too early/,
  ),
  rpm(
    'a cell outside of its page',
    SQLITE,
    () => sqlite([A], (bytes) => (bytes.writeUInt16BE(0xfff0, 4096 + 8), bytes)),
    /outside of its page|unknown form/,
  ),
  rpm(
    '60,000 cells on a page',
    SQLITE,
    () => sqlite([A], (bytes) => (bytes.writeUInt16BE(60_000, 4096 + 3), bytes)),
    /too many cells/,
  ),
  rpm(
    'a chain of overflow pages that is a loop',
    SQLITE,
    () =>
      sqlite([Buffer.concat([A, Buffer.alloc(40_000)])], (bytes) => {
        for (let at = 2 * 4096; at < bytes.length; at += 4096) bytes.writeUInt32BE(at / 4096 + 1, at);
        return bytes;
      }),
    /malformed headers/,
  ),
  rpm(
    'more slot pages than the file has',
    NDB,
    () => ndb(A, (bytes) => void bytes.writeUInt32LE(0xffff_ffff, 12)),
    /number of slot pages/,
  ),
  rpm(
    'a blob outside of the file',
    NDB,
    () => ndb(A, (bytes) => void bytes.writeUInt32LE(0xfff_ffff, 40)),
    /ends too early/,
  ),
  rpm(
    'a blob of 4 GiB',
    NDB,
    () => ndb(A, (bytes) => void bytes.writeUInt32LE(0xfff_ffff, 44)),
    /larger than what is read/,
  ),
  rpm(
    'a blob that contradicts its slot',
    NDB,
    () => ndb(A, (bytes) => void bytes.writeUInt32LE(9, 4100)),
    /contradicts its slot/,
  ),
  rpm('pages of 3 bytes', BDB, () => bdb(A, (bytes) => void bytes.writeUInt32LE(3, 20)), /size of its pages/),
  rpm(
    '4 thousand million pages',
    BDB,
    () => bdb(A, (bytes) => void bytes.writeUInt32LE(0xffff_ffff, 32)),
    /ends too early/,
  ),
  rpm(
    'an overflow page that follows itself without content',
    BDB,
    () =>
      bdb(A, (bytes) => {
        bytes.writeUInt16LE(0, 8192 + 22);
        bytes.writeUInt32LE(2, 8192 + 16);
      }),
    /chain of overflow pages/,
  ),
  rpm(
    'an item outside of its page',
    BDB,
    () => bdb(A, (bytes) => void bytes.writeUInt16LE(0xffff, 4096 + 26)),
    /outside of its page/,
  ),
  rpm('an encrypted database', BDB, () => bdb(A, (bytes) => void (bytes[24] = 1)), /encrypted/),
  rpm(
    'a header with 2^32 entries beside a good one',
    SQLITE,
    () => {
      const bad = Buffer.from(A);
      bad.writeUInt32BE(0xffff_ffff, 0);
      return sqlite([bad, A]);
    },
    /1 malformed headers/,
    ['a'],
  ),
  rpm(
    'a text without an end',
    NDB,
    () => {
      const bad = Buffer.from(A);
      bad[bad.length - 1] = 0x41;
      return ndb(bad);
    },
    /1 malformed headers/,
  ),
  rpm('random bytes', BDB, () => Buffer.alloc(8192, 'random'), /not a hash of Berkeley DB/),
];

/** The same databases without the attack: they are read, so that the tables above prove something. */
export const SOUND_DATABASES: Readonly<Record<string, () => Uint8Array>> = {
  [SQLITE]: () => sqlite([A]),
  [NDB]: () => ndb(A),
  [BDB]: () => bdb(A),
};
