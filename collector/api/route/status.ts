import { z } from 'zod';
import type { FleetStatus } from '../../../api/status.ts';
import { ISSUE_CODES } from '../../status/collector-status.ts';
import type { CollectorStatus } from '../../status/collector-status.ts';
import type { Answers } from '../answers.ts';
import { answer, jsonRoute } from '../route.ts';
import { presentSink, sinkStatusSchema } from './sinks.ts';

const count = (meaning: string): z.ZodNumber => z.int().min(0).describe(meaning);
const time = (meaning: string): z.ZodNumber => count(`${meaning}; milliseconds since 1970, UTC`);

const storeSchema = z.strictObject({
  path: z.string(),
  bytes: count('size of its files together'),
  freeBytes: count('room on the file system').optional(),
  findings: count('findings of all nodes'),
  historyFromMs: time('oldest entry of the history').optional(),
  historyToMs: time('newest entry of the history').optional(),
  quarantined: z
    .strictObject({ path: z.string(), atMs: time('when') })
    .optional()
    .describe('a damaged file of the store, renamed'),
  problem: z.string().describe('why it could not be read just now, or written the last time; empty: it could'),
});

const nodeHealthSchema = z.strictObject({
  id: z.string(),
  name: z.string(),
  presence: z
    .enum(['connected', 'stale', 'offline'])
    .describe('stale: the session is open, but three heartbeats are missing; offline: no session'),
  lastSeenMs: time('last message'),
  agentVersion: z.string(),
  agentRssBytes: count('resident memory of the agent'),
  agentCpuMs: count('CPU time of the agent since it started'),
  dropped: count('deltas that the agent had to drop; a resync heals what they said'),
  overBudget: z.boolean().describe('the agent takes more memory or CPU than it may'),
});

const issueSchema = z.strictObject({
  code: z.enum(ISSUE_CODES),
  subject: z.string().describe('name of the node or sink, or path of the store'),
  text: z.string().describe('what is wrong, for people'),
  advice: z.string().describe('what to do about it'),
});

/** How the collector is doing. */
export const statusSchema = z.strictObject({
  version: z.string().describe('version of the collector'),
  startedMs: time('start of the collector'),
  nowMs: time('the clock of the collector, which all times here are of'),
  addresses: z.strictObject({
    nodes: z.string().describe('where nodes connect: `127.0.0.1:7443`'),
    api: z.string().describe('where this API listens'),
    console: z.string().optional().describe('URL of the web page, where it is served'),
  }),
  process: z.strictObject({
    pid: count('process id'),
    rssBytes: count('resident memory'),
    cpuMs: count('CPU time since the start'),
  }),
  store: storeSchema,
  heartbeatMs: count('how often nodes are asked to say that they are there'),
  nodes: z.strictObject({
    total: count('nodes'),
    connected: count('nodes that were heard of lately'),
    stale: count('nodes whose heartbeats are missing'),
    offline: count('nodes without a session'),
    listed: z.array(nodeHealthSchema).describe('worst first, at most 500'),
  }),
  sinks: z.array(sinkStatusSchema),
  issues: z.array(issueSchema).describe('what does not work, worst first; empty: everything works'),
}) satisfies Answers<FleetStatus>;

/** GET /v1/status */
export const getStatus = jsonRoute({
  method: 'GET',
  path: '/v1/status',
  operation: 'getStatus',
  summary: 'What works and what does not',
  description:
    'The state of the collector itself, of its store, its sinks and the agents of its nodes, and what is wrong with ' +
    'them. A store that fails is part of the answer, not an error of it.',
  refuses: [],
  answer: statusSchema,
  handle: async (_input, { status }) => answer(presentStatus(await status())),
});

/** Every field by name: what the inside adds does not leave by accident. */
function presentStatus(status: CollectorStatus): z.input<typeof statusSchema> {
  const { version, startedMs, nowMs, addresses, process, store, heartbeatMs, nodes, sinks, issues } = status;
  const { path, bytes, space, findings, history, quarantined, problem } = store;
  return {
    version,
    startedMs,
    nowMs,
    addresses: {
      nodes: addresses.nodes,
      api: addresses.api,
      ...(addresses.console === '' ? {} : { console: addresses.console }),
    },
    process: { pid: process.pid, rssBytes: process.rssBytes, cpuMs: process.cpuMs },
    store: {
      path,
      bytes,
      ...(space === undefined ? {} : { freeBytes: space.freeBytes }),
      findings,
      ...(history === undefined ? {} : { historyFromMs: history.oldestMs, historyToMs: history.newestMs }),
      ...(quarantined === undefined ? {} : { quarantined: { path: quarantined.path, atMs: quarantined.atMs } }),
      problem,
    },
    heartbeatMs,
    nodes: {
      total: nodes.total,
      connected: nodes.connected,
      stale: nodes.stale,
      offline: nodes.offline,
      listed: nodes.listed.map((node) => ({
        id: node.id,
        name: node.name,
        presence: node.presence,
        lastSeenMs: node.lastSeenMs,
        agentVersion: node.agentVersion,
        agentRssBytes: node.agentRssBytes,
        agentCpuMs: node.agentCpuMs,
        dropped: node.dropped,
        overBudget: node.overBudget,
      })),
    },
    sinks: sinks.map(presentSink),
    issues: issues.map(({ code, subject, text, advice }) => ({ code, subject, text, advice })),
  };
}
