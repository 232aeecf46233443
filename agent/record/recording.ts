import { createParseCache } from '../inspector/parse-cache.ts';
import { createRecordedHost } from '../host/recorded.ts';
import { absent } from '../../posture/observed.ts';
import { nodeSchema } from '../../posture/fact/node.ts';
import { openRecordingFiles } from './recording-files.ts';
import type { RecordingFiles } from './recording-files.ts';
import {
  answerSchema,
  ANSWERS_FILE,
  enginePrefix,
  keyOf,
  MANIFEST_FILE,
  manifestSchema,
  RECORDING_FORMAT,
} from './answer.ts';
import { createRecordedProber, createRecordedRuntime } from './recorded-runtime.ts';
import type { NodeFact } from '../../posture/fact/node.ts';
import type * as s from '../../posture/schema.ts';
import type { NodeAccess } from '../node-access.ts';
import type { RecordedLine } from './answer.ts';

/** A recorded node, or what is wrong with the recording. */
export type OpenedRecording =
  { readonly ok: true; readonly access: NodeAccess } | { readonly ok: false; readonly problem: string };

const MAX_MANIFEST_BYTES = 1024 * 1024;
const MAX_ANSWERS_BYTES = 256 * 1024 * 1024;

/**
 * Opens a directory that a recorder wrote. It may come from anybody: it must hold regular files and directories only,
 * and every line is checked.
 */
export async function openRecorded(directory: string): Promise<OpenedRecording> {
  const opened = await openFiles(directory);
  if (!opened.ok) return { ok: false, problem: `${directory}: ${opened.problem}` };
  const files = opened.value;
  const manifest = await readManifest(files);
  if (!manifest.ok) return { ok: false, problem: `${directory}/${MANIFEST_FILE}: ${manifest.problem}` };
  const answers = await readAnswers(files);
  if (!answers.ok) return { ok: false, problem: `${directory}/${ANSWERS_FILE}: ${answers.problem}` };
  const { recordedAtMs, endpoint, named, otherEndpoints, node } = manifest.value;
  const others = otherEndpoints.map((other) => createRecordedRuntime(other, answers.value, files, enginePrefix(other)));
  return {
    ok: true,
    access: {
      host: createRecordedHost(answers.value, files),
      runtime: createRecordedRuntime(endpoint, answers.value, files),
      engines: { named: new Set(named), others: () => Promise.resolve(others) },
      prober: createRecordedProber(answers.value),
      inventory: () => Promise.resolve(node),
      agent: () => absent('plimsoll agent'),
      cache: createParseCache(),
      now: () => recordedAtMs,
    },
  };
}

async function openFiles(directory: string): Promise<s.Parsed<RecordingFiles>> {
  try {
    const opened = await openRecordingFiles(directory);
    return opened.ok ? opened : { ok: false, problem: opened.reason };
  } catch (error) {
    return { ok: false, problem: (error as Error).message };
  }
}

interface Manifest {
  readonly recordedAtMs: number;
  readonly endpoint: string;
  readonly named: readonly string[];
  readonly otherEndpoints: readonly string[];
  readonly node: NodeFact;
}

async function readManifest(files: RecordingFiles): Promise<s.Parsed<Manifest>> {
  const read = await files.readFile(`/${MANIFEST_FILE}`, { maxBytes: MAX_MANIFEST_BYTES });
  if (!read.ok) return { ok: false, problem: `not a recording: ${read.reason}` };
  const value = parseJson(read.value.toString('utf8'));
  const manifest = manifestSchema.parse(value);
  if (!manifest.ok) return manifest;
  if (manifest.value.format !== RECORDING_FORMAT) {
    return { ok: false, problem: `format ${String(manifest.value.format)} is not known to this version` };
  }
  const node = nodeSchema.parse((value as { node?: unknown }).node, '.node');
  return node.ok ? { ok: true, value: { ...manifest.value, node: node.value } } : node;
}

async function readAnswers(files: RecordingFiles): Promise<s.Parsed<ReadonlyMap<string, RecordedLine>>> {
  const read = await files.readFile(`/${ANSWERS_FILE}`, { maxBytes: MAX_ANSWERS_BYTES });
  if (!read.ok) return { ok: false, problem: read.reason };
  const answers = new Map<string, RecordedLine>();
  for (const [index, line] of read.value.toString('utf8').split('\n').entries()) {
    if (line === '') continue;
    const parsed = answerSchema.parse(parseJson(line));
    if (!parsed.ok) return { ok: false, problem: `line ${String(index + 1)}: ${parsed.problem}` };
    answers.set(keyOf(parsed.value.ask, parsed.value.of), parsed.value);
  }
  return { ok: true, value: answers };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // No schema accepts it.
    return undefined;
  }
}
