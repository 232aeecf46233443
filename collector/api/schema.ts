import { z } from 'zod';
import type { ApiError } from '../../api/error.ts';
import type { FindingEvent, FindingPage, FleetFinding, HistoryEntry, HistoryPage } from '../../api/finding.ts';
import type { FleetNode, NodeDetail, NodeList, NodeState, Summary } from '../../api/node.ts';
import type { Trend } from '../../api/trend.ts';
import { SUBJECT_KINDS } from '../../posture/finding.ts';
import { SEVERITIES, VERDICTS } from '../../posture/verdict.ts';
import type { Answers } from './answers.ts';
import { API_ERROR_CODES } from './error.ts';

/*
 * What the API answers, as schemas: the types of the handlers come from here, and so does the document at
 * /openapi.json. What readers take the answers for stands in `api/`, and the compiler holds one to the other. Times are
 * milliseconds since 1970-01-01 UTC. Text that came from a node is data, whatever it contains.
 */

const time = (meaning: string): z.ZodNumber => z.int().min(0).describe(`${meaning}; milliseconds since 1970, UTC`);
const count = (meaning: string): z.ZodNumber => z.int().min(0).describe(meaning);

/** The five verdicts. */
export const verdictSchema = z.enum(VERDICTS);
/** The severities. */
export const severitySchema = z.enum(SEVERITIES);
/** The kinds of subject. */
export const subjectKindSchema = z.enum(SUBJECT_KINDS);
/** opened, changed or resolved. */
export const actionSchema = z.enum(['opened', 'changed', 'resolved']);

/** Why a finding is resolved, where its node did not say so. */
export const causeSchema = z
  .enum(['nodeRemoved'])
  .optional()
  .describe('of `resolved`: nodeRemoved, the node was removed; absent: fixed, or gone with its subject');

/** The one shape of every answer that is not a success. */
export const errorSchema = z.strictObject({
  error: z.strictObject({
    code: z.enum(API_ERROR_CODES),
    message: z.string().describe('for people'),
    hint: z.string().optional().describe('what to do about it'),
  }),
}) satisfies Answers<ApiError>;

/** What is judged. */
export const subjectSchema = z.strictObject({
  kind: subjectKindSchema,
  id: z.string().describe('stable within its kind on the node: full container id, image digest, path'),
  name: z.string().describe('for people'),
});

/** An entry of a published benchmark. */
export const controlReferenceSchema = z.strictObject({ benchmark: z.string(), control: z.string() });

const evidenceSchema = z.strictObject({
  source: z.string().describe('where it stood: `/proc/4121/status`'),
  seen: z.string().describe('what stood there'),
  expected: z.string().describe('what was expected instead'),
});

/** One check's answer about one subject of one node. */
export const findingSchema = z.strictObject({
  uid: z.string().describe('unique in the fleet; never changes for (node, check, subject)'),
  id: z.string().describe('unique on the node: `check/kind/subject id`'),
  nodeId: z.string(),
  nodeName: z.string(),
  check: z.string(),
  title: z.string(),
  verdict: verdictSchema,
  severity: severitySchema.describe('how bad it is when the check fails'),
  subject: subjectSchema,
  evidence: z.array(evidenceSchema),
  reason: z.string().optional().describe('why; always there for unknown, notApplicable and manual'),
  controls: z.array(controlReferenceSchema).describe('benchmark controls that the check answers'),
  firstSeenMs: time('when it was first seen'),
  changedMs: time('when its content last changed'),
}) satisfies Answers<FleetFinding>;

/** One page of findings. */
export const findingPageSchema = z.strictObject({
  findings: z.array(findingSchema),
  cursor: z.string().optional().describe('there if more follow: pass it as `cursor`'),
  total: z
    .int()
    .min(0)
    .optional()
    .describe('all that match: with `total=true`, and with `text` or `subject` only where one page holds all'),
}) satisfies Answers<FindingPage>;

/** Something that happened to a finding: what `/v1/events` sends as `finding`. */
export const findingEventSchema = z.strictObject({
  position: count('position in the outbox; also the id of the event'),
  uid: z.string().describe('unique; stays the same when the event is sent again'),
  action: actionSchema.describe('opened: first seen or seen again; resolved: it is not there any more'),
  cause: causeSchema,
  atMs: time('when'),
  previousVerdict: verdictSchema.optional(),
  finding: findingSchema,
}) satisfies Answers<FindingEvent>;

/** One entry of a finding's history. */
export const historyEntrySchema = z.strictObject({
  position: count('grows with time'),
  atMs: time('when'),
  action: actionSchema,
  cause: causeSchema,
  nodeId: z.string(),
  findingUid: z.string(),
  check: z.string(),
  subjectKind: subjectKindSchema,
  subjectName: z.string(),
  verdict: verdictSchema,
  severity: severitySchema,
}) satisfies Answers<HistoryEntry>;

/** One page of history, newest first. */
export const historyPageSchema = z.strictObject({
  entries: z.array(historyEntrySchema),
  cursor: z.string().optional().describe('there if more follow: pass it as `cursor`'),
}) satisfies Answers<HistoryPage>;

const countsSchema = z.strictObject({
  verdicts: z.record(verdictSchema, count('findings')).describe('findings by verdict'),
  failures: z.record(severitySchema, count('findings')).describe('findings with the verdict fail, by severity'),
});

/** Open findings over time. */
export const trendSchema = z.strictObject({
  fromMs: time('as asked for'),
  toMs: time('as asked for; now, if that was later; otherwise the beginning of its minute'),
  stepMs: z.int().min(0).describe('between two points, in milliseconds'),
  knownFromMs: time('there are no points from before this: nothing was known yet, or it was removed'),
  points: z.array(
    z.strictObject({
      atMs: time('a multiple of `stepMs`; of the last one: `toMs`'),
      failures: z.record(severitySchema, count('findings')).describe('findings with the verdict fail, by severity'),
      unknown: count('findings with the verdict unknown'),
    }),
  ),
}) satisfies Answers<Trend>;

/** A node as it is: what `/v1/events` sends as `node`. */
export const nodeStateSchema = z.strictObject({
  id: z.string(),
  name: z.string(),
  agentVersion: z.string(),
  operatingSystem: z.string(),
  kernelRelease: z.string(),
  architecture: z.string(),
  cpus: count('logical processors'),
  memoryBytes: count('memory in bytes'),
  runtime: z.string().describe('container engine and version; empty: none'),
  securityModules: z.string().describe('active security modules; empty: could not be read'),
  containerCount: count('running containers'),
  connected: z.boolean().describe('has a session'),
  presence: z
    .enum(['connected', 'stale', 'offline'])
    .describe('stale: has a session, but three heartbeats and 5 s have passed without a message'),
  firstSeenMs: time('first session'),
  lastSeenMs: time('last message'),
  offlineSinceMs: time('when the node was lost; 0 while connected'),
  agentRssBytes: count('resident memory of the agent'),
  agentCpuMs: count('CPU time of the agent since it started'),
  dropped: count('deltas that the agent had to drop; a resync heals what they said'),
}) satisfies Answers<NodeState>;

/** A node with its counts of findings. */
export const nodeSchema = nodeStateSchema.extend({ counts: countsSchema }) satisfies Answers<FleetNode>;

/** All nodes. */
export const nodeListSchema = z.strictObject({ nodes: z.array(nodeSchema) }) satisfies Answers<NodeList>;

/** A node with its containers. */
export const nodeDetailSchema = nodeSchema.extend({
  containers: z.array(
    z.strictObject({
      id: z.string(),
      name: z.string(),
      image: z.string(),
      imageId: z.string(),
      startedAt: z.string().describe('RFC 3339'),
    }),
  ),
}) satisfies Answers<NodeDetail>;

/** The fleet at a glance. */
export const summarySchema = z.strictObject({
  version: z.string().describe('version of the collector'),
  nodes: z.strictObject({ total: count('nodes'), connected: count('nodes'), offline: count('nodes') }),
  counts: countsSchema,
}) satisfies Answers<Summary>;
