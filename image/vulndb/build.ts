/**
 * Builds a vulnerability database from OSV exports and the feeds about CVEs and distributions. Input that is the same,
 * in whatever order, gives a file that is the same byte for byte (with the same `builtAt`).
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { makePrivateDirectory, writeFileAtomic } from '../../service/files.ts';
import { createDatabaseWriter } from './database-writer.ts';
import type { DatabaseWriter } from './database-writer.ts';
import { epssDateOf, feedReaderOf, isKev, parseKev } from './feeds.ts';
import type { FeedReader, KevCatalog } from './feeds.ts';
import { findInputFiles, InputError, MAX_RECORD_BYTES, readLines, readWhole } from './input-files.ts';
import type { InputFile } from './input-files.ts';
import { makeDurable, replaceFile } from './replace-file.ts';
import { openStaging } from './staging.ts';
import type { LeftOut, Staging, StagingCounts } from './staging.ts';
import { readZip } from './zip-entries.ts';

/** How a database is built. */
export interface BuildOptions {
  /** Files and directories that are read, directories with everything below. */
  readonly from: readonly string[];
  /** The file to write. An existing one is replaced at the end, if nothing went wrong. */
  readonly output: string;
  /** Milliseconds since the epoch that the database states as the time of its build. */
  readonly builtAt: number;
  /** Creates the directory of the output if absent. */
  readonly makesDirectory?: boolean;
  readonly signal: AbortSignal;
  /** Called now and then. */
  readonly onProgress: (progress: BuildProgress) => void;
}

/** How far a build is. */
export interface BuildProgress {
  readonly step: 'read' | 'write' | 'compact';
  readonly file: string;
  readonly files: number;
  readonly filesDone: number;
  readonly records: number;
}

/** What a build read and wrote. */
export interface BuildSummary extends Readonly<StagingCounts> {
  readonly files: number;
  /** Files that are neither OSV nor a feed that is known. */
  readonly ignored: readonly string[];
  readonly advisories: number;
  readonly entries: number;
  readonly kevEntries: number;
  readonly epssScores: number;
  readonly cvssScores: number;
  readonly damagedExamples: readonly LeftOut[];
}

/** The summary, or why no database was written. The file that was there before is then as it was. */
export type BuildResult =
  | {
      readonly ok: true;
      readonly summary: BuildSummary;
      /** Of the database; also written beside it, as `OUTPUT.sha256`. */
      readonly sha256: string;
      readonly bytes: number;
    }
  | { readonly ok: false; readonly problem: string };

/** Largest KEV catalogue or single record. */
const MAX_DOCUMENT_BYTES = 64 * 1024 ** 2;
/** Longest line of a CSV file. */
const MAX_CSV_LINE = 64 * 1024;
/** Records between two calls of `onProgress`, which also lets signals through. */
const PROGRESS_RECORDS = 2000;

/** Builds the database. */
export async function buildDatabase(options: BuildOptions): Promise<BuildResult> {
  const directory = dirname(options.output);
  let work: string | undefined;
  try {
    const { files, ignored } = await findInputFiles(options.from);
    if (files.length === 0)
      return { ok: false, problem: `no zip, ndjson, json or csv file in ${options.from.join(', ')}` };
    if (options.makesDirectory === true) await makePrivateDirectory(directory);
    // Beside the output, so that the last step is a rename; private, so that nobody else can write into it.
    work = await mkdtemp(join(directory, '.vulndb-'));
    const summary = await buildInto(work, files, [...ignored], options);
    if (summary.advisories === 0)
      return { ok: false, problem: `no advisory that can be used in ${options.from.join(', ')}` };
    await makeDurable(join(work, 'database'));
    options.signal.throwIfAborted();
    const { sha256, bytes } = await digestOf(join(work, 'database'));
    await replaceFile(join(work, 'database'), options.output);
    await writeFileAtomic(`${options.output}.sha256`, `${sha256}  ${basename(options.output)}\n`, 0o644);
    return { ok: true, summary, sha256, bytes };
  } catch (error) {
    if (options.signal.aborted) return { ok: false, problem: 'interrupted' };
    if (error instanceof InputError) return { ok: false, problem: error.message };
    const { code } = error as NodeJS.ErrnoException;
    if (typeof code !== 'string' || !/^E[A-Z]+$|^ERR_SQLITE/.test(code)) throw error;
    return { ok: false, problem: `${options.output} cannot be written: ${code}` };
  } finally {
    if (work !== undefined) await rm(work, { recursive: true, force: true });
  }
}

async function digestOf(path: string): Promise<{ readonly sha256: string; readonly bytes: number }> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const part of createReadStream(path) as AsyncIterable<Buffer>) {
    hash.update(part);
    bytes += part.length;
  }
  return { sha256: hash.digest('hex'), bytes };
}

/** Files that are read after the advisories, because they only add to what advisories name. */
interface Feeds {
  readonly catalogs: KevCatalog[];
  readonly tables: { readonly file: InputFile; readonly reader: FeedReader; readonly dateAt: number | undefined }[];
}

async function buildInto(
  work: string,
  files: readonly InputFile[],
  ignored: string[],
  options: BuildOptions,
): Promise<BuildSummary> {
  const staging = openStaging(join(work, 'staging'));
  const unordered = join(work, 'unordered');
  const database = new DatabaseSync(unordered);
  try {
    const feeds: Feeds = { catalogs: [], tables: [] };
    for (const [filesDone, file] of files.entries()) {
      const pause = progress(options, () => ({
        step: 'read',
        file: file.path,
        files: files.length,
        filesDone,
        records: staging.counts.records,
      }));
      await pause(true);
      if (!(await readFile(file, staging, feeds, pause))) ignored.push(file.path);
    }
    const writer = createDatabaseWriter(database);
    const pause = progress(options, () => ({
      step: 'write',
      file: '',
      files: files.length,
      filesDone: files.length,
      records: writer.counts.advisories,
    }));
    for (const advisory of staging.advisories()) {
      writer.addAdvisory(advisory);
      await pause(false);
    }
    const known = await addFeeds(writer, feeds, staging, pause);
    const { advisories, entries, newestAdvisoryAt } = writer.counts;
    writer.finish({
      builtAt: options.builtAt,
      newestAdvisoryAt: newestAdvisoryAt === 0 ? undefined : newestAdvisoryAt,
      ...known,
      damaged: staging.counts.damaged,
    });
    options.onProgress({
      step: 'compact',
      file: '',
      files: files.length,
      filesDone: files.length,
      records: advisories,
    });
    database.exec(`VACUUM INTO '${join(work, 'database').replaceAll("'", "''")}'`);
    const { epssScores, kevEntries, cvssScores } = known;
    return {
      ...staging.counts,
      files: files.length - ignored.filter((path) => files.some((file) => file.path === path)).length,
      ignored,
      advisories,
      entries,
      epssScores,
      kevEntries,
      cvssScores,
      damagedExamples: staging.examples,
    };
  } finally {
    database.close();
    staging.close();
  }
}

/** Reports progress at intervals and lets other work run; rejects once the build is aborted. */
function progress(
  { onProgress, signal }: BuildOptions,
  describe: () => BuildProgress,
): (isAlways: boolean) => Promise<void> {
  let calls = 0;
  return async (isAlways) => {
    calls += 1;
    if (!isAlways && calls % PROGRESS_RECORDS !== 0) return;
    onProgress(describe());
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    signal.throwIfAborted();
  };
}

type Pause = (isAlways: boolean) => Promise<void>;

/** Reads one file into staging, or into the feeds. False for a file that is neither. */
async function readFile(file: InputFile, staging: Staging, feeds: Feeds, pause: Pause): Promise<boolean> {
  switch (file.kind) {
    case 'zip':
      for await (const { name, content } of readZip(file)) {
        staging.add(content, `${basename(file.path)}:${name}`);
        await pause(false);
      }
      return true;
    case 'lines': {
      let line = 0;
      for await (const text of readLines(file)) {
        line += 1;
        staging.add(text, `${basename(file.path)}:${String(line)}`);
        await pause(false);
      }
      return true;
    }
    case 'json':
      return readDocument(file, staging, feeds);
    case 'csv':
      return readTableHeader(file, feeds);
  }
}

async function readDocument(file: InputFile, staging: Staging, feeds: Feeds): Promise<boolean> {
  const bytes = await readWhole(file, MAX_DOCUMENT_BYTES);
  let document: unknown;
  try {
    document = JSON.parse(bytes.toString('utf8'));
  } catch {
    staging.reportDamage(basename(file.path), 'the file is not JSON');
    return true;
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document)) return false;
  if (isKev(document)) {
    const catalog = parseKev(document);
    if (catalog === undefined)
      throw new InputError('damaged', `${file.path}: the KEV catalogue does not follow its schema`);
    feeds.catalogs.push(catalog);
    return true;
  }
  const isRecord =
    Object.hasOwn(document, 'id') && (Object.hasOwn(document, 'affected') || Object.hasOwn(document, 'modified'));
  if (!isRecord) return false;
  if (bytes.length > MAX_RECORD_BYTES) staging.add(undefined, basename(file.path));
  else staging.addRecord(document, basename(file.path));
  return true;
}

async function readTableHeader(file: InputFile, feeds: Feeds): Promise<boolean> {
  let dateAt: number | undefined;
  for await (const line of readLines(file, MAX_CSV_LINE)) {
    const text = line?.toString('utf8') ?? '';
    if (text.startsWith('#')) {
      dateAt = epssDateOf(text) ?? dateAt;
      continue;
    }
    const reader = feedReaderOf(text);
    if (reader === undefined) return false;
    feeds.tables.push({ file, reader, dateAt });
    return true;
  }
  return false;
}

type Known = Record<'epssScores' | 'kevEntries' | 'cvssScores', number> & {
  readonly epssAt: number | undefined;
  readonly kevAt: number | undefined;
};

/** Adds the feeds to the CVEs that advisories name. */
async function addFeeds(writer: DatabaseWriter, feeds: Feeds, staging: Staging, pause: Pause): Promise<Known> {
  const known = { epssScores: 0, kevEntries: 0, cvssScores: 0 };
  let epssAt: number | undefined;
  let kevAt: number | undefined;
  for (const { entries, releasedAt, damaged } of feeds.catalogs) {
    if (releasedAt !== undefined) kevAt = Math.max(kevAt ?? 0, releasedAt);
    for (const entry of entries) if (writer.addKev(entry)) known.kevEntries += 1;
    for (let count = 0; count < damaged; count += 1) staging.reportDamage('KEV', 'an entry without a CVE id or a date');
  }
  for (const { file, reader, dateAt } of feeds.tables) {
    if (reader.kind === 'epss' && dateAt !== undefined) epssAt = Math.max(epssAt ?? 0, dateAt);
    const name = basename(file.path);
    let lineNumber = 0;
    let isHeaderRead = false;
    for await (const line of readLines(file, MAX_CSV_LINE)) {
      lineNumber += 1;
      const text = line?.toString('utf8');
      if (text?.startsWith('#') === true) continue;
      if (!isHeaderRead) {
        isHeaderRead = true;
        continue;
      }
      const row = text === undefined ? undefined : reader.read(text);
      if (row === undefined) staging.reportDamage(`${name}:${String(lineNumber)}`, 'the row is not understood');
      else if (row !== 'none' && row.kind === 'maintenance') writer.addMaintenance(distributionOf(name), row);
      else if (row !== 'none' && writer.addFeedRow(row)) known[row.kind === 'epss' ? 'epssScores' : 'cvssScores'] += 1;
      await pause(false);
    }
  }
  return { ...known, epssAt, kevAt };
}

/** `eol-debian.csv` and `debian.csv` are about Debian. */
function distributionOf(fileName: string): string {
  return /^(?:eol-)?([a-z0-9-]{1,64})\.csv/.exec(fileName.toLowerCase())?.[1] ?? '';
}
