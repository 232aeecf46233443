import { probeSchema } from '../../posture/fact/listener.ts';
import * as s from '../../posture/schema.ts';

/** Version of the form in which a recording is written. */
export const RECORDING_FORMAT = 1;

/** Files of a recording. */
export const MANIFEST_FILE = 'manifest.json';
/** One answer a line, as {@link answerSchema} has it. */
export const ANSWERS_FILE = 'answers.ndjson';

/** The questions that a node was asked. Those of the runtime carry the names of its port. */
export const QUESTIONS = [
  'readFile',
  'list',
  'stat',
  'readLink',
  'info',
  'version',
  'listContainers',
  'inspectContainer',
  'inspectImage',
  'imageHistory',
  'inspectNetwork',
  'probe',
] as const;
/** One of {@link QUESTIONS}. */
export type Question = (typeof QUESTIONS)[number];

const failureCodes = [
  'absent',
  'denied',
  'notRegular',
  'tooLarge',
  'loop',
  'timeout',
  'notRecorded',
  'notFound',
  'failed',
] as const;

/** One line of {@link ANSWERS_FILE}: a question, and either `code` and `reason`, or the field for its answer. */
export const answerSchema = s.object({
  ask: s.oneOf(QUESTIONS),
  of: s.string('path, id, name, or `address port`; empty where the question needs none', 8192),
  code: s.nullable(s.oneOf(failureCodes, 'why there was no answer')),
  reason: s.nullable(s.string('', 4096)),
  file: s.nullable(s.string('readFile and the runtime: where in the recording the content stands', 8192)),
  bytes: s.nullable(s.integer('readFile: size on the node, before secrets were taken out')),
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
      // Recordings of earlier versions do not have these.
      fileId: s.withDefault(s.string('', 64), ''),
      links: s.withDefault(s.integer(), 0),
    }),
  ),
  target: s.nullable(s.string('readLink', 8192)),
  probe: s.nullable(probeSchema),
});
/** See {@link answerSchema}. */
export type RecordedLine = s.Infer<typeof answerSchema>;

/** {@link MANIFEST_FILE}, without the `node` fact that stands in it too. */
export const manifestSchema = s.object({
  format: s.integer('RECORDING_FORMAT'),
  recordedAtMs: s.integer('milliseconds since 1970'),
  endpoint: s.string('of the runtime', 4096),
  named: s.withDefault(s.list(s.string('', 4096), 'endpoints that a person named', 64), []),
  otherEndpoints: s.withDefault(s.list(s.string('', 4096), 'of further engines', 64), []),
});

/** What identifies an answer: the same question again replaces it. */
export const keyOf = (ask: Question, of: string): string => `${ask} ${of}`;

/** Stands before what the engines after the first were asked for. */
export const enginePrefix = (endpoint: string): string => `${endpoint} `;
