import { probeSchema } from '../../posture/fact/listener.ts';
import * as s from '../../posture/schema.ts';
import { REPLY_FAILURE_CODES } from '../runtime/runtime.ts';

/** Version of the format in which a recording is written. */
export const RECORDING_FORMAT = 2;

/** Files of a recording. */
export const MANIFEST_FILE = 'manifest.json';
/** One result a line, as {@link resultSchema} has it. */
export const RESULTS_FILE = 'results.ndjson';

const HOST_OPERATIONS = ['readFile', 'list', 'stat', 'readLink'] as const;
const RUNTIME_OPERATIONS = ['version', 'engine', 'listContainers', 'inspectContainer', 'inspectImage'] as const;

/** A method of the `Host` port whose result is recorded. */
export type HostOperation = (typeof HOST_OPERATIONS)[number];
/** A method of the `ContainerRuntime` port whose result is recorded. */
export type RuntimeOperation = (typeof RUNTIME_OPERATIONS)[number];
/** A method of a port whose result is recorded. */
export type Operation = HostOperation | RuntimeOperation | 'probe';

/** Is the result the value of a fact, recorded as JSON? */
export function isRuntimeOperation(op: Operation): op is RuntimeOperation {
  return RUNTIME_OPERATIONS.some((known) => known === op);
}

/** One line of {@link RESULTS_FILE}: an operation, and either `code` and `reason`, or the field of its result. */
export const resultSchema = s.object({
  op: s.oneOf([...HOST_OPERATIONS, ...RUNTIME_OPERATIONS, 'probe']),
  target: s.string('path, id, or `address port`; empty where the operation has none', 8192),
  code: s.nullable(s.oneOf([...REPLY_FAILURE_CODES, 'notRegular', 'loop'], 'why the operation failed')),
  reason: s.nullable(s.string('', 4096)),
  source: s.nullable(s.string('runtime: the call, as evidence names it', 8192)),
  file: s.nullable(s.string('readFile and runtime: path of the content within the recording', 8192)),
  bytes: s.nullable(s.integer('readFile: size on the node, before secrets were removed')),
  names: s.nullable(s.list(s.string('', 4096), 'list', 1_000_000)),
  stat: s.nullable(
    s.object({
      realPath: s.string('', 8192),
      kind: s.oneOf(['file', 'directory', 'socket', 'fifo', 'device', 'other']),
      uid: s.integer(),
      gid: s.integer(),
      mode: s.integer(),
      size: s.integer(),
      modifiedAtMs: s.integer(),
      fileId: s.string('', 64),
      links: s.integer(),
    }),
  ),
  link: s.nullable(s.string('readLink', 8192)),
  probe: s.nullable(probeSchema),
});
/** See {@link resultSchema}. */
export type RecordedResult = s.Infer<typeof resultSchema>;

const engineSchema = s.object({ runtime: s.string('name', 32), endpoint: s.string('', 4096) });
/** A runtime of the recorded node. */
export type RecordedEngine = s.Infer<typeof engineSchema>;

/** The first thing that is read of {@link MANIFEST_FILE}: what else it holds depends on it. */
export const formatSchema = s.object({ format: s.integer('RECORDING_FORMAT') });

/** {@link MANIFEST_FILE}, without the `node` fact that it also holds. */
export const manifestSchema = s.object({
  recordedAtMs: s.integer('milliseconds since 1970'),
  engine: engineSchema,
  otherEngines: s.list(engineSchema, '', 64),
  named: s.list(s.string('', 4096), 'endpoints that a person named', 64),
});

/** What identifies a result: a later result of the same operation replaces it. */
export const keyOf = (op: Operation, target: string): string => `${op} ${target}`;

/** Precedes the target of operations on engines after the first. */
export const enginePrefix = (endpoint: string): string => `${endpoint} `;
