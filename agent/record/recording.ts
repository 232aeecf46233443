import { createParseCache } from '../inspector/parse-cache.ts';
import { createFailedLooks } from '../inspector/unobserved/failed-looks.ts';
import { createRecordedHost } from './recorded-host.ts';
import { absent } from '../../posture/observed.ts';
import { nodeSchema } from '../../posture/fact/node.ts';
import { openRecordingFiles } from './recording-files.ts';
import type { RecordingFiles } from './recording-files.ts';
import {
  resultSchema,
  RESULTS_FILE,
  enginePrefix,
  formatSchema,
  keyOf,
  MANIFEST_FILE,
  manifestSchema,
  RECORDING_FORMAT,
} from './recorded-result.ts';
import { createRecordedProber, createRecordedRuntime } from './recorded-runtime.ts';
import type { NodeFact } from '../../posture/fact/node.ts';
import type * as s from '../../posture/schema.ts';
import type { NodeAccess } from '../node-access.ts';
import type { RecordedResult } from './recorded-result.ts';

/** A recorded node, or what is wrong with the recording. */
export type OpenedRecording =
  { readonly ok: true; readonly access: NodeAccess } | { readonly ok: false; readonly problem: string };

const MAX_MANIFEST_BYTES = 1024 * 1024;
const MAX_RESULTS_BYTES = 256 * 1024 * 1024;

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
  const results = await readResults(files);
  if (!results.ok) return { ok: false, problem: `${directory}/${RESULTS_FILE}: ${results.problem}` };
  const { recordedAtMs, engine, otherEngines, named, node } = manifest.value;
  const others = otherEngines.map((other) =>
    createRecordedRuntime(other, results.value, files, enginePrefix(other.endpoint)),
  );
  return {
    ok: true,
    access: {
      host: createRecordedHost(results.value, files),
      runtime: createRecordedRuntime(engine, results.value, files),
      engines: { named: new Set(named), others: () => Promise.resolve(others) },
      prober: createRecordedProber(results.value),
      inventory: () => Promise.resolve(node),
      agent: () => absent('plimsoll agent'),
      cache: createParseCache(),
      failedLooks: createFailedLooks(),
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

type Manifest = s.Infer<typeof manifestSchema> & { readonly node: NodeFact };

async function readManifest(files: RecordingFiles): Promise<s.Parsed<Manifest>> {
  const read = await files.readFile(`/${MANIFEST_FILE}`, { maxBytes: MAX_MANIFEST_BYTES });
  if (!read.ok) return { ok: false, problem: `not a recording: ${read.reason}` };
  const value = parseJson(read.value.toString('utf8'));
  const format = formatSchema.parse(value);
  if (!format.ok) return format;
  if (format.value.format !== RECORDING_FORMAT)
    return {
      ok: false,
      problem: `format ${String(format.value.format)} is not known to this version, which reads format ${String(RECORDING_FORMAT)}`,
    };
  const manifest = manifestSchema.parse(value);
  if (!manifest.ok) return manifest;
  const node = nodeSchema.parse((value as { node?: unknown }).node, '.node');
  return node.ok ? { ok: true, value: { ...manifest.value, node: node.value } } : node;
}

async function readResults(files: RecordingFiles): Promise<s.Parsed<ReadonlyMap<string, RecordedResult>>> {
  const read = await files.readFile(`/${RESULTS_FILE}`, { maxBytes: MAX_RESULTS_BYTES });
  if (!read.ok) return { ok: false, problem: read.reason };
  const results = new Map<string, RecordedResult>();
  for (const [index, line] of read.value.toString('utf8').split('\n').entries()) {
    if (line === '') continue;
    const parsed = resultSchema.parse(parseJson(line));
    if (!parsed.ok) return { ok: false, problem: `line ${String(index + 1)}: ${parsed.problem}` };
    results.set(keyOf(parsed.value.op, parsed.value.target), parsed.value);
  }
  return { ok: true, value: results };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // No schema accepts it.
    return undefined;
  }
}
