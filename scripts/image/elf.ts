/*
 * ELF, 64 bit, little endian (System V ABI, "Object Files"): e_phoff at 32, e_shoff at 40, e_phentsize at 54, e_phnum at
 * 56, e_shnum at 60, e_shstrndx at 62; of a program header p_offset at 8 and p_filesz at 32.
 */
const MAGIC = Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1]);

/**
 * An executable without its section table, symbol table and debugging data: everything behind the last byte that a
 * program header names. The kernel and the dynamic linker read program headers only. Throws if it is not 64-bit ELF.
 */
export function stripExecutable(file: Buffer): Buffer {
  if (!file.subarray(0, MAGIC.length).equals(MAGIC)) throw new Error('not a 64-bit little-endian ELF file');
  const tableOffset = Number(file.readBigUInt64LE(32));
  const entrySize = file.readUInt16LE(54);
  const count = file.readUInt16LE(56);
  let end = tableOffset + entrySize * count;
  for (let index = 0; index < count; index += 1) {
    const at = tableOffset + index * entrySize;
    end = Math.max(end, Number(file.readBigUInt64LE(at + 8) + file.readBigUInt64LE(at + 32)));
  }
  const stripped = Buffer.from(file.subarray(0, end));
  stripped.writeBigUInt64LE(0n, 40);
  stripped.writeUInt16LE(0, 60);
  stripped.writeUInt16LE(0, 62);
  return stripped;
}
