import { deflateSync } from 'node:zlib';

/** How an ELF file is put together. All sections lie in one writable segment. */
export interface ElfOptions {
  readonly bits?: 32 | 64;
  readonly order?: 'little' | 'big';
  readonly sections: Readonly<Record<string, Buffer>>;
  readonly sectionHeaders?: boolean;
  /** Text behind the program headers, where packers put theirs. */
  readonly mark?: string;
}

type Layout = Required<Pick<ElfOptions, 'bits' | 'order'>>;

/** Where the first section starts, in the file and in memory. */
const START = 256;
const BASE = 0x40_0000;

function numbers({ bits, order }: Layout): {
  readonly u16: (n: number) => Buffer;
  readonly u32: (n: number) => Buffer;
  readonly native: (n: number) => Buffer;
} {
  const write = (bytes: number, value: number): Buffer => {
    const big = Buffer.alloc(bytes);
    for (let index = 0; index < bytes; index += 1) big[bytes - 1 - index] = Math.floor(value / 2 ** (8 * index)) & 0xff;
    return order === 'big' ? big : Buffer.from(big.toReversed());
  };
  return { u16: (n) => write(2, n), u32: (n) => write(4, n), native: (n) => write(bits / 8, n) };
}

/** An ELF executable with these sections, by https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html. */
export function elfFile({
  bits = 64,
  order = 'little',
  sections,
  sectionHeaders = true,
  mark = '',
}: ElfOptions): Buffer {
  const { u16, u32, native } = numbers({ bits, order });
  const wide = bits === 64;
  const names = ['', ...Object.keys(sections), '.shstrtab'];
  const nameTable = Buffer.from(`${names.join('\0')}\0`);
  const contents = [...Object.values(sections).map(padded), nameTable];
  const bodyBytes = contents.reduce((sum, each) => sum + each.length, 0);
  // Large enough to count as an executable.
  const body = Buffer.concat([...contents, Buffer.alloc(Math.max(0, 64 * 1024 - bodyBytes))]);
  const tableOffset = START + body.length;
  const segment = wide
    ? [
        u32(1),
        u32(6),
        native(START),
        native(BASE + START),
        native(0),
        native(body.length),
        native(body.length),
        native(16),
      ]
    : [
        u32(1),
        native(START),
        native(BASE + START),
        native(0),
        native(body.length),
        native(body.length),
        u32(6),
        native(16),
      ];
  const header = Buffer.concat([
    Buffer.from([0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, order === 'little' ? 1 : 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    u16(2),
    u16(62),
    u32(1),
    native(0),
    native(wide ? 64 : 52),
    native(sectionHeaders ? tableOffset : 0),
    u32(0),
    u16(wide ? 64 : 52),
    u16(wide ? 56 : 32),
    u16(1),
    u16(wide ? 64 : 40),
    u16(sectionHeaders ? names.length : 0),
    u16(sectionHeaders ? names.length - 1 : 0),
    ...segment,
  ]);
  const head = Buffer.alloc(START);
  header.copy(head);
  Buffer.from(mark).copy(head, header.length);
  if (!sectionHeaders) return Buffer.concat([head, body]);
  const rows: Buffer[] = [Buffer.alloc(wide ? 64 : 40)];
  let offset = START;
  let nameOffset = 1;
  for (const [index, content] of contents.entries()) {
    const name = names[index + 1] ?? '';
    const size = Object.values(sections)[index]?.length ?? content.length;
    rows.push(
      Buffer.concat([
        u32(nameOffset),
        u32(1),
        native(3),
        native(BASE + offset),
        native(offset),
        native(size),
        u32(0),
        u32(0),
        native(16),
        native(0),
      ]),
    );
    offset += content.length;
    nameOffset += name.length + 1;
  }
  return Buffer.concat([head, body, ...rows]);
}

function padded(content: Buffer): Buffer {
  return Buffer.concat([content, Buffer.alloc((16 - (content.length % 16)) % 16)]);
}

/** The text of the modules between the marks that the go command writes (src/cmd/go/internal/modload/build.go). */
export function goModulesBlob(modules: string): Buffer {
  const start = Buffer.from('3077af0c9274080241e1c107e6d618e6', 'hex');
  const end = Buffer.from('f932433186182072008242104116d8f2', 'hex');
  return Buffer.concat([start, Buffer.from(modules), end]);
}

/** Build information as Go writes it since 1.18 (src/debug/buildinfo/buildinfo.go). */
export function goInlineInfo(goVersion: string, modules: string): Buffer {
  const blob = modules === '' ? Buffer.alloc(0) : goModulesBlob(modules);
  const header = Buffer.alloc(32);
  Buffer.from('\xff Go buildinf:', 'latin1').copy(header);
  header[14] = 8;
  header[15] = 2;
  return Buffer.concat([header, varint(goVersion.length), Buffer.from(goVersion), varint(blob.length), blob]);
}

/** Build information as Go wrote it until 1.17: pointers to strings, each a pointer and a length. */
export function goPointerSections(
  goVersion: string,
  modules: string,
  layout: Layout,
): { readonly sections: Readonly<Record<string, Buffer>> } {
  const { native } = numbers(layout);
  const word = layout.bits / 8;
  const blob = goModulesBlob(modules);
  const header = Buffer.alloc(32);
  Buffer.from('\xff Go buildinf:', 'latin1').copy(header);
  header[14] = word;
  header[15] = layout.order === 'big' ? 1 : 0;
  // The first section holds the header, the second both descriptors, the third both texts.
  const descriptors = BASE + START + 32;
  const texts = descriptors + 32;
  native(descriptors).copy(header, 16);
  native(descriptors + 2 * word).copy(header, 16 + word);
  const data = Buffer.alloc(32);
  Buffer.concat([native(texts), native(goVersion.length), native(texts + 16), native(blob.length)]).copy(data);
  const text = Buffer.alloc(16);
  text.write(goVersion);
  return { sections: { '.go.buildinfo': header, '.data': data, '.rodata': Buffer.concat([text, blob]) } };
}

/** The section `.dep-v0` of cargo auditable: zlib around JSON. */
export function rustSection(data: unknown): Buffer {
  return deflateSync(JSON.stringify(data));
}

function varint(value: number): Buffer {
  return value < 0x80
    ? Buffer.from([value])
    : Buffer.concat([Buffer.from([(value & 0x7f) | 0x80]), varint(value >> 7)]);
}
