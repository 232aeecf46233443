import * as s from '../posture/schema.ts';
import { issues } from './issue.ts';
import { count, time } from './part.ts';

const sinkStatus = s.object({
  name: s.string(),
  state: s.oneOf(['ok', 'retrying', 'paused']),
  position: count('position of the last event that will not be sent again'),
  behind: count('events that wait'),
  oldestMs: s.nullable(time('when the oldest of them happened'), 'absent: none waits'),
  lastError: s.string('empty: none since the last success'),
  delivered: count('events since the collector started; one that is sent again does not count again'),
  rejected: count('events that the receiver will never accept, since the collector started'),
  ratePerSecond: s.withDefault(s.number('events a second that were delivered in the last minute'), 0),
  lastSuccessMs: s.nullable(time('when the receiver last accepted an event'), 'absent: not since the start'),
  lastErrorMs: s.nullable(time('when delivery last failed'), 'absent: not since the start'),
  dropped: s.withDefault(count('events that were dropped because too many waited, since the start'), 0),
  droppedMost: s.nullable(
    s.object({ nodeId: s.string(), events: count() }),
    'the node that lost most of them; absent: no node lost any',
  ),
  incomplete: s.withDefault(
    count('delivered events whose title and evidence were lost in a damaged store, since the start'),
    0,
  ),
  filtered: s.withDefault(count('events that the filter of the sink left out, since the start'), 0),
  undecided: s.withDefault(
    count('delivered events for which the filter of the sink could not be decided, since the start'),
    0,
  ),
  deadLetters: s.withDefault(count('rejected events that wait to be replayed or purged'), 0),
  discarded: s.withDefault(
    count(
      'rejected events that are not kept, because the list was full or the receiver did not say which, since the start',
    ),
    0,
  ),
});
/** A sink and its delivery status. */
export type FleetSink = s.Infer<typeof sinkStatus>;

const sinks = s.list(sinkStatus, '', 1_000);
/** All sinks. */
export const sinkList = s.object({ sinks });

const nodeHealth = s.object({
  id: s.string(),
  name: s.string(),
  presence: s.oneOf(
    ['connected', 'stale', 'offline', 'neverEnrolled'],
    'stale: the session is open, but three heartbeats are missing; offline: no session; neverEnrolled: a node of the Kubernetes cluster that never had one',
  ),
  lastSeenMs: time('last message; 0: none yet'),
  agentVersion: s.string(),
  agentRssBytes: count('resident memory of the agent'),
  agentCpuMs: count('CPU time of the agent since it started'),
  dropped: count('deltas that the agent had to drop; a resync restores what they reported'),
  overBudget: s.boolean('the agent uses more memory or CPU than its budget'),
});

const store = s.object({
  path: s.string(),
  bytes: count('size of its files together'),
  freeBytes: s.nullable(count(), 'free space of the file system'),
  findings: count('findings of all nodes'),
  historyFromMs: s.nullable(time('oldest entry of the history')),
  historyToMs: s.nullable(time('newest entry of the history')),
  quarantined: s.nullable(s.object({ path: s.string(), atMs: time('when') }), 'a damaged file of the store, renamed'),
  problem: s.string('why the last read or write failed; empty: it worked'),
});

/** The state of the collector. All times are of its own clock, `nowMs`. */
export const collectorStatus = s.object({
  version: s.string('version of the collector'),
  startedMs: time('start of the collector'),
  nowMs: time('the clock of the collector, which all times here are of'),
  addresses: s.object({
    nodes: s.string('where nodes connect: `127.0.0.1:7443`'),
    api: s.string('where this API listens'),
    console: s.nullable(s.string(), 'URL of the web console, if it is served'),
  }),
  process: s.object({
    pid: count('process id'),
    rssBytes: count('resident memory'),
    cpuMs: count('CPU time since the start'),
  }),
  store,
  heartbeatMs: count('interval of heartbeats'),
  nodes: s.object({
    total: count('nodes'),
    connected: count('nodes with recent heartbeats'),
    stale: count('nodes whose heartbeats are missing'),
    offline: count('nodes without a session'),
    neverEnrolled: count('nodes of the Kubernetes cluster that never had a session'),
    listed: s.list(nodeHealth, 'worst first, at most 500', 1_000),
  }),
  sinks,
  issues,
});
/** See {@link collectorStatus}. */
export type FleetStatus = s.Infer<typeof collectorStatus>;
