import { gzipSync, zstdCompressSync } from 'node:zlib';
import { dockerLayout, makeTar, ociLayout, rawTarHeader, sha256, tarBlocks } from '../../../fixture/image-archive.ts';
import type { TarSpec } from '../../../fixture/image-archive.ts';

/** A hostile archive and what has to come of it. */
export interface HostileArchive {
  readonly name: string;
  readonly bytes: () => Promise<Uint8Array> | Uint8Array;
  /** Why the archive is refused as a whole. */
  readonly refused?: RegExp;
  /** What is found all the same, and the gaps beside it, each as `PATH: REASON`. */
  readonly packages?: readonly string[];
  readonly gaps?: readonly RegExp[];
}

const GOOD: readonly TarSpec[] = [
  ['etc/os-release', 'ID=debian\n'],
  ['var/lib/dpkg/status', 'Package: good\nStatus: install ok installed\nVersion: 1\n'],
];
const BAD_STATUS = 'Package: bad\nStatus: install ok installed\nVersion: 1\n';
const MIB = 1024 ** 2;

type Files = readonly (readonly [string, Uint8Array])[];
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const layer = (...entries: readonly TarSpec[]): Promise<Buffer> => makeTar([...GOOD, ...entries]);
const oci = async (tar: Uint8Array): Promise<Buffer> => makeTar(ociLayout([tar]));
const withEntries = async (...entries: readonly TarSpec[]): Promise<Buffer> => oci(await layer(...entries));
const edited = async (edit: (files: Files) => Files | Promise<Files>): Promise<Buffer> =>
  makeTar(await edit(ociLayout([await layer()])));
const docker = async (edit: (files: Files) => readonly TarSpec[] | Promise<Files>): Promise<Buffer> =>
  makeTar(await edit(dockerLayout([await layer()])));
const replaced = (files: Files, name: string, bytes: Uint8Array): Files =>
  files.map(([own, content]) => [own, own === name ? bytes : content]);

const octal = (size: number): string => `${size.toString(8).padStart(11, '0')}\0`;
/** A layer that begins with raw blocks and goes on with good entries. */
const raw = async (...blocks: readonly Uint8Array[]): Promise<Buffer> => oci(Buffer.concat([...blocks, await layer()]));
const bomb = (compress: (bytes: Uint8Array) => Uint8Array, mib: number): Uint8Array => {
  const files = ociLayout([Buffer.alloc(1024)], 'none');
  const small = Buffer.alloc(1024);
  const large = compress(Buffer.concat([rawTarHeader('bomb', '0', octal(mib * MIB)), Buffer.alloc(mib * MIB)]));
  const digest = sha256(large);
  const text = Buffer.from(files.find(([name]) => name === 'index.json')?.[1] ?? '').toString();
  const manifestDigest = /sha256:([0-9a-f]{64})/.exec(text)?.[1] ?? '';
  const manifest = Buffer.from(files.find(([name]) => name.endsWith(manifestDigest))?.[1] ?? '')
    .toString()
    .replace(sha256(small), digest);
  const index = text.replace(manifestDigest, sha256(Buffer.from(manifest)));
  const entries: [string, Uint8Array][] = [
    ...files.filter(([name]) => name !== 'index.json'),
    [`blobs/sha256/${digest}`, large],
    [`blobs/sha256/${sha256(Buffer.from(manifest))}`, Buffer.from(manifest)],
    ['index.json', Buffer.from(index)],
  ];
  return Buffer.concat([
    ...entries.flatMap(([name, content]) => {
      // Names of blobs fit into the first field.
      return [rawTarHeader(name, '0', octal(content.length)), tarBlocks(content)];
    }),
    Buffer.alloc(1024),
  ]);
};
const pax = (record: string): Uint8Array[] => {
  const bytes = Buffer.from(record);
  return [rawTarHeader('pax', 'x', octal(bytes.length)), tarBlocks(bytes)];
};

export const HOSTILE_ARCHIVES: readonly HostileArchive[] = [
  { name: 'random bytes', bytes: () => Buffer.alloc(4096, 'random bytes'), refused: /wrong checksum/ },
  { name: 'an empty file', bytes: () => Buffer.alloc(0), refused: /neither manifest\.json nor index\.json/ },
  { name: 'gzip of nothing', bytes: () => gzipSync(Buffer.alloc(0)), refused: /neither manifest\.json/ },
  { name: 'a cut archive', bytes: async () => (await withEntries()).subarray(0, 700), refused: /ends within an entry/ },
  {
    name: 'a cut gzip',
    bytes: async () => gzipSync(await withEntries()).subarray(0, 500),
    refused: /cannot be decompressed/,
  },
  {
    name: 'a manifest that is no JSON',
    bytes: () => docker((files) => replaced(files, 'manifest.json', Buffer.from('{'))),
    refused: /not valid JSON/,
  },
  {
    name: 'a manifest of 100,000 nested lists',
    bytes: () =>
      docker((files) => replaced(files, 'manifest.json', Buffer.from('['.repeat(100_000) + ']'.repeat(100_000)))),
    refused: /nested deeper/,
  },
  {
    name: 'a manifest of 9 MiB',
    bytes: () => docker((files) => replaced(files, 'manifest.json', Buffer.alloc(9 * MIB, ' '))),
    refused: /too large/,
  },
  {
    name: 'a manifest with prototype keys',
    bytes: () =>
      docker((files) => replaced(files, 'manifest.json', Buffer.from('[{"__proto__":{"Config":"x","Layers":[]}}]'))),
    refused: /malformed/,
  },
  {
    name: 'a manifest with keys that programs in Go take for the same',
    bytes: () =>
      docker((files) =>
        files.map(([name, content]) => [
          name,
          name === 'manifest.json'
            ? Buffer.from(Buffer.from(content).toString().replace('"Layers":', '"layers":["other"],"Layers":'))
            : content,
        ]),
      ),
    refused: /manifest\.json is refused: an object holds the same key twice/,
  },
  {
    name: 'a second manifest under a name that leads to the first',
    bytes: () => docker((files) => [...files, ['x/../manifest.json', json([])]]),
    refused: /a name with \.\./,
  },
  {
    name: 'a second manifest behind a link to its own directory',
    bytes: () =>
      docker((files) => [{ name: 'x', type: 'symlink', linkname: '.' }, ...files, ['x/manifest.json', json([])]]),
    refused: /below one that is no directory/,
  },
  {
    name: 'two files of one name',
    bytes: () => docker((files) => [...files, ['./manifest.json', json([])]]),
    refused: /two files of one name/,
  },
  {
    name: 'a manifest that was changed',
    bytes: () =>
      edited((files) =>
        files.map(([name, content]) => [
          name,
          name.startsWith('blobs/') && content[0] === 0x7b ? Buffer.concat([content, Buffer.from(' ')]) : content,
        ]),
      ),
    refused: /a manifest does not have its digest/,
  },
  {
    name: 'a configuration that was changed',
    bytes: () =>
      docker((files) =>
        files.map(([name, content]) => [
          name,
          /^[0-9a-f]{64}\.json$/.test(name) ? Buffer.concat([content, Buffer.from(' ')]) : content,
        ]),
      ),
    refused: /the configuration does not have its digest/,
  },
  {
    name: 'a layer that was exchanged',
    bytes: async () =>
      docker(async (files) => replaced(files, '0/layer.tar', await makeTar([['etc/os-release', 'ID=x']]))),
    refused: /layer 1 does not have its digest/,
  },
  {
    name: 'a layer that is absent',
    bytes: () => docker((files) => files.filter(([name]) => name !== '0/layer.tar')),
    refused: /layer 1 is absent/,
  },
  {
    name: 'fewer layers than the configuration has',
    bytes: () => docker((files) => replaced(files, 'manifest.json', json([{ Config: files[0]?.[0], Layers: [] }]))),
    refused: /different numbers of layers/,
  },
  {
    name: 'two manifests that name different images',
    bytes: async () =>
      makeTar([...ociLayout([await layer()]), ...dockerLayout([await makeTar([['etc/os-release', 'ID=clean']])])]),
    refused: /name different images/,
  },
  {
    name: 'a configuration outside of the archive',
    bytes: () =>
      docker((files) => replaced(files, 'manifest.json', json([{ Config: '../../../../etc/passwd', Layers: [] }]))),
    refused: /configuration of the image is absent/,
  },
  {
    name: 'a manifest that is a link out of the archive',
    bytes: () => makeTar([{ name: 'manifest.json', type: 'symlink', linkname: '/etc/passwd' }]),
    refused: /neither manifest\.json/,
  },
  {
    name: 'links that lead to each other',
    bytes: () =>
      makeTar([
        { name: 'manifest.json', type: 'symlink', linkname: 'a' },
        { name: 'a', type: 'symlink', linkname: 'manifest.json' },
      ]),
    refused: /neither manifest\.json/,
  },
  {
    name: 'an index that is its own entry',
    bytes: () =>
      makeTar([
        [
          'index.json',
          json({
            manifests: [{ mediaType: 'application/vnd.oci.image.index.v1+json', digest: `sha256:${'0'.repeat(64)}` }],
          }),
        ],
      ]),
    refused: /an index is absent/,
  },
  {
    name: 'more files than an archive has',
    bytes: () =>
      Buffer.concat(Array.from({ length: 20_001 }, (_, index) => rawTarHeader(`f${String(index)}`, '0', octal(0)))),
    refused: /more than 20000 entries/,
  },
  {
    name: 'a gzip bomb',
    bytes: () => bomb((bytes) => gzipSync(bytes, { level: 9 }), 320),
    refused: /more than 200 times/,
  },
  { name: 'a zstd bomb', bytes: () => bomb((bytes) => zstdCompressSync(bytes), 320), refused: /more than 200 times/ },
  {
    name: 'a header with a wrong checksum',
    bytes: () => raw(Buffer.from(rawTarHeader('x', '0', octal(0))).fill(0x41, 0, 1)),
    refused: /wrong checksum/,
  },
  {
    name: 'a negative size',
    bytes: () => raw(rawTarHeader('x', '0', Buffer.alloc(12, 0xff))),
    refused: /a size is no number/,
  },
  {
    name: 'a size of 2^60',
    bytes: () => raw(rawTarHeader('x', '0', Buffer.concat([Buffer.from([0x80, 0, 0, 0, 0x10]), Buffer.alloc(7)]))),
    refused: /a size is no number|within an entry/,
  },
  {
    name: 'a size beyond the end',
    bytes: () => raw(rawTarHeader('x', '0', octal(2 ** 32))),
    refused: /within an entry/,
  },
  {
    name: 'an extended header of 100 MiB',
    bytes: () => raw(rawTarHeader('x', 'x', octal(100 * MIB))),
    refused: /extended header is too large/,
  },
  {
    name: 'a long name of 2 MiB',
    bytes: () => raw(rawTarHeader('x', 'L', octal(2 * MIB))),
    refused: /extended header is too large/,
  },
  { name: 'an extended header with a wrong length', bytes: () => raw(...pax('999 path=x\n')), refused: /wrong length/ },
  {
    name: 'an extended header with a size that is none',
    bytes: () => raw(...pax('14 size=12e45\n')),
    refused: /a size is no number/,
  },
  {
    name: 'names that lead out of the image',
    bytes: () => withEntries(['../../../etc/cron.d/x', 'x'], ['var/lib/../../../x', 'x']),
    packages: ['good'],
    gaps: [/leads out of the image/, /leads out of the image/],
  },
  {
    name: 'absolute names',
    bytes: () => withEntries(['/var/lib/dpkg/status.d/b', 'Package: b\nVersion: 1\n']),
    packages: ['b', 'good'],
    gaps: [],
  },
  {
    name: 'a name of 5,000 characters',
    bytes: () => withEntries([`${'a/'.repeat(60)}${'b'.repeat(4900)}`, 'x']),
    packages: ['good'],
    gaps: [/too long/],
  },
  {
    name: '200 directories below each other',
    bytes: () => withEntries([`${'d/'.repeat(200)}package.json`, 'x']),
    packages: ['good'],
    gaps: [/more than 128 directories/],
  },
  {
    name: 'a name that is not UTF-8',
    bytes: () => raw(rawTarHeader(Buffer.from([0x61, 0xff]), '0', octal(0))),
    packages: ['good'],
    gaps: [/not valid UTF-8/],
  },
  {
    name: 'a hard link to nothing in place of the database',
    bytes: async () =>
      oci(
        await makeTar([
          GOOD[0] ?? ['x', ''],
          { name: 'var/lib/dpkg/status', type: 'link', linkname: '../../../etc/passwd' },
        ]),
      ),
    packages: [],
    gaps: [/^\/var\/lib\/dpkg\/status: a hard link leads to no file/],
  },
  {
    name: 'a database that is a link to a file of this machine',
    bytes: async () =>
      oci(
        await makeTar([
          GOOD[0] ?? ['x', ''],
          { name: 'var/lib/dpkg/status', type: 'symlink', linkname: '/proc/self/root/var/lib/dpkg/status' },
        ]),
      ),
    packages: [],
    gaps: [],
  },
  {
    name: 'an entry below a link',
    bytes: () =>
      withEntries({ name: 'lib', type: 'symlink', linkname: '/etc' }, ['lib/apk/db/installed', 'P:x\nV:1\n\n']),
    packages: ['good'],
    gaps: [/^\/lib\/apk\/db\/installed: .*below an entry that is no directory/],
  },
  {
    name: 'an entry twice: the last one counts, as for tar',
    bytes: () => withEntries(['var/lib/dpkg/status', BAD_STATUS]),
    packages: ['bad'],
    gaps: [],
  },
  {
    name: 'devices and FIFOs',
    bytes: () =>
      withEntries(
        { name: 'dev/sda', type: 'block-device', devmajor: 8, devminor: 0 },
        { name: 'dev/mem', type: 'character-device', devmajor: 1, devminor: 1 },
        { name: 'lib/apk/db/installed', type: 'fifo' },
      ),
    packages: ['good'],
    gaps: [],
  },
  {
    name: 'a sparse file',
    bytes: () => raw(...pax('22 GNU.sparse.major=1\n'), rawTarHeader('lib/apk/db/installed', '0', octal(0))),
    packages: ['good'],
    gaps: [/^\/lib\/apk\/db\/installed: not read: a sparse file/],
  },
  {
    name: 'whiteouts of no name and of the parent',
    bytes: () => withEntries(['var/lib/dpkg/.wh.', ''], ['var/lib/dpkg/.wh...', ''], ['.wh..', '']),
    packages: ['good'],
    gaps: [
      /^\/\.wh\.\.: .* without a name/,
      /^\/var\/lib\/dpkg\/\.wh\.: .* without a name/,
      /^\/var\/lib\/dpkg\/\.wh\.\.\.: .* without a name/,
    ],
  },
];
