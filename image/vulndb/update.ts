/**
 * Brings a vulnerability database from elsewhere into place. It is accepted only if its checksum, its signature (where a
 * key is given), its tables and every page of it are right, and if it is not older than the one that is there. Until
 * then, and after any failure, the old one stays.
 */
import { createHash, createPublicKey, createVerify, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { formatBytes } from '../../service/bytes.ts';
import { errorCode, makePrivateDirectory } from '../../service/files.ts';
import { decompressZstd } from '../inventory/archive/zstd-frames.ts';
import { openVulnerabilityDatabase } from './database.ts';
import type { DatabaseInfo } from './layout.ts';
import { makeDurable, replaceFile } from './replace-file.ts';
import type { UpdateSource } from './update-source.ts';

/** How a database is updated. */
export interface UpdateOptions {
  readonly source: UpdateSource;
  /** The database that is replaced. */
  readonly output: string;
  /** 64 hexadecimal digits of the file as it is transferred; undefined: the source has a file with them. */
  readonly sha256: string | undefined;
  /** Public key in PEM (ECDSA or Ed25519) whose signature is demanded. */
  readonly publicKey: string | undefined;
  /** Accepts a database that was built before the one that is there. */
  readonly allowOlder: boolean;
  readonly maxBytes: number;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly onProgress: (bytes: number) => void;
}

/** What was put in place, or why nothing was. */
export type UpdateResult =
  | {
      readonly ok: true;
      readonly info: DatabaseInfo;
      readonly sha256: string;
      /** Undefined: there was none, or none that can be read. */
      readonly previousBuiltAt: number | undefined;
      readonly isSigned: boolean;
    }
  | { readonly ok: false; readonly problem: string };

/** Largest database after decompression. */
const MAX_DATABASE_BYTES = 8 * 1024 ** 3;
/** Clocks differ; a database from further in the future would block all updates after it. */
const MAX_FUTURE_MS = 86_400_000;
/** Ed25519 signs the whole text at once, so it has to be in memory. */
const MAX_ED25519_BYTES = 1024 ** 3;

/** Expected failures while the parts are read and written. */
class UpdateRefusal extends Error {
  readonly code = 'refused';
}

/** Updates the database. */
export async function updateDatabase(options: UpdateOptions): Promise<UpdateResult> {
  let work: string | undefined;
  try {
    await makePrivateDirectory(dirname(options.output));
    work = await mkdtemp(join(dirname(options.output), '.vulndb-'));
    return await updateIn(work, options);
  } catch (error) {
    if (error instanceof UpdateRefusal) return { ok: false, problem: error.message };
    const { code } = error as NodeJS.ErrnoException;
    if (typeof code !== 'string' || !/^E[A-Z]+$/.test(code)) throw error;
    return { ok: false, problem: `${options.output} cannot be written: ${code}` };
  } finally {
    if (work !== undefined) await rm(work, { recursive: true, force: true });
  }
}

async function updateIn(work: string, options: UpdateOptions): Promise<UpdateResult> {
  const received = join(work, 'received');
  const sha256 = await receive(received, options);
  const isSigned = await verifyOrigin(received, sha256, options);
  const database = await decompress(received, join(work, 'database'));
  const info = inspect(database, options.now);
  const present = openVulnerabilityDatabase(options.output);
  const previousBuiltAt = present.ok ? present.database.info.builtAt : undefined;
  if (present.ok) present.database.close();
  if (previousBuiltAt !== undefined && info.builtAt < previousBuiltAt && !options.allowOlder)
    throw new UpdateRefusal(
      `the database was built ${new Date(info.builtAt).toISOString()}, before the one that is there (${new Date(previousBuiltAt).toISOString()}); --allow-older accepts it`,
    );
  await makeDurable(database);
  await replaceFile(database, options.output);
  return { ok: true, info, sha256, previousBuiltAt, isSigned };
}

/** Writes the file that the source serves, and gives its checksum. */
async function receive(path: string, { source, maxBytes, onProgress }: UpdateOptions): Promise<string> {
  const hash = createHash('sha256');
  let bytes = 0;
  const file = await open(path, 'wx', 0o600);
  try {
    const problem = await source.read(async (part) => {
      bytes += part.length;
      if (bytes > maxBytes) throw new UpdateRefusal(`the database is larger than ${formatBytes(maxBytes)}`);
      hash.update(part);
      await file.writeFile(part);
      onProgress(bytes);
    });
    if (problem !== undefined) throw new UpdateRefusal(problem);
  } finally {
    await file.close();
  }
  return hash.digest('hex');
}

/** Compares checksum and signature. True where a signature was verified. Throws where one is missing or wrong. */
async function verifyOrigin(path: string, actual: string, options: UpdateOptions): Promise<boolean> {
  const { source, publicKey } = options;
  const expected = options.sha256 ?? (await readChecksum(source));
  if (expected !== undefined && expected !== actual)
    throw new UpdateRefusal(`the checksum is wrong: expected ${expected}, got ${actual}`);
  if (publicKey !== undefined) {
    const beside = await source.readBeside('.sig');
    if (!beside.ok) throw new UpdateRefusal(beside.problem);
    if (beside.content === undefined)
      throw new UpdateRefusal('the database is not signed: there is no .sig file beside it');
    if (!(await isSignedBy(path, beside.content, readKey(publicKey))))
      throw new UpdateRefusal('the signature does not belong to this database and key');
    return true;
  }
  if (expected === undefined && !source.isDigestVerified)
    throw new UpdateRefusal('there is no .sha256 file beside the database; give --sha256 or --vulndb-key');
  return false;
}

/** The digits of `FILE.sha256`, in the format of sha256sum(1). */
async function readChecksum(source: UpdateSource): Promise<string | undefined> {
  const beside = await source.readBeside('.sha256');
  if (!beside.ok) throw new UpdateRefusal(beside.problem);
  if (beside.content === undefined) return undefined;
  const digits = /^([0-9a-f]{64})(?:\s|$)/i.exec(beside.content.toString('latin1'))?.[1];
  if (digits === undefined) throw new UpdateRefusal('the .sha256 file does not begin with a checksum');
  return digits.toLowerCase();
}

function readKey(pem: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch {
    throw new UpdateRefusal('the key is not a public key in PEM');
  }
  if (key.asymmetricKeyType !== 'ec' && key.asymmetricKeyType !== 'ed25519')
    throw new UpdateRefusal('the key is neither ECDSA nor Ed25519');
  return key;
}

/** Detached signature, raw or in base64, as `cosign sign-blob` and openssl write it. */
async function isSignedBy(path: string, content: Buffer, key: KeyObject): Promise<boolean> {
  const text = content.toString('latin1').trim();
  const signature = /^[A-Za-z0-9+/\s]+={0,2}$/.test(text) ? Buffer.from(text, 'base64') : content;
  if (key.asymmetricKeyType === 'ec') {
    const verifier = createVerify('sha256');
    await pipeline(createReadStream(path), verifier);
    return verifier.verify(key, signature);
  }
  const file = await open(path, 'r');
  try {
    if ((await file.stat()).size > MAX_ED25519_BYTES)
      throw new UpdateRefusal('a database of this size can only be signed with ECDSA');
  } finally {
    await file.close();
  }
  return verify(null, await readFile(path), key, signature);
}

/** The database itself: decompressed where it is gzip or zstd, by its first bytes. */
async function decompress(received: string, output: string): Promise<string> {
  const head = Buffer.alloc(4);
  const file = await open(received, 'r');
  try {
    await file.read(head, 0, 4, 0);
  } finally {
    await file.close();
  }
  const isGzip = head.readUInt16BE(0) === 0x1f8b;
  if (!isGzip && head.readUInt32LE(0) !== 0xfd2fb528) return received;
  let bytes = 0;
  const bound = async function* (parts: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const part of parts) {
      bytes += part.length;
      if (bytes > MAX_DATABASE_BYTES)
        throw new UpdateRefusal(
          `the database is larger than ${formatBytes(MAX_DATABASE_BYTES)} when it is decompressed`,
        );
      yield part;
    }
  };
  try {
    await pipeline(
      createReadStream(received),
      isGzip ? createGunzip() : decompressZstd,
      bound,
      createWriteStream(output, { flags: 'wx', mode: 0o600 }),
    );
  } catch (error) {
    if (errorCode(error).startsWith('Z')) throw new UpdateRefusal('the compressed database is damaged or cut off');
    throw error;
  }
  return output;
}

/** What the database says about itself, after every page of it was verified. */
function inspect(path: string, now: number): DatabaseInfo {
  const opened = openVulnerabilityDatabase(path, { isThorough: true });
  if (!opened.ok) throw new UpdateRefusal(opened.problem.replace(`${path}: `, 'the database is not usable: '));
  const { info } = opened.database;
  opened.database.close();
  if (info.builtAt > now + MAX_FUTURE_MS) throw new UpdateRefusal('the database says that it was built in the future');
  if (info.advisories === 0) throw new UpdateRefusal('the database is empty');
  return info;
}
