import { constants } from 'node:fs';
import { mkdir, open, readdir, writeFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { RESULTS_FILE, MANIFEST_FILE, RECORDING_FORMAT } from './recorded-result.ts';
import { contentPath, spareContentPath } from './content-path.ts';
import type { NodeFact } from '../../posture/fact/node.ts';
import type { RecordedEngine, RecordedResult } from './recorded-result.ts';
import type { RecordingBuffer } from './recording-buffer.ts';

/** What a recording holds. */
export interface Recording {
  readonly buffer: RecordingBuffer;
  readonly recordedAtMs: number;
  readonly engine: RecordedEngine;
  readonly otherEngines: readonly RecordedEngine[];
  readonly named: readonly string[];
  readonly node: NodeFact;
}

/** The outcome of writing a recording. `dropped`: results that exceeded its limits. */
export type Saved =
  | { readonly ok: true; readonly results: number; readonly bytes: number; readonly dropped: number }
  | { readonly ok: false; readonly problem: string };

/**
 * Writes a recording: `manifest.json`, `results.ndjson` with one result a line, and the contents as files below `host/`
 * and `runtime/` that a person can read. For the owner only (0700, 0600). The directory must be new, or an empty one of
 * our own: root who writes into a directory of another user writes wherever that user's links lead.
 */
export async function saveRecording(directory: string, recording: Recording): Promise<Saved> {
  let handle: FileHandle | undefined;
  try {
    await makeDirectory(directory);
    handle = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    const problem = await takeEmpty(directory, handle);
    if (problem !== undefined) return { ok: false, problem };
    // The directory itself, whatever its name leads to meanwhile.
    return await writeInto(`/proc/self/fd/${String(handle.fd)}`, recording);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const isLink = code === 'ELOOP' || code === 'ENOTDIR';
    return { ok: false, problem: isLink ? `${directory} is not a directory (${code}); give a new one` : message };
  } finally {
    await handle?.close();
  }
}

async function makeDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** Makes the directory ours alone; or says why it cannot be used. */
async function takeEmpty(directory: string, handle: FileHandle): Promise<string | undefined> {
  const { uid } = await handle.stat();
  if (uid !== process.geteuid?.())
    return `${directory} belongs to another user (uid ${String(uid)}); give a new directory`;
  const isEmpty = async (): Promise<boolean> => (await readdir(`/proc/self/fd/${String(handle.fd)}`)).length === 0;
  const problem = `${directory} is not empty; give a new directory`;
  if (!(await isEmpty())) return problem;
  await handle.chmod(0o700);
  // Nobody else can put anything there from now on.
  return (await isEmpty()) ? undefined : problem;
}

async function writeInto(directory: string, recording: Recording): Promise<Saved> {
  const lines: string[] = [];
  let bytes = 0;
  for (const { result, content } of recording.buffer.all()) {
    const file = content === undefined ? null : await writeContent(directory, result, content);
    lines.push(toLine({ ...result, file }));
    bytes += content?.length ?? 0;
  }
  await writeNew(join(directory, RESULTS_FILE), lines.join(''));
  await writeNew(join(directory, MANIFEST_FILE), toManifest(recording, lines.length));
  return { ok: true, results: lines.length, bytes, dropped: recording.buffer.dropped() };
}

async function writeContent(directory: string, { op, target }: RecordedResult, content: Buffer): Promise<string> {
  const path = contentPath(op, target);
  try {
    await mkdir(join(directory, dirname(path)), { recursive: true, mode: 0o700 });
    await writeNew(join(directory, path), content);
    return path;
  } catch (error) {
    // On the node it was a file once and a directory later, or is asked for under two spellings.
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!['EEXIST', 'ENOTDIR', 'EISDIR'].includes(code)) throw error;
  }
  const spare = spareContentPath(op, target);
  await mkdir(join(directory, dirname(spare)), { recursive: true, mode: 0o700 });
  await writeNew(join(directory, spare), content);
  return spare;
}

function writeNew(path: string, content: string | Buffer): Promise<void> {
  return writeFile(path, content, { flag: 'wx', mode: 0o600 });
}

/** Fields that say nothing are left out: the schema reads them as null. */
function toLine(result: RecordedResult): string {
  return `${JSON.stringify(result, (_key, value: unknown) => (value === null ? undefined : value))}\n`;
}

function toManifest({ recordedAtMs, engine, otherEngines, named, node, buffer }: Recording, results: number): string {
  const manifest = {
    format: RECORDING_FORMAT,
    recordedAt: new Date(recordedAtMs).toISOString(),
    recordedAtMs,
    agentVersion: node.agentVersion,
    engine,
    otherEngines,
    named,
    results,
    dropped: buffer.dropped(),
    node,
  };
  return `${JSON.stringify(manifest, null, 2)}\n`;
}
