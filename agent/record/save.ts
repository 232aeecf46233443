import { constants } from 'node:fs';
import { mkdir, open, readdir, writeFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ANSWERS_FILE, MANIFEST_FILE, RECORDING_FORMAT } from './answer.ts';
import { contentPath, spareContentPath } from './content-path.ts';
import type { NodeFact } from '../../posture/fact/node.ts';
import type { RecordedLine } from './answer.ts';
import type { RecordedAnswer, RecordingBuffer } from './recording-buffer.ts';

/** What a recording holds. */
export interface Recording {
  readonly notes: RecordingBuffer;
  readonly recordedAtMs: number;
  readonly endpoint: string;
  readonly named: readonly string[];
  readonly otherEndpoints: readonly string[];
  readonly node: NodeFact;
}

/** What became of a recording. `dropped`: answers that there was no room for. */
export type Saved =
  | { readonly ok: true; readonly answers: number; readonly bytes: number; readonly dropped: number }
  | { readonly ok: false; readonly problem: string };

/**
 * Writes a recording: `manifest.json`, `answers.ndjson` with one answer a line, and the contents as files below `host/`
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
  for (const note of recording.notes.all()) {
    const file = note.content === undefined ? null : await writeContent(directory, note, note.content);
    lines.push(toLine({ ...note.answer, file }));
    bytes += note.content?.length ?? 0;
  }
  await writeNew(join(directory, ANSWERS_FILE), lines.join(''));
  await writeNew(join(directory, MANIFEST_FILE), toManifest(recording, lines.length));
  return { ok: true, answers: lines.length, bytes, dropped: recording.notes.dropped() };
}

async function writeContent(directory: string, { answer }: RecordedAnswer, content: Buffer): Promise<string> {
  const path = contentPath(answer.ask, answer.of);
  try {
    await mkdir(join(directory, dirname(path)), { recursive: true, mode: 0o700 });
    await writeNew(join(directory, path), content);
    return path;
  } catch (error) {
    // On the node it was a file once and a directory later, or is asked for under two spellings.
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!['EEXIST', 'ENOTDIR', 'EISDIR'].includes(code)) throw error;
  }
  const spare = spareContentPath(answer.ask, answer.of);
  await mkdir(join(directory, dirname(spare)), { recursive: true, mode: 0o700 });
  await writeNew(join(directory, spare), content);
  return spare;
}

function writeNew(path: string, content: string | Buffer): Promise<void> {
  return writeFile(path, content, { flag: 'wx', mode: 0o600 });
}

/** Fields that say nothing are left out: the schema reads them as null. */
function toLine(answer: RecordedLine): string {
  return `${JSON.stringify(answer, (_key, value: unknown) => (value === null ? undefined : value))}\n`;
}

function toManifest(
  { recordedAtMs, endpoint, named, otherEndpoints, node, notes }: Recording,
  answers: number,
): string {
  const manifest = {
    format: RECORDING_FORMAT,
    recordedAt: new Date(recordedAtMs).toISOString(),
    recordedAtMs,
    agentVersion: node.agentVersion,
    endpoint,
    named,
    otherEndpoints,
    answers,
    dropped: notes.dropped(),
    node,
  };
  return `${JSON.stringify(manifest, null, 2)}\n`;
}
