import { spawnSync } from 'node:child_process';
import t from 'tap';
import { TarReader } from '../../../../image/inventory/archive/tar-reader.ts';
import { rawTarHeader, tarBlocks } from '../../../fixture/image-archive.ts';

/** Archives about which programs disagree: what follows `ambiguous` is a file, or content of the entry before. */
type Case = (file: (name?: string) => Buffer) => readonly Uint8Array[];

const pax = (text: string, flag = 'x'): Buffer => {
  const record = (length: number): string => `${String(length)} ${text}\n`;
  const [rough] = [record(99).length];
  const bytes = record(record(rough).length);
  return Buffer.concat([rawTarHeader(text, flag, bytes.length), tarBlocks(bytes)]);
};
const longName = (name: string): Buffer =>
  Buffer.concat([rawTarHeader('././@LongLink', 'L', name.length + 1), tarBlocks(`${name}\0`)]);
const octal = (size: number): string => size.toString(8).padStart(6, '0');

const CASES: Readonly<Record<string, Case>> = {
  'a FIFO with a size': (file) => [rawTarHeader('fifo', '6', file().length), file()],
  'a character device with a size': (file) => [rawTarHeader('character', '3', file().length), file()],
  'a directory with a size': (file) => [rawTarHeader('directory', '5', file().length), file()],
  'a symbolic link with a size': (file) => [rawTarHeader('link', '2', file().length, { target: 'x' }), file()],
  'a file whose name ends with a slash': (file) => [
    rawTarHeader('slash/', '0', file('inner').length),
    file('inner'),
    file(),
  ],
  'the same in the oldest format': (file) => [rawTarHeader('old/', '\0', file().length), file()],
  'two pax headers': (file) => [pax('path=other'), pax('mtime=1'), file()],
  'a pax header before a global one': (file) => [pax('path=other'), pax('comment=x', 'g'), file()],
  'a pax header with an empty path': (file) => [pax('path='), file()],
  'a pax header with a size': (file) => [
    pax(`size=${String(file('inner').length)}`),
    rawTarHeader('sized', '0', 0),
    file('inner'),
    file(),
  ],
  'a long name before a pax header': (file) => [longName('long'), pax('path=other'), file()],
  'a long name before a global header': (file) => [longName('other'), pax('comment=y', 'g'), file()],
  'an empty long name': (file) => [longName(''), file()],
  'a size behind NULs': (file) => [
    rawTarHeader('nuls', '0', `\0\0\0\0\0${octal(file('inner').length)}\0`),
    file('inner'),
    file(),
  ],
  'a prefix in ustar without a version': () => [
    rawTarHeader('file-1', '0', 0, { magic: 'ustar\0\0\0', prefix: 'prefixed' }),
  ],
  'a prefix of star, which is shorter': () => [
    rawTarHeader('file-2', '0', 0, { prefix: `${'./'.repeat(64)}sta${'0'.repeat(22)}`, trailer: 'tar\0' }),
  ],
  'a prefix of GNU tar': () => [rawTarHeader('file-3', '0', 0, { magic: 'ustar  \0', prefix: 'gnu' })],
  'times in the place of the prefix': () => [
    rawTarHeader('file-4', '0', 0, { magic: 'ustar  \0', prefix: '14000000000\u000014000000000' }),
  ],
};

/** All cases in one archive, each with names of its own. */
function archive(): Buffer {
  const blocks = Object.values(CASES).map((make, index) => {
    const file = (name = 'ambiguous'): Buffer =>
      Buffer.concat([rawTarHeader(`${name}-${String(index)}`, '0', 4), tarBlocks('text')]);
    return Buffer.concat(make(file));
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

function filesOf(bytes: Uint8Array): string[] {
  const found: string[] = [];
  const reader = new TarReader(({ name, kind }) => {
    if (kind === 'file') found.push(name.replaceAll(/(?:^|(?<=\/))(?:\.\/)+|\/$/g, ''));
    return undefined;
  });
  reader.write(bytes);
  reader.end();
  return found;
}

const socket = process.env['PLIMSOLL_TEST_DOCKER'];

void t.test('an ambiguous archive has the files that dockerd unpacks', { skip: !socket && 'no dockerd' }, (t) => {
  const docker = (args: string[], input?: Uint8Array): Buffer => {
    const done = spawnSync('docker', ['-H', `unix://${socket ?? ''}`, ...args], { input, maxBuffer: 1024 ** 3 });
    t.equal(done.status, 0, `docker ${args[0] ?? ''}: ${done.stderr.toString()}`);
    return done.stdout;
  };
  const bytes = archive();
  const image = docker(['import', '-'], bytes).toString().trim();
  const container = docker(['create', image, 'x']).toString().trim();
  const isMounted = (name: string): boolean => /^(?:dev|etc|proc|sys)\/|^\.dockerenv$/.test(name);
  try {
    const unpacked = filesOf(docker(['export', container])).filter((name) => !isMounted(name));
    t.strictSame(filesOf(bytes).toSorted(), unpacked.toSorted());
    t.ok(unpacked.length >= Object.keys(CASES).length, unpacked.join(' '));
  } finally {
    docker(['rm', container]);
    docker(['rmi', image]);
  }
  t.end();
});
